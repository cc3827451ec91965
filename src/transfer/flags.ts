import type { FlagChange, FoundItem } from '../destinations/destination.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey, ItemMeta } from '../mailbox/item.js';
import { sameFlags } from './ids.js';
import type { LaneState } from './lane-state.js';
import type { Run } from './run.js';

interface Wish {
  readonly folder: FolderId;
  readonly key: ItemKey;
  /** What the source has now, and what we wrote. */
  readonly now: readonly string[];
  readonly written: readonly string[];
}

/**
 * Flags that changed at the source since they were written. They are applied at the final listing, and only where
 * the destination still has what was written: what the person did there wins.
 */
export class FlagChanges {
  private readonly wishes = new Map<string, Wish>();

  /** Compares the items of a page that were settled earlier with their bindings. */
  async note(
    run: Run,
    folder: FolderId,
    listed: readonly ItemMeta[],
    pending: ReadonlyMap<ItemKey, unknown>,
  ): Promise<void> {
    const settled = listed.filter((item) => !pending.has(item.key));
    if (settled.length === 0) return;
    const flags = new Map(settled.map((item) => [item.key, item.flags]));
    for (const binding of await run.ledger.bound(folder, [...flags.keys()])) {
      const now = flags.get(binding.key);
      if (!now || !binding.id || binding.state === 'removed' || sameFlags(now, binding.flags)) continue;
      this.wishes.set(binding.id.id, { folder, key: binding.key, now, written: binding.flags });
    }
  }

  get any(): boolean {
    return this.wishes.size > 0;
  }

  /** Applies what may be applied among the items of one window of the final listing. */
  async applyTo(lane: LaneState, window: readonly FoundItem[]): Promise<void> {
    const { run } = lane;
    const changes: FlagChange[] = [];
    const applied: Wish[] = [];
    for (const item of window) {
      const wish = this.wishes.get(item.id.id);
      if (!wish) continue;
      // Done already, by a run that died before it could say so.
      const done = sameFlags(item.flags, wish.now);
      if (!done && !sameFlags(item.flags, wish.written)) continue;
      if (!done)
        changes.push({ id: item.id, add: without(wish.now, wish.written), remove: without(wish.written, wish.now) });
      applied.push(wish);
    }
    if (applied.length === 0 || !run.mayCommit()) return;
    if (changes.length > 0) await run.destination.setFlags(lane.folder, changes, run.signal);
    for (const folder of new Set(applied.map((wish) => wish.folder)))
      await run.ledger.reflag(
        folder,
        applied.filter((wish) => wish.folder === folder).map(({ key, now }) => ({ key, flags: now })),
      );
  }
}

function without(flags: readonly string[], others: readonly string[]): string[] {
  const left = new Set(others.map((flag) => flag.toLowerCase()));
  return flags.filter((flag) => !left.has(flag.toLowerCase()) && flag.toLowerCase() !== '\\recent');
}
