import { TransferError } from '../../mailbox/transfer-error.js';
import { type ListedObject, listObjects } from '../../protocols/dav/listing.js';
import type { Place } from './store.js';

/**
 * All that lies in a collection, each once. What has a name that we cannot use is nothing of ours, and left out.
 * @throws TransferError LISTING_SHORT: what is not shown must not be taken for missing
 */
export async function listWhole(
  { client, collection }: Pick<Place, 'client' | 'collection'>,
  signal: AbortSignal,
): Promise<ListedObject[]> {
  const all = new Map<string, ListedObject>();
  const { cut } = await listObjects(client, collection, null, signal, () => {
    all.clear();
    return (object) => void all.set(object.path, object);
  });
  if (!cut) return [...all.values()];
  throw new TransferError('The new server shows only a part of this folder.', {
    side: 'destination',
    scope: 'folder',
    retry: 'later',
    code: 'LISTING_SHORT',
  });
}
