import { TransferError } from '../mailbox/transfer-error.js';
import { EPOCH_CHANGED } from './deliver.js';
import type { Lane } from './lane.js';
import type { Run } from './run.js';
import { Stopped } from './stopping.js';
import { LOOK_EVERY_MS } from './width.js';

/** Folders worked on at once, however many connections there may be. */
const MOST_LANES = 8;
/** How often a folder that is made anew again and again is followed. */
const FOLLOWED = 3;

/** Several folders at once, each by one coordinator. The first error ends all. */
export async function inLanes(
  run: Run,
  lanes: readonly Lane[],
  work: (lane: Lane) => Promise<unknown>,
  perConnection = 1,
): Promise<void> {
  // Whoever begins nothing because of a stop must not seem to have done it all.
  run.check();
  const size = (lane: Lane) => lane.sources.reduce((sum, { source }) => sum + (source.bytes ?? source.items ?? 0), 0);
  const waiting = [...lanes].sort((a, b) => size(b) - size(a));
  const most = Math.max(1, Math.min(MOST_LANES, run.sourceFacts.maxConnections * perConnection, lanes.length));
  const workers: Promise<void>[] = [];
  const { width } = run;
  const worker = async () => {
    width.working++;
    try {
      for (let lane = waiting.shift(); lane; lane = width.working > width.of(most) ? undefined : waiting.shift()) {
        run.check();
        await work(lane);
      }
    } catch (error) {
      // A stop ends every lane by itself; each then finishes the batch it has on the wire.
      if (!run.stop.aborted || error instanceof TransferError) run.break(error);
      throw error;
    } finally {
      width.working--;
    }
  };
  const begin = () => {
    while (width.working < width.of(most) && waiting.length > 0 && !run.signal.aborted) {
      const begun = worker();
      begun.catch(() => undefined);
      workers.push(begun);
    }
  };
  begin();
  const looking = setInterval(() => {
    width.look(most);
    begin();
  }, LOOK_EVERY_MS);
  try {
    // More of them may be begun while the first ones work.
    for (let n = 0; n < workers.length; n++) await Promise.allSettled([workers[n]]);
  } finally {
    clearInterval(looking);
  }
  const ended = await Promise.allSettled(workers);
  const errors = ended.flatMap((end) => (end.status === 'rejected' ? [end.reason as unknown] : []));
  if (errors.length > 0) throw errors.find((error) => !(error instanceof Stopped)) ?? errors[0];
  if (waiting.length > 0) run.check();
}

/**
 * Work on one destination folder that must not end the run: a folder that is gone or closed to us is named in the
 * report and nothing is written into it; one that was made anew is followed.
 */
export async function onFolder<T>(lane: Lane, work: () => Promise<T>): Promise<T | null> {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TransferError) || lane.run.signal.aborted) throw error;
      if (error.side === 'destination' && error.code === EPOCH_CHANGED && tries < FOLLOWED) await lane.follow();
      else if (error.scope === 'folder' || error.scope === 'item') {
        await lane.refuse(error);
        return null;
      } else throw error;
    }
  }
}
