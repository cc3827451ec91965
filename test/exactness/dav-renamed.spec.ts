import { afterAll, describe, expect, it } from '@jest/globals';
import { event } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

afterAll(stopPrivateServers);

for (const target of ['radicale', 'cyrus'] as const)
  describe(`calendars that are renamed in the new mailbox, at ${target}`, () => {
    it('are followed by their address, whatever other calendar has that name', async () => {
      const [from, to] = [await davServer('radicale'), await davServer(target)];
      if (typeof from === 'string' || typeof to === 'string') return;
      const [old, fresh] = [await from.account(), await to.account()];
      const [raw, there] = [rawDav(old), rawDav(fresh)];
      const work = await raw.makeCalendar('Team', ['VEVENT']);
      for (let n = 0; n < 3; n++) await raw.put(work, `e${n}.ics`, event(n));
      const own = {
        Alpha: await there.makeCalendar('Alpha', ['VEVENT']),
        Omega: await there.makeCalendar('Omega', ['VEVENT']),
      };
      const migration = new Migration(
        () => davSource(old),
        () => davDestination(fresh),
      );
      expect((await migration.run({ kinds: ['calendars'] })).counts).toMatchObject({ copied: 3 });
      const copy = (await there.collections(fresh.calendars)).get('Team')!;
      const titles = async (url: string): Promise<string[]> =>
        (await there.contents(url)).map(({ body }) => /^SUMMARY:(.*)$/m.exec(body)![1]!.trim()).sort();
      for (const [n, name] of (['Alpha', 'Omega'] as const).entries()) {
        const update = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><D:displayname>${name}</D:displayname></D:prop></D:set></D:propertyupdate>`;
        expect((await there.ask('PROPPATCH', copy, update, { 'content-type': 'application/xml' })).status).toBe(207);
        await raw.put(work, 'e1.ics', event(1, { subject: `Moved ${name}` }));
        await raw.put(work, `new${n}.ics`, event(10 + n));
        const told = await migration.run({ kinds: ['calendars'] });
        expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
        expect(told.counts).toMatchObject({ copied: 1 });
        expect(told.remarks).toMatchObject({ CONTENT_UPDATED: 1 });
        expect(await titles(own[name])).toEqual([]);
        expect(await titles(copy)).toContain(`Moved ${name}`);
        expect(await titles(copy)).toHaveLength(4 + n);
      }
    }, 120_000);
  });
