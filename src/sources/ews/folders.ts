import { createHash } from 'node:crypto';
import type { FolderRole, SourceFolder, SourceFolderId } from '../../mailbox/folder.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { EwsFolder } from '../../protocols/ews/folders.js';
import { shortId } from '../../protocols/ews/ids.js';

/** A folder of the source and how the server knows it. */
export interface FoundFolder {
  readonly folder: SourceFolder;
  readonly id: string;
  /** False: no SyncFolderItems there (public folders). */
  readonly syncs: boolean;
}

/** Names every mailbox has a folder under, and what it is for people. */
export const ROLES: Readonly<Record<string, FolderRole>> = {
  inbox: 'inbox',
  sentitems: 'sent',
  drafts: 'drafts',
  deleteditems: 'trash',
  junkemail: 'junk',
};
/** Made by Outlook and Exchange about themselves, with all below. */
export const GENERATED = ['syncissues', 'conflicts', 'localfailures', 'serverfailures'] as const;
/** Waits to be sent: left out unless it is asked for. */
export const OUTBOX = 'outbox';

/** Where one root's folders come to lie. */
export interface Branch {
  readonly rootId: string;
  /** In front of every path: [] for the mailbox itself. */
  readonly prefix: readonly string[];
  readonly folders: readonly EwsFolder[];
  /** By the names of ROLES, GENERATED and OUTBOX; missing: there is none. */
  readonly wellKnown: ReadonlyMap<string, string>;
  readonly syncs: boolean;
}

const KINDS: readonly (readonly [string, ItemKind])[] = [
  ['ipf.note', 'mail'],
  ['ipf.appointment', 'calendars'],
  ['ipf.contact', 'contacts'],
  ['ipf.task', 'tasks'],
  ['ipf.stickynote', 'notes'],
];
/** Address books that Exchange fills by itself: what was mailed to, what Skype knows, the company's directory. */
const FILLED_BY_EXCHANGE =
  /^ipf\.contact\.(?:moc|recipientcache|galcontacts|organizationalcontacts|peoplecentric|company|pdl)/i;
/** Longer ids are known by their hash: they are kept in a database index. */
const MAX_ID = 500;

/** The folders of a branch as people see them. Hidden ones and searches are left out with all below them. */
export function foldersOf({ rootId, prefix, folders, wellKnown, syncs }: Branch): FoundFolder[] {
  const byId = new Map(folders.map((folder) => [folder.id, folder]));
  const names = new Map([...wellKnown].map(([name, id]) => [id, name]));
  const found: FoundFolder[] = [];
  for (const one of folders) {
    const line = lineOf(one, byId, rootId);
    if (line === null || line.some(({ hidden, element }) => hidden || element === 'SearchFolder')) continue;
    const path = [...prefix, ...line.map(({ id, name }) => (names.get(id) === 'inbox' ? 'INBOX' : name))];
    const isOf = (wanted: readonly string[]): boolean => line.some(({ id }) => wanted.includes(names.get(id) ?? ''));
    found.push({ id: one.id, syncs, folder: folderOf(one, path, isOf, names.get(one.id)) });
  }
  return found;
}

/** From the root's child down to it. Null: it hangs somewhere else, or in a circle. */
function lineOf(folder: EwsFolder, byId: ReadonlyMap<string, EwsFolder>, rootId: string): EwsFolder[] | null {
  const line: EwsFolder[] = [];
  for (let at: EwsFolder | undefined = folder; at !== undefined; at = byId.get(at.parentId)) {
    if (line.includes(at)) return null;
    line.unshift(at);
    if (at.parentId === rootId) return line;
  }
  return null;
}

function folderOf(
  { id, folderClass, items }: EwsFolder,
  path: readonly string[],
  isOf: (names: readonly string[]) => boolean,
  name: string | undefined,
): SourceFolder {
  const kind = kindOf(folderClass);
  const role = name === undefined ? undefined : ROLES[name];
  return {
    id: folderId(kind ?? 'mail', path),
    path,
    kind: kind ?? 'mail',
    ...(role === undefined ? {} : { role }),
    // Every id of a mailbox changes with those of its folders: when it moves to another organisation.
    epoch: shortId('epoch', id).slice(0, 16),
    objectId: shortId(id),
    keyScope: 'folder',
    selectable: true,
    subscribed: true,
    complete: true,
    items,
    bytes: null,
    ...(name === OUTBOX ? { optional: true } : {}),
    ...leftOut(folderClass, kind, isOf),
  };
}

/** Null: it holds what has no place in a mailbox elsewhere. A folder without a class is one of mail. */
function kindOf(folderClass: string): ItemKind | null {
  const name = folderClass.toLowerCase();
  if (name === '' || name === 'ipf') return 'mail';
  return KINDS.find(([known]) => name === known || name.startsWith(`${known}.`))?.[1] ?? null;
}

function leftOut(
  folderClass: string,
  kind: ItemKind | null,
  isOf: (names: readonly string[]) => boolean,
): Pick<SourceFolder, 'leftOut'> {
  const because = (code: string, message: string): Pick<SourceFolder, 'leftOut'> => ({ leftOut: { code, message } });
  if (isOf(GENERATED) || FILLED_BY_EXCHANGE.test(folderClass))
    return because('GENERATED_FOLDER', 'The old server makes it from something else.');
  if (kind === null) return because('KIND_NOT_TAKEN', 'It holds things that a mailbox elsewhere has no place for.');
  return {};
}

function folderId(kind: ItemKind, path: readonly string[]): SourceFolderId {
  const plain = `ews:${kind}:${JSON.stringify(path)}`;
  const known = plain.length <= MAX_ID ? plain : `ews:${kind}:${createHash('sha256').update(plain).digest('hex')}`;
  return known as SourceFolderId;
}
