import { canBeKept } from '../../conversion/join.js';
import { digestObject } from '../../conversion/semantic/digest.js';
import type { Digest } from '../../mailbox/digest.js';
import { DavFailure } from '../../protocols/dav/failure.js';
import { MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { type DavObject, multiget } from '../../protocols/dav/multiget.js';
import { remove } from '../../protocols/dav/remove.js';
import type { TakenAway, TakeAwayWish } from '../destination.js';
import { hasGuests } from './guests.js';
import { formatOf } from './form.js';
import { DAV_EPOCH, momentOf, pathOf } from './ids.js';
import { COMPONENT_OF } from './plan.js';
import { eachOf, type Place } from './store.js';

/** RFC 6638 section 2: a server that tells people of what happens to events. */
const TELLS_GUESTS = /\bcalendar-auto-schedule\b/i;

/**
 * What was there before, taken away for good once `keep` has all of it. What came or changed since stays, and so do events with guests at a server
 * that would send them a cancellation: RFC 6638 sends it even when scheduling is switched off first.
 * @param words of the server about itself
 */
export async function takeAway(
  place: Place,
  wish: TakeAwayWish,
  words: string,
  mayCommit: () => boolean,
  signal: AbortSignal,
): Promise<TakenAway> {
  const { collection } = place;
  const stayed: Record<TakenAway['stayed'][number]['why'], number> = { guests: 0, changed: 0, unreadable: 0 };
  const moment = wish.before.epoch === DAV_EPOCH ? momentOf(wish.before.mark) : null;
  const paths = wish.items.flatMap(({ id, date }) => {
    const path = pathOf(id, collection.path);
    if (path === null) return [];
    // Its clock counts whole seconds: what is as old as the mark may be younger.
    if (moment !== null && date !== null && date.seconds < moment) return [path];
    stayed.changed++;
    return [];
  });
  const leaving: { path: string; etag: string }[] = [];
  const tells = TELLS_GUESTS.test(words);
  const format = formatOf(place.kind);
  const kept = await wish.keep(
    (async function* () {
      for (let at = 0; at < paths.length; at += MULTIGET_ITEMS)
        for (const object of await objectsAt(place, paths.slice(at, at + MULTIGET_ITEMS), signal)) {
          if (!isWished(object, wish) || !object.etag.startsWith('"')) continue;
          if (tells && hasGuests(object.body)) {
            stayed.guests++;
            continue;
          }
          if (!canBeKept(format, object.body)) {
            stayed.unreadable++;
            continue;
          }
          leaving.push({ path: object.path, etag: object.etag });
          yield object.body;
        }
    })(),
  );
  if (kept !== leaving.length) throw new Error('not all that is to go has been kept');
  let removed = 0;
  await eachOf(place, leaving, async ({ path, etag }) => {
    signal.throwIfAborted();
    if (!mayCommit()) throw new Error('the lease is ending');
    const what = await removeOne(place, path, etag, signal);
    if (what === 'removed') removed++;
    else if (what === 'changed') stayed.changed++;
  });
  const told = (['guests', 'changed', 'unreadable'] as const).map((why) => ({ why, items: stayed[why] }));
  return { removed, stayed: told.filter(({ items }) => items > 0) };
}

async function removeOne(
  { client, collection }: Place,
  path: string,
  etag: string,
  signal: AbortSignal,
): Promise<'removed' | 'changed' | 'gone'> {
  let tries = 0;
  return client.repeatable(signal, async () => {
    tries++;
    try {
      const what = await remove(client, new URL(path, collection.url), etag, signal);
      // The answer to the first try was lost.
      return what === 'gone' && tries > 1 ? 'removed' : what;
    } catch (error) {
      // One that may not be removed is no reason to stop.
      if (error instanceof DavFailure && [403, 405, 409, 423].includes(error.status)) return 'changed';
      throw error;
    }
  });
}

async function objectsAt(
  { client, collection }: Place,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<DavObject[]> {
  return client.repeatable(signal, async () => {
    const found: DavObject[] = [];
    await multiget(client, collection, paths, signal, (object) => void found.push(object));
    return found;
  });
}

/** Of a kind that is replaced, and nothing that was copied or recognised. */
function isWished({ body }: DavObject, { kinds, isKnown }: TakeAwayWish): boolean {
  const text = body.toString('latin1');
  const ofKind = kinds.some((kind) => {
    const component = COMPONENT_OF[kind];
    return component === undefined
      ? /^BEGIN:VCARD\b/im.test(text)
      : new RegExp(`^BEGIN:${component}\\b`, 'im').test(text);
  });
  if (!ofKind) return false;
  const { digest, headerDigest }: { digest: Digest; headerDigest: Digest } = digestObject(body);
  return !isKnown(digest) && !isKnown(headerDigest);
}
