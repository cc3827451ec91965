import type { KnownFolder, Settled } from '../ledger/ledger.js';
import type { ItemKey, ItemMeta, StagedItem } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { failed } from './failures.js';
import { filterOf, skipped } from './filters.js';
import type { LaneState } from './lane-state.js';

/** A body that comes out wrong is read this often before it counts as unreadable. */
const READ_TRIES = 3;

/** What becomes of items that are not to be had, or are none. */
export type Settle = (outcomes: readonly Settled[]) => Promise<unknown>;

/**
 * Reads a batch into staging. What is gone or unreadable is settled here; what comes back is complete.
 * @throws TransferError for what is wider than an item; then nothing stays staged.
 */
export async function stage(
  lane: LaneState,
  source: KnownFolder,
  batch: readonly ItemMeta[],
  settle: Settle = (outcomes) => lane.settle(null, outcomes),
): Promise<StagedItem[]> {
  const { run } = lane;
  const staged = new Map<ItemKey, StagedItem>();
  const settled: Settled[] = [];
  let wanted = [...batch];
  try {
    for (let tries = 1; wanted.length > 0; tries++) {
      const again = new Map<ItemKey, { item: ItemMeta; error: TransferError | null }>(
        wanted.map((item) => [item.key, { item, error: null }]),
      );
      for await (const outcome of run.source.read(source.source, wanted, run.parts.staging, run.signal)) {
        const asked = again.get(outcome.ref.key);
        if (outcome.is === 'staged') {
          if (asked && !staged.has(outcome.ref.key)) staged.set(outcome.ref.key, outcome.item);
          else await outcome.item.body.release();
          again.delete(outcome.ref.key);
        } else if (outcome.is === 'vanished') {
          if (asked) settled.push(skipped(source.id, asked.item, vanished));
          again.delete(outcome.ref.key);
        } else if (outcome.error.scope !== 'item') throw outcome.error;
        else if (asked) asked.error = outcome.error;
      }
      wanted = [];
      for (const { item, error } of again.values()) {
        const reason = error ?? unanswered();
        if (tries < READ_TRIES && reason.retry === 'now') wanted.push(item);
        else settled.push(...failed(source.id, [item], reason));
      }
    }
    settled.push(...(await tooLargeAfterAll(lane, source, batch, staged)));
    await settle(settled);
  } catch (error) {
    await release([...staged.values()]);
    throw error;
  }
  // In the order of the folder: many programs show mail in the order it was stored.
  return batch.flatMap((item) => staged.get(item.key) ?? []);
}

/** Announced sizes are hints; the limits hold for what really came. */
async function tooLargeAfterAll(
  lane: LaneState,
  source: KnownFolder,
  batch: readonly ItemMeta[],
  staged: Map<ItemKey, StagedItem>,
): Promise<Settled[]> {
  const settled: Settled[] = [];
  for (const meta of batch) {
    const item = staged.get(meta.key);
    const size = item?.body.size ?? 0;
    const reason = item && filterOf({ date: null, size }, lane.run.options, lane.limits);
    if (!item || !reason) continue;
    staged.delete(meta.key);
    await item.body.release();
    settled.push(skipped(source.id, { ...meta, size }, reason));
  }
  return settled;
}

const vanished = { code: 'VANISHED', message: 'It was removed at the old provider while the migration ran.' };

function unanswered(): TransferError {
  return new TransferError('The old server lists it and does not give it out.', {
    side: 'source',
    scope: 'item',
    retry: 'now',
    code: 'NOT_GIVEN',
  });
}

export async function release(items: readonly StagedItem[]): Promise<void> {
  for (const item of items) await item.body.release();
}
