import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { event, uidOf } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { type DavProxy, davProxy } from '../servers/dav-proxy.js';
import { type DavAccountOf, davServer, type DavTestServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { type RawDavServer, rawDavServer } from '../servers/raw-dav-server.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration, type Told, type Ways } from './transfer.js';

const servers = new Map<string, DavTestServer | string>();
for (const name of ['radicale', 'cyrus'] as const) servers.set(name, await davServer(name));
const closing: (DavProxy | RawDavServer)[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
afterAll(stopPrivateServers);

const withLines = (n: number, ...lines: string[]): Buffer =>
  Buffer.from(String(event(n)).replace('END:VEVENT', `${lines.join('\r\n')}\r\nEND:VEVENT`));

async function uids(account: DavAccountOf, name: string): Promise<string[]> {
  const raw = rawDav(account);
  const url = (await raw.collections(account.calendars)).get(name);
  return url === undefined ? [] : (await raw.contents(url)).map(({ body }) => uidOf(body).split('@')[0]!).sort();
}

for (const target of ['radicale', 'cyrus'] as const)
  describe(`what means harm, into ${target}`, () => {
    const to = servers.get(target)!;
    if (typeof to === 'string') return it.skip(`cannot be had here: ${to}`, () => undefined);

    async function between(objects: readonly Buffer[]): Promise<{
      fresh: DavAccountOf;
      proxy: DavProxy;
      run: (options: Parameters<Migration['run']>[0], ways?: Ways) => Promise<Told>;
    }> {
      const fresh = await to_.account();
      const raw = await rawDavServer([
        { name: 'Bad', kind: 'ics', objects },
        { name: 'Good', kind: 'ics', objects: [event(50), event(51)] },
      ]);
      const proxy = await davProxy(fresh.url);
      closing.push(raw, proxy);
      const migration = new Migration(
        () => davSource({ ...fresh, url: raw.url }),
        () => davDestination({ ...fresh, url: proxy.url }),
      );
      return {
        fresh,
        proxy,
        run: (options, ways) => migration.run(options, undefined, { ...ways, delay: (ms) => sleep(ms / 20) }),
      };
    }
    const to_ = to;

    it('an event every second without end, and one with 5,000 guests, arrive or are named, and keep nothing else back', async () => {
      const guests = Array.from({ length: 5_000 }, (_, n) => `ATTENDEE;CN=Guest ${n}:mailto:guest${n}@elsewhere.test`);
      const { fresh, run } = await between([
        event(0),
        withLines(1, 'RRULE:FREQ=SECONDLY'),
        withLines(2, 'ORGANIZER:mailto:boss@elsewhere.test', ...guests),
        event(3),
      ]);
      const mails = to_.mailOut().length;
      const told = await run({ kinds: ['calendars'] });
      expect(told.end.is).toBe('completed');
      const { found, copied, failed } = told.counts;
      expect([found, copied + failed]).toEqual([6, 6]);
      for (const { code } of told.refusals) expect(code).toBe('CONTENT_REFUSED');
      expect(await uids(fresh, 'Bad')).toEqual(expect.arrayContaining(['event-0', 'event-3']));
      expect(await uids(fresh, 'Good')).toEqual(['event-50', 'event-51']);
      expect(to_.mailOut()).toHaveLength(mails);
    }, 120_000);

    it('a calendar that vanishes while it is written is named, and the others are copied', async () => {
      const { fresh, proxy, run } = await between(Array.from({ length: 6 }, (_, n) => event(n)));
      let gone: string | null = null;
      proxy.rule = ({ path }) => {
        const collection = path.slice(0, path.lastIndexOf('/') + 1);
        if (gone !== null) return null;
        gone = collection;
        const url = new URL(collection, fresh.url).href;
        return { do: 'first', act: async () => void (await rawDav(fresh).ask('DELETE', url)) };
      };
      const told = await run({ kinds: ['calendars'] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
      const { found, copied, failed } = told.counts;
      expect(found).toBe(copied + failed);
      expect(told.refusals.map(({ code }) => code)).toContain('DESTINATION_MISSING');
      const left = [...(await uids(fresh, 'Bad')), ...(await uids(fresh, 'Good'))];
      expect(left.length).toBeGreaterThanOrEqual(2);
      // The next run makes it anew and has everything there.
      const again = await run({ kinds: ['calendars'] }, { retryFailed: true });
      expect(again.end.is).toBe('completed');
    }, 120_000);

    it('a password that is refused in the middle ends the run and says whose it is', async () => {
      const { proxy, run } = await between([event(0), event(1), event(2)]);
      proxy.rule = ({ object }) => (object > 1 ? { do: 'answer', status: 401 } : null);
      const told = await run({ kinds: ['calendars'] });
      expect(told.end).toMatchObject({
        is: 'broken',
        error: { code: 'AUTH_FAILED', side: 'destination', retry: 'user' },
      });
      proxy.rule = () => null;
      const after = await run({ kinds: ['calendars'] });
      expect(after.counts).toMatchObject({ found: 5, failed: 0 });
      expect(after.end).toEqual({ is: 'completed', outcome: 'complete' });
    }, 120_000);
  });
