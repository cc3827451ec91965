import type { DestinationFolder, FolderPlan, SourceFolder } from '../../mailbox/folder.js';
import { digestObject } from '../../conversion/semantic/digest.js';
import { targetProfile } from '../../conversion/target-profiles.js';
import type { TargetProfile } from '../../conversion/prepared.js';
import type { StagedItem, Staging } from '../../mailbox/item.js';
import { ITEM_KINDS } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../../protocols/connect.js';
import { DavClient, type DavLogin } from '../../protocols/dav/client.js';
import { type DavCollection, listCollections } from '../../protocols/dav/collections.js';
import { type DavAccount, type DavService, findAccount } from '../../protocols/dav/discover.js';
import { askServer, type ServerFacts } from '../../protocols/dav/server-facts.js';
import { type ListedObject, listObjects } from '../../protocols/dav/listing.js';
import { asCollection, normalPath } from '../../protocols/dav/hrefs.js';
import { MULTIGET_ITEMS } from '../../protocols/dav/limits.js';
import { multiget } from '../../protocols/dav/multiget.js';
import {
  type AsideOutcome,
  type Destination,
  type DestinationFacts,
  type DestinationId,
  type DestinationMark,
  type Fingerprint,
  type FlagChange,
  type FlagRefusal,
  type FoundItem,
  type ItemUpdate,
  MAX_LIST_WINDOW,
  type PlacedItem,
  type Placement,
  type StoreOutcome,
  type UpdateOutcome,
  type Whereabouts,
} from '../destination.js';
import { ensureCollections, type Home } from './ensure.js';
import { fit, formatOf, mend, uidOf } from './form.js';
import { DAV_EPOCH, idOf, markAt, ownName, pathOf } from './ids.js';
import { collectionFor, planCollections } from './plan.js';
import { type Place, storeObjects } from './store.js';
import { updateObjects } from './update.js';

/** The hoster's own server: PUTs are many small round trips. */
const DEFAULT_CONNECTIONS = 8;

export interface DavAccess {
  /** Of the server, or of the account on it. */
  readonly url: URL;
  readonly login: DavLogin;
  readonly ca?: string;
}
export interface DavDestinationOptions {
  /** Asked again whenever the server refuses the login. */
  readonly access: () => Promise<DavAccess>;
  readonly policy: ConnectPolicy;
  readonly maxConnections?: number;
}

interface Open {
  readonly client: DavClient;
  readonly accounts: Readonly<Partial<Record<DavService, DavAccount>>>;
  readonly server: ServerFacts;
  readonly target: TargetProfile;
  collections: readonly DavCollection[];
}

/** Calendars and address books of the new mailbox, over CalDAV and CardDAV. */
export class DavDestination implements Destination {
  private open: Open | null = null;

  constructor(private readonly options: DavDestinationOptions) {}

  async connect(signal: AbortSignal): Promise<DestinationFacts> {
    const open = (this.open ??= await this.openAccount(signal));
    await this.refresh(signal);
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
    const sizes = collections.flatMap(({ maxBytes }) => maxBytes ?? []);
    return {
      takes,
      maxBytes: sizes.length === 0 ? null : Math.min(...sizes),
      quota: null,
      atomicBatch: false,
      tellsIds: true,
    };
  }

  private async openAccount(signal: AbortSignal): Promise<Open> {
    const first = await this.options.access();
    const { policy, maxConnections = DEFAULT_CONNECTIONS } = this.options;
    const client = new DavClient({
      home: first.url,
      login: async () => (await this.options.access()).login,
      policy,
      maxConnections,
      ...(first.ca === undefined ? {} : { trust: { ca: first.ca } }),
      errors: { side: 'destination' },
    });
    const accounts: Partial<Record<DavService, DavAccount>> = {};
    try {
      for (const service of ['caldav', 'carddav'] as const)
        try {
          accounts[service] = await client.repeatable(signal, () => findAccount(client, service, signal));
        } catch (error) {
          if (!(error instanceof TransferError) || error.code !== 'DAV_NOT_FOUND') throw error;
        }
      const home = accounts.caldav?.calendarHomes[0] ?? accounts.carddav?.addressHomes[0];
      if (home === undefined) throw noAccount();
      const server = await client.repeatable(signal, () => askServer(client, home, signal));
      return { client, accounts, server, target: targetProfile(server.words), collections: [] };
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private async refresh(signal: AbortSignal): Promise<readonly DavCollection[]> {
    const open = this.opened();
    const { client, accounts } = open;
    const all = new Map<string, DavCollection>();
    for (const [service, account] of Object.entries(accounts) as [DavService, DavAccount][])
      for (const home of service === 'caldav' ? account.calendarHomes : account.addressHomes)
        for (const one of await client.repeatable(signal, () =>
          listCollections(client, home, account.principal, signal),
        ))
          if (one.kind === (service === 'caldav' ? 'calendar' : 'addressbook')) all.set(one.path, one);
    return (open.collections = [...all.values()]);
  }

  async planFolders(wanted: readonly SourceFolder[]): Promise<FolderPlan> {
    const open = this.opened();
    const plan = planCollections(wanted, open.collections);
    // Another look is cheap, and a plan of yesterday's collections is wrong.
    await this.refresh(new AbortController().signal);
    return open.collections.length === 0 ? plan : planCollections(wanted, open.collections);
  }

  async countExisting(plan: FolderPlan, signal: AbortSignal): Promise<number | null> {
    const { client, collections } = this.opened();
    const paths = new Map<string, DavCollection>();
    for (const { source, path, exists } of plan.mappings) {
      const collection = exists ? collectionFor(collections, source.kind, path[0]!) : undefined;
      if (collection !== undefined) paths.set(collection.path, collection);
    }
    let count = 0;
    for (const collection of paths.values())
      await client.repeatable(signal, () => listObjects(client, collection, null, signal, () => void count++));
    return count;
  }

  /** A collection is known by its href; its name is the person's. */
  async locate(known: readonly DestinationFolder[], signal: AbortSignal): Promise<Whereabouts[]> {
    const { client } = this.opened();
    const collections = await this.refresh(signal);
    return known.map((folder): Whereabouts => {
      const now = collections.find(({ path }) => path === samePath(folder.name, client.home));
      if (now === undefined) return { is: 'gone' };
      if (now.name === folder.path.at(-1)) return { is: 'there' };
      return { is: 'renamed', to: { ...folder, path: [now.name] } };
    });
  }

  async ensureFolders(plan: FolderPlan, signal: AbortSignal): Promise<DestinationFolder[]> {
    const { client, accounts } = this.opened();
    const home = (url: URL | undefined): Home | undefined => (url === undefined ? undefined : { client, url });
    const calendar = home(accounts.caldav?.calendarHomes[0]);
    const addressbook = home(accounts.carddav?.addressHomes[0]);
    return ensureCollections(
      plan,
      { ...(calendar === undefined ? {} : { calendar }), ...(addressbook === undefined ? {} : { addressbook }) },
      () => this.refresh(signal),
      signal,
    );
  }

  async mark(folder: DestinationFolder, signal: AbortSignal): Promise<DestinationMark> {
    const { client } = this.opened();
    const { collection } = await this.placeOf(folder, signal);
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
    yield* storeObjects(await this.placeOf(folder, signal), items, mayCommit, signal);
  }

  async *list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncGenerator<FoundItem[]> {
    if (from.epoch !== DAV_EPOCH) throw epochChanged();
    const { client, collection } = await this.placeOf(folder, signal);
    const objects = await client.repeatable(signal, async () => {
      const all: ListedObject[] = [];
      await listObjects(client, collection, null, signal, (object) => all.push(object));
      return all;
    });
    const found = objects
      .flatMap((object): FoundItem[] => {
        const id = idOf(object.path, collection.path);
        if (id === null || id.id < from.mark) return [];
        const date = object.modified === null ? null : { seconds: Math.floor(object.modified / 1_000), offset: 0 };
        return [{ id, size: object.bytes ?? 0, date, flags: [], etag: object.etag }];
      })
      .sort((a, b) => (a.id.id < b.id.id ? -1 : 1));
    for (let at = 0; at < found.length; at += MAX_LIST_WINDOW) yield found.slice(at, at + MAX_LIST_WINDOW);
  }

  async *fingerprint(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    depth: 'header' | 'body',
    signal: AbortSignal,
  ): AsyncGenerator<Fingerprint> {
    const { client, collection } = await this.placeOf(folder, signal);
    const paths = ids.flatMap((id) => pathOf(id, collection.path) ?? []);
    for (let at = 0; at < paths.length; at += MULTIGET_ITEMS) {
      const prints: Fingerprint[] = [];
      await client.repeatable(signal, () => {
        prints.splice(0);
        return multiget(client, collection, paths.slice(at, at + MULTIGET_ITEMS), signal, ({ path, body }) => {
          const id = idOf(path, collection.path);
          if (id === null) return;
          const { digest, headerDigest, messageId } = digestObject(body);
          prints.push({ id, size: body.length, messageId, headerDigest, digest: depth === 'body' ? digest : null });
        });
      });
      yield* prints;
    }
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
    yield* updateObjects(await this.placeOf(folder, signal), updates, mayCommit, signal);
  }

  setAside(
    _folder: DestinationFolder,
    _ids: readonly DestinationId[],
    _into: readonly string[],
  ): Promise<AsideOutcome> {
    throw new Error('calendars and address books are not set aside');
  }

  async close(): Promise<void> {
    this.open?.client.close();
    this.open = null;
  }

  private opened(): Open {
    if (this.open === null) throw new Error('the destination is not connected');
    return this.open;
  }

  private async placeOf(folder: DestinationFolder, signal: AbortSignal): Promise<Place> {
    const { client } = this.opened();
    const known = (all: readonly DavCollection[]): DavCollection | undefined =>
      all.find(({ path }) => path === samePath(folder.name, client.home));
    const collection = known(this.opened().collections) ?? known(await this.refresh(signal));
    if (collection !== undefined) return { client, collection, kind: folder.kind };
    throw new TransferError('The folder is not there any more.', {
      side: 'destination',
      scope: 'folder',
      retry: 'never',
      code: 'DESTINATION_MISSING',
    });
  }
}

function samePath(name: string, home: URL): string {
  return asCollection(normalPath(name, home) ?? name);
}

function noAccount(): TransferError {
  return new TransferError('The new mailbox has no calendars and contacts.', {
    side: 'destination',
    scope: 'account',
    retry: 'later',
    code: 'DESTINATION_UNAVAILABLE',
  });
}

function epochChanged(): TransferError {
  return new TransferError('the folder was made anew while it was read', {
    side: 'destination',
    scope: 'folder',
    retry: 'now',
    code: 'EPOCH_CHANGED',
  });
}
