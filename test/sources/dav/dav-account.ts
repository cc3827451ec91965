import { DavSource, type DavSourceOptions } from '../../../src/sources/dav/dav-source.js';
import type { SourceServer } from '../../contracts/source.contract.js';
import { card, event, sameObject } from '../../contracts/objects.js';
import { type DavAccountOf, type DavTestServer, rawDav } from '../../servers/dav.js';
import { POLICY } from '../../contracts/closed-network.js';

export function davSource(account: DavAccountOf, more: Partial<DavSourceOptions> = {}): DavSource {
  const url = new URL(account.url);
  return new DavSource({
    urls: { caldav: url, carddav: url },
    login: async () => ({ kind: 'password', user: account.user, password: account.password }),
    policy: POLICY,
    owner: account.user,
    ...more,
  });
}

/** A person's calendars or address books, for the contract: folders are collections with that name. */
export async function davMailbox(server: DavTestServer, kind: 'calendars' | 'contacts'): Promise<SourceServer> {
  const account = await server.account();
  const raw = rawDav(account);
  const made = new Map<string, string>();
  const collection = async (path: readonly string[]): Promise<string> => {
    const name = path.join('/');
    const known = made.get(name);
    if (known !== undefined) return known;
    const url = await (kind === 'calendars' ? raw.makeCalendar(name, ['VEVENT']) : raw.makeAddressbook(name));
    made.set(name, url);
    return url;
  };
  let delivered = 0;
  return {
    goods: { kind, make: kind === 'calendars' ? event : card, same: sameObject, subject: 'Message 5' },
    async deliver(path, bytes) {
      const name = `${String(++delivered).padStart(4, '0')}.${kind === 'calendars' ? 'ics' : 'vcf'}`;
      const status = await raw.put(await collection(path), name, bytes);
      if (status !== 201) throw new Error(`PUT ${status}`);
    },
    async removeFirst(path) {
      const url = await collection(path);
      await raw.remove(url, (await raw.contents(url))[0]!.name);
    },
    async snapshot() {
      const seen = await Promise.all([...made].map(async ([name, url]) => [name, await raw.contents(url)]));
      return JSON.stringify(seen);
    },
    source: () => davSource(account),
    close: async () => undefined,
  };
}
