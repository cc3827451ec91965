import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import { digestObject } from '../../src/conversion/semantic/digest.js';
import { splitObjects } from '../../src/conversion/split/split.js';
import { card, event, task, uidOf } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { davProxy } from '../servers/dav-proxy.js';
import { type DavAccountOf, davServer, type DavTestServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const servers = new Map<string, DavTestServer | string>();
for (const name of ['radicale', 'cyrus'] as const) servers.set(name, await davServer(name));
afterAll(stopPrivateServers);

async function uids(account: DavAccountOf, home: string, name: string): Promise<string[]> {
  const raw = rawDav(account);
  const url = (await raw.collections(home)).get(name)!;
  return (await raw.contents(url)).map(({ body }) => uidOf(body).split('@')[0]!).sort();
}

/** The person's own: its guest was invited when it was filed, and would hear of its end. */
function meeting(organizer: string): string {
  const own = `ORGANIZER:mailto:${organizer}\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:${organizer}\r\nATTENDEE:mailto:guest@elsewhere.test\r\n`;
  return String(event(92)).replace('END:VEVENT', `${own}END:VEVENT`);
}

for (const target of ['radicale', 'cyrus'] as const)
  describe(`a replace in calendars and address books of ${target}`, () => {
    const [from, to] = [servers.get('radicale')!, servers.get(target)!];
    if (typeof from === 'string' || typeof to === 'string')
      return it.skip(`cannot be had here: ${typeof from === 'string' ? from : String(to)}`, () => undefined);

    const parts = { from, to };
    async function filled(): Promise<{ old: DavAccountOf; fresh: DavAccountOf; team: string; migration: Migration }> {
      const [old, fresh] = [await parts.from.account(), await parts.to.account()];
      const [raw, there] = [rawDav(old), rawDav(fresh)];
      const work = await raw.makeCalendar('Team', ['VEVENT']);
      const people = await raw.makeAddressbook('People');
      for (let n = 0; n < 3; n++) await raw.put(work, `e${n}.ics`, event(n));
      await raw.put(people, 'c.vcf', card(0));
      const team = await there.makeCalendar('Team', ['VEVENT', 'VTODO']);
      expect(await there.put(team, 'same.ics', event(0))).toBe(201);
      expect(await there.put(team, 'mine.ics', event(90, { eightBit: true }))).toBe(201);
      expect(await there.put(team, 'task.ics', task(93))).toBe(201);
      expect(await there.put(team, 'meeting.ics', meeting(fresh.user))).toBe(201);
      const book = await there.makeAddressbook('People');
      expect(await there.put(book, 'mine.vcf', card(91))).toBe(201);
      // Servers know the second in which something came.
      await sleep(1_200);
      const migration = new Migration(
        () => davSource(old),
        () => davDestination(fresh),
      );
      return { old, fresh, team, migration };
    }
    const options = { kinds: ['calendars', 'contacts'], existing: 'replace' } as const;

    it('keeps a file of what goes first, takes nothing else, and tells no guest', async () => {
      const { fresh, team, migration } = await filled();
      const mails = to.mailOut().length;
      const told = await migration.run({ ...options, kinds: [...options.kinds] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(told.counts).toMatchObject({ found: 4, copied: 3, alreadyThere: 1 });
      // A server that would send cancellations keeps what has guests; tasks were not to be replaced.
      const guests = target === 'cyrus' ? ['event-92'] : [];
      expect(await uids(fresh, fresh.calendars, 'Team')).toEqual(
        ['event-0', 'event-1', 'event-2', ...guests, 'task-93'].sort(),
      );
      expect(await uids(fresh, fresh.contacts, 'People')).toEqual(['card-0']);
      const taken = target === 'cyrus' ? 2 : 3;
      expect(told.remarks).toMatchObject({ TAKEN_AWAY: taken, ...(guests.length > 0 ? { KEPT_FOR_GUESTS: 1 } : {}) });
      const files = new Map(migration.recovered.map(({ folder, text }) => [folder, splitObjects(Buffer.from(text))]));
      expect([...files.keys()].sort()).toEqual(['People', 'Team']);
      const digest = (one: Uint8Array | string): string => digestObject(Buffer.from(one)).digest;
      const kept = files.get('Team')!.map(({ bytes }) => digest(bytes));
      expect(kept).toHaveLength(taken - 1);
      expect(kept).toContain(digest(event(90, { eightBit: true })));
      expect(files.get('People')!.map(({ bytes }) => digest(bytes))).toEqual([digest(card(91))]);

      // What comes later is the person's.
      await rawDav(fresh).put(team, 'later.ics', event(95));
      const again = await migration.run({ ...options, kinds: [...options.kinds] });
      expect(again.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(await uids(fresh, fresh.calendars, 'Team')).toContain('event-95');
      expect(migration.recovered).toHaveLength(2);
      await sleep(500);
      expect(to.mailOut()).toHaveLength(mails);
    }, 120_000);

    it('takes nothing when the file cannot be kept, or something did not arrive', async () => {
      const { old, fresh, team, migration } = await filled();
      const all = ['event-0', 'event-1', 'event-2', 'event-90', 'event-92', 'task-93'];
      const recovery = { keep: () => Promise.reject(new Error('the disk is full')) };
      await expect(migration.run({ ...options, kinds: [...options.kinds] }, undefined, { recovery })).rejects.toThrow();
      expect(await uids(fresh, fresh.calendars, 'Team')).toEqual(all);
      // The person has another version of one that comes.
      await rawDav(fresh).put(team, 'conflict.ics', event(7, { subject: 'Mine' }));
      const work = (await rawDav(old).collections(old.calendars)).get('Team')!;
      await rawDav(old).put(work, 'e7.ics', event(7));
      const told = await migration.run({ ...options, kinds: [...options.kinds] });
      expect(told.counts).toMatchObject({ failed: 1 });
      expect(told.remarks).toMatchObject({ REPLACE_REFUSED: 2 });
      expect(await uids(fresh, fresh.calendars, 'Team')).toEqual([...all, 'event-7'].sort());
    }, 120_000);

    it('takes nothing of a calendar, or of a kind in it, of which the old server shows nothing', async () => {
      const [old, fresh] = [await parts.from.account(), await parts.to.account()];
      const [raw, there] = [rawDav(old), rawDav(fresh)];
      await raw.makeCalendar('Empty', ['VEVENT']);
      await raw.put(await raw.makeCalendar('Both', ['VEVENT', 'VTODO']), 'e.ics', event(0));
      const [empty, both] = [
        await there.makeCalendar('Empty', ['VEVENT']),
        await there.makeCalendar('Both', ['VEVENT', 'VTODO']),
      ];
      expect(await there.put(empty, 'mine.ics', event(90))).toBe(201);
      expect(await there.put(both, 'mine.ics', event(91))).toBe(201);
      expect(await there.put(both, 'task.ics', task(93))).toBe(201);
      await sleep(1_200);
      const migration = new Migration(
        () => davSource(old),
        () => davDestination(fresh),
      );
      const told = await migration.run({ kinds: ['calendars', 'tasks'], existing: 'replace' });
      expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(await uids(fresh, fresh.calendars, 'Empty')).toEqual(['event-90']);
      expect(await uids(fresh, fresh.calendars, 'Both')).toEqual(['event-0', 'task-93']);
      expect(told.remarks).toMatchObject({ TAKEN_AWAY: 1, REPLACE_REFUSED: 2 });
      expect(told.details.filter((one) => one.includes('REPLACE_REFUSED'))).toEqual(
        expect.arrayContaining([
          expect.stringContaining('Both: the old provider shows nothing of one kind in it (tasks)'),
          expect.stringContaining('Empty: the old provider shows nothing in it'),
        ]),
      );
    }, 120_000);
  });

describe('what is damaged at the new server', () => {
  const to = servers.get('radicale')!;
  if (typeof to === 'string') return it.skip(`cannot be had here: ${to}`, () => undefined);

  it('goes only when the file has all of it', async () => {
    const [old, fresh] = [await to.account(), await to.account()];
    await rawDav(old).put(await rawDav(old).makeCalendar('Team', ['VEVENT']), 'a.ics', event(0));
    const there = rawDav(fresh);
    const team = await there.makeCalendar('Team', ['VEVENT']);
    for (const n of [90, 91]) expect(await there.put(team, `own${n}.ics`, event(n))).toBe(201);
    await sleep(1_200);
    const proxy = await davProxy(fresh.url);
    // Other servers keep what they were given: a byte order mark, an event without its calendar.
    proxy.rewrite = ({ body }, came) =>
      body.includes('calendar-multiget')
        ? came.replace(
            /BEGIN:VCALENDAR[^]*?(BEGIN:VEVENT[^]*?UID:event-(\d+)@[^]*?)END:VCALENDAR/g,
            (all, inner: string, n) => (n === '90' ? `\ufeff${all}` : n === '91' ? inner : all),
          )
        : null;
    try {
      const migration = new Migration(
        () => davSource(old),
        () => davDestination({ ...fresh, url: proxy.url }),
      );
      const told = await migration.run({ kinds: ['calendars'], existing: 'replace' });
      expect(told.remarks).toMatchObject({ TAKEN_AWAY: 1, KEPT_UNREADABLE: 1 });
      expect(await uids(fresh, fresh.calendars, 'Team')).toEqual(['event-0', 'event-91']);
      expect(migration.recovered.map(({ text }) => text.match(/UID:.*(?=\r)/g))).toEqual([['UID:event-90@old.test']]);
    } finally {
      await proxy.close();
    }
  }, 60_000);
});
