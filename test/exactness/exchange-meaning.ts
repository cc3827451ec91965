/**
 * What the sample mailbox means, worked out from its wishes alone, and the same read from what arrived: by other eyes than the
 * product's. Series are reckoned day by day here, and expanded there by a library that the product does not use for it.
 */
import ICAL from 'ical.js';
import type { CyrusServer } from '../servers/cyrus.js';
import { rawDav } from '../servers/dav.js';
import type { TestAccount } from '../servers/dovecot.js';
import { type EventWish, instantOf, type OccurrenceWish } from '../servers/ews/fill.js';
import { PHOTO, sampleContact, sampleEvent, sampleNote, sampleSeries, sampleTask } from '../servers/ews/sample.js';

/** Of a series without an end, and of each other one, so many are compared. */
const OCCURRENCES = 40;
const OWNER = 'anna@old.test';

export interface Occurrence {
  readonly start: string;
  readonly end: string;
  readonly facts: readonly string[];
}

// ---- from the wishes

const BUSY: Readonly<Record<string, readonly [string, string]>> = {
  Free: ['TRANSPARENT', 'FREE'],
  Tentative: ['OPAQUE', 'TENTATIVE'],
  Busy: ['OPAQUE', 'BUSY'],
  OOF: ['OPAQUE', 'OOF'],
  WorkingElsewhere: ['OPAQUE', 'WORKINGELSEWHERE'],
};
const CLASSES: Readonly<Record<string, string>> = {
  Personal: 'PRIVATE',
  Private: 'PRIVATE',
  Confidential: 'CONFIDENTIAL',
};
const ANSWERS: Readonly<Record<string, string>> = { Accept: 'ACCEPTED', Decline: 'DECLINED', Tentative: 'TENTATIVE' };

function wishedFacts(wish: OccurrenceWish, owner: string): string[] {
  const [transparency, busy] = BUSY[wish.busy ?? 'Busy']!;
  const person = (role: string, type: string) => (one: NonNullable<OccurrenceWish['required']>[number]) => {
    // A name of the directory stands for the address that Exchange gives beside it.
    const address = one.routing === 'EX' ? one.name! : one.address;
    const name = one.name === undefined || one.name === address ? '' : one.name;
    const told = address === owner ? 'ACCEPTED' : (ANSWERS[one.response ?? ''] ?? 'NEEDS-ACTION');
    return `attendee ${address} ${name} ${role} ${type} ${told}`;
  };
  const guests = [
    ...(wish.required ?? []).map(person('REQ-PARTICIPANT', '')),
    ...(wish.optional ?? []).map(person('OPT-PARTICIPANT', '')),
    ...(wish.resources ?? []).map(person('NON-PARTICIPANT', 'RESOURCE')),
  ];
  return [
    `summary ${wish.subject}`,
    ...(wish.body === undefined ? [] : [`description ${wish.body.replaceAll('\r\n', '\n')}`]),
    ...(wish.location === undefined ? [] : [`location ${wish.location}`]),
    ...(wish.categories ?? []).map((one) => `category ${one}`),
    ...(CLASSES[wish.sensitivity ?? ''] === undefined ? [] : [`class ${CLASSES[wish.sensitivity ?? '']}`]),
    `transp ${transparency}`,
    `busy ${busy}`,
    ...(wish.reminder === undefined ? [] : [`alarm -${wish.reminder * 60}`]),
    ...(wish.organizer === undefined ? [] : [`organizer ${wish.organizer.address} ${wish.organizer.name}`]),
    ...guests,
  ].sort();
}

const DAY = 86_400_000;

/** Local days of the patterns of the sample, one after the other, by the calendar and nothing else. */
function* daysOf(n: number): Generator<Date> {
  const first = Date.UTC(2026, 0, 5);
  for (let i = 0; ; i++)
    switch (n % 6) {
      case 0:
        yield new Date(first + i * DAY);
        break;
      case 1:
        yield new Date(first + i * 7 * DAY);
        break;
      case 2:
        yield new Date(first + Math.floor(i / 2) * 14 * DAY + (i % 2) * 2 * DAY);
        break;
      case 3:
        yield new Date(Date.UTC(2026, i, 5));
        break;
      case 4: {
        const weekday = new Date(Date.UTC(2026, i, 1)).getUTCDay();
        yield new Date(Date.UTC(2026, i, 1 + ((8 - weekday) % 7)));
        break;
      }
      default:
        yield new Date(Date.UTC(2026 + i, 0, 5));
    }
}

/** When the series takes place, with what each time is: without the third, the second and the fourth changed. */
function wishedSeries(n: number, owner: string): Occurrence[] {
  const wish = sampleSeries(n);
  const end = (n + Math.floor(n / 6)) % 3;
  const until = end === 2 ? Date.UTC(2035, 11, 28) : Infinity;
  const [, time] = wish.start.split('T');
  const found: Occurrence[] = [];
  let i = 0;
  for (const day of daysOf(n)) {
    if (day.getTime() > until || (end === 1 && i === 20) || found.length === OCCURRENCES) break;
    const start = `${day.toISOString().slice(0, 10)}T${time}`;
    const change = wish.changed!.find(({ original }) => original === start);
    if (i++ !== 2)
      found.push(
        change === undefined
          ? timed({ ...wish, ...hourFrom(start) }, owner)
          : timed({ ...change, zone: wish.zone! }, owner),
      );
  }
  return found;
}

function hourFrom(start: string): { start: string; end: string } {
  return { start, end: new Date(Date.parse(`${start}Z`) + 3_600_000).toISOString().slice(0, 19) };
}

function timed(wish: OccurrenceWish, owner: string): Occurrence {
  const at = (local: string): string => (wish.allDay ? local.slice(0, 10) : instantOf(local, wish.zone!).toISOString());
  return { start: at(wish.start), end: at(wish.end), facts: wishedFacts(wish, owner) };
}

/** By UID. @param owner whose mailbox it is: his own answer is known, a guest's is as it was told */
export function wishedEvents(events: number, series: number, owner = OWNER): Map<string, Occurrence[]> {
  const all = Array.from({ length: events }, (_, n): [EventWish, Occurrence[]] =>
    n < series ? [sampleSeries(n), wishedSeries(n, owner)] : [sampleEvent(n), [timed(sampleEvent(n), owner)]],
  );
  return new Map(all.map(([{ uid }, occurrences]) => [uid, occurrences]));
}

// ---- from what arrived

/** Everything in calendars and address books, as another client sees it. */
export async function objectsAt({ davUrl }: CyrusServer, { user, password }: TestAccount): Promise<string[]> {
  const { origin } = new URL(davUrl.replace('{user}', 'x'));
  const calendars = `${origin}/dav/calendars/user/${user}/`;
  const contacts = `${origin}/dav/addressbooks/user/${user}/`;
  const raw = rawDav({ user, password, url: origin, calendars, contacts });
  const bodies: string[] = [];
  for (const home of [calendars, contacts])
    for (const [, url] of await raw.collections(home)) {
      if (url === home) continue;
      const { text } = await raw.ask('PROPFIND', url);
      const hrefs = [...text.matchAll(/<(?:\w+:)?href>([^<]+\.(?:ics|vcf))</g)].map(
        ([, href]) => new URL(href!, url).href,
      );
      // A few at once: a real server takes no hundreds of connections.
      for (let at = 0; at < hrefs.length; at += 8)
        bodies.push(
          ...(await Promise.all(hrefs.slice(at, at + 8).map((href) => raw.ask('GET', href)))).map((one) => one.text),
        );
    }
  return bodies.filter((body) => /^BEGIN:V(CALENDAR|CARD)/.test(body));
}

export function arrivedEvents(bodies: readonly string[]): Map<string, Occurrence[]> {
  const found = new Map<string, Occurrence[]>();
  for (const body of bodies) {
    const calendar = new ICAL.Component(ICAL.parse(body));
    const parts = calendar.getAllSubcomponents('vevent');
    if (parts.length === 0) continue;
    for (const zone of calendar.getAllSubcomponents('vtimezone'))
      ICAL.TimezoneService.register(new ICAL.Timezone(zone));
    const main = parts.find((one) => !one.hasProperty('recurrence-id'))!;
    const exceptions = parts.filter((one) => one !== main);
    const event = new ICAL.Event(main, { exceptions });
    found.set(event.uid, event.isRecurring() ? expanded(event) : [seen(event, event.startDate, event.endDate)]);
    ICAL.TimezoneService.reset();
  }
  return found;
}

function expanded(event: ICAL.Event): Occurrence[] {
  const found: Occurrence[] = [];
  const all = event.iterator();
  for (let next = all.next(); next && found.length < OCCURRENCES; next = all.next()) {
    const { item, startDate, endDate } = event.getOccurrenceDetails(next);
    found.push(seen(item, startDate, endDate));
  }
  return found;
}

function seen({ component }: ICAL.Event, start: ICAL.Time, end: ICAL.Time): Occurrence {
  const text = (name: string): string[] =>
    component.getAllProperties(name).flatMap((one) => one.getValues().map((value) => String(value)));
  const people = (name: string): string[] =>
    component.getAllProperties(name).map((one) => {
      const of = (parameter: string): string => String(one.getParameter(parameter) ?? '');
      const address = String(one.getFirstValue()).replace(/^mailto:/i, '');
      const more = name === 'attendee' ? ` ${of('role')} ${of('cutype')} ${of('partstat')}` : '';
      return `${name} ${address} ${of('cn')}${more}`;
    });
  const alarms = component
    .getAllSubcomponents('valarm')
    .map((one) => `alarm ${(one.getFirstPropertyValue('trigger') as unknown as ICAL.Duration).toSeconds()}`);
  return {
    start: moment(start),
    end: moment(end),
    facts: [
      ...text('summary').map((one) => `summary ${one}`),
      ...text('description').map((one) => `description ${one}`),
      ...text('location').map((one) => `location ${one}`),
      ...text('categories').map((one) => `category ${one}`),
      ...text('class').map((one) => `class ${one}`),
      ...text('transp').map((one) => `transp ${one}`),
      ...text('x-microsoft-cdo-busystatus').map((one) => `busy ${one}`),
      ...alarms,
      ...people('organizer'),
      ...people('attendee'),
    ].sort(),
  };
}

function moment(time: ICAL.Time): string {
  return time.isDate ? time.toString() : time.toJSDate().toISOString();
}

// ---- contacts, tasks, notes: lines

/** The lines of an object but those that say when and by whom it was written; parameters in order. */
export function linesOf(body: string): string[] {
  return (
    body
      .replace(/\r\n[ \t]/g, '')
      .split('\r\n')
      .filter(
        (line) => line !== '' && !/^(?:BEGIN|END|VERSION|PRODID|UID|REV|DTSTAMP|LAST-MODIFIED|CREATED)[:;]/.test(line),
      )
      // RFC 2426 section 4: one list, or several parameters.
      .map((line) => line.replace(/TYPE=(\w+),(\w+)/, 'TYPE=$1;TYPE=$2'))
      .sort()
  );
}

const escaped = (text: string): string => text.replace(/[\\;,]/g, '\\$&').replaceAll('\r\n', '\\n');
const line = (name: string, value: string | undefined): string[] =>
  value === undefined || value === '' ? [] : [`${name}:${value}`];

export function wishedContact(n: number): string[] {
  const { texts = {}, title = '', emails = [], phones = {}, addresses = {}, ...wish } = sampleContact(n);
  const t = (name: string): string => escaped(texts[name] ?? '');
  const address = (kind: string): string[] => {
    const one = addresses[kind];
    if (one === undefined) return [];
    const parts = ['Street', 'City', 'State', 'PostalCode', 'CountryOrRegion'].map((name) => escaped(one[name] ?? ''));
    return [`ADR;TYPE=${kind === 'Business' ? 'work' : 'home'}:;;${parts.join(';')}`];
  };
  // Outlook keeps a day without a year in 1604.
  const day = wish.birthday!.slice(0, 10);
  return [
    ...line('N', [t('Surname'), t('GivenName'), t('MiddleName'), title, ''].join(';')),
    ...line('FN', t('DisplayName')),
    ...line('ORG', `${t('CompanyName')};${t('Department')}`),
    ...line('TITLE', t('JobTitle')),
    ...line('NICKNAME', t('Nickname')),
    ...line('X-MS-SPOUSE', t('SpouseName')),
    ...line('X-MS-MANAGER', t('Manager')),
    ...line('NOTE', escaped(wish.notes!)),
    ...line('CATEGORIES', (wish.categories ?? []).map(escaped).join(',')),
    ...emails.map((one, i) => `EMAIL${i === 0 ? ';TYPE=pref' : ''}:${one.address}`),
    `TEL;TYPE=work;TYPE=voice:${phones['BusinessPhone']}`,
    `TEL;TYPE=cell:${phones['MobilePhone']}`,
    `TEL;TYPE=home;TYPE=fax:${phones['HomeFax']}`,
    ...address('Business'),
    ...address('Home'),
    ...(wish.ims ?? []).map((one) => `IMPP:im:${one}`),
    day.startsWith('1604') ? `BDAY;X-APPLE-OMIT-YEAR=1604:${day}` : `BDAY:${day}`,
    ...(wish.photo === undefined ? [] : [`PHOTO;ENCODING=b;TYPE=JPEG:${PHOTO.toString('base64')}`]),
  ].sort();
}

export const BOARD = [
  'FN:Board',
  'N:Board',
  'NOTE:meets on Mondays',
  'X-ADDRESSBOOKSERVER-KIND:group',
  'X-ADDRESSBOOKSERVER-MEMBER:mailto:contact0@people.test',
  'X-ADDRESSBOOKSERVER-MEMBER:mailto:contact1@people.test',
];

/** iCalendar knows neither waiting for others nor deferred: told in the report. */
const TASKS = {
  NotStarted: 'NEEDS-ACTION',
  InProgress: 'IN-PROCESS',
  Completed: 'COMPLETED',
  WaitingOnOthers: 'IN-PROCESS',
  Deferred: 'NEEDS-ACTION',
};
const PRIORITIES = { High: ['PRIORITY:1'], Normal: [], Low: ['PRIORITY:9'] };

export function wishedTask(n: number): string[] {
  const wish = sampleTask(n);
  const day = (text: string): string => text.slice(0, 10).replaceAll('-', '');
  const utc = (text: string): string => text.replace(/[-:]/g, '');
  return [
    `SUMMARY:${wish.subject}`,
    `DESCRIPTION:${escaped(wish.body!)}`,
    `STATUS:${TASKS[wish.status!]}`,
    `PERCENT-COMPLETE:${wish.percent}`,
    `DTSTART;VALUE=DATE:${day(wish.start!)}`,
    ...(wish.due === undefined ? [] : [`DUE;VALUE=DATE:${day(wish.due)}`]),
    ...(wish.completed === undefined ? [] : [`COMPLETED:${utc(wish.completed)}`]),
    ...PRIORITIES[wish.importance!],
    // One that begins anew when it is done has no rule in iCalendar.
    ...(n % 20 === 8 ? ['RRULE:FREQ=WEEKLY;BYDAY=FR'] : []),
    ...(wish.reminder === undefined
      ? []
      : ['ACTION:DISPLAY', 'DESCRIPTION:Reminder', `TRIGGER;VALUE=DATE-TIME:${utc(wish.reminder)}`]),
  ].sort();
}

export function wishedNote(n: number): string[] {
  return [`SUMMARY:Note ${n}`, `DESCRIPTION:${escaped(sampleNote(n))}`].sort();
}
