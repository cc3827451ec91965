import type { FlagChange, FoundItem } from '../destinations/destination.js';
import type { Binding } from '../ledger/ledger.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey, ItemMeta, Note } from '../mailbox/item.js';
import type { FlagWish, FlagWishes } from './flag-wish.js';
import { sameFlags } from './ids.js';
import type { LaneState } from './lane-state.js';
import type { Run } from './run.js';

/**
 * Flags that changed at the source since they were written. They are applied at the final listing, and only where
 * the destination still has what was written: what the person did there wins.
 */
export class FlagChanges implements FlagWishes {
  private readonly wishes = new Map<string, FlagWish>();

  /**
   * Compares the items of a page that were settled earlier with their bindings. One whose keys are the account's may be
   * bound in another folder than it is listed in: its wish goes to the lane of that one.
   * @returns the bindings
   */
  async note(
    run: Run,
    folder: FolderId,
    listed: readonly ItemMeta[],
    pending: ReadonlyMap<ItemKey, unknown>,
  ): Promise<readonly Binding[]> {
    const settled = listed.filter((item) => !pending.has(item.key));
    if (settled.length === 0) return [];
    const flags = new Map(settled.map((item) => [item.key, item.flags]));
    const bindings = await run.ledger.bound(folder, [...flags.keys()]);
    run.sourceChanges.bound(folder, bindings.filter((binding) => binding.folder === folder).length);
    for (const binding of bindings) {
      const now = flags.get(binding.key);
      if (!now || !binding.id || binding.state === 'removed' || sameFlags(now, binding.flags)) continue;
      const wish = { folder: binding.folder, key: binding.key, now, written: binding.flags };
      const owner = binding.folder === folder ? this : run.flagWishes.get(binding.folder);
      owner?.wish(binding.id.id, wish);
    }
    return bindings;
  }

  wish(id: string, wish: FlagWish): void {
    this.wishes.set(id, wish);
  }

  get any(): boolean {
    return this.wishes.size > 0;
  }

  /** Applies what may be applied among the items of one window of the final listing, and says what became of it. */
  async applyTo(lane: LaneState, window: readonly FoundItem[]): Promise<void> {
    const { run } = lane;
    const changes: FlagChange[] = [];
    const decided = new Map<string, FlagWish>();
    const notes = new Map<FolderId, Note[]>();
    const say = ({ folder }: FlagWish, note: Note) => notes.set(folder, [...(notes.get(folder) ?? []), note]);
    for (const item of window) {
      const wish = this.wishes.get(item.id.id);
      if (!wish) continue;
      decided.set(item.id.id, wish);
      // Equal already: by the person, or by a run that died before it could say so.
      if (sameFlags(item.flags, wish.now)) continue;
      if (!stillAsWritten(item.flags, wish.written)) {
        say(wish, { code: 'FLAGS_KEPT' });
        continue;
      }
      const [add, remove] = [without(wish.now, wish.written), without(wish.written, wish.now)];
      if (add.length + remove.length > 0) changes.push({ id: item.id, add, remove });
    }
    if (decided.size === 0 || !run.mayCommit()) return;
    if (changes.length > 0) {
      const refused = await run.destination.setFlags(lane.folder, changes, run.signal);
      for (const { id, flags } of refused)
        for (const flag of flags) say(decided.get(id.id)!, { code: 'FLAG_DROPPED', detail: flag });
      const whole = new Set(refused.map(({ id }) => id.id));
      for (const { id } of changes) if (!whole.has(id.id)) say(decided.get(id.id)!, { code: 'FLAGS_UPDATED' });
    }
    for (const folder of new Set([...decided.values()].map((wish) => wish.folder)))
      await run.ledger.reflag(
        folder,
        [...decided.values()].filter((wish) => wish.folder === folder).map(({ key, now }) => ({ key, flags: now })),
      );
    for (const [folder, told] of notes) await run.ledger.remark(folder, told);
    for (const id of decided.keys()) this.wishes.delete(id);
  }
}

/**
 * What the destination shows is what was written, but for keywords that it never took or took in another spelling: they
 * are no doing of the person's. One keyword more than that is.
 */
function stillAsWritten(shown: readonly string[], written: readonly string[]): boolean {
  const [more, fewer] = [without(shown, written), without(written, shown)];
  const isKeyword = (flag: string): boolean => !flag.startsWith('\\');
  return more.every(isKeyword) && fewer.every(isKeyword) && more.length <= fewer.length;
}

function without(flags: readonly string[], others: readonly string[]): string[] {
  const left = new Set(others.map((flag) => flag.toLowerCase()));
  return flags.filter((flag) => !left.has(flag.toLowerCase()) && flag.toLowerCase() !== '\\recent');
}
