import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { card, event, uidOf } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { type DavProxy, davProxy } from '../servers/dav-proxy.js';
import { type DavAccountOf, davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const radicale = await davServer('radicale');
const proxies: DavProxy[] = [];
afterEach(async () => {
  for (const proxy of proxies.splice(0)) await proxy.close();
});
afterAll(stopPrivateServers);

describe('a new server that makes no calendars', () => {
  if (typeof radicale === 'string') return it.skip(`cannot be had here: ${radicale}`, () => undefined);
  const server = radicale;

  async function filled(): Promise<{ fresh: DavAccountOf; proxy: DavProxy; migration: Migration }> {
    const [old, fresh] = [await server.account(), await server.account()];
    const raw = rawDav(old);
    const team = await raw.makeCalendar('Team', ['VEVENT']);
    for (let n = 0; n < 3; n++) await raw.put(team, `e${n}.ics`, event(n));
    const known = await raw.makeCalendar('Known', ['VEVENT']);
    await raw.put(known, 'e7.ics', event(7));
    await rawDav(fresh).makeCalendar('Known', ['VEVENT']);
    await raw.put(await raw.makeAddressbook('People'), 'c.vcf', card(1));
    const proxy = await davProxy(fresh.url);
    proxies.push(proxy);
    const migration = new Migration(
      () => davSource(old),
      () => davDestination({ ...fresh, url: proxy.url }),
    );
    return { fresh, proxy, migration };
  }
  const kinds = ['calendars', 'contacts'] as const;
  const quick = { delay: async () => undefined };
  const uids = async (account: DavAccountOf, name: string): Promise<string[]> => {
    const raw = rawDav(account);
    const url = (await raw.collections(account.calendars)).get(name);
    return url === undefined ? [] : (await raw.contents(url)).map(({ body }) => uidOf(body).split('@')[0]!).sort();
  };
  const makes = ({ method, body }: { method: string; body: string }): boolean =>
    method === 'MKCALENDAR' || (method === 'MKCOL' && !body.includes('addressbook'));

  it.each([403, 405, 409, 500, 501])(
    '%i: what belongs there is named, everything else arrives',
    async (status) => {
      const { fresh, proxy, migration } = await filled();
      proxy.answers = (asked) => (makes(asked) ? { status } : null);
      const told = await migration.run({ kinds: [...kinds] }, undefined, quick);
      expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
      expect(told.counts).toMatchObject({ found: 5, copied: 2, failed: 3 });
      const code = [403, 405, 501].includes(status) ? 'NOT_PERMITTED' : 'FOLDER_REFUSED';
      expect(told.refusals.map((one) => one.code)).toEqual([code, code, code]);
      expect(told.refusals.map(({ subject }) => subject).sort()).toEqual(['Message 0', 'Message 1', 'Message 2']);
      expect(told.remarks).toMatchObject({ FOLDER_FAILED: 1 });
      expect(await uids(fresh, 'Known')).toEqual(['event-7']);
      // The hoster lets people make calendars now.
      proxy.answers = () => null;
      const again = await migration.run({ kinds: [...kinds] }, undefined, { ...quick, retryFailed: true });
      expect(again.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(await uids(fresh, 'Team')).toEqual(['event-0', 'event-1', 'event-2']);
    },
    120_000,
  );

  it.each([405, 501])(
    '%i to MKCALENDAR only: it is made by the extended MKCOL',
    async (status) => {
      const { fresh, proxy, migration } = await filled();
      proxy.answers = ({ method }) => (method === 'MKCALENDAR' ? { status } : null);
      const told = await migration.run({ kinds: [...kinds] }, undefined, quick);
      expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(await uids(fresh, 'Team')).toEqual(['event-0', 'event-1', 'event-2']);
    },
    120_000,
  );

  it('503 is waited for, as of any other question', async () => {
    const { proxy, migration } = await filled();
    proxy.answers = (asked) => (makes(asked) ? { status: 503 } : null);
    const told = await migration.run({ kinds: [...kinds] }, undefined, quick);
    expect(told.end).toMatchObject({ is: 'broken', error: { code: 'DESTINATION_UNAVAILABLE', scope: 'connection' } });
  }, 120_000);
});
