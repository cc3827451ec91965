import { createHash } from 'node:crypto';
import type { SourceFolder } from '../../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../../mailbox/item.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../../protocols/connect.js';
import { DavClient, type DavLogin } from '../../protocols/dav/client.js';
import { type Component, type DavCollection, listCollections } from '../../protocols/dav/collections.js';
import {
  type DavAccount,
  type DavDns,
  type DavService,
  findAccount,
  lookUpService,
} from '../../protocols/dav/discover.js';
import type { DavErrorContext } from '../../protocols/dav/failure.js';
import { listObjects } from '../../protocols/dav/listing.js';
import type { TakePermit } from '../../protocols/permit.js';
import { Places } from '../../protocols/places.js';
import { flagsOf, type Source, type SourceAccount, type SourceFacts } from '../source.js';
import { describeItems } from './describe.js';
import { type FoundFolder, foldersOf, hiddenIn } from './folders.js';
import { readObjects } from './read.js';
import { scanFolder } from './scan.js';

const DEFAULT_CONNECTIONS = 4;

export interface DavSourceOptions {
  /** Where calendars and contacts are; often the same. A host alone is enough: RFC 6764 finds the rest. */
  readonly urls: Readonly<Partial<Record<DavService, URL>>>;
  /** Asked again when the server refuses: tokens end. */
  readonly login: () => Promise<DavLogin>;
  readonly policy: ConnectPolicy;
  /** Whose account it is. */
  readonly owner: string;
  readonly trust?: { readonly caFingerprint?: string; readonly ca?: string };
  readonly maxConnections?: number;
  /** Asked before one more request is under way than there were until now. */
  readonly permit?: TakePermit;
  readonly classifySignIn?: DavErrorContext['classifySignIn'];
  /** Asked where the services of `domain` are when they are not at the given address (RFC 6764 section 3). */
  readonly dns?: { readonly domain: string; readonly questions: DavDns };
}

interface Service {
  client: DavClient;
  readonly name: DavService;
  account: DavAccount | null;
}

/** Calendars and address books read over CalDAV and CardDAV, by PROPFIND, REPORT and GET only: nothing is changed. */
export class DavSource implements Source {
  readonly account: SourceAccount;
  private readonly services: Service[];
  private readonly maxConnections: number;
  private readonly places: Places | null;
  private listed = new Map<string, FoundFolder & { client: DavClient }>();

  constructor(private readonly options: DavSourceOptions) {
    const { urls, owner } = options;
    const hosts = [urls.caldav, urls.carddav].map((url) => (url === undefined ? '' : url.host.toLowerCase()));
    const names = ['dav', ...new Set(hosts), owner.toLowerCase()].join('\0');
    this.account = { kind: 'dav', stableId: createHash('sha256').update(names).digest('hex') };
    this.maxConnections = Math.max(1, options.maxConnections ?? DEFAULT_CONNECTIONS);
    this.places = options.permit === undefined ? null : new Places(this.maxConnections, options.permit);
    this.services = (['caldav', 'carddav'] as const).flatMap((name) => {
      const home = urls[name];
      return home === undefined ? [] : [{ name, client: this.clientFor(home), account: null }];
    });
  }

  private clientFor(home: URL): DavClient {
    const { login, policy, trust, classifySignIn } = this.options;
    return new DavClient({
      home,
      login,
      policy,
      maxConnections: this.maxConnections,
      ...(this.places === null ? {} : { places: this.places }),
      ...(trust === undefined ? {} : { trust }),
      errors: { side: 'source', ...(classifySignIn === undefined ? {} : { classifySignIn }) },
    });
  }

  /** One of the two services may be missing; both may not. */
  async connect(signal: AbortSignal): Promise<SourceFacts> {
    let missing: unknown = null;
    for (const service of this.services) {
      try {
        service.account ??= await this.find(service, signal);
      } catch (error) {
        if (!(error instanceof TransferError) || error.code !== 'DAV_NOT_FOUND') throw error;
        missing = error;
      }
    }
    const found = this.services.filter(({ account }) => account !== null);
    if (found.length === 0) throw missing ?? noServices();
    const gives = new Set(
      found.flatMap(({ name }): ItemKind[] => (name === 'caldav' ? ['calendars', 'tasks', 'notes'] : ['contacts'])),
    );
    return {
      gives: ITEM_KINDS.filter((kind) => gives.has(kind)),
      maxConnections: this.maxConnections,
      quirks: [],
    };
  }

  private async find(service: Service, signal: AbortSignal): Promise<DavAccount> {
    const find = (): Promise<DavAccount> =>
      service.client.repeatable(signal, () => findAccount(service.client, service.name, signal));
    try {
      return await find();
    } catch (error) {
      const elsewhere = isElsewhere(error) ? await this.lookUp(service, signal) : null;
      if (elsewhere === null) throw error;
      service.client.close();
      service.client = this.clientFor(elsewhere);
      return find();
    }
  }

  /** Only under the domain itself: its DNS must not send the password to a stranger. */
  private async lookUp({ name, client }: Service, signal: AbortSignal): Promise<URL | null> {
    const { dns } = this.options;
    if (dns === undefined) return null;
    const found = await lookUpService(dns.domain, name, dns.questions);
    signal.throwIfAborted();
    if (found === null || found.origin === client.home.origin) return null;
    const host = found.hostname.toLowerCase();
    return host === dns.domain || host.endsWith(`.${dns.domain}`) ? found : null;
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    await this.connect(signal);
    const found: (FoundFolder & { client: DavClient })[] = [];
    const hidden: SourceFolder[] = [];
    const seen = new Set<string>();
    for (const { client, name, account } of this.services) {
      if (account === null) continue;
      for (const home of name === 'caldav' ? account.calendarHomes : account.addressHomes) {
        const { collections, unusable } = await client.repeatable(signal, () =>
          listCollections(client, home, account.principal, signal),
        );
        if (unusable > 0) hidden.push(hiddenIn(home, name === 'caldav' ? 'calendars' : 'contacts'));
        for (const collection of collections) {
          const wanted = name === 'caldav' ? 'calendar' : 'addressbook';
          if (collection.kind !== wanted || seen.has(collection.url.href)) continue;
          seen.add(collection.url.href);
          const counts = await this.count(client, collection, signal);
          found.push(...foldersOf(collection, counts).map((one) => ({ ...one, client })));
        }
      }
    }
    if (found.length === 0 && hidden.length === 0) throw nothingShown();
    this.listed = new Map(withOwnNames(found).map((one) => [one.folder.id, one]));
    return [...[...this.listed.values()].map(({ folder }) => folder), ...hidden];
  }

  /** Real numbers for each kind: the wizard shows them before anything is ticked. */
  private async count(
    client: DavClient,
    collection: DavCollection,
    signal: AbortSignal,
  ): Promise<Map<Component | null, { items: number; bytes: number | null }>> {
    const counts = new Map<Component | null, { items: number; bytes: number | null }>();
    if (!collection.own || collection.generated) return counts;
    for (const component of collection.kind === 'addressbook' ? [null] : collection.components) {
      let items = 0;
      let bytes: number | null = 0;
      const { cut } = await listObjects(client, collection, component, signal, () => {
        [items, bytes] = [0, 0];
        return (object) => {
          items++;
          bytes = bytes === null || object.bytes === null ? null : bytes + object.bytes;
        };
      });
      if (!cut) counts.set(component, { items, bytes });
    }
    return counts;
  }

  async *scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    signal.throwIfAborted();
    const found = await this.foundFor(folder, signal);
    yield* scanFolder(found.client, found, this.account.stableId, since, signal);
  }

  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    signal.throwIfAborted();
    const found = await this.foundFor(folder, signal);
    const flags = flagsOf(folder.kind);
    for await (const outcome of readObjects(found.client, found, refs, stage, signal))
      yield outcome.is === 'staged' ? { ...outcome, item: { ...outcome.item, flags } } : outcome;
  }

  async *describe(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): AsyncGenerator<ItemDescription> {
    signal.throwIfAborted();
    const found = await this.foundFor(folder, signal);
    yield* describeItems(found.client, found, refs, signal);
  }

  async close(): Promise<void> {
    for (const { client } of this.services) client.close();
    this.places?.close();
  }

  private async foundFor(folder: SourceFolder, signal: AbortSignal): Promise<FoundFolder & { client: DavClient }> {
    if (this.listed.size === 0) await this.listFolders(signal);
    const found = this.listed.get(folder.id);
    if (found !== undefined) return found;
    throw new TransferError('The folder is not in the listing of the old server.', {
      side: 'source',
      scope: 'folder',
      retry: 'never',
      code: 'FOLDER_GONE',
    });
  }
}

/** Two collections of one kind with one name are told apart. */
function withOwnNames<T extends FoundFolder>(found: readonly T[]): T[] {
  const taken = new Map<string, string>();
  return found.map((one) => {
    const { folder, collection } = one;
    const family = collection.kind;
    let name = collection.name;
    for (let n = 2; (taken.get(`${family}\0${name}`) ?? collection.path) !== collection.path; n++)
      name = `${collection.name} (${n})`;
    taken.set(`${family}\0${name}`, collection.path);
    return { ...one, folder: { ...folder, path: [name] } };
  });
}

/** Nothing at this address: the domain may know better. A refused password is an answer. */
function isElsewhere(error: unknown): boolean {
  return (
    error instanceof TransferError &&
    ['DAV_NOT_FOUND', 'HOST_NOT_FOUND', 'CONNECT_FAILED', 'TIMEOUT', 'TLS_UNTRUSTED'].includes(error.code)
  );
}

function noServices(): TransferError {
  return new TransferError('No server for calendars or contacts is named.', {
    side: 'source',
    scope: 'account',
    retry: 'user',
    code: 'DAV_NOT_FOUND',
  });
}

/** An account without a single calendar or address book: made by nobody yet, or a fault of the server. */
function nothingShown(): TransferError {
  return new TransferError('The old server shows no calendars and no address books.', {
    side: 'source',
    scope: 'account',
    retry: 'later',
    code: 'NO_FOLDERS',
  });
}
