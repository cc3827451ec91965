import { describe, expect, it } from '@jest/globals';
import { buildContact, buildGroup } from '../../src/conversion/build/cards.js';
import { buildEvent, buildJournal, buildTask, type PlainEvent } from '../../src/conversion/build/items.js';
import { buildRule, type PlainRecurrence } from '../../src/conversion/build/recurrence.js';
import { prepareForStore } from '../../src/conversion/prepare.js';
import { instants } from '../support/semantic-compare.js';
import { CYRUS, find, linesOf, prepare, RADICALE, UNKNOWN } from './fixtures.js';

const modified = new Date('2025-01-01T00:00:00Z');
const zoned = (local: string) => ({ is: 'zoned', local, zone: 'W. Europe Standard Time' }) as const;

describe('a built event', () => {
  const series: PlainEvent = {
    uid: '040000008200E00074C5B7101A82E008',
    modified,
    created: new Date('2024-12-01T08:00:00Z'),
    summary: 'Jour fixe, wöchentlich',
    description: 'one\ntwo; three',
    location: 'Raum 1',
    categories: ['Blau', 'a,b'],
    classification: 'PRIVATE',
    busy: 'OOF',
    start: zoned('2025-01-06T09:00:00'),
    end: zoned('2025-01-06T10:00:00'),
    recurrence: { frequency: 'weekly', weekdays: ['MO'], until: { is: 'utc', at: new Date('2025-06-30T07:00:00Z') } },
    excluded: [zoned('2025-01-13T09:00:00'), zoned('2025-04-07T09:00:00')],
    changed: [
      {
        originalStart: zoned('2025-03-31T09:00:00'),
        event: {
          uid: '',
          modified,
          summary: 'moved',
          start: zoned('2025-04-01T15:00:00'),
          end: zoned('2025-04-01T16:00:00'),
        },
      },
    ],
    organizer: { address: 'boss@x.test', name: 'Boss' },
    attendees: [
      { address: 'a@x.test', name: 'A: "quoted"', status: 'ACCEPTED', role: 'OPT-PARTICIPANT' },
      { address: '/O=ORG/CN=ROOM', kind: 'ROOM' },
    ],
    alarms: [{ minutesBefore: 15 }, { minutesBefore: 0 }],
    attachments: [{ uri: 'https://x.test/a' }, { bytes: Buffer.from('hello'), mediaType: 'text/plain', name: 'a.txt' }],
    extra: { 'X-OLD': 'kept' },
  };

  it('says all that was known, in the form that every server takes', () => {
    const bytes = buildEvent(series);
    for (const target of [CYRUS, RADICALE, UNKNOWN]) {
      const { lines, codes } = prepare('calendar', bytes, target);
      // Cyrus would cut the category at its comma.
      const cut = target === CYRUS;
      expect(codes).toEqual(cut ? ['CATEGORY_SPLIT'] : []);
      expect(lines).toEqual(linesOf(bytes).map((line) => (cut ? line.replace('a\\,b', 'a,b') : line)));
    }
    for (const line of [
      'SUMMARY:Jour fixe\\, wöchentlich',
      'DESCRIPTION:one\\ntwo\\; three',
      'CATEGORIES:Blau,a\\,b',
      'CLASS:PRIVATE',
      'TRANSP:OPAQUE',
      'X-MICROSOFT-CDO-BUSYSTATUS:OOF',
      'DTSTART;TZID=Europe/Berlin:20250106T090000',
      'RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20250630T070000Z',
      'EXDATE;TZID=Europe/Berlin:20250113T090000,20250407T090000',
      'RECURRENCE-ID;TZID=Europe/Berlin:20250331T090000',
      'ORGANIZER;CN=Boss;SCHEDULE-AGENT=NONE:mailto:boss@x.test',
      'ATTENDEE;CN="A: \'quoted\'";ROLE=OPT-PARTICIPANT;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=NONE:mailto:a@x.test',
      'ATTENDEE;CUTYPE=ROOM;SCHEDULE-AGENT=NONE:invalid:%2FO%3DORG%2FCN%3DROOM',
      'TRIGGER:-PT15M',
      'TRIGGER:PT0M',
      'ATTACH:https://x.test/a',
      'ATTACH;FMTTYPE=text/plain;X-FILENAME=a.txt;ENCODING=BASE64;VALUE=BINARY:aGVsbG8=',
      'X-OLD:kept',
    ])
      expect(linesOf(bytes)).toContain(line);
  });

  it('recurs at the right instants across the clock change', () => {
    const all = instants(buildEvent(series));
    expect(all).toHaveLength(24);
    expect(all).toContain('2025-03-24T08:00:00.000Z/2025-03-24T09:00:00.000Z');
    expect(all).toContain('2025-04-01T13:00:00.000Z/2025-04-01T14:00:00.000Z');
    expect(all).toContain('2025-04-14T07:00:00.000Z/2025-04-14T08:00:00.000Z');
  });

  it('keeps whole days and floating times', () => {
    const base = { uid: 'd', modified, busy: 'FREE' } as const;
    const day = buildEvent({
      ...base,
      start: { is: 'date', date: '2025-12-24' },
      end: { is: 'date', date: '2025-12-27' },
    });
    expect(linesOf(day)).toEqual(
      expect.arrayContaining(['DTSTART;VALUE=DATE:20251224', 'DTEND;VALUE=DATE:20251227', 'TRANSP:TRANSPARENT']),
    );
    const floating = buildEvent({ ...base, start: { is: 'floating', local: '2025-12-24T18:00:00' } });
    expect(find(linesOf(floating), 'DTSTART')).toEqual(['DTSTART:20251224T180000']);
  });
});

it.each<[PlainRecurrence, string]>([
  [{ frequency: 'daily', interval: 3, count: 5 }, 'FREQ=DAILY;INTERVAL=3;COUNT=5'],
  [{ frequency: 'weekly', weekdays: ['TU', 'TH'], weekStart: 'SU' }, 'FREQ=WEEKLY;BYDAY=TU,TH;WKST=SU'],
  [{ frequency: 'monthly', weekdays: ['FR'], weekOfMonth: -1 }, 'FREQ=MONTHLY;BYDAY=-1FR'],
  [
    { frequency: 'monthly', weekdays: ['MO', 'TU', 'WE', 'TH', 'FR'], weekOfMonth: 1 },
    'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1',
  ],
  [{ frequency: 'yearly', month: 2, dayOfMonth: 29 }, 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29'],
  [
    { frequency: 'yearly', month: 11, weekdays: ['TH'], weekOfMonth: 4, until: { is: 'date', date: '2030-11-30' } },
    'FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;UNTIL=20301130',
  ],
])('the recurrence %j is the rule %s', (recurrence, rule) => {
  expect(buildRule(recurrence)).toBe(rule);
});

describe('built tasks, notes and cards', () => {
  it('a task: a series starts at its due date', () => {
    const task = buildTask({
      uid: 't',
      modified,
      summary: 'Pay',
      due: { is: 'date', date: '2025-02-01' },
      recurrence: { frequency: 'monthly' },
      percentComplete: 50,
      status: 'IN-PROCESS',
      priority: 1,
    });
    expect(linesOf(task)).toEqual(
      expect.arrayContaining([
        'DTSTART;VALUE=DATE:20250201',
        'RRULE:FREQ=MONTHLY',
        'PERCENT-COMPLETE:50',
        'STATUS:IN-PROCESS',
        'PRIORITY:1',
      ]),
    );
    expect(find(linesOf(task), 'DUE')).toEqual([]);
    const single = buildTask({ uid: 't', modified, due: { is: 'date', date: '2025-02-01' } });
    expect(find(linesOf(single), 'DUE')).toEqual(['DUE;VALUE=DATE:20250201']);
    expect(prepare('calendar', task, CYRUS).codes).toEqual([]);
  });

  it('a note', () => {
    const note = buildJournal({ uid: 'n', modified, summary: 'List', description: 'milk\nbread' });
    expect(prepare('calendar', note, RADICALE).codes).toEqual([]);
    expect(linesOf(note)).toContain('DESCRIPTION:milk\\nbread');
  });

  it('a contact, in vCard 3.0 as it is and in 4.0', () => {
    const contact = buildContact({
      uid: 'c1',
      name: { family: 'Müller', given: 'Jörg', prefix: 'Dr.' },
      organisation: 'Acme, Inc.',
      departments: ['Sales'],
      emails: [
        { value: 'j@x.test', types: ['work'], preferred: true },
        { value: 'p@x.test', label: 'Verein' },
      ],
      phones: [{ value: '+49 1', types: ['cell'] }],
      addresses: [
        { value: { street: 'Weg 1\nHinterhof', city: 'Ulm', postalCode: '89073', country: 'DE' }, types: ['home'] },
      ],
      birthday: '--04-12',
      anniversary: '2001-02-03',
      note: 'one\ntwo',
      categories: ['A', 'B,C'],
      photo: { bytes: Buffer.from([0xff, 0xd8]), mediaType: 'image/jpeg' },
      modified,
      extra: { 'X-SPOUSE': 'Eva' },
    });
    expect(prepare('card', contact, CYRUS).codes).toEqual([]);
    for (const line of [
      'N:Müller;Jörg;;Dr.;',
      'FN:Dr. Jörg Müller',
      'ORG:Acme\\, Inc.;Sales',
      'EMAIL;TYPE=work,pref:j@x.test',
      'item1.EMAIL:p@x.test',
      'item1.X-ABLabel:Verein',
      'ADR;TYPE=home:;;Weg 1\\nHinterhof;Ulm;;89073;DE',
      'BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12',
      'CATEGORIES:A,B\\,C',
      'PHOTO;ENCODING=b;TYPE=JPEG:/9g=',
      'X-SPOUSE:Eva',
    ])
      expect(linesOf(contact)).toContain(line);
    const four = prepareForStore('card', contact, { ...UNKNOWN, cards: '4.0' });
    if ('refused' in four) throw new Error(four.refused);
    expect(linesOf(four.bytes)).toEqual(
      expect.arrayContaining(['BDAY:--0412', 'ANNIVERSARY:20010203', 'PHOTO:data:image/jpeg;base64,/9g=']),
    );
  });

  it('a group, with members by UID and by address', () => {
    const group = buildGroup({
      uid: 'g',
      name: 'Team',
      members: [{ uid: '11111111-1111-4111-8111-111111111111' }, { address: 'x@x.test' }],
    });
    expect(linesOf(group)).toEqual(
      expect.arrayContaining([
        'X-ADDRESSBOOKSERVER-KIND:group',
        'X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:11111111-1111-4111-8111-111111111111',
        'X-ADDRESSBOOKSERVER-MEMBER:mailto:x@x.test',
      ]),
    );
    expect(prepare('card', group, { ...UNKNOWN, cards: '4.0' }).lines).toEqual(
      expect.arrayContaining(['KIND:group', 'MEMBER:mailto:x@x.test']),
    );
  });
});
