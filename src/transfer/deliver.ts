import type { PlacedItem, StoreOutcome } from '../destinations/destination.js';
import type { IntentId, IntentItem, Settled } from '../ledger/ledger.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey, StagedItem } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { LaneState } from './lane-state.js';
import { waitAndLook } from './late-landings.js';
import type { Wanted } from './look.js';
import { changesIn, type ReadBack } from './read-back.js';
import { repaired } from './repair.js';
import { backOffMs, isLongWait, MAX_TRIES } from './retry.js';
import { isLeaseLost } from './run.js';

/** What one try at storing a batch came to. */
interface Try {
  readonly outcomes: Map<ItemKey, StoreOutcome>;
  /** Why it ended early: the items without an outcome are unknown. */
  readonly cut: TransferError | null;
}

/**
 * Stores staged items exactly once: the intent is committed before a byte is sent, every outcome is settled, and
 * after an unknown one it looks before it sends again. The bodies stay the caller's.
 * @param before the settling of the batch before: what is settled or looked for here must see its claims.
 * @returns the settling of this one: still under way where all of it was stored and the server said where. The next
 * batch's intent, with a mark above these, may then share its transaction.
 * @throws TransferError for what is wider than one item: what could be settled is.
 */
export async function deliver(
  lane: LaneState,
  folder: FolderId,
  items: readonly StagedItem[],
  readBack: ReadBack,
  before: Promise<void>,
): Promise<{ settling: Promise<void> }> {
  if (items.length === 0) return { settling: before };
  const { run } = lane;
  const id = await run.ledger.intend(
    lane.id,
    { epoch: lane.epoch, mark: lane.mark },
    await intentItems(lane, folder, items),
  );
  await run.step('intended');
  const mark = lane.mark;
  const own: StagedItem[] = [];
  const mended = new Set<ItemKey>();
  try {
    let todo = [...items];
    for (let tries = 0; todo.length > 0; tries++) {
      // The batch whose intent was just committed is still sent; only another try of it is not begun after a stop.
      if (tries > 0) run.check();
      const attempt = await tryStore(lane, todo);
      await run.step('stored-batch');
      await before;
      const plain = isPlain(lane, todo, attempt);
      // The next batch is intended before this one is settled, and what it stores is above this all the same.
      if (plain) for (const outcome of attempt.outcomes.values()) if (outcome.is === 'stored') lane.stored(outcome.id);
      const settling = settleTry(lane, folder, id, mark, todo, attempt);
      const readingBack = settling.then(({ copied }) => {
        if (!run.signal.aborted) readBack.begin(copied);
      });
      readingBack.catch(() => undefined);
      if (plain) return { settling: readingBack };
      const rest = await settling;
      const wide = rest.error ?? (attempt.cut && attempt.cut.scope !== 'connection' ? attempt.cut : null);
      if (wide) {
        // What is left was refused, or looked for until it could not land any more: the intent has no more to say.
        await run.ledger.dissolve(id);
        throw wide;
      }
      todo = [...rest.again];
      const mendedNow = await mend(lane, folder, id, rest.refused, mended);
      own.push(...mendedNow);
      todo.push(...mendedNow);
      if (rest.again.length === 0) continue;
      const why = rest.why ?? attempt.cut;
      if (tries + 1 >= MAX_TRIES || isLongWait(why)) throw why ?? noAnswer();
      await run.delay(backOffMs(tries, why ?? undefined));
    }
    return { settling: Promise.resolve() };
  } finally {
    for (const item of own) await item.body.release();
  }
}

/** All of it was stored, and the server said where. */
function isPlain(lane: LaneState, items: readonly StagedItem[], { outcomes, cut }: Try): boolean {
  return (
    cut === null &&
    items.every(({ ref }) => {
      const outcome = outcomes.get(ref.key);
      return outcome?.is === 'stored' && outcome.id?.epoch === lane.epoch;
    })
  );
}

async function tryStore(lane: LaneState, items: readonly StagedItem[]): Promise<Try> {
  const { run } = lane;
  const outcomes = new Map<ItemKey, StoreOutcome>();
  try {
    const placements = await run.destination.place(lane.folder, items);
    const placed: PlacedItem[] = items.map((item, i) => ({ ...item, placement: placements[i]! }));
    for await (const outcome of run.destination.store(lane.folder, placed, run.mayCommit, run.storing)) {
      outcomes.set(outcome.key, outcome);
      await run.step('stored-item');
    }
    doubt(lane, items, outcomes);
    return { outcomes, cut: null };
  } catch (error) {
    doubt(lane, items, outcomes);
    if (error instanceof TransferError && !isLeaseLost(error)) return { outcomes, cut: error };
    throw error;
  }
}

/** Until it was looked for: whatever throws before that, the next look, and whoever takes the lease, waits for late landings. */
function doubt(lane: LaneState, items: readonly StagedItem[], outcomes: Try['outcomes']): void {
  const known = (item: StagedItem): boolean => (outcomes.get(item.ref.key)?.is ?? 'unknown') !== 'unknown';
  if (!items.every(known)) lane.run.unsure.add(lane.id);
}

interface Rest {
  copied: Settled[];
  /** Not stored, and nothing speaks against another try. */
  again: StagedItem[];
  why: TransferError | null;
  refused: { item: StagedItem; error: TransferError }[];
  /** Ends the batch: too wide for one item. */
  error: TransferError | null;
}

async function settleTry(
  lane: LaneState,
  folder: FolderId,
  id: IntentId,
  mark: string,
  items: readonly StagedItem[],
  { outcomes }: Try,
): Promise<Rest> {
  const settled: Settled[] = [];
  const rest: Rest = { copied: [], again: [], why: null, refused: [], error: null };
  const toFind: (Wanted & { item: StagedItem; stored: boolean })[] = [];
  let moved = 0;
  for (const item of items) {
    const outcome = outcomes.get(item.ref.key);
    if (outcome?.is === 'stored') moved += item.body.size;
    if (outcome?.is === 'refused') {
      const { error } = outcome;
      if (error.scope === 'item') rest.refused.push({ item, error });
      else if (error.scope === 'connection') {
        rest.again.push(item);
        rest.why = error;
      } else rest.error ??= error;
    } else if (outcome?.is === 'merged') {
      settled.push({ folder, key: item.ref.key, is: 'merged', id: outcome.id, ...written(item) });
    } else if (outcome?.is === 'stored' && outcome.id?.epoch === lane.epoch) {
      settled.push(copied(folder, item, outcome.id, false, outcome.notes, outcome.etag));
    } else if (outcome?.is === 'stored' && outcome.id) {
      // Stored under another UIDVALIDITY than the ledger knows: the open intent finds it after the re-matching.
      rest.error ??= epochChanged();
    } else toFind.push({ ...wanted(item, mark), item, stored: outcome?.is === 'stored' });
  }
  if (moved > 0) lane.run.listener.moved(moved);
  if (rest.error?.code === EPOCH_CHANGED) throw rest.error;
  await lane.settle(id, settled);
  const unknown = toFind.filter((want) => !want.stored).length;
  const found = await waitAndLook(lane, toFind, unknown > 0);
  const late: Settled[] = [];
  for (const want of toFind) {
    const item = found.get(want);
    // What was told to be stored the final listing compares.
    const changed = item && !want.stored ? changesIn(lane, { ...written(want.item), date: want.date }, item) : [];
    if (item) late.push(copied(folder, want.item, item.id, !want.stored, changed));
    // The server said OK and shows it nowhere yet: the final listing looks again.
    else if (want.stored) late.push(copied(folder, want.item, null, false, []));
    else rest.again.push(want.item);
  }
  await lane.settle(id, late);
  if (settled.length + late.length > 0) await lane.run.step('settled');
  rest.copied = [...settled, ...late];
  return rest;
}

/** Sends each refused item once more in the smallest repaired form; what cannot be repaired has failed. */
async function mend(
  lane: LaneState,
  folder: FolderId,
  id: IntentId,
  refused: Rest['refused'],
  mended: Set<ItemKey>,
): Promise<StagedItem[]> {
  const again: StagedItem[] = [];
  const failed: Settled[] = [];
  for (const { item, error } of refused) {
    const once = lane.run.options.repair && !mended.has(item.ref.key);
    const better = once ? await repairedFor(lane, item, error) : null;
    if (better) {
      mended.add(item.ref.key);
      again.push(better);
    } else failed.push(refusal(folder, item, error));
  }
  await lane.settle(id, failed);
  if (again.length > 0) await lane.run.ledger.amend(id, await intentItems(lane, folder, again));
  return again;
}

/** Whoever knows the form of an item mends it. */
function repairedFor(lane: LaneState, item: StagedItem, error: TransferError): Promise<StagedItem | null> {
  const { destination, parts } = lane.run;
  if (lane.folder.kind === 'mail') return repaired(item, error, parts.staging);
  return destination.mend?.(lane.folder, item, parts.staging) ?? Promise.resolve(null);
}

export const EPOCH_CHANGED = 'EPOCH_CHANGED';
function epochChanged(): TransferError {
  return new TransferError('the folder was made anew while it was written', {
    side: 'destination',
    scope: 'folder',
    retry: 'now',
    code: EPOCH_CHANGED,
  });
}
function noAnswer(): TransferError {
  return new TransferError('the new mail server did not answer', {
    side: 'destination',
    scope: 'connection',
    retry: 'later',
    code: 'DESTINATION_UNAVAILABLE',
  });
}

function refusal(folder: FolderId, item: StagedItem, error: TransferError): Settled {
  return {
    folder,
    key: item.ref.key,
    is: 'failed',
    code: error.code,
    message: error.message,
    serverText: error.serverText,
    size: item.body.size,
    date: item.date,
  };
}

function copied(
  folder: FolderId,
  item: StagedItem,
  id: { epoch: string; id: string } | null,
  verified: boolean,
  notes: StagedItem['notes'],
  etag?: string,
): Settled {
  const all = [...item.notes, ...notes];
  const known = etag === undefined ? {} : { etag };
  return {
    folder,
    key: item.ref.key,
    is: 'copied',
    id,
    ...written(item),
    date: item.date,
    verified,
    ...known,
    notes: all,
  };
}

function written(item: StagedItem) {
  return { size: item.body.size, digest: item.body.digest, flags: item.flags };
}

function wanted(item: StagedItem, mark: string): Wanted {
  const { digest, headerDigest } = item.body;
  return { mark, digest, headerDigest, date: item.date, flags: item.flags };
}

/** With the href and UID that are chosen before anything is sent, where there are such. */
async function intentItems(lane: LaneState, folder: FolderId, items: readonly StagedItem[]): Promise<IntentItem[]> {
  const placements = lane.folder.kind === 'mail' ? [] : await lane.run.destination.place(lane.folder, items);
  return items.map((item, i) => {
    const { size, digest, headerDigest, messageId } = item.body;
    const placed = placements[i]?.is === 'put' ? { href: placements[i].href, uid: placements[i].uid } : {};
    const { date, flags } = item;
    return { folder, key: item.ref.key, size, digest, headerDigest, messageId, date, flags, ...placed };
  });
}
