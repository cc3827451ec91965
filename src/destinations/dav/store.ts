import { setTimeout as pause } from 'node:timers/promises';
import { digestObject } from '../../conversion/semantic/digest.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import type { Note, StagedItem } from '../../mailbox/item.js';
import type { TransferError } from '../../mailbox/transfer-error.js';
import type { DavClient } from '../../protocols/dav/client.js';
import { type DavCollection, mayWrite } from '../../protocols/dav/collections.js';
import { DavFailure, mayBeOfOne } from '../../protocols/dav/failure.js';
import { findByUid } from '../../protocols/dav/find-by-uid.js';
import { get } from '../../protocols/dav/get.js';
import { normalPath } from '../../protocols/dav/hrefs.js';
import { LISTING_LIMITS, MAX_OBJECT_BYTES, MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { type DavObject, multiget } from '../../protocols/dav/multiget.js';
import { propfind } from '../../protocols/dav/propfind.js';
import { put, type PutResult } from '../../protocols/dav/put.js';
import type { PlacedItem, StoreOutcome } from '../destination.js';
import { alsoIn, bytesOf, formatOf, uidOf } from './form.js';
import { idOf } from './ids.js';
import { aboutObject, isUidConflict, leaseEnding, uidConflict } from './refusals.js';

/** Tries of one PUT: its condition makes it harmless to do it again. */
const PUT_TRIES = 3;
const PAUSE_MS = 500;
const ROUNDS_OF_PATIENCE = 3;

export interface Place {
  readonly client: DavClient;
  readonly collection: DavCollection;
  /** What its folder holds: decides the format. */
  readonly kind: ItemKind;
  /** By UID: what others filed, where the server would take another one beside it. */
  readonly foreign?: ReadonlyMap<string, readonly string[]>;
  /** By path of the collection: how often in a row the server failed at all that was put. */
  readonly failing: Map<string, number>;
}

interface Sent {
  readonly item: PlacedItem;
  readonly path: string;
  readonly answer: 'stored' | 'exists' | StoreOutcome;
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
  const bytes = await bytesOf(item.body);
  const also = alsoIn(item);
  for (const [part, more] of also.entries()) {
    const one = await tryPut(place, partPath(path, part + 1), more, mayCommit, signal);
    if (one === 'lease') return done({ key, is: 'refused', error: leaseEnding() });
    if (one === 'unknown') return done({ key, is: 'unknown' });
    // There already, by an earlier try or under another name: either way it is kept.
    if (one.is === 'refused' && one.failure.status !== 412 && !isUidConflict(one.failure))
      return done({ key, is: 'refused', error: refusal(place, one.failure) });
  }
  const taken = place.foreign?.get(uidOf(item));
  if (taken !== undefined) return done(await conflict(place, item, taken, null, signal));
  const result = await tryPut(place, path, bytes, mayCommit, signal);
  if (result === 'lease') return done({ key, is: 'refused', error: leaseEnding() });
  if (result === 'unknown') return done({ key, is: 'unknown' });
  if (result.is === 'stored') return done('stored');
  if (result.failure.status === 412) return done('exists');
  if (isUidConflict(result.failure)) {
    const named = result.failure.hrefs
      .map((href) => normalPath(href, place.collection.url))
      .filter((one) => one !== null);
    return done(await conflict(place, item, named, result.failure, signal));
  }
  const refused = done({ key, is: 'refused', error: refusal(place, result.failure) });
  return result.failure.status >= 500 ? { ...refused, failure: result.failure } : refused;
}

/**
 * 'lease': nothing was sent. 'unknown': sent, and nobody knows what became of it.
 * @param replaces ETag of what is to go; null: nothing is there
 */
export async function tryPut(
  { client, collection, kind }: Place,
  path: string,
  bytes: Uint8Array,
  mayCommit: () => boolean,
  signal: AbortSignal,
  replaces: string | null = null,
): Promise<PutResult | 'lease' | 'unknown'> {
  const type = formatOf(kind) === 'card' ? 'text/vcard; charset=utf-8' : 'text/calendar; charset=utf-8';
  const object = { url: new URL(path, collection.url), bytes, type };
  let mayBeThere = false;
  for (let tries = 1; ; tries++) {
    signal.throwIfAborted();
    if (!mayCommit()) return mayBeThere ? 'unknown' : 'lease';
    try {
      const result = await put(client, object, signal, replaces);
      if (result.is === 'stored' || !isPassing(result.failure)) return result;
      // A gateway that gave up says nothing about the server behind it.
      mayBeThere = true;
      if (tries >= PUT_TRIES && mayBeOfOne(result.failure)) return result;
      if (tries >= PUT_TRIES || result.failure.retryAfterMs !== undefined) throw client.toError(result.failure);
    } catch (error) {
      if (signal.aborted) return 'unknown';
      const told = client.toError(error);
      if (told.scope !== 'connection') throw told;
      mayBeThere = true;
      if (tries >= PUT_TRIES) return 'unknown';
    }
    await pause(PAUSE_MS * tries, undefined, { signal }).catch(() => undefined);
  }
}

function isPassing({ status }: DavFailure): boolean {
  return (status >= 500 && status !== 507) || status === 408 || status === 425;
}

/** @throws TransferError for what is wider than the object. */
export function refusal({ client }: Place, failure: DavFailure): TransferError {
  const about = aboutObject(failure);
  if (about !== null) return about;
  throw client.toError(failure);
}

/**
 * Something with this UID is there under another name: equal means arrived, else it is the person's and stays.
 * @param failure what the server said; null: we did not ask
 */
async function conflict(
  place: Place,
  item: PlacedItem,
  named: readonly string[],
  failure: DavFailure | null,
  signal: AbortSignal,
): Promise<StoreOutcome> {
  const { client, collection } = place;
  const { key } = item.ref;
  const paths = new Set([
    ...named,
    ...(failure === null
      ? []
      : await client.repeatable(signal, () => findByUid(client, collection, uidOf(item), signal))),
  ]);
  for (const path of paths) {
    const there = await client.repeatable(signal, () =>
      get(client, new URL(path, collection.url), path, MAX_OBJECT_BYTES, signal),
    );
    if (there !== null && digestObject(there.body).digest === item.body.digest)
      return { key, is: 'merged', id: idOf(path, collection.path) ?? { epoch: '1', id: path } };
  }
  if (paths.size > 0) return { key, is: 'refused', error: uidConflict() };
  // A refusal that only looked like one.
  return { key, is: 'refused', error: (failure === null ? null : aboutObject(failure)) ?? uidConflict() };
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
    if (answer === 'exists' && notes.length > 0) return { key, is: 'stored', id, notes };
    return { key, is: 'stored', id, etag: object.etag, notes };
  });
}

export function changed(item: StagedItem, { body }: DavObject): Note[] {
  return digestObject(body).digest === item.body.digest ? [] : [{ code: 'BODY_CHANGED' }];
}

function partPath(path: string, part: number): string {
  const at = path.lastIndexOf('.');
  return `${path.slice(0, at)}-${part}${path.slice(at)}`;
}
