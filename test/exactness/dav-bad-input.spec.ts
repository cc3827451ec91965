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
      raw: RawDavServer;
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
        raw,
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

    it.each([404, 405, 406, 423, 451, 500, 501])(
      'one event that is answered with %d is named, and everything else arrives',
      async (status) => {
        const objects = Array.from({ length: 8 }, (_, n) => event(n));
        const { fresh, proxy, raw, run } = await between(objects);
        proxy.rule = ({ body }) => (body.includes('UID:event-2@') ? { do: 'answer', status } : null);
        const told = await run({ kinds: ['calendars'] });
        expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
        expect(told.counts).toMatchObject({ found: 10, copied: 9, failed: 1 });
        expect(told.refusals).toMatchObject([{ code: 'CONTENT_REFUSED' }]);
        expect(await uids(fresh, 'Bad')).toEqual([0, 1, 3, 4, 5, 6, 7].map((n) => `event-${n}`));
        // The same when it changes.
        proxy.rule = () => null;
        const all = await run({ kinds: ['calendars'] }, { retryFailed: true });
        expect(all.end).toEqual({ is: 'completed', outcome: 'complete' });
        proxy.rule = ({ body }) => (body.includes('SUMMARY:New 2') ? { do: 'answer', status } : null);
        for (const n of [1, 2, 3]) raw.change(0, n, event(n, { subject: `New ${n}` }));
        const delta = await run({ kinds: ['calendars'] });
        expect(delta.end.is).toBe('completed');
        expect(delta.remarks).toMatchObject({ CONTENT_UPDATED: 2, CONTENT_NOT_UPDATED: 1 });
      },
      120_000,
    );

    it('a server that fails at everything for a moment gets everything', async () => {
      const { fresh, proxy, run } = await between(Array.from({ length: 6 }, (_, n) => event(n)));
      let puts = 0;
      proxy.rule = () => (++puts <= 24 ? { do: 'answer', status: 500 } : null);
      const told = await run({ kinds: ['calendars'] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(told.counts).toMatchObject({ found: 8, copied: 8, failed: 0 });
      expect(await uids(fresh, 'Bad')).toHaveLength(6);
    }, 120_000);

    it('a server that fails at all of a calendar for good does not keep the others back', async () => {
      const { fresh, proxy, run } = await between(Array.from({ length: 6 }, (_, n) => event(n)));
      proxy.rule = ({ body }) => (/UID:event-\d@/.test(String(body)) ? { do: 'answer', status: 500 } : null);
      const told = await run({ kinds: ['calendars'] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
      expect(told.counts).toMatchObject({ found: 8, copied: 2, failed: 6 });
      expect(await uids(fresh, 'Good')).toEqual(['event-50', 'event-51']);
    }, 120_000);

    it('one that is stored and answered with 500 is there once, and nothing is said of it', async () => {
      const { fresh, proxy, run } = await between(Array.from({ length: 6 }, (_, n) => event(n)));
      proxy.rule = ({ body }) => (body.includes('UID:event-2@') ? { do: 'answer-after', status: 500 } : null);
      const told = await run({ kinds: ['calendars'] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(told.counts).toMatchObject({ found: 8, copied: 8, failed: 0 });
      expect(await uids(fresh, 'Bad')).toHaveLength(6);
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
