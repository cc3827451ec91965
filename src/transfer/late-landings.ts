import type { FoundItem } from '../destinations/destination.js';
import type { LaneState } from './lane-state.js';
import { look, type Wanted } from './look.js';
import { withRetries } from './retry.js';
import { place, unplaced } from './unplaced.js';

/**
 * How long an APPEND that was cut may still land: the server works on what it had received. The same as the time a
 * taker of the lease waits.
 */
export const DRAIN_MS = 30_000;
/** Looks while it waits, so that what is there already need not wait for the end. */
const LOOK_AFTER_MS = [0, 2_000, 8_000, DRAIN_MS - 10_000];
/** For items the server said OK to without telling where: some show them only a moment later. */
const SEEN_AFTER_MS = [0, 1_000];

/**
 * Looks until everything is found, or until nothing can land any more.
 * @param unknown true: some may not have been stored, so the last look is after the drain.
 */
export async function waitAndLook<T extends Wanted>(
  lane: LaneState,
  wanted: readonly T[],
  unknown: boolean,
): Promise<Map<T, FoundItem>> {
  const { run } = lane;
  let found = new Map<Wanted, FoundItem>();
  if (wanted.length === 0) return new Map();
  if (unknown) run.unsure.add(lane.id);
  const rivals = await unplaced(lane);
  // Left standing when this throws: then somebody else has to wait before the lease is released.
  for (const ms of unknown ? LOOK_AFTER_MS : SEEN_AFTER_MS) {
    if (ms > 0) await run.delay(ms);
    found = await withRetries(run, 'look', () => look<Wanted>(run, lane, [...rivals, ...wanted]));
    if (found.size === rivals.length + wanted.length) break;
  }
  if (unknown) run.unsure.delete(lane.id);
  await place(lane, found);
  return new Map(wanted.flatMap((want) => (found.has(want) ? [[want, found.get(want)!]] : [])));
}
