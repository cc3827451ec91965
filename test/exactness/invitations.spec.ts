import { afterAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../src/standalone/infra/process.js';
import { davDestination } from '../destinations/dav/dav-mailbox.js';
import { davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { davSource } from '../sources/dav/dav-account.js';
import { Migration } from './transfer.js';

const [from, to] = [await davServer('radicale'), await davServer('cyrus')];
afterAll(stopPrivateServers);

/** In ten years, so that every server thinks it worth a mail. */
function meeting(uid: string, organizer: string, attendee: string, partstat: string): string {
  return [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:-//test//invitations//EN',
    'METHOD:REQUEST',
    'BEGIN:VEVENT',
    `UID:${uid}@old.test`,
    'DTSTAMP:20260101T120000Z',
    'DTSTART:20360513T165320Z',
    'DTEND:20360513T175320Z',
    `SUMMARY:${uid}`,
    `ORGANIZER:mailto:${organizer}`,
    `ATTENDEE;PARTSTAT=ACCEPTED:mailto:${organizer}`,
    `ATTENDEE;PARTSTAT=${partstat};RSVP=TRUE:mailto:${attendee}`,
    'END:VEVENT',
    'END:VCALENDAR',
    '',
  ].join('\r\n');
}

describe('people who are in copied events', () => {
  if (typeof from === 'string' || typeof to === 'string')
    return it.skip(`servers cannot be had here: ${String(from)} ${String(to)}`, () => undefined);

  it('hear nothing of it: not of the first copy, nor of a cancel, a second run, a retry, a replace or a change', async () => {
    const [old, fresh] = [await from.account(), await to.account()];
    const [source, target] = [rawDav(old), rawDav(fresh)];
    const url = await source.makeCalendar('Team', ['VEVENT']);
    await source.put(url, 'a.ics', meeting('organized', fresh.user, 'guest@elsewhere.test', 'NEEDS-ACTION'));
    await source.put(url, 'b.ics', meeting('accepted', 'boss@elsewhere.test', fresh.user, 'ACCEPTED'));
    const control = await target.makeCalendar('Control', ['VEVENT']);
    // The server does send: without this the test would show nothing.
    const sends = async (uid: string): Promise<void> => {
      const event = meeting(uid, fresh.user, 'guest@elsewhere.test', 'NEEDS-ACTION').replace('METHOD:REQUEST\r\n', '');
      expect(await target.put(control, `${uid}.ics`, event)).toBe(201);
      await waitUntil(() => to.mailOut().some((mail) => mail.includes(uid)), `no invitation to ${uid} was sent`);
    };
    await sends('control-before');
    const migration = new Migration(
      () => davSource(old),
      () => davDestination(fresh),
    );
    const kinds = ['calendars'] as const;
    const cancelled = await migration.run({ kinds: [...kinds] }, undefined, { stopAt: 'stored-item' });
    expect(cancelled.end).toEqual({ is: 'stopped', why: 'cancel' });
    const retry = { retryFailed: true };
    for (const [existing, ways] of [
      ['keep', {}],
      ['keep', retry],
      ['replace', {}],
      ['replace', retry],
    ] as const) {
      const told = await migration.run({ kinds: [...kinds], existing }, undefined, ways);
      expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
      expect(told.counts).toMatchObject({ found: 2, failed: 0 });
    }
    // What changes at the old provider is written anew: no guest hears of the new time.
    await source.put(url, 'a.ics', meeting('organized', fresh.user, 'guest@elsewhere.test', 'TENTATIVE'));
    expect((await migration.run({ kinds: [...kinds] })).remarks).toMatchObject({ CONTENT_UPDATED: 1 });
    await sends('control-after');
    const about = to.mailOut().filter((mail) => !mail.includes('control-'));
    expect(about).toEqual([]);
    const team = (await target.collections(fresh.calendars)).get('Team')!;
    const copied = await target.contents(team);
    expect(copied).toHaveLength(2);
    for (const { body } of copied) {
      const people = body
        .replace(/\r?\n[ \t]/g, '')
        .split(/\r?\n/)
        .filter((line) => /^(ORGANIZER|ATTENDEE)/.test(line));
      expect(people).toHaveLength(3);
      for (const line of people) expect(line).toContain('SCHEDULE-AGENT=NONE');
      expect(body).not.toContain('METHOD');
    }
  }, 120_000);
});
