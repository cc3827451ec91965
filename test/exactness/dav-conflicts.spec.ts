import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { card, event } from '../contracts/objects.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { type DavAccountOf, davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { type RawDavServer, rawDavServer } from '../servers/raw-dav-server.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const closing: RawDavServer[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
afterAll(stopPrivateServers);

/** Several events in one resource. */
const together = (...events: readonly Buffer[]): Buffer =>
  Buffer.from(
    `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//objects//EN\r\n${events.map((one) => /BEGIN:VEVENT[^]*END:VEVENT\r\n/.exec(String(one))![0]).join('')}END:VCALENDAR\r\n`,
  );

for (const target of ['radicale', 'cyrus'] as const)
  describe(`what meets something else at ${target}`, () => {
    async function meeting(
      objects: readonly Buffer[],
      kind: 'ics' | 'vcf' = 'ics',
    ): Promise<{
      old: RawDavServer;
      fresh: DavAccountOf;
      titles: () => Promise<string[]>;
      fresher: () => Migration;
    } | null> {
      const to = await davServer(target);
      if (typeof to === 'string') return null;
      const fresh = await to.account();
      const old = await rawDavServer([{ name: 'Team', kind, objects }]);
      closing.push(old);
      const there = rawDav(fresh);
      const home = kind === 'ics' ? fresh.calendars : fresh.contacts;
      const titles = async (): Promise<string[]> => {
        const url = (await there.collections(home)).get('Team')!;
        return (await there.contents(url)).map(({ body }) => /^(?:SUMMARY|FN):(.*)$/m.exec(body)![1]!.trim()).sort();
      };
      const fresher = (): Migration =>
        new Migration(
          () => davSource({ ...fresh, url: old.url }),
          () => davDestination(fresh),
        );
      return { old, fresh, titles, fresher };
    }

    it('the second event of a resource whose UID the person has is named, and the first arrives', async () => {
      const at = await meeting([together(event(0), event(1)), together(event(2), event(3))]);
      if (at === null) return;
      const there = rawDav(at.fresh);
      const team = await there.makeCalendar('Team', ['VEVENT']);
      await there.put(team, 'mine.ics', event(1, { subject: 'Something else of mine' }));
      await there.put(team, 'same.ics', event(3));
      const migration = at.fresher();
      const told = await migration.run({ kinds: ['calendars'] });
      expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
      expect(told.refusals).toMatchObject([{ code: 'UID_CONFLICT' }]);
      expect(await at.titles()).toEqual(['Message 0', 'Message 2', 'Message 3', 'Something else of mine']);
      // Once his is gone the rest arrives.
      await there.remove(team, 'mine.ics');
      const again = await migration.run({ kinds: ['calendars'] }, undefined, { retryFailed: true });
      expect(again.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(await at.titles()).toEqual(['Message 0', 'Message 1', 'Message 2', 'Message 3']);
    }, 60_000);

    it('a change of the second event of a resource is told at every run, a third one is added', async () => {
      const at = await meeting([together(event(0), event(1))]);
      if (at === null) return;
      const migration = at.fresher();
      expect((await migration.run({ kinds: ['calendars'] })).counts).toMatchObject({ copied: 1 });
      expect(await at.titles()).toEqual(['Message 0', 'Message 1']);
      at.old.change(0, 0, together(event(0), event(1), event(2)));
      const added = await migration.run({ kinds: ['calendars'] });
      expect(added.remarks).not.toHaveProperty('CONTENT_NOT_UPDATED');
      expect(await at.titles()).toEqual(['Message 0', 'Message 1', 'Message 2']);
      at.old.change(0, 0, together(event(0), event(1, { subject: 'Other' }), event(2)));
      expect((await migration.run({ kinds: ['calendars'] })).remarks).toMatchObject({ CONTENT_NOT_UPDATED: 1 });
      expect((await migration.run({ kinds: ['calendars'] })).remarks).toMatchObject({ CONTENT_NOT_UPDATED: 1 });
      at.old.change(0, 0, together(event(0, { subject: 'New' }), event(1, { subject: 'Other' }), event(2)));
      const both = await migration.run({ kinds: ['calendars'] });
      expect(both.remarks).toMatchObject({ CONTENT_UPDATED: 1, CONTENT_NOT_UPDATED: 1 });
      expect(await at.titles()).toEqual(['Message 1', 'Message 2', 'New']);
    }, 60_000);

    it.each(['ics', 'vcf'] as const)(
      'an earlier copy that a new ledger does not know is not told as what it was to be (%s)',
      async (kind) => {
        const make = kind === 'ics' ? event : card;
        const kinds = [kind === 'ics' ? 'calendars' : 'contacts'] as const;
        const at = await meeting([make(1, { subject: 'First' }), make(2)], kind);
        if (at === null) return;
        expect((await at.fresher().run({ kinds: [...kinds] })).counts).toMatchObject({ copied: 2 });
        at.old.change(0, 0, make(1, { subject: 'Changed at the old provider' }));
        const other = at.fresher();
        for (let n = 0; n < 2; n++) {
          const told = await other.run({ kinds: [...kinds] }, undefined, { retryFailed: n > 0 });
          expect(told.end).toEqual({ is: 'completed', outcome: 'incomplete' });
          expect(told.counts).toMatchObject({ found: 2, failed: 1 });
          expect(told.refusals).toMatchObject([{ code: 'UID_CONFLICT' }]);
        }
        expect(await at.titles()).toEqual(['First', 'Message 2']);
      },
      60_000,
    );
  });
