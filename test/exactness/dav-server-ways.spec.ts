import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { event } from '../contracts/objects.js';
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

describe('a new server with its own ways', () => {
  if (typeof radicale === 'string') return it.skip(`cannot be had here: ${radicale}`, () => undefined);
  const server = radicale;

  async function filled(events: number): Promise<{ fresh: DavAccountOf; proxy: DavProxy; migration: Migration }> {
    const [old, fresh] = [await server.account(), await server.account()];
    const raw = rawDav(old);
    const team = await raw.makeCalendar('Team', ['VEVENT']);
    for (let n = 0; n < events; n++) await raw.put(team, `e${n}.ics`, event(n));
    const proxy = await davProxy(fresh.url);
    proxies.push(proxy);
    const migration = new Migration(
      () => davSource(old),
      () => davDestination({ ...fresh, url: proxy.url }),
    );
    return { fresh, proxy, migration };
  }

  it('that says when it takes more is not asked before, and no worker waits for it for hours', async () => {
    const { proxy, migration } = await filled(2);
    proxy.rule = () => ({ do: 'answer', status: 503, headers: { 'retry-after': '7200' } });
    const waits: number[] = [];
    const told = await migration.run({ kinds: ['calendars'] }, undefined, { delay: async (ms) => void waits.push(ms) });
    expect(told.end).toMatchObject({
      is: 'broken',
      error: { code: 'DESTINATION_UNAVAILABLE', scope: 'connection', retryAfterMs: 7_200_000 },
    });
    expect(proxy.happened).toEqual(['PUT 1: answer', 'PUT 2: answer']);
    expect(waits.filter((ms) => ms > 60_000)).toEqual([]);
    proxy.rule = () => null;
    const after = await migration.run({ kinds: ['calendars'] });
    expect(after.end).toEqual({ is: 'completed', outcome: 'complete' });
    expect(after.counts).toMatchObject({ found: 2, failed: 0 });
  }, 120_000);

  it.each([403, 500, 501])(
    'that answers a search for a UID with %i costs nothing but the one event whose UID the person has',
    async (status) => {
      const { fresh, proxy, migration } = await filled(25);
      const there = rawDav(fresh);
      await there.put(await there.makeCalendar('Team', ['VEVENT']), 'mine.ics', event(1, { subject: 'Mine' }));
      proxy.answers = ({ method, body }) => (method === 'REPORT' && body.includes('prop-filter') ? { status } : null);
      const told = await migration.run({ kinds: ['calendars'] }, undefined, { delay: async () => undefined });
      expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
      expect(told.counts).toMatchObject({ found: 25, copied: 24, failed: 1 });
      expect(told.refusals).toMatchObject([{ code: 'UID_CONFLICT', subject: 'Message 1' }]);
    },
    120_000,
  );
});
