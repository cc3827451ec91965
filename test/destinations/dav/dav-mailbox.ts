import { digestObject } from '../../../src/conversion/semantic/digest.js';
import { DavDestination } from '../../../src/destinations/dav/dav-destination.js';
import type { DavAccountOptions } from '../../../src/destinations/dav/open-account.js';
import { POLICY } from '../../contracts/closed-network.js';
import type { DestinationServer } from '../../contracts/destination.contract.js';
import { card, event, sameObject } from '../../contracts/objects.js';
import { type DavAccountOf, type DavTestServer, rawDav } from '../../servers/dav.js';

export function davDestination(account: DavAccountOf, more: Partial<DavAccountOptions> = {}): DavDestination {
  const login = { kind: 'password', user: account.user, password: account.password } as const;
  return new DavDestination({
    access: async () => ({ url: new URL(account.url), login }),
    policy: POLICY,
    ...more,
  });
}

/** A person's new calendars or address books, for the contract. */
export async function davNewMailbox(server: DavTestServer, kind: 'calendars' | 'contacts'): Promise<DestinationServer> {
  const account = await server.account();
  const raw = rawDav(account);
  const home = kind === 'calendars' ? account.calendars : account.contacts;
  const urlOf = async (path: readonly string[]): Promise<string | undefined> =>
    (await raw.collections(home)).get(path.join(' / '));
  let delivered = 0;
  return {
    goods: {
      kind,
      make: kind === 'calendars' ? event : card,
      same: sameObject,
      subject: 'Message 5',
      digest: (bytes) => digestObject(bytes).digest,
    },
    async contents(path) {
      const url = await urlOf(path);
      const seen = url === undefined ? [] : await raw.contents(url);
      return seen.map(({ body }) => ({ bytes: Buffer.from(body), flags: [], date: { seconds: 0, offset: 0 } }));
    },
    async deliver(path, bytes) {
      const name = path.join(' / ');
      const url =
        (await urlOf(path)) ?? (await (kind === 'calendars' ? raw.makeCalendar(name) : raw.makeAddressbook(name)));
      await raw.put(url, `${String(++delivered).padStart(4, '0')}.${kind === 'calendars' ? 'ics' : 'vcf'}`, bytes);
    },
    async removeFirst(path) {
      const url = (await urlOf(path))!;
      await raw.remove(url, (await raw.contents(url))[0]!.name);
    },
    destination: () => davDestination(account),
    close: async () => undefined,
  };
}
