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

  it('hear nothing when a meeting changes of which the new server speaks with its guests, and the report names it', async () => {
    const [old, fresh] = [await from.account(), await to.account()];
    const [source, target] = [rawDav(old), rawDav(fresh)];
    const kinds = ['calendars'] as const;
    const live = (uid: string, start = '20360513T165320Z'): string =>
      meeting(uid, fresh.user, 'guest@elsewhere.test', 'NEEDS-ACTION')
        .replace('METHOD:REQUEST\r\n', '')
        .replace('20360513T165320Z', start);
    const alarm = 'BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:-PT5M\r\nSUMMARY:Soon\r\nDESCRIPTION:Soon\r\n';
    const alarmed = (summary: string): string =>
      live('alarmed')
        .replace('SUMMARY:alarmed', `SUMMARY:${summary}`)
        .replace('END:VEVENT', `${alarm}ATTENDEE:mailto:me@elsewhere.test\r\nEND:VALARM\r\nEND:VEVENT`);
    const url = await source.makeCalendar('Team', ['VEVENT']);
    await source.put(url, 'a.ics', live('there-before'));
    await source.put(url, 'b.ics', live('saved-again'));
    await source.put(url, 'c.ics', alarmed('alarmed'));
    // The one is the person's own: its guest was invited by the new server.
    const team = await target.makeCalendar('Team', ['VEVENT']);
    expect(await target.put(team, 'mine.ics', live('there-before'))).toBe(201);
    const migration = new Migration(
      () => davSource(old),
      () => davDestination(fresh),
    );
    expect((await migration.run({ kinds: [...kinds] })).counts).toMatchObject({ copied: 2, alreadyThere: 1 });
    // The other one is our copy, saved again by a program that does not know SCHEDULE-AGENT.
    const copy = (await target.contents(team)).find(({ body }) => body.includes('UID:saved-again@'))!;
    expect([201, 204]).toContain(await target.put(team, copy.name, live('saved-again')));
    const invited = (uid: string): boolean => to.mailOut().some((mail) => mail.includes(uid));
    await waitUntil(() => invited('there-before') && invited('saved-again'), 'no invitation was sent');
    const before = to.mailOut().length;

    for (const [name, uid] of [
      ['a.ics', 'there-before'],
      ['b.ics', 'saved-again'],
    ] as const)
      await source.put(url, name, live(uid, '20360514T165320Z'));
    await source.put(url, 'c.ics', alarmed('sooner'));
    const told = await migration.run({ kinds: [...kinds] });
    expect(told.end).toEqual({ is: 'completed', outcome: 'complete' });
    const control = await target.makeCalendar('Control', ['VEVENT']);
    expect(await target.put(control, 'control.ics', live('control-last'))).toBe(201);
    await waitUntil(() => invited('control-last'), 'no invitation was sent');
    expect(
      to
        .mailOut()
        .slice(before)
        .filter((mail) => !mail.includes('control-last')),
    ).toEqual([]);
    expect(told.remarks).toMatchObject({ CONTENT_KEPT_FOR_GUESTS: 2, CONTENT_UPDATED: 1 });
    expect(told.details.filter((one) => one.includes('CONTENT_KEPT_FOR_GUESTS'))).toEqual(
      expect.arrayContaining([expect.stringContaining('there-before'), expect.stringContaining('saved-again')]),
    );
    // The server's word on them is still its own, and the time is the one that the guests know.
    const now = await target.contents(team);
    for (const uid of ['there-before', 'saved-again']) {
      const { body } = now.find((one) => one.body.includes(`UID:${uid}@`))!;
      expect(body).toContain('DTSTART:20360513T165320Z');
      expect(body).not.toContain('SCHEDULE-AGENT=NONE');
    }
    expect(now.some(({ body }) => body.includes('SUMMARY:sooner'))).toBe(true);
    expect((await migration.run({ kinds: [...kinds] })).remarks).not.toHaveProperty('CONTENT_KEPT_FOR_GUESTS');
  }, 120_000);
});
