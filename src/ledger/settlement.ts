import type { BindingState, ItemPlace, Settled } from './ledger.js';

/** What is known of an item before an outcome arrives. */
export interface KnownBinding {
  readonly state: BindingState;
  readonly id: { readonly epoch: string; readonly id: string } | null;
}
export type Bound = Extract<Settled, { is: 'copied' | 'existing' | 'merged' }>;
export type Refused = Extract<Settled, { is: 'skipped' | 'failed' }>;

export function isBound(outcome: Settled): outcome is Bound {
  return outcome.is === 'copied' || outcome.is === 'existing' || outcome.is === 'merged';
}

/**
 * What an outcome does to the ledger. `move`: a claim that was never verified gets its new id, which happens when an
 * item was not found where it had been claimed and was stored again.
 */
export function decide(
  outcome: Settled,
  binding: KnownBinding | null,
  ownLink: boolean,
): 'nothing' | 'bind' | 'move' | 'refuse' {
  if (!isBound(outcome)) return binding || !ownLink ? 'nothing' : 'refuse';
  if (!binding) return 'bind';
  if (outcome.is !== 'copied' || outcome.id === null || binding.state !== 'claimed') return 'nothing';
  const same = binding.id?.epoch === outcome.id.epoch && binding.id.id === outcome.id.id;
  return same && !outcome.verified ? 'nothing' : 'move';
}

export function stateOf(outcome: Bound): BindingState {
  return outcome.is === 'copied' ? (outcome.verified ? 'verified' : 'claimed') : outcome.is;
}

/** Of several outcomes for one item the last holds. */
export function lastOfEach<T extends ItemPlace>(outcomes: readonly T[]): T[] {
  const last = new Map<string, T>();
  for (const outcome of outcomes) last.set(placeName(outcome), outcome);
  return [...last.values()];
}

export function placeName(place: ItemPlace): string {
  return `${place.folder}/${place.key}`;
}

/** Changes of one job's counts in one folder. */
export interface CountsDelta {
  copied: number;
  existing: number;
  skipped: number;
  failed: number;
  /** Of copied items. */
  bytes: number;
  /** Of all items that have an outcome from this job. */
  settledBytes: number;
}

/** Collects what a batch changes, folder by folder. */
export class CountsDeltas {
  readonly byFolder = new Map<string, CountsDelta>();

  add(folder: string, is: Settled['is'], size: number, times: 1 | -1): void {
    let delta = this.byFolder.get(folder);
    if (!delta) {
      delta = { copied: 0, existing: 0, skipped: 0, failed: 0, bytes: 0, settledBytes: 0 };
      this.byFolder.set(folder, delta);
    }
    delta[is === 'merged' ? 'existing' : is] += times;
    delta.settledBytes += times * size;
    if (is === 'copied') delta.bytes += times * size;
  }
}

/** Refusals that unsettled() offered again: they are counted already, so they are not pending as well. */
export class OfferedAgain {
  private readonly folders = new Map<string, Map<string, number>>();

  offer(folder: string, key: string, size: number): void {
    let keys = this.folders.get(folder);
    if (!keys) this.folders.set(folder, (keys = new Map()));
    keys.set(key, size);
  }

  settled(places: readonly ItemPlace[]): void {
    for (const { folder, key } of places) this.folders.get(folder)?.delete(key);
  }

  of(folder: string): { items: number; bytes: number } {
    const keys = this.folders.get(folder);
    let bytes = 0;
    for (const size of keys?.values() ?? []) bytes += size;
    return { items: keys?.size ?? 0, bytes };
  }
}
