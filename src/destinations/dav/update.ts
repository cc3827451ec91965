import { digestObject } from '../../conversion/semantic/digest.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { type DavObject, multiget } from '../../protocols/dav/multiget.js';
import type { ItemUpdate, UpdateOutcome } from '../destination.js';
import { alsoIn, bytesOf } from './form.js';
import { hasGuests } from './guests.js';
import { pathOf } from './ids.js';
import { putPart } from './parts.js';
import { leaseEnding, UID_CONFLICT } from './refusals.js';
import { changed, eachOf, mustBeThere, type Place } from './store.js';
import { refusal, tryPut } from './try-put.js';

/**
 * Puts new contents in place of what is still as it was written: by its ETag, else by its meaning, since some servers write an object anew by
 * themselves. The PUT says which one it replaces (RFC 9110 section 13.1.1), so that a change of that moment is not lost either.
 */
export async function* updateObjects(
  place: Place,
  updates: readonly ItemUpdate[],
  mayCommit: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<UpdateOutcome> {
  for (let at = 0; at < updates.length; at += MULTIGET_ITEMS) {
    const batch = updates.slice(at, at + MULTIGET_ITEMS);
    const before = await look(place, batch, signal);
    const outcomes = new Map<ItemUpdate, UpdateOutcome>();
    await eachOf(place, batch, async (update) => {
      outcomes.set(update, await updateOne(place, update, before.get(pathFor(place, update)), mayCommit, signal));
    });
    const wasRefused = [...outcomes.values()].some(
      (one) => one.is === 'refused' && one.error.code === 'CONTENT_REFUSED',
    );
    if (wasRefused) await mustBeThere(place, signal);
    const written = batch.filter((update) => outcomes.get(update)?.is === 'updated');
    const after = await look(place, written, signal);
    for (const update of batch) {
      const outcome = outcomes.get(update)!;
      const there = after.get(pathFor(place, update));
      yield outcome.is === 'updated' && there !== undefined
        ? { ...outcome, etag: there.etag, notes: [...outcome.notes, ...changed(update.item, there)] }
        : outcome;
    }
  }
}

async function updateOne(
  place: Place,
  { item, written }: ItemUpdate,
  there: DavObject | undefined,
  mayCommit: () => boolean,
  signal: AbortSignal,
): Promise<UpdateOutcome> {
  const { key } = item.ref;
  if (there === undefined) return { key, is: 'gone' };
  const { digest } = digestObject(there.body);
  const arrived = digest === item.body.digest;
  if (!arrived && there.etag !== written.etag && digest !== written.digest) return { key, is: 'kept' };
  // Ours would take them out of the server's hands, for which it cancels (RFC 6638 section 3.2.1), and a server need not say that it does.
  if (!arrived && hasGuests(there.body)) return { key, is: 'kept', for: 'guests' };
  const parts = await putParts(place, there.path, item, mayCommit, signal);
  if (parts?.is === 'unknown') return { key, is: 'unknown' };
  if (parts?.is === 'refused' || (parts !== null && arrived)) return { key, is: 'refused', error: parts.error };
  if (arrived) return { key, is: 'updated', etag: there.etag, notes: [] };
  // A weak one says nothing of the bytes (RFC 9110 section 8.8.1).
  if (!there.etag.startsWith('"')) return { key, is: 'refused', error: noEtag() };
  const result = await tryPut(place, there.path, await bytesOf(item.body), mayCommit, signal, there.etag);
  if (result === 'lease') return { key, is: 'refused', error: leaseEnding() };
  if (result === 'unknown') return { key, is: 'unknown' };
  if (result.is === 'stored')
    return {
      key,
      is: 'updated',
      etag: result.etag,
      notes: parts === null ? [] : [{ code: 'CONTENT_NOT_UPDATED', detail: parts.error.message }],
    };
  const { failure } = result;
  if ([404, 410, 412].includes(failure.status)) {
    const now = (await ask(place, [there.path], signal)).get(there.path);
    if (now === undefined) return { key, is: 'gone' };
    if (failure.status === 412) return whoWasIt(item, now);
  }
  return { key, is: 'refused', error: refusal(place, failure) };
}

/**
 * What else is in the resource: new ones are added. Of one that is there in another form nobody knows whether it is as it was written, so it stays.
 * Null: all of them are there as they come.
 */
async function putParts(
  place: Place,
  path: string,
  item: ItemUpdate['item'],
  mayCommit: () => boolean,
  signal: AbortSignal,
): Promise<{ readonly is: 'other' | 'refused'; readonly error: TransferError } | { readonly is: 'unknown' } | null> {
  let other: TransferError | null = null;
  for (const [n, bytes] of alsoIn(item).entries()) {
    const part = await putPart(place, path, n, bytes, mayCommit, signal);
    if (part.is === 'unknown') return { is: 'unknown' };
    if (part.is === 'refused' && part.error.code !== UID_CONFLICT) return { is: 'refused', error: part.error };
    if (part.is === 'refused') other = notTheFirst();
  }
  return other === null ? null : { is: 'other', error: other };
}

/** The condition did not hold: somebody was faster, or an earlier try of our own arrived after all. */
function whoWasIt({ ref: { key }, body }: ItemUpdate['item'], now: DavObject): UpdateOutcome {
  return digestObject(now.body).digest === body.digest
    ? { key, is: 'updated', etag: now.etag, notes: [] }
    : { key, is: 'kept' };
}

function look(place: Place, updates: readonly ItemUpdate[], signal: AbortSignal): Promise<Map<string, DavObject>> {
  return ask(
    place,
    updates.map((update) => pathFor(place, update)),
    signal,
  );
}

async function ask(
  { client, collection }: Place,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, DavObject>> {
  const found = new Map<string, DavObject>();
  const known = paths.filter((path) => path !== '');
  if (known.length > 0)
    await client.repeatable(signal, () =>
      multiget(client, collection, known, signal, (object) => void found.set(object.path, object)),
    );
  return found;
}

/** '': the id is of another kind of destination, so nothing of it is here. */
function pathFor({ collection }: Place, { id }: ItemUpdate): string {
  return pathOf(id, collection.path) ?? '';
}

function notTheFirst(): TransferError {
  return new TransferError('Of several entries in one only the first is brought up to date.', {
    side: 'destination',
    scope: 'item',
    retry: 'never',
    code: UID_CONFLICT,
  });
}

function noEtag(): TransferError {
  return new TransferError('The new server does not say whether somebody changed it meanwhile.', {
    side: 'destination',
    scope: 'item',
    retry: 'never',
    code: 'CONTENT_REFUSED',
  });
}
