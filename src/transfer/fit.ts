import type { KnownFolder, Settled } from '../ledger/ledger.js';
import type { StagedItem } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { failed } from './failures.js';
import type { LaneState } from './lane-state.js';
import { release, type Settle } from './stage.js';

/**
 * Gives staged items the form in which the destination takes them, where it has one. What is no such item is settled here as failed; what comes
 * back replaces what came in.
 */
export async function fitted(
  lane: LaneState,
  source: KnownFolder,
  items: readonly StagedItem[],
  settle: Settle = (outcomes) => lane.settle(null, outcomes),
): Promise<readonly StagedItem[]> {
  const { destination, parts } = lane.run;
  // Messages go as they are; notes that go into a mail folder become messages.
  if (destination.fit === undefined || (lane.folder.kind === 'mail' && source.source.kind === 'mail')) return items;
  const fit: StagedItem[] = [];
  const settled: Settled[] = [];
  let at = 0;
  try {
    for (; at < items.length; at++) {
      const item = items[at]!;
      try {
        const better = await destination.fit(lane.folder, item, parts.staging);
        fit.push(better);
        if (better !== item) await item.body.release();
      } catch (error) {
        if (!(error instanceof TransferError) || error.scope !== 'item') throw error;
        const meta = { ...item.ref, size: item.body.size, date: item.date, flags: item.flags };
        settled.push(...failed(source.id, [meta], error));
        await item.body.release();
      }
    }
    await settle(settled);
    return fit;
  } catch (error) {
    await release([...fit, ...items.slice(at)]);
    throw error;
  }
}
