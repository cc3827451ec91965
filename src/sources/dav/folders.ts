import { createHash } from 'node:crypto';
import type { FolderAppearance, SourceFolder, SourceFolderId } from '../../mailbox/folder.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { Component, DavCollection } from '../../protocols/dav/collections.js';

/** One kind of thing in one collection: a calendar that holds events and tasks is two folders with one name. */
export interface FoundFolder {
  readonly folder: SourceFolder;
  readonly collection: DavCollection;
  /** Null: an address book. */
  readonly component: Component | null;
  /** True: it is all the collection may hold, so that its sync tokens speak of this folder alone. */
  readonly whole: boolean;
}

export const KIND_OF: Readonly<Record<Component, ItemKind>> = {
  VEVENT: 'calendars',
  VTODO: 'tasks',
  VJOURNAL: 'notes',
};

/** hrefs last; what is in a collection is known by them, whatever happens to it. */
const EPOCH = '1';
/** Longer ones are known by their hash: ids are kept in a database index. */
const MAX_ID = 500;

/** @param count how many objects of a kind there are; null: not counted. */
export function foldersOf(
  collection: DavCollection,
  counts: ReadonlyMap<Component | null, { items: number; bytes: number | null }>,
): FoundFolder[] {
  const components: readonly (Component | null)[] = collection.kind === 'addressbook' ? [null] : collection.components;
  return components.map((component) => {
    const kind = component === null ? 'contacts' : KIND_OF[component];
    const counted = counts.get(component) ?? null;
    const appearance = appearanceOf(collection);
    const folder: SourceFolder = {
      id: folderId(collection.path, component),
      path: [collection.name],
      kind,
      epoch: EPOCH,
      keyScope: 'folder',
      selectable: true,
      subscribed: true,
      complete: true,
      items: counted?.items ?? null,
      bytes: counted?.bytes ?? null,
      ...(appearance === null ? {} : { appearance }),
      ...leftOut(collection),
    };
    return { folder, collection, component, whole: components.length === 1 };
  });
}

/** Stands for what a home shows and nobody can ask for: it is named, and the run does not count as complete. */
export function hiddenIn(home: URL, kind: ItemKind): SourceFolder {
  return {
    id: folderId(`${home.pathname}?`, null),
    path: ['?'],
    kind,
    epoch: null,
    keyScope: 'folder',
    selectable: false,
    subscribed: true,
    complete: true,
    leftOut: { code: 'FOLDER_NAME', message: 'The old server gives it an address on another server.' },
    items: null,
    bytes: null,
  };
}

function folderId(path: string, component: Component | null): SourceFolderId {
  const name = `dav:${component ?? 'VCARD'}:`;
  const known = name.length + path.length <= MAX_ID ? path : createHash('sha256').update(path).digest('hex');
  return `${name}${known}` as SourceFolderId;
}

function leftOut({ own, generated }: DavCollection): Pick<SourceFolder, 'leftOut'> {
  if (!own) return { leftOut: { code: 'SHARED_FOLDER', message: 'It belongs to somebody else.' } };
  if (!generated) return {};
  return { leftOut: { code: 'GENERATED_FOLDER', message: 'The old server makes it from something else.' } };
}

function appearanceOf({ color, order, description, timezone }: DavCollection): FolderAppearance | null {
  const appearance: FolderAppearance = {
    ...(color === null ? {} : { color }),
    ...(order === null ? {} : { order }),
    ...(description === null ? {} : { description }),
    ...(timezone === null ? {} : { timezone }),
  };
  return Object.keys(appearance).length === 0 ? null : appearance;
}
