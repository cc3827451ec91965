import type { DestinationFolder, FolderRole } from '../../mailbox/folder.js';
import { myRights } from '../../protocols/imap/commands/my-rights.js';
import { namespacesAndList } from '../../protocols/imap/commands/namespace.js';
import { unselect } from '../../protocols/imap/commands/unselect.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import { assignRoles } from '../../protocols/imap/folder-roles.js';
import { decodeMailboxName } from '../../protocols/imap/modified-utf7.js';
import { type NameRules, pathKey } from './names.js';

export interface KnownFolder {
  readonly raw: string;
  readonly path: readonly string[];
  readonly attributes: ReadonlySet<string>;
  readonly selectable: boolean;
  /** False: we may not put anything into it. SELECT calls such a folder READ-WRITE all the same (Cyrus). */
  readonly writable?: boolean;
}

/** The folders of the new mailbox that belong to its owner. */
export interface Directory {
  readonly rules: NameRules;
  readonly folders: readonly KnownFolder[];
  readonly byKey: ReadonlyMap<string, KnownFolder>;
  readonly byRole: ReadonlyMap<FolderRole, KnownFolder>;
}

export async function readDirectory(connection: ImapConnection): Promise<Directory> {
  const [, { spaces, listed }] = await Promise.all([unselect(connection), namespacesAndList(connection)]);
  const { prefix } = spaces.personal;
  const folders: KnownFolder[] = [];
  let delimiter = spaces.personal.delimiter;
  for (const mailbox of listed) {
    delimiter ??= mailbox.delimiter;
    const { raw, attributes } = mailbox;
    const isInbox = raw.toUpperCase() === 'INBOX';
    const others = spaces.others.some((space) => space.prefix !== '' && raw.startsWith(space.prefix));
    if (attributes.has('\\nonexistent') || (others && !isInbox)) continue;
    const inside = prefix !== '' && raw.toUpperCase().startsWith(prefix.toUpperCase());
    const rest = isInbox ? 'INBOX' : inside ? raw.slice(prefix.length) : raw;
    const path = (delimiter === null ? [rest] : rest.split(delimiter)).filter((level) => level !== '');
    if (path.length === 0) continue;
    const decoded = path.map(decodeMailboxName);
    folders.push({
      raw: isInbox ? 'INBOX' : raw,
      path: decoded,
      attributes,
      selectable: !attributes.has('\\noselect'),
    });
  }
  return indexed(await withRights(connection, folders), { prefix, delimiter });
}

function indexed(folders: readonly KnownFolder[], rules: NameRules): Directory {
  const byRole = new Map([...assignRoles(folders)].map(([folder, role]) => [role, folder]));
  const byKey = new Map(folders.map((folder) => [pathKey(folder.path), folder]));
  return { rules, folders, byKey, byRole };
}

/** MYRIGHTS commands under way at once. */
const AT_ONCE = 100;

async function withRights(connection: ImapConnection, folders: readonly KnownFolder[]): Promise<KnownFolder[]> {
  if (!connection.has('ACL')) return [...folders];
  const told: KnownFolder[] = [];
  for (let i = 0; i < folders.length; i += AT_ONCE) {
    const some = folders.slice(i, i + AT_ONCE).map(async (folder) => {
      if (!folder.selectable) return folder;
      const rights = await myRights(connection, folder.raw).catch((error: unknown) => {
        if (!isRefusal(error)) throw error;
        return null;
      });
      return rights === null || rights.includes('i') ? folder : { ...folder, writable: false };
    });
    told.push(...(await Promise.all(some)));
  }
  return told;
}

/** With folders that were made since. */
export function withFolders(directory: Directory, made: readonly DestinationFolder[]): Directory {
  const folders = [...directory.folders];
  const byKey = new Map(directory.byKey);
  const byRole = new Map(directory.byRole);
  for (const { name, path, role } of made) {
    if (byKey.get(pathKey(path))?.selectable) continue;
    const known: KnownFolder = { raw: name, path, attributes: new Set(), selectable: true };
    folders.push(known);
    byKey.set(pathKey(path), known);
    if (role !== undefined && !byRole.has(role)) byRole.set(role, known);
  }
  return { ...directory, folders, byKey, byRole };
}
