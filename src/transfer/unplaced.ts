import type { FoundItem } from '../destinations/destination.js';
import type { Binding } from '../ledger/ledger.js';
import type { LaneState } from './lane-state.js';
import type { Wanted } from './look.js';

export type WantedBinding = Wanted & { readonly binding: Binding };

/**
 * What was stored without the server saying where, and was not seen yet. It claims nothing, so it has to be looked
 * for together with everything else that is wanted: else its copy is taken for that of a twin.
 */
export async function unplaced(lane: LaneState): Promise<WantedBinding[]> {
  const mark = lane.lowestOwn();
  return (await lane.unplaced()).flatMap((binding) => wantedBinding(binding, mark));
}

/** A binding without a digest cannot be recognised: none of ours is. */
export function wantedBinding(binding: Binding, mark: string): WantedBinding[] {
  const { digest, date, flags } = binding;
  return digest === null ? [] : [{ binding, mark, digest, headerDigest: null, date, flags }];
}

/** Gives found bindings their ids. */
export async function place(lane: LaneState, found: ReadonlyMap<Wanted, FoundItem>): Promise<void> {
  const placed = [...found].flatMap(([want, { id }]) =>
    'binding' in want ? [{ ...(want as WantedBinding).binding, id }] : [],
  );
  if (placed.length > 0) await lane.run.ledger.verify(lane.id, { verified: [], removed: [], placed });
}
