import type { DestinationFolder, FolderMapping, FolderPlan, FolderRole } from '../../mailbox/folder.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { create } from '../../protocols/imap/commands/create.js';
import { type MailboxStatus, status } from '../../protocols/imap/commands/status.js';
import { subscribe } from '../../protocols/imap/commands/subscribe.js';
import { unselect } from '../../protocols/imap/commands/unselect.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { type ImapFailure, isRefusal } from '../../protocols/imap/failure.js';
import { SPECIAL_USE } from '../../protocols/imap/folder-roles.js';
import { mailboxIdOf } from '../../protocols/imap/mailbox-id.js';
import { missingMailbox } from './append-errors.js';
import type { Directory } from './directory.js';
import { fitPath, pathKey, plainName, toRaw } from './names.js';

interface Target {
  path: readonly string[];
  readonly role?: FolderRole;
  readonly mappings: FolderMapping[];
}

/** A folder that is there now, and the UIDNEXT it was seen with; null: not told. */
export interface EnsuredFolder {
  readonly folder: DestinationFolder;
  readonly next: number | null;
}

/** Commands under way at once. */
const AT_ONCE = 50;

/**
 * Makes what is missing, subscribes what was subscribed, and says what each folder is now. What exists stays as it is; a
 * folder that somebody makes at the same moment is taken as it is.
 */
export async function ensureFolders(
  connection: ImapConnection,
  plan: FolderPlan,
  directory: Directory,
): Promise<EnsuredFolder[]> {
  await unselect(connection);
  const targets = grouped(plan);
  const subscribeAll = !plan.mappings.some(({ source }) => source.subscribed);
  const taken = new Set([...directory.byKey.keys(), ...targets.map(({ path }) => pathKey(path))]);
  const made: EnsuredFolder[] = [];
  for (let i = 0; i < targets.length; i += AT_ONCE) {
    const some = targets.slice(i, i + AT_ONCE);
    const folders = some.map((target) => ensure(connection, target, directory, subscribeAll, taken));
    made.push(...(await Promise.all(folders)).flat());
  }
  return made;
}

/** Parents before children, folders with the same path once. */
function grouped(plan: FolderPlan): Target[] {
  const targets = new Map<string, Target>();
  for (const mapping of plan.mappings) {
    const key = pathKey(mapping.path);
    const target = targets.get(key);
    if (target === undefined) targets.set(key, { path: mapping.path, role: mapping.role, mappings: [mapping] });
    else target.mappings.push(mapping);
  }
  return [...targets.values()].sort((a, b) => a.path.length - b.path.length);
}

async function ensure(
  connection: ImapConnection,
  target: Target,
  directory: Directory,
  subscribeAll: boolean,
  taken: Set<string>,
): Promise<EnsuredFolder[]> {
  const known = directory.byKey.get(pathKey(target.path));
  const holds = target.mappings.some(({ source }) => source.selectable);
  // A container that exists needs nothing; it cannot be asked for its numbers.
  if (known !== undefined && !known.selectable && !holds) return [];
  const preExisting = known?.selectable ?? false;
  const { raw, early } = preExisting
    ? { raw: known!.raw, early: null }
    : await made(connection, target, directory, taken);
  const told =
    early ??
    (await status(connection, raw).catch((error: unknown) => {
      if (isRefusal(error) && raw === 'INBOX') throw missingMailbox(error.serverText, error);
      throw error;
    }));
  if (subscribeAll ? !preExisting : target.mappings.some(({ source }) => source.subscribed)) {
    await subscribe(connection, raw).catch(ignoreRefusal);
  }
  const mailboxId = await mailboxIdOf(connection, raw, told);
  return [{ folder: toFolder(target, raw, { ...told, mailboxId }, preExisting), next: told.uidNext }];
}

/**
 * The raw name under which the folder now exists: its own, a stricter one, or a plain one. `early` is its STATUS, asked in
 * the same burst; null where that came too early.
 */
async function made(
  connection: ImapConnection,
  target: Target,
  directory: Directory,
  taken: Set<string>,
): Promise<{ raw: string; early: MailboxStatus | null }> {
  const { rules } = directory;
  const strict = (): readonly string[] => {
    // One to one: "a%b" and "a^b" must not end up in the same "a_b", nor in one that was there before.
    const { path } = fitPath(target.path, rules, true);
    let free: readonly string[] = path;
    for (let n = 2; taken.has(pathKey(free)); n++) free = [...path.slice(0, -1), `${path.at(-1)!} (${n})`];
    taken.add(pathKey(free));
    return free;
  };
  const candidates = [() => target.path, strict, () => plainName(target.path)];
  let refused: ImapFailure | null = null;
  for (const candidate of candidates) {
    const path = candidate();
    const raw = toRaw(path, rules);
    const [trouble, early] = await Promise.all([
      createOnce(connection, raw, target.role),
      status(connection, raw).catch(nullIfRefused),
    ]);
    refused = trouble;
    if (refused === null) {
      target.path = path;
      return { raw, early };
    }
    if (refused.responseCode === 'OVERQUOTA' || refused.responseCode === 'NOPERM') break;
  }
  throw new TransferError('The new mail server does not let us make a folder.', {
    side: 'destination',
    scope: 'job',
    retry: 'user',
    code: refused?.responseCode === 'OVERQUOTA' ? 'QUOTA_EXCEEDED' : 'FOLDER_REFUSED',
    serverText: refused?.serverText,
    cause: refused,
  });
}

/** Null: it exists now, whoever made it. */
async function createOnce(
  connection: ImapConnection,
  raw: string,
  role: FolderRole | undefined,
): Promise<ImapFailure | null> {
  const use = role === undefined || !connection.has('CREATE-SPECIAL-USE') ? null : SPECIAL_USE[role];
  try {
    await create(connection, raw, use ?? undefined);
    return null;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (use !== null && error.responseCode === 'USEATTR') return createOnce(connection, raw, undefined);
    try {
      await status(connection, raw);
      return null;
    } catch (missing) {
      if (!isRefusal(missing)) throw missing;
      return error;
    }
  }
}

function ignoreRefusal(error: unknown): void {
  if (!isRefusal(error)) throw error;
}

function nullIfRefused(error: unknown): null {
  if (!isRefusal(error)) throw error;
  return null;
}

function toFolder(target: Target, raw: string, told: MailboxStatus, preExisting: boolean): DestinationFolder {
  if (told.uidValidity === null) {
    throw new TransferError('The new mail server keeps no lasting numbers in a folder.', {
      side: 'destination',
      scope: 'job',
      retry: 'never',
      code: 'IDS_NOT_LASTING',
    });
  }
  return {
    name: raw,
    path: target.path,
    kind: 'mail',
    ...(target.role === undefined ? {} : { role: target.role }),
    epoch: String(told.uidValidity),
    ...(told.mailboxId === null ? {} : { objectId: told.mailboxId }),
    preExisting,
    sources: target.mappings.map(({ source }) => source.id),
  };
}
