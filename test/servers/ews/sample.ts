/** A mailbox of any size, the same every time: what people have, and the odd things among it. */
import { message } from '../../contracts/messages.js';
import {
  addContact,
  addEvent,
  addGroup,
  addMessage,
  addNote,
  addTask,
  type ContactWish,
  type EventWish,
  folderAt,
  type MessageWish,
  type OccurrenceWish,
  type TaskWish,
  ZONES,
} from './fill.js';
import type { Mailbox } from './store.js';

export interface SampleSize {
  readonly messages: number;
  readonly events: number;
  /** Of the events. */
  readonly series: number;
  readonly contacts: number;
  readonly tasks: number;
  readonly notes: number;
}

const DAY = 86_400_000;
const FOLDERS = [['INBOX'], ['Sent Items'], ['INBOX', 'Projekte 2013'], ['Kunden', 'Müller & Söhne'], ['Archiv']];

export function fillSample(box: Mailbox, size: SampleSize): void {
  for (let n = 0; n < size.messages; n++) {
    const { path, bytes, ...wish } = sampleMessage(n);
    addMessage(box, folderAt(box, path), bytes, wish);
  }
  const calendar = folderAt(box, ['Calendar']);
  for (let n = 0; n < size.events; n++) addEvent(box, calendar, n < size.series ? sampleSeries(n) : sampleEvent(n));
  const contacts = folderAt(box, ['Contacts']);
  for (let n = 0; n < size.contacts; n++) addContact(box, contacts, sampleContact(n));
  if (size.contacts > 2) {
    const members = [0, 1].map((n) => ({ name: `Anna Adler ${n}`, address: `contact${n}@people.test` }));
    addGroup(box, contacts, 'Board', members, 'meets on Mondays');
  }
  const tasks = folderAt(box, ['Tasks']);
  for (let n = 0; n < size.tasks; n++) addTask(box, tasks, sampleTask(n));
  const notes = folderAt(box, ['Notes']);
  for (let n = 0; n < size.notes; n++) addNote(box, notes, sampleNote(n), { colour: n % 5 });
}

export function sampleNote(n: number): string {
  return `Note ${n}\r\nLine two of note ${n}: Grüße <& more>\r\n  indented`;
}

export interface SampleMessage extends MessageWish {
  readonly path: readonly string[];
  readonly bytes: Buffer;
  readonly received: Date;
}

export function sampleMessage(n: number): SampleMessage {
  return {
    path: FOLDERS[n % FOLDERS.length]!,
    bytes: message(n, { size: 400 + ((n * 7_919) % 12_000), eightBit: n % 7 === 0 }),
    read: n % 3 !== 0,
    flagged: n % 11 === 0,
    answered: n % 5 === 0,
    forwarded: n % 13 === 0,
    categories: n % 17 === 0 ? ['Projekt'] : [],
    received: new Date(Date.UTC(2013, 0, 1) + n * 3_600_000),
  };
}

/** YYYY-MM-DDTHH:MM:SS, so many days and hours after the beginning of 2026. */
function local(day: number, hour: number, minute = 0): string {
  return new Date(Date.UTC(2026, 0, 5) + day * DAY + hour * 3_600_000 + minute * 60_000).toISOString().slice(0, 19);
}

export function sampleEvent(n: number): EventWish {
  const zones = Object.keys(ZONES);
  const allDay = n % 9 === 0;
  return {
    uid: `event-${n}@old.test`,
    subject: `Event ${n}${n % 6 === 0 ? ' – Besprechung, Raum; 3' : ''}`,
    start: allDay ? local(n % 300, 0) : local(n % 300, 8 + (n % 9), (n % 4) * 15),
    end: allDay ? local((n % 300) + 1 + (n % 2), 0) : local(n % 300, 9 + (n % 9), (n % 4) * 15),
    allDay,
    zone: zones[n % zones.length]!,
    location: n % 2 === 0 ? `Room ${n}` : undefined,
    body: `About event ${n}\r\n\r\nSecond line, with; odd\\ signs`,
    categories: n % 8 === 0 ? ['Blue', 'Team inner'] : [],
    busy: (['Busy', 'Free', 'Tentative', 'OOF', 'WorkingElsewhere'] as const)[n % 5]!,
    sensitivity: (['Normal', 'Private', 'Confidential', 'Personal'] as const)[n % 4]!,
    ...(n % 3 === 0 ? { reminder: 15 } : {}),
    ...(n % 4 === 1 ? meeting(n) : {}),
  };
}

function meeting(n: number): Partial<OccurrenceWish> {
  return {
    organizer: { name: 'Olga Organizer', address: 'olga@people.test' },
    required: [
      { name: 'Anna', address: 'anna@old.test' },
      { name: 'Ben Baker', address: 'ben@people.test', response: n % 2 === 0 ? 'Accept' : 'Decline' },
      {
        name: 'ellen@people.test',
        address: '/O=OLD/OU=EX/CN=RECIPIENTS/CN=ELLEN',
        routing: 'EX',
        response: 'Tentative',
      },
    ],
    optional: [{ address: 'carl@people.test', response: 'NoResponseReceived' }],
    resources: [{ name: 'Room 1', address: 'room1@people.test', response: 'Accept' }],
  };
}

const days = (interval: number): string =>
  `<t:DailyRecurrence><t:Interval>${interval}</t:Interval></t:DailyRecurrence>`;
const weekly = (interval: number, on: string): string =>
  `<t:WeeklyRecurrence><t:Interval>${interval}</t:Interval><t:DaysOfWeek>${on}</t:DaysOfWeek><t:FirstDayOfWeek>Monday</t:FirstDayOfWeek></t:WeeklyRecurrence>`;

/** Every pattern, with the days after 5 January 2026, a Monday, on which its first four occurrences are. */
const PATTERNS: readonly { readonly xml: string; readonly days: readonly [number, number, number, number] }[] = [
  { xml: days(1), days: [0, 1, 2, 3] },
  { xml: weekly(1, 'Monday'), days: [0, 7, 14, 21] },
  { xml: weekly(2, 'Monday Wednesday'), days: [0, 2, 14, 16] },
  {
    xml: '<t:AbsoluteMonthlyRecurrence><t:Interval>1</t:Interval><t:DayOfMonth>5</t:DayOfMonth></t:AbsoluteMonthlyRecurrence>',
    days: [0, 31, 59, 90],
  },
  {
    xml: '<t:RelativeMonthlyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Monday</t:DaysOfWeek><t:DayOfWeekIndex>First</t:DayOfWeekIndex></t:RelativeMonthlyRecurrence>',
    days: [0, 28, 56, 91],
  },
  {
    xml: '<t:AbsoluteYearlyRecurrence><t:DayOfMonth>5</t:DayOfMonth><t:Month>January</t:Month></t:AbsoluteYearlyRecurrence>',
    days: [0, 365, 730, 1_096],
  },
];
const ENDS = [
  '<t:NoEndRecurrence><t:StartDate>2026-01-05Z</t:StartDate></t:NoEndRecurrence>',
  '<t:NumberedRecurrence><t:StartDate>2026-01-05+01:00</t:StartDate><t:NumberOfOccurrences>20</t:NumberOfOccurrences></t:NumberedRecurrence>',
  '<t:EndDateRecurrence><t:StartDate>2026-01-05</t:StartDate><t:EndDate>2035-12-28</t:EndDate></t:EndDateRecurrence>',
];

/**
 * One series after the other: every pattern with every end, in five zones. The second occurrence is two hours later, the third
 * one is missing, the fourth one is longer and elsewhere.
 */
export function sampleSeries(n: number): EventWish {
  const zones = Object.keys(ZONES).filter((zone) => zone !== 'UTC');
  const pattern = n % PATTERNS.length;
  const { xml, days: at } = PATTERNS[pattern]!;
  const hour = 9 + (n % 5);
  return {
    uid: `040000008200E00074C5B7101A82E008000000${String(n).padStart(4, '0')}`,
    subject: `Series ${n}`,
    start: local(0, hour),
    end: local(0, hour + 1),
    zone: zones[n % zones.length]!,
    body: `Comes again ${n}`,
    reminder: 10,
    recurrence: xml + ENDS[(n + Math.floor(n / PATTERNS.length)) % ENDS.length]!,
    deleted: [local(at[2], hour)],
    changed: [
      {
        original: local(at[1], hour),
        start: local(at[1], hour + 2),
        end: local(at[1], hour + 3),
        subject: `Series ${n} moved`,
        body: 'later this time',
      },
      {
        original: local(at[3], hour),
        start: local(at[3], hour),
        end: local(at[3], hour + 2),
        subject: `Series ${n} longer`,
        location: 'Elsewhere',
      },
    ],
    ...(n % 3 === 0 ? meeting(n) : {}),
  };
}

/** The smallest JPEG there is. */
export const PHOTO = Buffer.from(
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9k=',
  'base64',
);

export function sampleContact(n: number): ContactWish {
  return {
    texts: {
      DisplayName: `Anna Adler ${n}`,
      GivenName: 'Anna',
      MiddleName: n % 3 === 0 ? 'B.' : '',
      Surname: `Adler ${n}`,
      CompanyName: n % 2 === 0 ? 'Müller; Söhne, KG' : '',
      JobTitle: 'Head of things',
      Department: 'Things',
      ...(n % 10 === 0 ? { SpouseName: 'Bernd', Manager: 'Carla', Nickname: 'Anni' } : {}),
    },
    title: n % 4 === 0 ? 'Dr.' : undefined,
    emails: [
      { address: `contact${n}@people.test`, name: `Anna Adler ${n}` },
      ...(n % 5 === 0 ? [{ address: `private${n}@people.test` }] : []),
    ],
    phones: { BusinessPhone: `+49 30 ${1_000 + n}`, MobilePhone: `+49 170 ${1_000 + n}`, HomeFax: '+49 30 1' },
    addresses: {
      Business: { Street: `Straße ${n}\r\nHof`, City: 'Berlin', CountryOrRegion: 'Germany', PostalCode: '10115' },
      ...(n % 2 === 0 ? { Home: { Street: 'Weg 1', City: 'Köln' } } : {}),
    },
    ims: n % 6 === 0 ? [`anna${n}@im.test`] : [],
    birthday: n % 2 === 0 ? '1980-05-17T00:00:00Z' : '1604-12-24T00:00:00Z',
    notes: `Met in ${2_000 + (n % 20)}\r\nlikes tea`,
    categories: n % 9 === 0 ? ['Friends'] : [],
    ...(n % 25 === 0 ? { photo: { bytes: PHOTO, type: 'image/jpeg' } } : {}),
  };
}

export function sampleTask(n: number): TaskWish {
  const status = (['NotStarted', 'InProgress', 'Completed', 'WaitingOnOthers', 'Deferred'] as const)[n % 5]!;
  return {
    subject: `Task ${n}`,
    body: `Do ${n}\r\nproperly`,
    status,
    percent: status === 'Completed' ? 100 : (n % 4) * 25,
    start: '2026-02-01T00:00:00Z',
    due: n % 2 === 0 ? '2026-03-01T00:00:00Z' : undefined,
    completed: status === 'Completed' ? '2026-02-20T00:00:00Z' : undefined,
    importance: (['Low', 'Normal', 'High'] as const)[n % 3]!,
    reminder: n % 6 === 0 ? '2026-02-28T08:00:00Z' : undefined,
    recurrence: n % 20 === 7 ? regeneration : n % 20 === 8 ? `${weekly(1, 'Friday')}${noEnd}` : undefined,
  };
}

const noEnd = '<t:NoEndRecurrence><t:StartDate>2026-02-01Z</t:StartDate></t:NoEndRecurrence>';
const regeneration = `<t:DailyRegeneration><t:Interval>3</t:Interval></t:DailyRegeneration>${noEnd}`;
