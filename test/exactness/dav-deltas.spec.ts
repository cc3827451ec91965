import { afterAll, describe, expect, it } from '@jest/globals';
import { card, event } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { davProxy } from '../servers/dav-proxy.js';
import { type DavAccountOf, davServer, type DavTestServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { rawDavServer } from '../servers/raw-dav-server.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Crash, Migration, type Told } from './transfer.js';

const servers = new Map<string, DavTestServer | string>();
for (const name of ['radicale', 'cyrus'] as const) servers.set(name, await davServer(name));
afterAll(stopPrivateServers);

/** Summaries (or names) by UID, of one collection. */
async function shown(account: DavAccountOf, home: string, name: string): Promise<Record<string, string>> {
  const raw = rawDav(account);
  const url = (await raw.collections(home)).get(name)!;
  const line = (body: string, names: string): string => new RegExp(`^(?:${names}):(.*)$`, 'm').exec(body)![1]!.trim();
  return Object.fromEntries(
    (await raw.contents(url)).map(({ body }) => [line(body, 'UID').split('@')[0], line(body, 'SUMMARY|FN')]),
  );
}

/** The person's own edit of what we copied: in place, under the name that we gave. */
async function edit(account: DavAccountOf, home: string, name: string, uid: string, body: Buffer): Promise<void> {
  const raw = rawDav(account);
  const url = (await raw.collections(home)).get(name)!;
  const one = (await raw.contents(url)).find((object) => object.body.includes(`UID:${uid}@`))!;
  expect([201, 204]).toContain(await raw.put(url, one.name, body));
}

for (const [source, target] of [
  ['radicale', 'cyrus'],
  ['cyrus', 'radicale'],
] as const)
  describe(`a second look, ${source} to ${target}`, () => {
    const [from, to] = [servers.get(source)!, servers.get(target)!];
    if (typeof from === 'string' || typeof to === 'string')
      return it.skip(`cannot be had here: ${typeof from === 'string' ? from : String(to)}`, () => undefined);

    it('brings what changed up to date, unless somebody changed or removed the copy', async () => {
      const [old, fresh] = [await from.account(), await to.account()];
      const raw = rawDav(old);
      const work = await raw.makeCalendar('Work', ['VEVENT']);
      const people = await raw.makeAddressbook('People');
      for (let n = 0; n < 5; n++) await raw.put(work, `e${n}.ics`, event(n));
      for (let n = 0; n < 3; n++) await raw.put(people, `c${n}.vcf`, card(n));
      const migration = new Migration(
        () => davSource(old),
        () => davDestination(fresh),
      );
      const kinds = ['calendars', 'contacts'] as const;
      expect((await migration.run({ kinds: [...kinds] })).counts).toMatchObject({ found: 8, copied: 8 });

      // At the old provider: 1 and 2 and 3 change, and two cards. In the new mailbox: 2 changes, 3 is removed, 4 changes.
      for (const n of [1, 2, 3]) await raw.put(work, `e${n}.ics`, event(n, { subject: `Moved ${n}` }));
      for (const n of [0, 1]) await raw.put(people, `c${n}.vcf`, card(n, { subject: `Renamed ${n}` }));
      await edit(fresh, fresh.calendars, 'Work', 'event-2', event(2, { subject: 'Mine' }));
      await edit(fresh, fresh.calendars, 'Work', 'event-4', event(4, { subject: 'Mine as well' }));
      const there = rawDav(fresh);
      const copies = (await there.collections(fresh.calendars)).get('Work')!;
      const third = (await there.contents(copies)).find(({ body }) => body.includes('UID:event-3@'))!;
      await there.remove(copies, third.name);

      const second = await migration.run({ kinds: [...kinds] });
      expect(second.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(second.counts).toMatchObject({ found: 8, copied: 0, alreadyThere: 8, failed: 0 });
      expect(second.remarks).toMatchObject({ CONTENT_UPDATED: 3, CONTENT_KEPT: 1 });
      expect(second.details.filter((one) => one.includes('CONTENT_KEPT'))).toEqual([
        expect.stringContaining('Moved 2'),
      ]);
      const now = {
        'event-0': 'Message 0',
        'event-1': 'Moved 1',
        'event-2': 'Mine',
        'event-4': 'Mine as well',
      };
      expect(await shown(fresh, fresh.calendars, 'Work')).toEqual(now);
      expect(await shown(fresh, fresh.contacts, 'People')).toEqual({
        'card-0': 'Renamed 0',
        'card-1': 'Renamed 1',
        'card-2': 'Message 2',
      });

      // Nothing new: nothing is done and nothing is said again.
      const third_ = await migration.run({ kinds: [...kinds] });
      expect(third_.remarks).not.toHaveProperty('CONTENT_UPDATED');
      expect(third_.remarks).not.toHaveProperty('CONTENT_KEPT');

      // A process that dies between the PUT and the ledger: the next one sees that it was done.
      await raw.put(work, 'e0.ics', event(0, { subject: 'Last word' }));
      await expect(migration.run({ kinds: [...kinds] }, 'stored-item')).rejects.toThrow(Crash);
      expect(await shown(fresh, fresh.calendars, 'Work')).toEqual({ ...now, 'event-0': 'Last word' });
      const after = await migration.run({ kinds: [...kinds] });
      expect(after.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(after.remarks).toMatchObject({ CONTENT_UPDATED: 1 });
      expect(await shown(fresh, fresh.calendars, 'Work')).toEqual({ ...now, 'event-0': 'Last word' });
    }, 180_000);
  });

describe('a second look at a server that holds whatever it is given', () => {
  const to = servers.get('radicale')!;
  if (typeof to === 'string') return it.skip(`cannot be had here: ${to}`, () => undefined);

  it('names what changed and cannot be read any more; the copy stays, and the outcome is incomplete until it can', async () => {
    const fresh = await to.account();
    const raw = await rawDavServer([{ name: 'Work', kind: 'ics', objects: [event(0), event(1), event(2)] }]);
    const proxy = await davProxy(raw.url);
    try {
      const url = `${proxy.url}dav/`;
      const migration = new Migration(
        () => davSource({ ...fresh, url }),
        () => davDestination(fresh),
      );
      const run = (): Promise<Told> =>
        migration.run({ kinds: ['calendars'] }, undefined, { delay: async () => undefined });
      expect((await run()).counts).toMatchObject({ found: 3, copied: 3 });
      const before = { 'event-0': 'Message 0', 'event-1': 'Message 1', 'event-2': 'Message 2' };

      raw.change(0, 0, Buffer.from('BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n'));
      raw.change(0, 1, event(1, { subject: 'Unseen' }));
      proxy.answers = ({ path }) => (path === '/home/0/1.ics' ? { status: 403 } : null);
      for (const _ of ['a second run', 'a third one'])
        expect((await run()).end).toEqual({ is: 'completed', outcome: 'incomplete' });
      const told = await run();
      expect(told.remarks).toMatchObject({ CONTENT_NOT_UPDATED: 2 });
      expect(told.counts).toMatchObject({ found: 3, alreadyThere: 3, failed: 0 });
      expect(await shown(fresh, fresh.calendars, 'Work')).toEqual(before);

      // Listed, and gone when it is asked for: it is named, and that is all that can be done.
      raw.change(0, 0, event(0));
      proxy.answers = ({ path }) => (path === '/home/0/1.ics' ? { status: 404 } : null);
      const gone = await run();
      expect(gone.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(gone.remarks).toMatchObject({ CONTENT_NOT_UPDATED: 1 });

      proxy.answers = () => null;
      const last = await run();
      expect(last.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(last.remarks).toMatchObject({ CONTENT_UPDATED: 1 });
      expect(await shown(fresh, fresh.calendars, 'Work')).toEqual({ ...before, 'event-1': 'Unseen' });
    } finally {
      await proxy.close();
      await raw.close();
    }
  }, 120_000);
});
