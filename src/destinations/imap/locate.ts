import type { DestinationFolder } from '../../mailbox/folder.js';
import { status } from '../../protocols/imap/commands/status.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import { mailboxIdOf } from '../../protocols/imap/mailbox-id.js';
import type { Whereabouts } from '../destination.js';
import type { Directory, KnownFolder } from './directory.js';

/** Commands under way at once. */
const AT_ONCE = 50;

interface Numbers {
  readonly epoch: string | null;
  readonly objectId: string | null;
}

/**
 * By MAILBOXID (RFC 8474), else by UIDVALIDITY. A folder of the known name is asked first: as a rule all are where they
 * were, and then no other folder is asked. One in the trash was thrown away.
 */
export async function locate(
  connection: ImapConnection,
  known: readonly DestinationFolder[],
  directory: Directory,
): Promise<Whereabouts[]> {
  const byRaw = new Map(directory.folders.filter(({ selectable }) => selectable).map((folder) => [folder.raw, folder]));
  const named = known.flatMap(({ name }) => byRaw.get(name) ?? []);
  const numbers = await askAll(connection, named);
  const isThere = (folder: DestinationFolder): boolean => {
    const now = numbers.get(folder.name);
    if (now === undefined) return false;
    const byObject = folder.objectId !== undefined && now.objectId !== null;
    return byObject ? folder.objectId === now.objectId : folder.epoch === now.epoch;
  };
  if (known.every(isThere)) return known.map(() => ({ is: 'there' }));

  const taken = new Set(known.filter(isThere).map(({ name }) => name));
  const others = [...byRaw.values()].filter(({ raw }) => !taken.has(raw) && !inTrash(raw, directory));
  for (const [raw, told] of await askAll(
    connection,
    others.filter(({ raw }) => !numbers.has(raw)),
  ))
    numbers.set(raw, told);
  const told = others.map((folder) => ({ folder, ...numbers.get(folder.raw)! }));
  return known.map((folder): Whereabouts => {
    if (isThere(folder)) return { is: 'there' };
    const { objectId, epoch } = folder;
    const same = told.find((other) => objectId !== undefined && other.objectId === objectId);
    if (same !== undefined) return { is: 'renamed', to: moved(folder, same.folder, same) };
    const among = told.filter((other) => other.epoch === epoch && (objectId === undefined || other.objectId === null));
    // Under its name and with other numbers: made anew.
    const unlessNone = byRaw.has(folder.name) ? 'there' : 'gone';
    if (among.length === 0) return { is: unlessNone };
    return { is: 'perhaps', among: among.map((other) => moved(folder, other.folder, other)), unlessNone };
  });
}

function moved(known: DestinationFolder, to: KnownFolder, { epoch, objectId }: Numbers): DestinationFolder {
  const { objectId: _old, ...rest } = known;
  return {
    ...rest,
    name: to.raw,
    path: to.path,
    epoch: epoch ?? known.epoch,
    ...(objectId === null ? {} : { objectId }),
  };
}

function inTrash(raw: string, { byRole, rules }: Directory): boolean {
  const trash = byRole.get('trash');
  return trash !== undefined && rules.delimiter !== null && raw.startsWith(`${trash.raw}${rules.delimiter}`);
}

async function askAll(connection: ImapConnection, folders: readonly KnownFolder[]): Promise<Map<string, Numbers>> {
  const all = new Map<string, Numbers>();
  for (let i = 0; i < folders.length; i += AT_ONCE) {
    const some = folders.slice(i, i + AT_ONCE).map(async ({ raw }) => {
      try {
        const told = await status(connection, raw);
        const epoch = told.uidValidity === null ? null : String(told.uidValidity);
        all.set(raw, { epoch, objectId: await mailboxIdOf(connection, raw, told) });
      } catch (error) {
        // It is listed and cannot be asked: nobody's new name.
        if (!isRefusal(error)) throw error;
      }
    });
    await Promise.all(some);
  }
  return all;
}
