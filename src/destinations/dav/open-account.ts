import type { TargetProfile } from '../../conversion/prepared.js';
import { targetProfile } from '../../conversion/target-profiles.js';
import type { DestinationFolder } from '../../mailbox/folder.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../../protocols/connect.js';
import { DavClient, type DavLogin } from '../../protocols/dav/client.js';
import { type DavCollection, listCollections } from '../../protocols/dav/collections.js';
import { type DavAccount, type DavService, findAccount } from '../../protocols/dav/discover.js';
import { asCollection, decodedName, normalPath } from '../../protocols/dav/hrefs.js';
import { askServer } from '../../protocols/dav/server-facts.js';
import { foreignUids } from './foreign-uids.js';
import type { Place } from './store.js';

/** The hoster's own server: PUTs are many small round trips. */
const DEFAULT_CONNECTIONS = 8;

export interface DavAccess {
  /** Of the server, or of the account on it. */
  readonly url: URL;
  readonly login: DavLogin;
  readonly ca?: string;
  /** Whose account it must be, where somebody else signs in. Left out: whoever signs in. */
  readonly owner?: string;
}
export interface DavAccountOptions {
  /** Asked again whenever the server refuses the login. */
  readonly access: () => Promise<DavAccess>;
  readonly policy: ConnectPolicy;
  readonly maxConnections?: number;
}

/** The new mailbox on its DAV server, signed in to, with the collections that were there at the last look. */
export class OpenAccount {
  private readonly failing = new Map<string, number>();
  private readonly doubted = new Set<string>();
  private all: readonly DavCollection[] = [];
  /** By path of the address book. */
  private readonly foreign = new Map<string, Promise<ReadonlyMap<string, readonly string[]>>>();

  private constructor(
    readonly client: DavClient,
    readonly accounts: Readonly<Partial<Record<DavService, DavAccount>>>,
    readonly target: TargetProfile,
    /** What the server says of itself. */
    readonly words: string,
  ) {}

  /** @throws TransferError when the server cannot be reached, or has neither calendars nor address books for the login */
  static async open(options: DavAccountOptions, signal: AbortSignal): Promise<OpenAccount> {
    const first = await options.access();
    const { policy, maxConnections = DEFAULT_CONNECTIONS } = options;
    const client = new DavClient({
      home: first.url,
      login: async () => (await options.access()).login,
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
      const { owner, login } = first;
      if (owner !== undefined && !Object.values(accounts).every((one) => isOf(one, owner, login.user)))
        throw noAccount();
      const server = await client.repeatable(signal, () => askServer(client, home, signal));
      return new OpenAccount(client, accounts, targetProfile(server.words), server.words);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  get collections(): readonly DavCollection[] {
    return this.all;
  }

  /** Looks again. */
  async refresh(signal: AbortSignal): Promise<readonly DavCollection[]> {
    const { client, accounts } = this;
    const all = new Map<string, DavCollection>();
    for (const [service, account] of Object.entries(accounts) as [DavService, DavAccount][])
      for (const home of service === 'caldav' ? account.calendarHomes : account.addressHomes)
        for (const one of (
          await client.repeatable(signal, () => listCollections(client, home, account.principal, signal))
        ).collections)
          if (one.kind === (service === 'caldav' ? 'calendar' : 'addressbook')) all.set(one.path, one);
    return (this.all = [...all.values()]);
  }

  /** What a folder's name stands for among these. */
  byName(all: readonly DavCollection[], name: string): DavCollection | undefined {
    const wanted = asCollection(normalPath(name, this.client.home) ?? name);
    return all.find(({ path }) => path === wanted);
  }

  /** @throws TransferError DESTINATION_MISSING */
  async placeOf(folder: DestinationFolder, signal: AbortSignal): Promise<Place> {
    const collection = this.byName(this.all, folder.name) ?? this.byName(await this.refresh(signal), folder.name);
    if (collection !== undefined)
      return { client: this.client, collection, kind: folder.kind, failing: this.failing, doubted: this.doubted };
    throw new TransferError('The folder is not there any more.', {
      side: 'destination',
      scope: 'folder',
      retry: 'never',
      code: 'DESTINATION_MISSING',
    });
  }

  /** For storing: of an address book also what others filed in it, as it was when it was first asked for. */
  async placeToStore(folder: DestinationFolder, signal: AbortSignal): Promise<Place> {
    const place = await this.placeOf(folder, signal);
    if (place.collection.kind !== 'addressbook') return place;
    const { path } = place.collection;
    let asked = this.foreign.get(path);
    if (asked === undefined) {
      asked = foreignUids(place, signal);
      this.foreign.set(path, asked);
      // The next one asks again.
      asked.catch(() => this.foreign.delete(path));
    }
    return { ...place, foreign: await asked };
  }

  close(): void {
    this.client.close();
  }
}

/**
 * A server may lead an administrator into his own calendars: what is the owner's names him at its end or right before, whole or by the part before
 * the @. What names the administrator there is the owner's only if it names him whole: his name may be a word of every path.
 */
function isOf({ calendarHomes, addressHomes }: DavAccount, owner: string, administrator: string): boolean {
  const [whole, short] = namesOf(owner);
  const others = namesOf(administrator).filter((name) => name !== whole && name !== short);
  return [...calendarHomes, ...addressHomes].every(({ pathname }) => {
    const parts = pathname.split('/').filter((part) => part !== '');
    const end = parts.slice(-2).map((part) => decodedName(part).toLowerCase());
    return end.includes(whole) || (end.includes(short) && !end.some((part) => others.includes(part)));
  });
}

function namesOf(mailbox: string): [whole: string, short: string] {
  const whole = mailbox.toLowerCase();
  return [whole, whole.split('@')[0]!];
}

function noAccount(): TransferError {
  return new TransferError('The new mailbox has no calendars and contacts.', {
    side: 'destination',
    scope: 'account',
    retry: 'later',
    code: 'DESTINATION_UNAVAILABLE',
  });
}
