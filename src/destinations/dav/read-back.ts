import { digestObject } from '../../conversion/semantic/digest.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { multiget } from '../../protocols/dav/multiget.js';
import { type DestinationId, type Fingerprint, type FoundItem, MAX_LIST_WINDOW } from '../destination.js';
import { idOf, pathOf } from './ids.js';
import { listWhole } from './list-whole.js';
import type { Place } from './store.js';

/** What lies in a collection and is not older than the mark, by ascending id. */
export async function* listFound(
  { client, collection }: Pick<Place, 'client' | 'collection'>,
  mark: DestinationId['id'],
  signal: AbortSignal,
): AsyncGenerator<FoundItem[]> {
  const found = (await listWhole({ client, collection }, signal))
    .flatMap((object): FoundItem[] => {
      const id = idOf(object.path, collection.path);
      if (id === null || id.id < mark) return [];
      const date = object.modified === null ? null : { seconds: Math.floor(object.modified / 1_000), offset: 0 };
      return [{ id, size: object.bytes ?? 0, date, flags: [], etag: object.etag }];
    })
    .sort((a, b) => (a.id.id < b.id.id ? -1 : 1));
  for (let at = 0; at < found.length; at += MAX_LIST_WINDOW) yield found.slice(at, at + MAX_LIST_WINDOW);
}

/** Of each object that is still there. */
export async function* fingerprints(
  { client, collection }: Place,
  ids: readonly DestinationId[],
  depth: 'header' | 'body',
  signal: AbortSignal,
): AsyncGenerator<Fingerprint> {
  const paths = ids.flatMap((id) => pathOf(id, collection.path) ?? []);
  for (let at = 0; at < paths.length; at += MULTIGET_ITEMS) {
    const prints: Fingerprint[] = [];
    await client.repeatable(signal, () => {
      prints.splice(0);
      return multiget(client, collection, paths.slice(at, at + MULTIGET_ITEMS), signal, ({ path, body }) => {
        const id = idOf(path, collection.path);
        if (id === null) return;
        const { digest, headerDigest, messageId } = digestObject(body);
        prints.push({ id, size: body.length, messageId, headerDigest, digest: depth === 'body' ? digest : null });
      });
    });
    yield* prints;
  }
}

/** A mark of another server, or of another folder. */
export function epochChanged(): TransferError {
  return new TransferError('the folder was made anew while it was read', {
    side: 'destination',
    scope: 'folder',
    retry: 'now',
    code: 'EPOCH_CHANGED',
  });
}
