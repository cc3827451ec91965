import type { IntentItem, Settled } from '../ledger/ledger.js';
import { DRAIN_MS } from './late-landings.js';
import type { LaneState } from './lane-state.js';
import { look, type Wanted } from './look.js';
import { changesIn } from './read-back.js';
import { withRetries } from './retry.js';
import { place, unplaced, type WantedBinding } from './unplaced.js';

type Sought = (Wanted & { readonly item: IntentItem }) | WantedBinding;

/**
 * Ends what an earlier engine left open in a destination folder, before anything is written into it. The old writer
 * is dead by now and its late landings are through: whoever takes a lease waits for both.
 *
 * All open intents of the folder are counted together, with the bindings that were stored without an id: with k open
 * and m unclaimed equal messages at or above the mark, min(k, m) are bound. The rest was never stored and is offered
 * again by the ledger.
 */
export async function recoverFolder(lane: LaneState): Promise<void> {
  const { run } = lane;
  const intents = await run.ledger.openIntents(lane.id);
  if (run.unsure.has(lane.id)) await run.delay(DRAIN_MS);
  run.unsure.delete(lane.id);
  if (intents.length === 0) return;
  const sought = new Map<string, Sought>();
  for (const want of await unplaced(lane)) sought.set(`${want.binding.folder}/${want.binding.key}`, want);
  for (const intent of intents)
    for (const item of intent.items) {
      const { digest, headerDigest, date, flags } = item;
      const mark = intent.epoch === lane.epoch ? intent.mark : '1';
      const name = `${item.folder}/${item.key}`;
      if (!sought.has(name)) sought.set(name, { item, mark, digest, headerDigest, date, flags });
    }
  const found = await withRetries(run, 'recover', () => look(run, lane, [...sought.values()]));
  const settled: Settled[] = [];
  for (const [want, there] of found) {
    if ('binding' in want) continue;
    const { folder, key, size, digest, flags, date } = want.item;
    const sent = { folder, key, size, digest, flags, date };
    // The final listing does not compare it any more.
    settled.push({ ...sent, is: 'copied', id: there.id, verified: true, notes: changesIn(lane, want.item, there) });
  }
  await place(lane, found);
  await lane.settle(null, settled);
  for (const intent of intents) await run.ledger.dissolve(intent.id);
  run.listener.log('info', 'looked for what an interrupted run had stored', {
    folder: lane.name,
    open: sought.size,
    found: found.size,
  });
}
