import type { DestinationFolderId } from '../mailbox/folder.js';
import type { IntentId, IntentItem, ItemPlace, Settled } from './ledger.js';
import { placeName } from './settlement.js';

/** A batch that is about to be sent: no open intent has any of its items. */
export interface FreshIntent {
  readonly is: 'fresh';
  readonly folder: DestinationFolderId;
  readonly at: { readonly epoch: string; readonly mark: string };
  readonly items: readonly IntentItem[];
  /** placeName() of each. */
  readonly names: ReadonlySet<string>;
}
/** A batch that was stored as a whole, and the server said where. */
export interface WholeIntent {
  readonly is: 'whole';
  readonly intent: IntentId;
  readonly outcomes: readonly Placed[];
  readonly names: ReadonlySet<string>;
}
export type UsualPart = FreshIntent | WholeIntent;
type Copied = Extract<Settled, { is: 'copied' }>;
export type Placed = Copied & { readonly id: NonNullable<Copied['id']> };

/** What this session left open, so that the usual batch needs no looking up. */
export class OpenIntents {
  private readonly items = new Map<IntentId, Set<string>>();

  get ids(): IntentId[] {
    return [...this.items.keys()];
  }

  opened(id: IntentId, items: readonly ItemPlace[]): void {
    this.settled(items);
    this.items.set(id, new Set(items.map(placeName)));
  }

  /** They are in no intent any more; an intent without items is gone. */
  settled(items: readonly ItemPlace[]): void {
    const names = items.map(placeName);
    for (const [id, open] of this.items) {
      for (const name of names) open.delete(name);
      if (open.size === 0) this.items.delete(id);
    }
  }

  dissolved(id: IntentId): void {
    this.items.delete(id);
  }

  fresh(
    folder: DestinationFolderId,
    at: { readonly epoch: string; readonly mark: string },
    items: readonly IntentItem[],
  ): FreshIntent | null {
    const names = new Set(items.map(placeName));
    if (names.size === 0 || names.size !== items.length) return null;
    for (const open of this.items.values()) for (const name of names) if (open.has(name)) return null;
    return { is: 'fresh', folder, at, items, names };
  }

  whole(id: IntentId | null, outcomes: readonly Settled[]): WholeIntent | null {
    const open = id === null ? undefined : this.items.get(id);
    if (id === null || open === undefined || open.size !== outcomes.length || !outcomes.every(isPlaced)) return null;
    const names = new Set(outcomes.map(placeName));
    const all = names.size === open.size && [...names].every((name) => open.has(name));
    return all ? { is: 'whole', intent: id, outcomes, names } : null;
  }
}

/** True: what is done with one of them does not matter to the others. */
export function areApart(parts: readonly UsualPart[]): boolean {
  const all = new Set<string>();
  let count = 0;
  for (const { names } of parts) {
    count += names.size;
    for (const name of names) all.add(name);
  }
  return all.size === count;
}

function isPlaced(outcome: Settled): outcome is Placed {
  return outcome.is === 'copied' && outcome.id !== null;
}
