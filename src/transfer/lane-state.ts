import type { DestinationFacts, DestinationId } from '../destinations/destination.js';
import type { Binding, IntentId, ItemPlace, KnownDestinationFolder, KnownFolder, Settled } from '../ledger/ledger.js';
import { displayPath, type DestinationFolder, type DestinationFolderId } from '../mailbox/folder.js';
import { after, compareIds, isNumber, maxId } from './ids.js';
import type { Run } from './run.js';

/** What a lane knows about its destination folder, for everything that works on one. */
export class LaneState {
  readonly id: DestinationFolderId;
  folder: DestinationFolder;
  epoch: string;
  /** Everything stored from now on has an id at or above it. */
  mark: string;
  firstMark: { readonly epoch: string; readonly mark: string };

  constructor(
    readonly run: Run,
    known: KnownDestinationFolder,
    folder: DestinationFolder,
    freshMark: string,
    readonly sources: readonly KnownFolder[],
  ) {
    this.id = known.id;
    this.folder = folder;
    this.epoch = folder.epoch;
    this.firstMark = known.firstMark;
    this.mark = known.folder.epoch === folder.epoch ? maxId(known.mark, freshMark) : freshMark;
  }

  get name(): string {
    return displayPath(this.folder.path);
  }

  /** What is known of the largest item that goes here. */
  get limits(): Pick<DestinationFacts, 'maxBytes'> {
    const { maxBytes = this.run.destinationFacts.maxBytes } = this.folder;
    return { maxBytes };
  }

  /** True where items can be from before the first run. */
  hasPreExisting(): boolean {
    return this.firstMark.epoch === this.epoch && compareIds(this.firstMark.mark, '1') > 0;
  }

  /** Lowest id that something we stored can have. */
  lowestOwn(): string {
    return this.hasPreExisting() ? this.firstMark.mark : '1';
  }

  /** @returns `existing` items that another binding had claimed meanwhile: they are still to be copied. */
  async settle(id: IntentId | null, outcomes: readonly Settled[]): Promise<readonly ItemPlace[]> {
    if (outcomes.length === 0) return [];
    const unbound = await this.run.ledger.settle(id, outcomes);
    const still = new Set(unbound.map((place) => place.key));
    for (const outcome of outcomes) {
      if (still.has(outcome.key)) continue;
      this.onSettled(outcome);
      if (outcome.is === 'copied') this.stored(outcome.id);
    }
    return unbound;
  }

  /** What is stored from now on has a higher id. Hrefs do not rise: their marks stay. */
  stored(id: DestinationId | null): void {
    if (id && isNumber(id.id)) this.mark = maxId(this.mark, after(id.id));
  }

  protected onSettled(_outcome: Settled): void {}

  /** Bindings of this folder that claim nothing yet: the server said OK and not where. */
  async unplaced(): Promise<Binding[]> {
    const unplaced: Binding[] = [];
    for (const source of this.sources) unplaced.push(...(await this.run.ledger.unplaced(source.id)));
    return unplaced;
  }
}
