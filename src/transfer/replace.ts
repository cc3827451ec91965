import type { DestinationId, TakenAway } from '../destinations/destination.js';
import type { Digest } from '../mailbox/digest.js';
import type { Note } from '../mailbox/item.js';
import type { Lane } from './lane.js';
import { unclaimed } from './look.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';

/** Items moved by one call. */
const ASIDE_AT_ONCE = 500;

const STAYED = {
  guests: 'KEPT_FOR_GUESTS',
  changed: 'KEPT_AS_CHANGED',
  unreadable: 'KEPT_UNREADABLE',
} as const satisfies Record<TakenAway['stayed'][number]['why'], string>;

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
    if (lane.folder.kind !== 'mail') {
      await takeOldAway(run, lane, lanes);
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

/**
 * Calendars and address books have no recovery folder: what was in them is kept as a file with the job, and then goes. Not while something of
 * these kinds has not arrived, since what is there under its name may be the only one.
 */
async function takeOldAway(run: Run, lane: Lane, lanes: readonly Lane[]): Promise<void> {
  const { destination, ledger, parts } = run;
  const { recovery } = parts;
  const source = lane.sources[0]?.id ?? null;
  const refuse = (why: string): Promise<void> =>
    ledger.remark(source, [{ code: 'REPLACE_REFUSED', detail: `${lane.name}: ${why}` }]);
  if (destination.takeAway === undefined || recovery === undefined)
    return refuse('calendars and address books keep what was in them');
  const others = lanes.filter(({ folder }) => folder.kind !== 'mail').flatMap(({ sources }) => sources);
  const counts = await ledger.counts();
  if (others.some(({ id }) => (counts.get(id)?.failed ?? 0) > 0))
    return refuse('some of what is to come did not arrive');
  const known = new Set<Digest>();
  for (const { id } of others)
    for await (const window of ledger.bindings(id))
      for (const { digest } of window) if (digest !== null) known.add(digest);
  const items = await unclaimed(run, lane, '1', lane.firstMark.mark);
  if (items.length === 0) return;
  // It may be empty, and it may be a server that answers nothing: what goes here does not come back.
  const empty = new Set(lane.sources.filter(({ id }) => !run.shown.has(id)).map((one) => one.source.kind));
  const kinds = lane.sources.map((one) => one.source.kind).filter((kind) => !empty.has(kind));
  if (kinds.length === 0) return refuse('the old provider shows nothing in it');
  for (const kind of empty) await refuse(`the old provider shows nothing of one kind in it (${kind})`);
  const { removed, stayed } = await destination.takeAway(
    lane.folder,
    {
      items,
      before: lane.firstMark,
      kinds,
      isKnown: (digest) => known.has(digest),
      keep: async (objects) => {
        const kept = await recovery.keep({ kind: lane.folder.kind, folder: lane.name }, objects);
        if (kept > 0) await run.step('set-aside');
        return kept;
      },
    },
    run.mayCommit,
    run.signal,
  );
  const notes: Note[] = Array.from({ length: removed }, () => ({ code: 'TAKEN_AWAY', detail: lane.name }));
  for (const { why, items: n } of stayed)
    notes.push(
      ...Array.from({ length: n }, () => ({
        code: STAYED[why],
        detail: lane.name,
      })),
    );
  if (notes.length > 0) await ledger.remark(source, notes);
}
