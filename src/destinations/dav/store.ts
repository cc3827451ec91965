import { digestObject } from '../../conversion/semantic/digest.js';
import type { Note, StagedItem } from '../../mailbox/item.js';
import { mayWrite } from '../../protocols/dav/collections.js';
import { DavFailure } from '../../protocols/dav/failure.js';
import { LISTING_LIMITS, MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { type DavObject, multiget } from '../../protocols/dav/multiget.js';
import { propfind } from '../../protocols/dav/propfind.js';
import type { PlacedItem, StoreOutcome } from '../destination.js';
import { type Conflict, conflict, named } from './conflict.js';
import { alsoIn, bytesOf, uidOf } from './form.js';
import { idOf } from './ids.js';
import { putPart } from './parts.js';
import { isUidConflict, leaseEnding, otherVersion, UID_CONFLICT } from './refusals.js';
import { type PutPlace, refusal, tryPut } from './try-put.js';

/** Batches of which the server took nothing before that is put down to what is in them. */
const ROUNDS_OF_PATIENCE = 3;

export interface Place extends PutPlace {
  /** By UID: what others filed, where the server would take another one beside it. */
  readonly foreign?: ReadonlyMap<string, readonly string[]>;
  /** By path of the collection: how often in a row the server failed at all that was put. */
  readonly failing: Map<string, number>;
  /** Paths of PUTs of which nobody knows what became: what is there may have come by them. */
  readonly doubted: Set<string>;
}

interface Sent {
  readonly item: PlacedItem;
  readonly path: string;
  /** `exists`: something that may be ours; `taken`: something that was there before. */
  readonly answer: 'stored' | 'exists' | 'taken' | StoreOutcome;
  /** The server failed at it: the answer is right only if nothing is there. */
  readonly failure?: DavFailure;
}

/** Stores a batch over several connections, and reads back what arrived: one question for many. */
export async function* storeObjects(
  place: Place,
  items: readonly PlacedItem[],
  mayCommit: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<StoreOutcome> {
  let reading: Promise<StoreOutcome[]> = Promise.resolve([]);
  try {
    for (let at = 0; at < items.length; at += MULTIGET_ITEMS) {
      const sent = await putAll(place, items.slice(at, at + MULTIGET_ITEMS), mayCommit, signal);
      if (sent.some(wasRefused)) await mustTakeOthers(place, sent, signal);
      else place.failing.delete(place.collection.path);
      const before = await reading;
      // What was stored is read back while the next ones are sent.
      reading = readBack(place, sent, signal);
      reading.catch(() => undefined);
      yield* before;
    }
    yield* await reading;
  } finally {
    await reading.catch(() => undefined);
  }
}

function wasRefused({ answer }: Sent): boolean {
  return typeof answer !== 'string' && answer.is === 'refused' && answer.error.code === 'CONTENT_REFUSED';
}

/**
 * Cyrus refuses what is put into a calendar that has gone as it refuses a bad event, and any server may refuse whatever is put into a closed one.
 * @throws TransferError DESTINATION_MISSING, NOT_PERMITTED, or why the server does not answer
 */
export async function mustBeThere({ client, collection }: Place, signal: AbortSignal): Promise<void> {
  const [seen] = await client.repeatable(signal, () =>
    propfind(client, collection.url, '0', ['D:resourcetype', 'D:current-user-privilege-set'], signal, LISTING_LIMITS),
  );
  if (seen !== undefined && !mayWrite(seen)) throw client.toError(new DavFailure(403, [], [], '403', undefined));
}

/**
 * A server that fails at one object takes others meanwhile. One that takes nothing may be out of order: it is left alone for a while, but not for
 * ever, since all that came may be alike.
 * @throws TransferError for what is wider than the refused ones
 */
async function mustTakeOthers(place: Place, sent: readonly Sent[], signal: AbortSignal): Promise<void> {
  await mustBeThere(place, signal);
  const { client, collection, failing } = place;
  const failed = sent.flatMap(({ failure }) => failure ?? []);
  const rounds = failing.get(collection.path) ?? 0;
  if (failed.length < sent.length) failing.delete(collection.path);
  else if (rounds < ROUNDS_OF_PATIENCE) {
    failing.set(collection.path, rounds + 1);
    throw client.toError(failed[0]);
  }
}

async function putAll(
  place: Place,
  items: readonly PlacedItem[],
  mayCommit: () => boolean,
  signal: AbortSignal,
): Promise<Sent[]> {
  const sent: Sent[] = [];
  await eachOf(place, items, async (item) => void sent.push(await putOne(place, item, mayCommit, signal)));
  return sent;
}

/** Over as many connections as there are. The first error is thrown when all have ended. */
export async function eachOf<T>(
  { client }: Place,
  items: readonly T[],
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(client.maxConnections, items.length) }, worker));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
}

async function putOne(place: Place, item: PlacedItem, mayCommit: () => boolean, signal: AbortSignal): Promise<Sent> {
  const { key } = item.ref;
  if (item.placement.is !== 'put') throw new Error('the item was placed for another destination');
  const path = item.placement.href;
  const done = (answer: Sent['answer']): Sent => ({ item, path, answer });
  // The others first: with the first one in place the item would look whole.
  let beside: StoreOutcome | null = null;
  for (const [n, bytes] of alsoIn(item).entries()) {
    const part = await putPart(place, path, n, bytes, mayCommit, signal);
    if (part.is === 'unknown') return done({ key, is: 'unknown' });
    if (part.is === 'refused' && part.error.code !== UID_CONFLICT)
      return done({ key, is: 'refused', error: part.error });
    if (part.is === 'refused') beside = { key, is: 'refused', error: part.error };
  }
  const sent = await putFirst(place, item, path, mayCommit, signal);
  const isThere = typeof sent.answer === 'string' || sent.answer.is === 'merged';
  return beside !== null && isThere ? done(beside) : sent;
}

async function putFirst(
  place: Place,
  item: PlacedItem,
  path: string,
  mayCommit: () => boolean,
  signal: AbortSignal,
): Promise<Sent> {
  const { key } = item.ref;
  const done = (answer: Sent['answer']): Sent => ({ item, path, answer });
  const taken = place.foreign?.get(uidOf(item));
  const own = { uid: uidOf(item), digest: item.body.digest };
  const settled = (found: Conflict): StoreOutcome =>
    found.is === 'same'
      ? { key, is: 'merged', id: idOf(found.path, place.collection.path) ?? { epoch: '1', id: found.path } }
      : { key, is: 'refused', error: found.error };
  if (taken !== undefined) return done(settled(await conflict(place, own, taken, null, signal)));
  const result = await tryPut(place, path, await bytesOf(item.body), mayCommit, signal);
  if (result === 'lease') return done({ key, is: 'refused', error: leaseEnding() });
  if (result === 'unknown') {
    place.doubted.add(path);
    return done({ key, is: 'unknown' });
  }
  if (result.is === 'stored') return done('stored');
  const { failure } = result;
  if (failure.status === 412) return done(result.perhapsOurs || place.doubted.has(path) ? 'exists' : 'taken');
  if (isUidConflict(failure)) return done(settled(await conflict(place, own, named(place, failure), failure, signal)));
  const refused = done({ key, is: 'refused', error: refusal(place, failure) });
  return failure.status >= 500 ? { ...refused, failure } : refused;
}

/** ETags of exactly what was compared: a later change by the person has another one. */
async function readBack(place: Place, sent: readonly Sent[], signal: AbortSignal): Promise<StoreOutcome[]> {
  const { client, collection } = place;
  const there = new Map<string, DavObject>();
  const asked = sent.filter(({ answer, failure }) => typeof answer === 'string' || failure).map(({ path }) => path);
  if (asked.length > 0)
    await client.repeatable(signal, () =>
      multiget(client, collection, asked, signal, (object) => {
        there.set(object.path, object);
      }),
    );
  return sent.map(({ item, path, answer }): StoreOutcome => {
    const { key } = item.ref;
    const id = idOf(path, collection.path);
    const object = there.get(path);
    if (typeof answer !== 'string' && object === undefined) return answer;
    if (id === null) throw new Error('the item was placed outside its collection');
    // The server said yes and does not show it: the final listing looks again.
    if (object === undefined)
      return answer === 'stored' ? { key, is: 'stored', id, notes: [] } : { key, is: 'unknown' };
    const notes = changed(item, object);
    // Something was there, and it is not quite ours: perhaps somebody changed it already. Then it is not ours to write over later on.
    if (answer !== 'stored' && notes.length > 0)
      return answer === 'taken' ? { key, is: 'refused', error: otherVersion() } : { key, is: 'stored', id, notes };
    return { key, is: 'stored', id, etag: object.etag, notes };
  });
}

export function changed(item: StagedItem, { body }: DavObject): Note[] {
  return digestObject(body).digest === item.body.digest ? [] : [{ code: 'BODY_CHANGED' }];
}
