import type { SourceFolder } from '../../mailbox/folder.js';
import { canName } from '../../protocols/imap/astring.js';
import { type ListedMailbox, lsub } from '../../protocols/imap/commands/list.js';
import { type Namespaces, namespacesAndList } from '../../protocols/imap/commands/namespace.js';
import { type MailboxStatus, status } from '../../protocols/imap/commands/status.js';
import { unselect } from '../../protocols/imap/commands/unselect.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isMissing, isRefusal } from '../../protocols/imap/failure.js';
import { assignRoles, type RoleTable } from '../../protocols/imap/folder-roles.js';
import { mailboxIdOf } from '../../protocols/imap/mailbox-id.js';
import { decodeMailboxName } from '../../protocols/imap/modified-utf7.js';
import type { ImapSession } from '../../protocols/imap/session.js';
import { folderId } from './folder-ids.js';

/** STATUS commands under way at once: some servers count commands, all have small buffers. */
const STATUS_AT_ONCE = 50;

export interface FolderRules {
  readonly roles?: RoleTable;
  /** What a provider shows as mail and is none (Exchange's calendar), by decoded path. */
  readonly leaveOut?: (path: readonly string[]) => { readonly code: string; readonly message: string } | null;
}

/** A listed folder with what STATUS said; `status` is null where it could not be asked. */
export interface FoundFolder {
  readonly raw: string;
  readonly folder: SourceFolder;
  readonly status: MailboxStatus | null;
}

interface Named {
  readonly raw: string;
  readonly path: readonly string[];
  readonly attributes: ReadonlySet<string>;
  readonly selectable: boolean;
  readonly subscribed: boolean;
  readonly leftOut: { readonly code: string; readonly message: string } | null;
}

/** Every folder of the account, in the server's order; empty when the server shows none. */
export async function findFolders(
  connection: ImapConnection,
  rules: FolderRules,
  session: ImapSession,
  signal: AbortSignal,
): Promise<FoundFolder[]> {
  // STATUS of the open mailbox tells what was when it was opened (Dovecot; RFC 9051 section 6.3.11 warns of it).
  const [, { spaces, listed }] = await Promise.all([unselect(connection), namespacesAndList(connection)]);
  session.pool.warm(listed.length, signal);
  const subscribed = await subscriptions(connection, listed);
  const named = new Map<string, Named>();
  for (const mailbox of listed) {
    const entry = name(mailbox, spaces, subscribed, rules);
    if (entry !== null && !named.has(canonical(entry.raw))) named.set(canonical(entry.raw), entry);
  }
  const folders = [...named.values()];
  const roles = assignRoles(
    folders.filter((folder) => folder.leftOut === null),
    rules.roles,
  );
  await numberLastingly(connection, folders.filter(asks), session);
  const found: FoundFolder[] = [];
  for (let i = 0; i < folders.length; i += STATUS_AT_ONCE) {
    const some = folders.slice(i, i + STATUS_AT_ONCE);
    const asked = await Promise.all(some.map((folder) => (asks(folder) ? ask(connection, folder.raw) : null)));
    some.forEach((folder, n) => found.push(toFound(folder, roles.get(folder), asked[n]!)));
  }
  return found;
}

/** INBOX is one in any spelling (RFC 9051 section 5.1). */
function canonical(raw: string): string {
  return raw.toUpperCase() === 'INBOX' ? 'INBOX' : raw;
}

async function subscriptions(connection: ImapConnection, listed: readonly ListedMailbox[]): Promise<Set<string>> {
  const told = listed.filter((mailbox) => mailbox.attributes.has('\\subscribed'));
  if (told.length > 0) return new Set(told.map((mailbox) => mailbox.raw));
  try {
    return new Set((await lsub(connection)).map((mailbox) => mailbox.raw));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return new Set();
  }
}

function name(
  mailbox: ListedMailbox,
  spaces: Namespaces,
  subscribed: ReadonlySet<string>,
  rules: FolderRules,
): Named | null {
  const { raw, attributes } = mailbox;
  const path = toPath(mailbox, spaces);
  if (path.length === 0) return null;
  const container = attributes.has('\\noselect') || attributes.has('\\nonexistent');
  // A name that only is remembered, with nothing in it or below it.
  if (attributes.has('\\nonexistent') && attributes.has('\\hasnochildren')) return null;
  return {
    raw: canonical(raw),
    path,
    attributes,
    selectable: !container && canName(raw),
    subscribed: subscribed.has(raw),
    leftOut: isOthers(raw, spaces)
      ? { code: 'SHARED_FOLDER', message: 'It belongs to somebody else or to all; only own folders are copied.' }
      : canName(raw)
        ? (rules.leaveOut?.(path) ?? null)
        : { code: 'FOLDER_NAME', message: 'Its name has a character that cannot be asked for.' },
  };
}

function isOthers(raw: string, spaces: Namespaces): boolean {
  return spaces.others.some(({ prefix, delimiter }) => {
    if (prefix === '') return false;
    const root = delimiter !== null && prefix.endsWith(delimiter) ? prefix.slice(0, -1) : prefix;
    return raw === root || raw.startsWith(prefix);
  });
}

/** Decoded levels without the personal prefix; empty for the prefix itself. */
function toPath({ raw, delimiter }: ListedMailbox, { personal }: Namespaces): string[] {
  if (raw.toUpperCase() === 'INBOX') return ['INBOX'];
  const separator = delimiter ?? personal.delimiter;
  const { prefix } = personal;
  let rest = raw;
  if (prefix !== '' && samePrefix(raw, prefix)) rest = raw.slice(prefix.length);
  else if (prefix !== '' && raw === prefix.slice(0, -1)) return [];
  const levels = separator === null ? [rest] : rest.split(separator);
  const path = levels.filter((level) => level !== '').map(decodeMailboxName);
  if (rest === raw && path.length > 1 && path[0]!.toUpperCase() === 'INBOX') path[0] = 'INBOX';
  return path;
}

function samePrefix(raw: string, prefix: string): boolean {
  if (raw.startsWith(prefix)) return true;
  return /^INBOX/i.test(prefix) && raw.slice(0, prefix.length).toUpperCase() === prefix.toUpperCase();
}

/**
 * Where UIDs last only after a SELECT, STATUS would make up a UIDVALIDITY: every folder is opened once before it is asked.
 * A server that could be such a one has none of the newer extensions, so the others are spared the question.
 */
async function numberLastingly(
  connection: ImapConnection,
  folders: readonly Named[],
  session: ImapSession,
): Promise<void> {
  if (connection.has('CONDSTORE') || connection.has('UNSELECT') || connection.has('LITERAL+')) return;
  for (const [i, { raw }] of folders.entries()) {
    if (i > 0 && !session.traits.numbersUnderSelectOnly) return;
    try {
      await session.open(connection, raw);
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
  }
}

function asks(folder: Named): boolean {
  return folder.selectable && folder.leftOut === null;
}

async function ask(connection: ImapConnection, raw: string): Promise<MailboxStatus | 'gone' | 'denied' | null> {
  try {
    const told = await status(connection, raw);
    return { ...told, mailboxId: await mailboxIdOf(connection, raw, told) };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (isMissing(error)) return 'gone';
    return error.responseCode === 'NOPERM' ? 'denied' : null;
  }
}

function toFound(
  entry: Named,
  role: SourceFolder['role'],
  told: MailboxStatus | 'gone' | 'denied' | null,
): FoundFolder {
  const known = typeof told === 'object' ? told : null;
  const leftOut =
    told === 'denied' ? { code: 'NOT_PERMITTED', message: 'The server does not let us read it.' } : entry.leftOut;
  const folder: SourceFolder = {
    id: folderId(entry.raw),
    path: entry.path,
    kind: 'mail',
    ...(role === undefined ? {} : { role }),
    epoch: known?.uidValidity == null ? null : String(known.uidValidity),
    ...(known?.mailboxId == null ? {} : { objectId: known.mailboxId }),
    keyScope: 'folder',
    // Listed, yet not there when asked: worth a container, not an error.
    selectable: entry.selectable && told !== 'gone' && leftOut === null,
    subscribed: entry.subscribed,
    complete: leftOut === null,
    ...(leftOut === null ? {} : { note: leftOut.message, leftOut }),
    items: known?.messages ?? null,
    bytes: known?.size ?? null,
  };
  return { raw: entry.raw, folder, status: known };
}
