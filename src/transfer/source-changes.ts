import type { Binding, KnownFolder, LedgerSession } from '../ledger/ledger.js';
import type { Digest } from '../mailbox/digest.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey, ItemMeta } from '../mailbox/item.js';
import { KeySet } from './key-set.js';

interface Listing {
  readonly known: KnownFolder;
  readonly keys: KeySet;
  /** Listed items that earlier runs had bound in this folder. */
  bound: number;
  whole: boolean;
}

/**
 * What earlier runs copied and the old provider does not show in its folder any more. It is told in the report, as it is
 * at the moment, and never followed: what was copied stays.
 */
export class SourceChanges {
  private before: ReadonlyMap<FolderId, number> = new Map();
  private readonly listings = new Map<FolderId, Listing>();

  constructor(private readonly ledger: LedgerSession) {}

  async begin(): Promise<void> {
    this.before = await this.ledger.boundCounts();
  }

  /** A walk over the folder begins; what an earlier walk of this run saw does not count. */
  listing(known: KnownFolder): void {
    this.listings.set(known.id, { known, keys: new KeySet(), bound: 0, whole: false });
  }

  page(folder: FolderId, items: readonly ItemMeta[]): void {
    const listing = this.listings.get(folder);
    if (this.isDelta && listing) for (const { key } of items) listing.keys.add(key);
  }

  bound(folder: FolderId, items: number): void {
    const listing = this.listings.get(folder);
    if (listing) listing.bound += items;
  }

  /** The walk saw all of the folder. */
  listed(folder: FolderId): void {
    const listing = this.listings.get(folder);
    if (listing) listing.whole = true;
  }

  private get isDelta(): boolean {
    return this.before.size > 0;
  }

  /** @param known every folder of the link; those that are not listed any more are gone with all they held. */
  async report(known: readonly KnownFolder[], isListed: (folder: KnownFolder) => boolean): Promise<void> {
    for (const folder of known) {
      const before = this.before.get(folder.id) ?? 0;
      if (before === 0) continue;
      const listing = this.listings.get(folder.id);
      if (!isListed(folder)) await this.ledger.remarkState(folder.id, 'FOLDER_REMOVED_AT_SOURCE', before);
      else if (listing?.whole && (listing.bound < before || folder.source.keyScope === 'account'))
        await this.reportGone(listing);
    }
  }

  private async reportGone({ known, keys }: Listing): Promise<void> {
    const { ledger } = this;
    let [removed, moved] = [0, 0];
    for await (const window of ledger.bindings(known.id)) {
      const gone = window.filter(({ key }) => !keys.has(key));
      const elsewhere = await this.elsewhere(known, gone);
      for (const one of gone) {
        if (elsewhere(one)) moved++;
        else removed++;
      }
    }
    await ledger.remarkState(known.id, 'REMOVED_AT_SOURCE', removed);
    await ledger.remarkState(known.id, 'MOVED_AT_SOURCE', moved);
  }

  /** By its key where keys are the account's, else by its content: moving gives a message a new key. */
  private async elsewhere(known: KnownFolder, gone: readonly Binding[]): Promise<(binding: Binding) => boolean> {
    if (known.source.keyScope === 'account') return ({ key }) => this.isListedAnywhere(key);
    const digests = [...new Set(gone.flatMap(({ digest }) => (digest === null ? [] : [digest])))];
    const there: ReadonlySet<Digest> = await this.ledger.boundElsewhere(known.id, digests);
    return ({ digest }) => digest !== null && there.has(digest);
  }

  private isListedAnywhere(key: ItemKey): boolean {
    for (const { known, keys } of this.listings.values())
      if (known.source.keyScope === 'account' && keys.has(key)) return true;
    return false;
  }
}
