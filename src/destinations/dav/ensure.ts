import type { DestinationFolder, FolderMapping, FolderPlan } from '../../mailbox/folder.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { DavClient } from '../../protocols/dav/client.js';
import { COMPONENTS, type Component, type DavCollection } from '../../protocols/dav/collections.js';
import { DavFailure } from '../../protocols/dav/failure.js';
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
 * Makes what is missing and joins what goes to one place: events and tasks of one calendar stay in one. What the server does not let us make is its
 * own trouble: the others are made.
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
    if (placeFor(before, mapping) === undefined) {
      const place = `${familyOf(mapping)}\0${mapping.path[0]}`;
      missing.set(place, [...(missing.get(place) ?? []), mapping]);
    }
  const made = new Map<string, string>();
  const refused = new Map<string, TransferError>();
  for (const [place, mappings] of missing) {
    const family = familyOf(mappings[0]!);
    const home = homes[family];
    try {
      if (home !== undefined) made.set(place, await make(home, family, mappings, signal));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refused.set(place, notMade(error));
    }
  }
  const after = made.size === 0 ? before : await list();
  const folders = new Map<string, DestinationFolder>();
  for (const mapping of plan.mappings) {
    const name = mapping.path[0]!;
    const place = `${familyOf(mapping)}\0${name}`;
    // By its href: somebody may have given what we made another name.
    const own = made.get(place);
    const collection = own === undefined ? placeFor(after, mapping) : after.find((one) => one.path === own);
    const key = collection?.path ?? place;
    const known = folders.get(key);
    folders.set(key, {
      name: key,
      path: mapping.path,
      kind: known?.kind ?? mapping.source.kind,
      epoch: DAV_EPOCH,
      preExisting: before.some((one) => one.path === key),
      sources: [...(known?.sources ?? []), mapping.source.id],
      ...(collection === undefined ? { refused: refused.get(place) ?? notMade() } : { maxBytes: collection.maxBytes }),
    });
  }
  return [...folders.values()];
}

/** By its href where it is known: the person may have given it the name of another one. */
export function placeFor(
  all: readonly DavCollection[],
  { known, source, path }: FolderMapping,
): DavCollection | undefined {
  return all.find((one) => one.path === known) ?? collectionFor(all, source.kind, path[0]!);
}

function familyOf({ source }: FolderMapping): DavCollection['kind'] {
  return source.kind === 'contacts' ? 'addressbook' : 'calendar';
}

/** About this collection alone. Not what passes: it is waited for. */
function isRefusal(error: unknown): error is TransferError {
  if (!(error instanceof TransferError)) return false;
  const { scope, cause, retryAfterMs } = error;
  if (scope === 'folder') return true;
  return cause instanceof DavFailure && [500, 501].includes(cause.status) && retryAfterMs === undefined;
}

/** @param error what the server said; left out: that something is there, and it is not */
function notMade(error?: TransferError): TransferError {
  const status = error?.cause instanceof DavFailure ? error.cause.status : 405;
  return new TransferError(
    'The new server does not let us make this calendar or address book. Make it there under this name, then try again.',
    {
      side: 'destination',
      scope: 'folder',
      retry: 'user',
      code: [403, 405, 501].includes(status) ? 'NOT_PERMITTED' : 'FOLDER_REFUSED',
      serverText: error?.serverText,
      cause: error,
    },
  );
}

/** @returns where the collection is, if it is: new, or from an earlier run. */
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
