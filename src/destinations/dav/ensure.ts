import type { DestinationFolder, FolderMapping, FolderPlan } from '../../mailbox/folder.js';
import type { DavClient } from '../../protocols/dav/client.js';
import { COMPONENTS, type Component, type DavCollection } from '../../protocols/dav/collections.js';
import { asCollection, normalPath } from '../../protocols/dav/hrefs.js';
import { makeCollection } from '../../protocols/dav/make-collection.js';
import { DAV_EPOCH } from './ids.js';
import { collectionFor, collectionSlug, COMPONENT_OF } from './plan.js';

/** Where new collections are made. */
export interface Home {
  readonly client: DavClient;
  readonly url: URL;
}
export interface MadeFolder {
  readonly folder: DestinationFolder;
  readonly path: string;
}

/**
 * Makes what is missing and joins what goes to one place: events and tasks of one calendar stay in one.
 * @param list the collections as they are now
 */
export async function ensureCollections(
  plan: FolderPlan,
  homes: Readonly<Partial<Record<DavCollection['kind'], Home>>>,
  list: () => Promise<readonly DavCollection[]>,
  signal: AbortSignal,
): Promise<DestinationFolder[]> {
  const before = await list();
  const missing = new Map<string, FolderMapping[]>();
  for (const mapping of plan.mappings)
    if (collectionFor(before, mapping.source.kind, mapping.path[0]!) === undefined) {
      const place = `${familyOf(mapping)}\0${mapping.path[0]}`;
      missing.set(place, [...(missing.get(place) ?? []), mapping]);
    }
  const made = new Map<string, string>();
  for (const [place, mappings] of missing) {
    const family = familyOf(mappings[0]!);
    const home = homes[family];
    if (home !== undefined) made.set(place, await make(home, family, mappings, signal));
  }
  const after = made.size === 0 ? before : await list();
  const folders = new Map<string, DestinationFolder>();
  for (const mapping of plan.mappings) {
    const name = mapping.path[0]!;
    // By its href: somebody may have given what we made another name.
    const own = made.get(`${familyOf(mapping)}\0${name}`);
    const collection =
      own === undefined ? collectionFor(after, mapping.source.kind, name) : after.find((one) => one.path === own);
    if (collection === undefined) continue;
    const known = folders.get(collection.path);
    folders.set(collection.path, {
      name: collection.path,
      path: mapping.path,
      kind: known?.kind ?? mapping.source.kind,
      epoch: DAV_EPOCH,
      preExisting: before.some((one) => one.path === collection.path),
      sources: [...(known?.sources ?? []), mapping.source.id],
    });
  }
  return [...folders.values()];
}

function familyOf({ source }: FolderMapping): DavCollection['kind'] {
  return source.kind === 'contacts' ? 'addressbook' : 'calendar';
}

/** @returns the path of the collection, new or from an earlier run. */
async function make(
  { client, url: home }: Home,
  kind: DavCollection['kind'],
  mappings: readonly FolderMapping[],
  signal: AbortSignal,
): Promise<string> {
  const name = mappings[0]!.path[0]!;
  const needed = mappings.map(({ source }) => COMPONENT_OF[source.kind]);
  const components = COMPONENTS.filter((one): one is Component => needed.includes(one));
  const url = new URL(`${collectionSlug(kind, name, components)}/`, home);
  const look = mappings.find(({ source }) => source.appearance !== undefined)?.source.appearance;
  await client.repeatable(signal, () =>
    makeCollection(
      client,
      {
        url,
        kind,
        name,
        components,
        color: look?.color ?? null,
        order: look?.order ?? null,
        description: look?.description ?? null,
        timezone: look?.timezone ?? null,
      },
      signal,
    ),
  );
  return asCollection(normalPath(url.href, url) ?? url.pathname);
}
