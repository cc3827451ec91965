import type { DestinationId } from '../destinations/destination.js';
import type { Lane } from './lane.js';
import { unclaimed } from './look.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';

/** Items moved by one call. */
const ASIDE_AT_ONCE = 500;

/** Why a replace must not touch anything, or null. A listing that may be wrong must never cost somebody his mail. */
function objection(run: Run, lanes: readonly Lane[]): string | null {
  if (run.listedItems === 0) return 'the old mailbox showed no items';
  if (run.brokenFolders.size > 0) return 'a folder could not be listed or written';
  if (lanes.some((lane) => lane.sources.some((source) => !source.source.complete)))
    return 'the old provider shows only a part of a folder';
  return null;
}

/**
 * Moves what was at the destination before the first run, and equals nothing at the source, into the recovery
 * folder. Only after everything is reconciled; only below the mark of the first run, so that mail that came since
 * stays where it is; nothing is expunged.
 */
export async function setOldAside(run: Run, lanes: readonly Lane[]): Promise<void> {
  const why = objection(run, lanes);
  if (why !== null) {
    await run.ledger.remark(null, [{ code: 'REPLACE_REFUSED', detail: why }]);
    run.listener.log('warn', `Nothing was set aside: ${why}.`);
    return;
  }
  for (const lane of lanes) {
    run.check();
    if (!lane.hasPreExisting()) continue;
    // Removing an event would tell everybody who is invited to it.
    if (lane.folder.kind !== 'mail') {
      const detail = `${lane.name}: calendars and address books keep what was in them`;
      await run.ledger.remark(lane.sources[0]?.id ?? null, [{ code: 'REPLACE_REFUSED', detail }]);
      continue;
    }
    const old = (await unclaimed(run, lane, '1', lane.firstMark.mark)).map((item) => item.id);
    const into = [...run.options.recoveryFolder, ...lane.folder.path];
    let moved = 0;
    for (let at = 0; at < old.length; at += ASIDE_AT_ONCE) {
      run.check();
      if (!run.mayCommit()) throw new Error('the lease is ending');
      const ids: DestinationId[] = old.slice(at, at + ASIDE_AT_ONCE);
      const outcome = await withRetries(run, 'set aside', () =>
        run.destination.setAside(lane.folder, ids, into, run.signal),
      );
      moved += outcome.moved;
      await run.step('set-aside');
    }
    if (moved > 0) {
      const notes = Array.from({ length: moved }, () => ({ code: 'SET_ASIDE', detail: lane.name }));
      await run.ledger.remark(lane.sources[0]?.id ?? null, notes);
    }
  }
}
