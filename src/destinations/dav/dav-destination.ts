import type { DestinationFolder, FolderPlan, SourceFolder } from '../../mailbox/folder.js';
import type { StagedItem, Staging } from '../../mailbox/item.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';
import type { DavCollection } from '../../protocols/dav/collections.js';
import { askServer } from '../../protocols/dav/server-facts.js';
import { listObjects } from '../../protocols/dav/listing.js';
import type {
  AsideOutcome,
  Destination,
  DestinationFacts,
  DestinationId,
  DestinationMark,
  Fingerprint,
  FlagChange,
  FlagRefusal,
  FoundItem,
  ItemUpdate,
  PlacedItem,
  Placement,
  StoreOutcome,
  TakeAwayWish,
  TakenAway,
  UpdateOutcome,
  Whereabouts,
} from '../destination.js';
import { ensureCollections, type Home, placeFor } from './ensure.js';
import { fit, formatOf, mend, uidOf } from './form.js';
import { DAV_EPOCH, markAt, ownName } from './ids.js';
import { type DavAccountOptions, OpenAccount } from './open-account.js';
import { isOurs, planCollections } from './plan.js';
import { epochChanged, fingerprints, listFound } from './read-back.js';
import { storeObjects } from './store.js';
import { takeAway } from './take-away.js';
import { updateObjects } from './update.js';

/** Calendars and address books of the new mailbox, over CalDAV and CardDAV. */
export class DavDestination implements Destination {
  private open: OpenAccount | null = null;

  constructor(private readonly options: DavAccountOptions) {}

  async connect(signal: AbortSignal): Promise<DestinationFacts> {
    const open = (this.open ??= await OpenAccount.open(this.options, signal));
    await open.refresh(signal);
    const { collections, accounts } = open;
    const takes = ITEM_KINDS.filter((kind) => {
      if (kind === 'mail') return false;
      if (kind === 'contacts') return accounts.carddav !== undefined;
      // A server that says of no calendar that it takes notes is not asked to.
      return (
        accounts.caldav !== undefined &&
        (kind !== 'notes' || collections.some((one) => one.components.includes('VJOURNAL')))
      );
    });
    // Each folder has its own; for the preview the smallest of those that may be written into.
    const sizes = collections.flatMap((one) => (isOurs(one) ? (one.maxBytes ?? []) : []));
    return {
      takes,
      maxBytes: sizes.length === 0 ? null : Math.min(...sizes),
      quota: null,
      atomicBatch: false,
      tellsIds: true,
    };
  }

  async planFolders(wanted: readonly SourceFolder[]): Promise<FolderPlan> {
    const open = this.opened();
    const plan = planCollections(wanted, open.collections);
    // Another look is cheap, and a plan of yesterday's collections is wrong.
    await open.refresh(new AbortController().signal);
    return open.collections.length === 0 ? plan : planCollections(wanted, open.collections);
  }

  async countExisting(plan: FolderPlan, signal: AbortSignal): Promise<number | null> {
    const { client, collections } = this.opened();
    const paths = new Map<string, DavCollection>();
    for (const mapping of plan.mappings) {
      const collection = mapping.exists ? placeFor(collections, mapping) : undefined;
      if (collection !== undefined) paths.set(collection.path, collection);
    }
    let count = 0;
    for (const collection of paths.values()) {
      let here = 0;
      const { cut } = await listObjects(client, collection, null, signal, () => {
        here = 0;
        return () => void here++;
      });
      if (cut) return null;
      count += here;
    }
    return count;
  }

  /** A collection is known by its href; its name is the person's. */
  async locate(known: readonly DestinationFolder[], signal: AbortSignal): Promise<Whereabouts[]> {
    const open = this.opened();
    const collections = await open.refresh(signal);
    return known.map((folder): Whereabouts => {
      const now = open.byName(collections, folder.name);
      if (now === undefined) return { is: 'gone' };
      if (now.name === folder.path.at(-1)) return { is: 'there' };
      return { is: 'renamed', to: { ...folder, path: [now.name] } };
    });
  }

  async ensureFolders(plan: FolderPlan, signal: AbortSignal): Promise<DestinationFolder[]> {
    const open = this.opened();
    const { client, accounts } = open;
    const home = (url: URL | undefined): Home | undefined => (url === undefined ? undefined : { client, url });
    const calendar = home(accounts.caldav?.calendarHomes[0]);
    const addressbook = home(accounts.carddav?.addressHomes[0]);
    return ensureCollections(
      plan,
      { ...(calendar === undefined ? {} : { calendar }), ...(addressbook === undefined ? {} : { addressbook }) },
      () => open.refresh(signal),
      signal,
    );
  }

  async mark(folder: DestinationFolder, signal: AbortSignal): Promise<DestinationMark> {
    const { client } = this.opened();
    const { collection } = await this.opened().placeOf(folder, signal);
    const { now } = await client.repeatable(signal, () => askServer(client, collection.url, signal));
    return { epoch: DAV_EPOCH, mark: markAt(now / 1_000) };
  }

  async fit(folder: DestinationFolder, item: StagedItem, staging: Staging): Promise<StagedItem> {
    return fit(folder.kind, item, this.opened().target, staging);
  }

  async mend(folder: DestinationFolder, item: StagedItem, staging: Staging): Promise<StagedItem | null> {
    return mend(folder.kind, item, staging);
  }

  async place(folder: DestinationFolder, items: readonly StagedItem[]): Promise<Placement[]> {
    const extension = formatOf(folder.kind) === 'card' ? 'vcf' : 'ics';
    return items.map((item) => ({
      is: 'put',
      href: `${folder.name}${ownName(item.ref.key, extension)}`,
      uid: uidOf(item),
    }));
  }

  async *store(
    folder: DestinationFolder,
    items: readonly PlacedItem[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<StoreOutcome> {
    yield* storeObjects(await this.opened().placeToStore(folder, signal), items, mayCommit, signal);
  }

  async *list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncGenerator<FoundItem[]> {
    if (from.epoch !== DAV_EPOCH) throw epochChanged();
    yield* listFound(await this.opened().placeOf(folder, signal), from.mark, signal);
  }

  async *fingerprint(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    depth: 'header' | 'body',
    signal: AbortSignal,
  ): AsyncGenerator<Fingerprint> {
    yield* fingerprints(await this.opened().placeOf(folder, signal), ids, depth, signal);
  }

  /** Events and contacts have none. */
  async setFlags(_folder: DestinationFolder, _changes: readonly FlagChange[]): Promise<readonly FlagRefusal[]> {
    return [];
  }

  async *update(
    folder: DestinationFolder,
    updates: readonly ItemUpdate[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<UpdateOutcome> {
    yield* updateObjects(await this.opened().placeOf(folder, signal), updates, mayCommit, signal);
  }

  async takeAway(
    folder: DestinationFolder,
    wish: TakeAwayWish,
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): Promise<TakenAway> {
    const open = this.opened();
    return takeAway(await open.placeOf(folder, signal), wish, open.words, mayCommit, signal);
  }

  setAside(
    _folder: DestinationFolder,
    _ids: readonly DestinationId[],
    _into: readonly string[],
  ): Promise<AsideOutcome> {
    throw new Error('calendars and address books are not set aside');
  }

  async close(): Promise<void> {
    this.open?.close();
    this.open = null;
  }

  private opened(): OpenAccount {
    if (this.open === null) throw new Error('the destination is not connected');
    return this.open;
  }
}
