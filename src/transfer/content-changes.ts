import type { ItemUpdate, UpdateOutcome } from '../destinations/destination.js';
import type { Binding, KnownFolder, Revision, Settled } from '../ledger/ledger.js';
import type { ItemKey, ItemMeta, Note, StagedItem } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { inBatches } from './batches.js';
import { fitted } from './fit.js';
import type { LaneState } from './lane-state.js';
import { release, type Settle, stage } from './stage.js';

interface Changed {
  readonly meta: ItemMeta;
  readonly binding: Binding;
}

/** Which version of each item was copied: after its batch is settled, so that a crash in between costs a comparison. */
export async function noteVersions(
  lane: LaneState,
  source: KnownFolder,
  items: readonly { readonly ref: { readonly key: ItemKey }; readonly version?: string }[],
): Promise<void> {
  const revisions = items.flatMap(({ ref, version }) => (version === undefined ? [] : [{ key: ref.key, version }]));
  if (revisions.length > 0) await lane.run.ledger.revise(source.id, revisions);
}

/**
 * Events and contacts that changed at the source since they were copied. The copy follows where it is still what was stored; where
 * somebody changed or removed it, his word stands and the report says so.
 * @throws TransferError for what is wider than an item: the folder is gone over again, and what is done is seen to be done.
 */
export async function bringUpToDate(
  lane: LaneState,
  source: KnownFolder,
  listed: readonly ItemMeta[],
  bindings: readonly Binding[],
): Promise<void> {
  const { run } = lane;
  if (run.destination.update === undefined || lane.folder.kind === 'mail') return;
  const byKey = new Map(bindings.filter(({ folder }) => folder === source.id).map((one) => [one.key, one]));
  const changed = listed.flatMap((meta): Changed[] => {
    const binding = byKey.get(meta.key);
    return meta.version === undefined || binding === undefined || binding.version === meta.version
      ? []
      : [{ meta, binding }];
  });
  // What the person removed stays removed, and what was there under another name is his.
  const left = changed.filter(({ binding }) => binding.state === 'removed' || binding.id === null);
  await run.ledger.revise(source.id, left.map(dealtWith));
  const shared = left.filter(({ binding }) => binding.state === 'merged' && binding.version !== null);
  await say(lane, source, 'CONTENT_KEPT', shared);
  const rest = new Map(changed.filter((one) => !left.includes(one)).map((one) => [one.meta.key, one]));
  const metas = [...rest.values()].map(({ meta }) => meta);
  for (const batch of inBatches(metas, run.parts.batch?.bytes, run.parts.batch?.items)) {
    run.check();
    const lost: Settled[] = [];
    // What is bound stays bound: the copy is there, of another day.
    const keep: Settle = async (outcomes) => void lost.push(...outcomes);
    const items = await fitted(lane, source, await stage(lane, source, batch, keep), keep);
    try {
      for (const outcome of lost) await sayNotUpdated(lane, source, rest.get(outcome.key)!, outcome);
      await updateBatch(lane, source, rest, items);
    } finally {
      await release(items);
    }
  }
}

async function updateBatch(
  lane: LaneState,
  source: KnownFolder,
  changed: ReadonlyMap<ItemKey, Changed>,
  items: readonly StagedItem[],
): Promise<void> {
  const { run } = lane;
  const versionOf = (item: StagedItem): string => item.version ?? changed.get(item.ref.key)!.meta.version!;
  const same = items.filter(
    (item) => item.several !== true && changed.get(item.ref.key)!.binding.digest === item.body.digest,
  );
  await run.ledger.revise(
    source.id,
    same.map((item) => ({ key: item.ref.key, version: versionOf(item) })),
  );
  let todo = items.filter((item) => !same.includes(item));
  const own: StagedItem[] = [];
  try {
    for (let tries = 0; todo.length > 0; tries++) {
      const outcomes = await update(lane, changed, todo);
      const revisions: Revision[] = [];
      const notes: Note[] = [];
      const told: { item: StagedItem; code: string; why: string }[] = [];
      const again: StagedItem[] = [];
      let wider: TransferError | null = null;
      for (const item of todo) {
        const { key } = item.ref;
        const outcome: UpdateOutcome = outcomes.get(key) ?? { key, is: 'unknown' };
        const version = versionOf(item);
        if (outcome.is === 'updated') {
          const { size, digest } = item.body;
          revisions.push({ key, version, stored: { etag: outcome.etag, size, digest } });
          notes.push({ code: 'CONTENT_UPDATED' }, ...item.notes, ...outcome.notes);
        } else if (outcome.is === 'kept' || outcome.is === 'gone') {
          revisions.push({ key, version });
          if (outcome.is === 'kept')
            told.push({ item, code: outcome.for === 'guests' ? 'CONTENT_KEPT_FOR_GUESTS' : 'CONTENT_KEPT', why: '' });
        } else if (outcome.is === 'unknown') wider ??= unclear();
        else if (outcome.error.scope !== 'item') wider ??= outcome.error;
        else {
          const better = tries === 0 && run.options.repair ? await mended(lane, item) : null;
          if (better === null) told.push({ item, code: 'CONTENT_NOT_UPDATED', why: outcome.error.message });
          else again.push(better);
        }
      }
      own.push(...again);
      await run.ledger.revise(source.id, revisions);
      if (notes.length > 0) await run.ledger.remark(source.id, notes);
      for (const kept of ['CONTENT_KEPT', 'CONTENT_KEPT_FOR_GUESTS']) {
        const items = told.filter(({ code }) => code === kept).map(({ item }) => changed.get(item.ref.key)!);
        await say(lane, source, kept, items);
      }
      for (const { item, code, why } of told)
        if (code === 'CONTENT_NOT_UPDATED')
          await sayNotUpdated(lane, source, changed.get(item.ref.key)!, { is: 'failed', message: why });
      if (wider !== null) throw wider;
      todo = again;
    }
  } finally {
    await release(own);
  }
}

async function update(
  lane: LaneState,
  changed: ReadonlyMap<ItemKey, Changed>,
  items: readonly StagedItem[],
): Promise<Map<ItemKey, UpdateOutcome>> {
  const { run } = lane;
  const updates = items.map((item): ItemUpdate => {
    const { id, etag, digest } = changed.get(item.ref.key)!.binding;
    return { id: id!, item, written: { etag, digest } };
  });
  const outcomes = new Map<ItemKey, UpdateOutcome>();
  for await (const outcome of run.destination.update!(lane.folder, updates, run.mayCommit, run.storing)) {
    outcomes.set(outcome.key, outcome);
    await run.step('stored-item');
  }
  return outcomes;
}

async function mended(lane: LaneState, item: StagedItem): Promise<StagedItem | null> {
  const { destination, parts } = lane.run;
  return (await destination.mend?.(lane.folder, item, parts.staging)) ?? null;
}

/** The copy is older than what the source has, and the run is not complete. What is gone at the source is no fault. */
async function sayNotUpdated(
  lane: LaneState,
  source: KnownFolder,
  item: Changed,
  why: Pick<Settled, 'is'> & { readonly message?: string },
): Promise<void> {
  if (why.is === 'failed') lane.run.notUpdated++;
  await say(lane, source, 'CONTENT_NOT_UPDATED', [item], why.message ?? '');
}

/** One line of the report for each, with what a person knows it by. The report is worth less than the copy. */
async function say(
  lane: LaneState,
  source: KnownFolder,
  code: string,
  items: readonly Changed[],
  why = '',
): Promise<void> {
  if (items.length === 0) return;
  const { run } = lane;
  const names = new Map<ItemKey, string>();
  try {
    const refs = items.map(({ meta }) => meta);
    for await (const { key, subject } of run.source.describe(source.source, refs, run.signal)) names.set(key, subject);
  } catch (error) {
    if (!(error instanceof TransferError)) throw error;
  }
  const notes = items.map(({ meta }) => {
    const detail = [names.get(meta.key) ?? '', why].filter((part) => part !== '').join(': ');
    return detail === '' ? { code } : { code, detail };
  });
  await run.ledger.remark(source.id, notes);
}

function dealtWith({ meta }: Changed): Revision {
  return { key: meta.key, version: meta.version! };
}

function unclear(): TransferError {
  return new TransferError('the new server did not say what became of a change', {
    side: 'destination',
    scope: 'connection',
    retry: 'later',
    code: 'DESTINATION_UNAVAILABLE',
  });
}
