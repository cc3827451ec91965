import { setMaxListeners } from 'node:events';
import type { KnownFolder, Lease, Settled } from '../ledger/ledger.js';
import { displayPath, type FolderId } from '../mailbox/folder.js';
import type { ItemMeta } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { RunTransfer, StopReason, TransferEnd, TransferOptions, TransferParts } from './contract.js';
import { deepVerify } from './deep-verify.js';
import { describeRefusals } from './describe.js';
import { failed } from './failures.js';
import { skipped } from './filters.js';
import { prepareFolders, type Folders } from './folders.js';
import { inLanes, onFolder } from './in-lanes.js';
import { DRAIN_MS } from './late-landings.js';
import type { Lane } from './lane.js';
import { verifyFolder } from './reconcile.js';
import { recoverFolder } from './recover.js';
import { setOldAside } from './replace.js';
import { CONNECT_TRIES, withRetries } from './retry.js';
import { isLeaseLost, leaseLost, Run, sleep } from './run.js';
import { Stopped } from './stopping.js';

/** A folder that is copied needs the old server and the new one by turns: two of them keep a connection on each side busy. */
const LANES_A_CONNECTION = 2;
/** How often what was claimed and never seen is stored again. */
const STORE_AGAIN_ROUNDS = 2;

/** Runs once over the mailbox: see the contract and docs/engine.md. */
export const runTransfer: RunTransfer = async (parts, options, stop) => {
  let lease: Lease | null = null;
  let run: Run | null = null;
  try {
    lease = await parts.ledger.acquire(parts.link, parts.holder, stop);
    await parts.step?.('leased');
    run = await connect(parts, options, lease, stop);
    await run.step('connected');
    const outcome = await move(run);
    await run.step('finished');
    return { is: 'completed', outcome };
  } catch (error) {
    return ending(error, lease, stop);
  } finally {
    await putAway(parts, lease, run);
  }
};

async function connect(parts: TransferParts, options: TransferOptions, lease: Lease, stop: AbortSignal): Promise<Run> {
  const failed = new AbortController();
  const signal = AbortSignal.any([stop, lease.lost, failed.signal]);
  // Every connection that is being made listens in several places.
  setMaxListeners(0, signal);
  const early = {
    listener: parts.listener,
    delay: async (ms: number) => {
      await (parts.delay ?? sleep)(ms, signal);
      if (stop.aborted) throw new Stopped();
      failed.signal.throwIfAborted();
    },
  };
  // Both at once; the first that fails ends the other one's tries.
  const endingBoth = async <T>(connecting: Promise<T>): Promise<T> => {
    try {
      return await connecting;
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  const connecting = [
    endingBoth(withRetries(early, 'connect', () => firstConnection(parts.source, signal), CONNECT_TRIES)),
    endingBoth(withRetries(early, 'connect', () => firstConnection(parts.destination, signal), CONNECT_TRIES)),
  ] as const;
  await Promise.allSettled(connecting);
  if (failed.signal.aborted) throw failed.signal.reason;
  const [sourceFacts, facts] = await Promise.all(connecting);
  const { job, run, retryFailed } = parts;
  const session = parts.ledger.open(lease, { job, run, retryFailed });
  return new Run(parts, options, session, lease, stop, sourceFacts, facts);
}

/** A server that said nothing for a whole deadline is not asked again at once. */
async function firstConnection<T>(side: { connect(signal: AbortSignal): Promise<T> }, signal: AbortSignal): Promise<T> {
  try {
    return await side.connect(signal);
  } catch (error) {
    if (!(error instanceof TransferError) || error.code !== 'TIMEOUT' || error.scope !== 'connection') throw error;
    const { side: which, retry, code, serverText } = error;
    throw new TransferError(error.message, { side: which, scope: 'account', retry, code, serverText, cause: error });
  }
}

async function move(run: Run): Promise<'complete' | 'incomplete'> {
  const folders = await prepareFolders(run);
  const { lanes } = folders;
  await inLanes(run, lanes, (lane) => onFolder(lane, () => recoverFolder(lane)));
  await run.step('recovered');
  await run.sourceChanges.begin();
  await folders.followSources();
  await inLanes(run, lanes, (lane) => lane.copy(), LANES_A_CONNECTION);
  for (const folder of folders.excluded) await skipFolder(run, folder);
  for (const { folder, error } of folders.unmade) await failFolder(run, folder, error);
  await verifyAll(run, lanes);
  if (run.options.deepVerify) await inLanes(run, lanes, (lane) => onFolder(lane, () => deepVerify(lane)));
  await run.step('verified');
  await run.sourceChanges.report(folders.all, ({ source }) => folders.listed.has(source.id));
  await describeRefusals(run, folders.all);
  await forgetVanished(run, folders);
  const complete = await reconcile(run, folders);
  await run.step('reconciled');
  if (run.options.existing === 'replace') await setOldAside(run, lanes);
  return complete ? 'complete' : 'incomplete';
}

/** A folder that was left out: its items are named as skipped, so that found has no remainder. */
async function skipFolder(run: Run, folder: KnownFolder): Promise<void> {
  const message = folder.source.optional ? 'Its folder is left out unless you ask for it.' : 'You left its folder out.';
  const reason = { code: 'FILTERED_FOLDER', message };
  await settleFolder(run, folder, (items) => items.map((item) => skipped(folder.id, item, reason)));
}

/** A folder that cannot be made at the destination: everything in it is named with the reason. */
async function failFolder(run: Run, folder: KnownFolder, error: TransferError): Promise<void> {
  run.brokenFolders.add(folder.id);
  run.listener.log('warn', error.message, {
    code: error.code,
    side: error.side,
    folder: displayPath(folder.source.path),
  });
  await run.ledger.remark(folder.id, [{ code: 'FOLDER_FAILED', detail: `${error.code}: ${error.message}` }]);
  await settleFolder(run, folder, (items) => failed(folder.id, items, error));
}

/** Lists a folder of which nothing is copied, so that all of it has an outcome. */
async function settleFolder(
  run: Run,
  folder: KnownFolder,
  outcomes: (items: readonly ItemMeta[]) => Settled[],
): Promise<void> {
  await withRetries(run, 'list', async () => {
    const earlier = { settledEarlier: 0, bytesEarlier: 0 };
    for await (const page of run.source.scan(folder.source, null, run.signal)) {
      run.check();
      const pending = await run.ledger.unsettled(folder.id, page.items);
      const before = await run.ledger.earlier(folder.id, page.items);
      earlier.settledEarlier += before.items;
      earlier.bytesEarlier += before.bytes;
      if (pending.length > 0) await run.ledger.settle(null, outcomes(pending));
      run.listedItems += page.items.length;
    }
    await run.ledger.listed(folder.id, { pending: 0, pendingBytes: 0, ...earlier });
  });
  await run.counted(folder.id, true);
}

/** The final listing; what was claimed and is nowhere is stored again, and named as failed if that does not help. */
async function verifyAll(run: Run, lanes: readonly Lane[]): Promise<void> {
  let left: readonly Lane[] = lanes;
  for (let round = 0; left.length > 0; round++) {
    const lost = new Map<Lane, Set<FolderId>>();
    run.destination.expectListing?.(
      left.map((lane) => lane.folder),
      run.signal,
    );
    await inLanes(run, left, async (lane) => {
      const missing = await onFolder(lane, () => withRetries(run, 'verify', () => verifyFolder(lane)));
      if (!missing || missing.length === 0) return;
      run.listener.log('warn', 'the new server confirmed items that it does not show', {
        folder: lane.name,
        items: missing.length,
      });
      for (const folder of new Set(missing.map((binding) => binding.folder)))
        await run.ledger.remark(folder, [{ code: 'STORED_AGAIN', detail: lane.name }]);
      if (round >= STORE_AGAIN_ROUNDS) {
        const error = lostAtDestination();
        for (const { folder, key, size, date, flags } of missing)
          await lane.settle(null, failed(folder, [{ key, size, date, flags, locator: new Uint8Array() }], error));
        return;
      }
      lost.set(lane, new Set(missing.map((binding) => binding.folder)));
    });
    left = [...lost.keys()];
    if (left.length > 0) await inLanes(run, left, (lane) => lane.copy(lost.get(lane)));
  }
}

function lostAtDestination(): TransferError {
  return new TransferError('The new mail server said that it stored the item and does not show it.', {
    side: 'destination',
    scope: 'item',
    retry: 'later',
    code: 'LOST_AT_DESTINATION',
  });
}

/** What a run that was interrupted saw in a folder that has gone since, and nobody settled, is found no more. */
async function forgetVanished(run: Run, folders: Folders): Promise<void> {
  const nothing = { pending: 0, pendingBytes: 0, settledEarlier: 0, bytesEarlier: 0 };
  const counts = await run.ledger.counts();
  for (const { id, source } of folders.all)
    if (!folders.listed.has(source.id) && counts.has(id)) await run.ledger.listed(id, nothing);
}

/** found = copied + already there + skipped + failed, for every folder. */
async function reconcile(run: Run, folders: Folders): Promise<boolean> {
  let complete =
    run.brokenFolders.size === 0 &&
    run.notUpdated === 0 &&
    !folders.closed &&
    folders.all.every((known) => known.source.complete);
  for (const [folder, counts] of await run.ledger.counts()) {
    const { found, copied, alreadyThere, skipped: left, failed: bad } = counts;
    if (bad > 0) complete = false;
    if (found !== copied + alreadyThere + left + bad) {
      complete = false;
      run.listener.log('error', 'the counts of a folder do not add up', { folder, ...counts });
      await run.ledger.remark(folder, [{ code: 'COUNTS_DIFFER' }]);
    }
    run.listener.counted(folder, counts);
  }
  return complete;
}

function ending(error: unknown, lease: Lease | null, stop: AbortSignal): TransferEnd {
  if (isLeaseLost(error)) throw error;
  if (lease?.lost.aborted) throw leaseLost(lease.lost);
  if (error instanceof TransferError && !stop.aborted) return { is: 'broken', error };
  // What a stop makes sources, destinations and waits throw differs; all of it means the same.
  const byStop = error instanceof Stopped || error instanceof TransferError || error === stop.reason || isAbort(error);
  if (stop.aborted && byStop) return { is: 'stopped', why: reasonOf(stop) };
  throw error;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

function reasonOf(stop: AbortSignal): StopReason {
  const reason: unknown = stop.reason;
  return reason === 'pause' || reason === 'cancel' ? reason : 'shutdown';
}

/**
 * Closes both sides and gives the lease back. A clean release tells the next engine that it need not wait, so a
 * write that may still land is waited for first.
 */
async function putAway(parts: TransferParts, lease: Lease | null, run: Run | null): Promise<void> {
  const closed = await Promise.allSettled([parts.source.close(), parts.destination.close()]);
  for (const end of closed)
    if (end.status === 'rejected')
      parts.listener.log('warn', 'a connection did not close', { error: String(end.reason) });
  if (!lease || lease.lost.aborted) return;
  if (run && run.unsure.size > 0) await (parts.delay ?? sleep)(DRAIN_MS, lease.lost);
  await lease.release();
}
