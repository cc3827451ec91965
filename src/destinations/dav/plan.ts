import { createHash } from 'node:crypto';
import type { FolderMapping, FolderPlan, SourceFolder } from '../../mailbox/folder.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { Component, DavCollection } from '../../protocols/dav/collections.js';

export const COMPONENT_OF: Readonly<Partial<Record<ItemKind, Component>>> = {
  calendars: 'VEVENT',
  tasks: 'VTODO',
  notes: 'VJOURNAL',
};

/** Names that servers and programs give the calendar or address book that everybody has. */
const DEFAULT_NAMES =
  /^(default|personal|private|privat|persönlich|home|calendar|kalender|calendrier|calendario|agenda|my calendar|mein kalender|contacts?|kontakte|adressbuch|addressbook|address book|contactos|contatti|carnet d'adresses|tasks?|aufgaben|reminders|erinnerungen|notes?|notizen|journals?)$/i;
/** Longest name of a collection that every server keeps. */
const MAX_NAME = 200;

/** Where each folder goes: to the collection of the same name, the usual one into the usual one, else into a new one. */
export function planCollections(wanted: readonly SourceFolder[], existing: readonly DavCollection[]): FolderPlan {
  const mappings: FolderMapping[] = [];
  const leftOut: { source: SourceFolder; code: string; message: string }[] = [];
  const usual = new Map<string, string>();
  for (const source of wanted) {
    if (source.leftOut !== undefined) {
      leftOut.push({ source, ...source.leftOut });
      continue;
    }
    const name = shownName(source.path);
    const same = collectionFor(existing, source.kind, name) ?? usualFor(existing, source.kind, name, usual);
    const shown = same?.name ?? name;
    const changed =
      same !== undefined && shown !== name ? 'role' : shown !== source.path.join(' / ') ? 'illegal-name' : undefined;
    mappings.push({ source, path: [shown], exists: same !== undefined, ...(changed === undefined ? {} : { changed }) });
  }
  return { mappings, leftOut };
}

/** One level: collections have no children. */
function shownName(path: readonly string[]): string {
  const name = path
    .join(' / ')
    .replace(/[\u0000-\u001f\u007f]/g, ' ')
    .trim();
  return [...name].slice(0, MAX_NAME).join('') || 'Imported';
}

export function collectionFor(
  existing: readonly DavCollection[],
  kind: ItemKind,
  name: string,
): DavCollection | undefined {
  const same = existing.filter((one) => fits(one, kind) && one.name.normalize('NFC') === name.normalize('NFC'));
  // Of several with one name always the same one, in whatever order the server shows them.
  return same.sort((a, b) => (a.path < b.path ? -1 : 1))[0];
}

/** The source's usual calendar goes into the new mailbox's only one; another usual one gets its own. */
function usualFor(
  existing: readonly DavCollection[],
  kind: ItemKind,
  name: string,
  taken: Map<string, string>,
): DavCollection | undefined {
  if (!DEFAULT_NAMES.test(name)) return undefined;
  const family = existing.filter((one) => fits(one, kind) && DEFAULT_NAMES.test(one.name));
  const [only] = family;
  if (only === undefined || family.length > 1) return undefined;
  if ((taken.get(only.path) ?? name) !== name) return undefined;
  taken.set(only.path, name);
  return only;
}

/** We may write into it, and nobody else does. */
export function isOurs({ canWrite, own, generated }: DavCollection): boolean {
  return canWrite && own && !generated;
}

function fits(collection: DavCollection, kind: ItemKind): boolean {
  if (!isOurs(collection)) return false;
  const component = COMPONENT_OF[kind];
  return component === undefined
    ? collection.kind === 'addressbook'
    : collection.kind === 'calendar' && collection.components.includes(component);
}

/** Name in the home: the same one when a run that died makes it again. */
export function collectionSlug(kind: 'calendar' | 'addressbook', name: string, components: readonly string[]): string {
  const seed = `${kind}\0${name.normalize('NFC')}\0${components.join()}`;
  return `mailferry-${createHash('sha256').update(seed).digest('hex').slice(0, 24)}`;
}
