/** A calendar or an address book of the sample account. */
export interface SampleCollection {
  /** Last part of its address at the old server. */
  readonly slug: string;
  readonly name: string;
  /** What a calendar holds; null: an address book. */
  readonly components: readonly ('VEVENT' | 'VTODO' | 'VJOURNAL')[] | null;
  readonly color: string | null;
  /** iCalendar or vCard, one object each, under these names. */
  readonly objects: readonly { readonly file: string; readonly text: string }[];
}

const PEOPLE = [
  ['Jörg', 'Müller', 'Söhne & Co. KG'],
  ['Anna', 'Lindqvist', 'Fjord AB'],
  ['Pat', "O'Brien", ''],
  ['太郎', '山田', '株式会社サンプル'],
  ['Zoë', 'Çelik', 'Atelier Zoë'],
  ['Hans-Peter', 'Straßer', ''],
  ['María José', 'Núñez', 'Ayuntamiento'],
  ['Ольга', 'Иванова', ''],
] as const;
const MEETINGS = ['Jour fixe', 'Zahnarzt', 'Lunch with Anna', 'Elternabend 📚', '打ち合わせ', 'Budget, last round'];
const TASKS = ['Steuererklärung abgeben', 'Renew the passport', 'Fahrrad zur Wartung', 'Call the landlord'];
const NOTES = ['Wi-Fi at the cabin', 'Rezept: Omas Apfelkuchen', 'Bücherliste'];
/** A picture of one pixel. */
const PHOTO = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const ZONE = [
  'BEGIN:VTIMEZONE',
  'TZID:Europe/Berlin',
  'BEGIN:DAYLIGHT',
  'TZOFFSETFROM:+0100',
  'TZOFFSETTO:+0200',
  'TZNAME:CEST',
  'DTSTART:19700329T020000',
  'RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU',
  'END:DAYLIGHT',
  'BEGIN:STANDARD',
  'TZOFFSETFROM:+0200',
  'TZOFFSETTO:+0100',
  'TZNAME:CET',
  'DTSTART:19701025T030000',
  'RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU',
  'END:STANDARD',
  'END:VTIMEZONE',
];

/**
 * What the sandbox's old account has beside mail: the same every time. Appointments with series, exceptions, guests and reminders, a
 * list of tasks, notes, and contacts with photos.
 * @param share of it, 0 to 1
 */
export function sampleCalendars(owner: string, share = 1): SampleCollection[] {
  const some = (most: number): number => Math.max(1, Math.round(most * share));
  const many = (count: number, make: (n: number) => string, ending: string): SampleCollection['objects'] =>
    Array.from({ length: count }, (_, n) => ({ file: `${String(n + 1).padStart(3, '0')}.${ending}`, text: make(n) }));
  return [
    {
      slug: 'personal',
      name: 'Persönlich',
      components: ['VEVENT'],
      color: '#2a6fdb',
      objects: many(some(40), (n) => appointment(n, owner), 'ics'),
    },
    {
      slug: 'birthdays',
      name: 'Geburtstage',
      components: ['VEVENT'],
      color: '#d94f8a',
      objects: many(some(PEOPLE.length), birthday, 'ics'),
    },
    {
      slug: 'tasks',
      name: 'Aufgaben',
      components: ['VTODO'],
      color: '#3c9a5f',
      objects: many(some(12), task, 'ics'),
    },
    {
      slug: 'notes',
      name: 'Notizen',
      components: ['VJOURNAL'],
      color: null,
      objects: many(some(6), note, 'ics'),
    },
    {
      slug: 'contacts',
      name: 'Kontakte',
      components: null,
      color: null,
      objects: many(some(32), contact, 'vcf'),
    },
  ];
}

function appointment(n: number, owner: string): string {
  const [given, family] = PEOPLE[n % PEOPLE.length]!;
  const start = `${day(2023 + (n % 4), n * 9)}T${two(8 + (n % 9))}3000`;
  const end = `${start.slice(0, 9)}${two(9 + (n % 9))}1500`;
  const lines = [
    `UID:sample-event-${n}@old.test`,
    'DTSTAMP:20240229T120000Z',
    `SUMMARY:${MEETINGS[n % MEETINGS.length]!.replace(',', '\\,')} ${n + 1}`,
    ...(n % 7 === 3
      ? [`DTSTART;VALUE=DATE:${start.slice(0, 8)}`, `DTEND;VALUE=DATE:${day(2023 + (n % 4), n * 9 + 2)}`]
      : [`DTSTART;TZID=Europe/Berlin:${start}`, `DTEND;TZID=Europe/Berlin:${end}`]),
    ...(n % 3 === 0 ? ['LOCATION:Café am Markt\\, 1. Stock'] : []),
    ...(n % 5 === 0 ? ['CATEGORIES:Arbeit,Wichtig'] : []),
  ];
  const guests = [
    `ORGANIZER;CN=Alice:mailto:${owner}`,
    `ATTENDEE;CN=Alice;PARTSTAT=ACCEPTED:mailto:${owner}`,
    `ATTENDEE;CN="${given} ${family}";RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:guest${n}@example.com`,
  ];
  const reminder = ['BEGIN:VALARM', 'ACTION:DISPLAY', 'DESCRIPTION:Reminder', 'TRIGGER:-PT15M', 'END:VALARM'];
  const series = n % 10 === 1;
  const master = [
    'BEGIN:VEVENT',
    ...lines,
    ...(series ? ['RRULE:FREQ=WEEKLY;COUNT=20'] : []),
    ...(n % 4 === 0 ? guests : []),
    ...(n % 2 === 0 ? reminder : []),
    'END:VEVENT',
  ];
  const moved = [
    'BEGIN:VEVENT',
    ...lines.filter((line) => !line.startsWith('SUMMARY')),
    'SUMMARY:One week it is different',
    `RECURRENCE-ID;TZID=Europe/Berlin:${start}`,
    'END:VEVENT',
  ];
  return calendar([...ZONE, ...master, ...(series ? moved : [])]);
}

function birthday(n: number): string {
  const [given, family] = PEOPLE[n % PEOPLE.length]!;
  return calendar([
    'BEGIN:VEVENT',
    `UID:sample-birthday-${n}@old.test`,
    'DTSTAMP:20240229T120000Z',
    `SUMMARY:${given} ${family}`,
    `DTSTART;VALUE=DATE:${day(1961 + n * 5, n * 41)}`,
    'RRULE:FREQ=YEARLY',
    'TRANSP:TRANSPARENT',
    'END:VEVENT',
  ]);
}

function task(n: number): string {
  const done = n % 3 === 0 ? ['STATUS:COMPLETED', 'PERCENT-COMPLETE:100', 'COMPLETED:20240301T090000Z'] : [];
  return calendar([
    'BEGIN:VTODO',
    `UID:sample-task-${n}@old.test`,
    'DTSTAMP:20240229T120000Z',
    `SUMMARY:${TASKS[n % TASKS.length]} ${n + 1}`,
    `DUE;VALUE=DATE:${day(2025, n * 20)}`,
    `PRIORITY:${(n % 9) + 1}`,
    ...done,
    'END:VTODO',
  ]);
}

function note(n: number): string {
  return calendar([
    'BEGIN:VJOURNAL',
    `UID:sample-note-${n}@old.test`,
    'DTSTAMP:20240229T120000Z',
    `DTSTART;VALUE=DATE:${day(2024, n * 30)}`,
    `SUMMARY:${NOTES[n % NOTES.length]} ${n + 1}`,
    'DESCRIPTION:Zeile eins\\nZeile zwei\\, mit Komma\\nand the last line',
    'END:VJOURNAL',
  ]);
}

function contact(n: number): string {
  const [given, family, company] = PEOPLE[n % PEOPLE.length]!;
  const number = n < PEOPLE.length ? '' : ` ${Math.floor(n / PEOPLE.length) + 1}`;
  return text([
    'BEGIN:VCARD',
    'VERSION:3.0',
    `UID:sample-contact-${n}@old.test`,
    `FN:${given} ${family}${number}`,
    `N:${family};${given};;;`,
    ...(company === '' ? [] : [`ORG:${company}`]),
    `EMAIL;TYPE=INTERNET,WORK:contact${n}@example.com`,
    `TEL;TYPE=CELL:+49 170 ${String(1_000_000 + n * 7919)}`,
    `ADR;TYPE=HOME:;;Straße des 17. Juni ${n + 1};Köln;;50667;Germany`,
    ...(n % 4 === 0 ? [`BDAY:${1960 + n}-0${(n % 9) + 1}-15`] : []),
    ...(n % 6 === 0 ? [`PHOTO;ENCODING=b;TYPE=PNG:${PHOTO}`] : []),
    ...(n % 5 === 0 ? ['item1.URL:https://example.com/', 'item1.X-ABLabel:_$!<HomePage>!$_'] : []),
    'NOTE:Met at the fair\\; likes tea.',
    'END:VCARD',
  ]);
}

function calendar(lines: readonly string[]): string {
  return text(['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//Mailferry//Sample//EN', ...lines, 'END:VCALENDAR']);
}

function text(lines: readonly string[]): string {
  return lines.map((line) => `${line}\r\n`).join('');
}

function day(year: number, ofYear: number): string {
  return new Date(Date.UTC(year, 0, 1 + ofYear)).toISOString().slice(0, 10).replaceAll('-', '');
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}
