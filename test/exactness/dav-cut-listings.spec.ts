import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { card, event, uidOf } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { davProxy } from '../servers/dav-proxy.js';
import { type DavAccountOf, davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { rawDavServer } from '../servers/raw-dav-server.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const radicale = await davServer('radicale');
const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
afterAll(stopPrivateServers);

async function uids(account: DavAccountOf, home: string, name: string): Promise<string[]> {
  const raw = rawDav(account);
  const url = (await raw.collections(home)).get(name);
  return url === undefined ? [] : (await raw.contents(url)).map(({ body }) => uidOf(body).split('@')[0]!).sort();
}

describe('a listing that a server cuts', () => {
  if (typeof radicale === 'string') return it.skip(`cannot be had here: ${radicale}`, () => undefined);

  it('at the old provider is not taken for the whole: the run is incomplete, and a replace takes nothing', async () => {
    const fresh = await radicale.account();
    const there = rawDav(fresh);
    const team = await there.makeCalendar('Team', ['VEVENT']);
    const all = [0, 1, 2, 3].map((n) => `event-${n}`);
    for (const n of [0, 1, 2, 3]) expect(await there.put(team, `own${n}.ics`, event(n))).toBe(201);
    // Servers know the second in which something came.
    await sleep(1_200);
    const objects = [0, 1, 2, 3].map((n) => event(n));
    const old = await rawDavServer([{ name: 'Team', kind: 'ics', objects }], { cutAfter: 2 });
    closing.push(old);
    const migration = new Migration(
      () => davSource({ ...fresh, url: old.url }),
      () => davDestination(fresh),
    );
    const told = await migration.run({ kinds: ['calendars'], existing: 'replace' });
    expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(told.details.join()).toContain('LISTING_SHORT');
    expect(told.remarks).toMatchObject({ REPLACE_REFUSED: 1 });
    expect(told.remarks).not.toHaveProperty('TAKEN_AWAY');
    expect(await uids(fresh, fresh.calendars, 'Team')).toEqual(all);
    expect(migration.recovered).toEqual([]);
  }, 60_000);

  it.each(['calendars', 'contacts'] as const)(
    'at the new server is not taken for the whole: nothing counts as missing (%s)',
    async (kind) => {
      const [old, fresh] = [await radicale.account(), await radicale.account()];
      const raw = rawDav(old);
      const [make, home] = kind === 'calendars' ? [event, old.calendars] : [card, old.contacts];
      const team = await (kind === 'calendars' ? raw.makeCalendar('Team', ['VEVENT']) : raw.makeAddressbook('Team'));
      const ending = kind === 'calendars' ? 'ics' : 'vcf';
      for (let n = 0; n < 4; n++) await raw.put(team, `${n}.${ending}`, make(n));
      const proxy = await davProxy(fresh.url);
      closing.push(proxy);
      const migration = new Migration(
        () => davSource(old),
        () => davDestination({ ...fresh, url: proxy.url }),
      );
      expect((await migration.run({ kinds: [kind] })).counts).toMatchObject({ found: 4, copied: 4 });
      await raw.put(team, `4.${ending}`, make(4));
      // A part of the objects, and the word that there are more.
      proxy.rewrite = ({ method, path, body }, came) => {
        const cut = `<response><href>${path}</href><status>HTTP/1.1 507 Insufficient Storage</status></response>`;
        if (method === 'REPORT' && body.includes('sync-collection'))
          return `<multistatus xmlns="DAV:">${cut}<sync-token>same</sync-token></multistatus>`;
        if (method !== 'PROPFIND' || !body.includes('getcontentlength')) return null;
        const [head, ...responses] = came.split(/(?=<(?:\w+:)?response>)/);
        return `${head}${responses.slice(0, 2).join('')}${cut}</multistatus>`;
      };
      const told = await migration.run({ kinds: [kind] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
      expect(told.details.join()).toContain('LISTING_SHORT');
      expect(told.remarks).not.toHaveProperty('STORED_AGAIN');
      proxy.rewrite = () => null;
      const after = await migration.run({ kinds: [kind] }, undefined, { retryFailed: true });
      expect(after.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(await uids(fresh, home.replace(old.calendars, fresh.calendars), 'Team')).toHaveLength(5);
    },
    60_000,
  );
});
