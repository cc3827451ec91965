import { digestObject } from '../../conversion/semantic/digest.js';
import { MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { multiget } from '../../protocols/dav/multiget.js';
import { isOwnPath } from './ids.js';
import { listWhole } from './list-whole.js';
import type { Place } from './store.js';

/**
 * Paths of cards that others filed in an address book, by UID. Cyrus takes a second card with a UID that is there, against RFC 6352 section 6.3.2.1:
 * so what is there is known before.
 */
export async function foreignUids(
  { client, collection }: Pick<Place, 'client' | 'collection'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const paths = (await listWhole({ client, collection }, signal))
    .map(({ path }) => path)
    .filter((path) => !isOwnPath(path, collection.path));
  const found = new Map<string, string[]>();
  for (let at = 0; at < paths.length; at += MULTIGET_ITEMS) {
    const batch = new Map<string, string>();
    await client.repeatable(signal, () =>
      multiget(client, collection, paths.slice(at, at + MULTIGET_ITEMS), signal, ({ path, body }) => {
        const uid = digestObject(body).messageId;
        if (uid !== null) batch.set(path, uid);
      }),
    );
    for (const [path, uid] of batch) found.set(uid, [...(found.get(uid) ?? []), path]);
  }
  return found;
}
