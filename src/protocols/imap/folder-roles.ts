import { specialUse } from 'imapflow/lib/special-use.js';
import type { FolderRole } from '../../mailbox/folder.js';

const ROLES: ReadonlyMap<string, FolderRole> = new Map([
  ['\\sent', 'sent'],
  ['\\drafts', 'drafts'],
  ['\\trash', 'trash'],
  ['\\junk', 'junk'],
  ['\\archive', 'archive'],
  ['\\all', 'all'],
  ['\\flagged', 'flagged'],
  ['\\important', 'important'],
]);

/** The attribute that marks a role (RFC 6154); null for INBOX, which has its name. */
export const SPECIAL_USE: Readonly<Record<FolderRole, string | null>> = {
  inbox: null,
  sent: '\\Sent',
  drafts: '\\Drafts',
  trash: '\\Trash',
  junk: '\\Junk',
  archive: '\\Archive',
  all: '\\All',
  flagged: '\\Flagged',
  important: '\\Important',
};

export interface RoleCandidate {
  /** Decoded, without namespace prefix. */
  readonly path: readonly string[];
  /** Lower case. */
  readonly attributes: ReadonlySet<string>;
  /** Only folders that hold messages get a role. */
  readonly selectable: boolean;
}

/** A provider's own folder names: lower-case path, joined by '/'. */
export type RoleTable = ReadonlyMap<string, FolderRole>;

/**
 * One folder for each role: what the server marks first, what is known of the provider second, and the name of a
 * top-level folder in some 60 languages third (Sent, Gesendet, Enviados). The rest stay ordinary folders.
 */
export function assignRoles<T extends RoleCandidate>(folders: readonly T[], table?: RoleTable): Map<T, FolderRole> {
  const roles = new Map<T, FolderRole>();
  const taken = new Set<FolderRole>();
  const give = (guess: (folder: T) => FolderRole | null): void => {
    for (const folder of folders) {
      if (roles.has(folder) || !folder.selectable) continue;
      const role = guess(folder);
      if (role === null || taken.has(role)) continue;
      roles.set(folder, role);
      taken.add(role);
    }
  };
  give(({ path }) => (path.length === 1 && path[0]!.toUpperCase() === 'INBOX' ? 'inbox' : null));
  give(({ attributes }) => {
    const mark = [...attributes].find((attribute) => ROLES.has(attribute));
    return mark === undefined ? null : ROLES.get(mark)!;
  });
  give(({ path }) => table?.get(path.join('/').toLowerCase()) ?? null);
  for (const surety of ['name', 'name-guess'] as const) give((folder) => byName(folder, surety));
  return roles;
}

function byName({ path }: RoleCandidate, surety: 'name' | 'name-guess'): FolderRole | null {
  if (path.length !== 1) return null;
  const { flag, source } = specialUse(false, { flags: new Set(), name: path[0]! });
  return flag !== null && source === surety ? (ROLES.get(flag.toLowerCase()) ?? null) : null;
}
