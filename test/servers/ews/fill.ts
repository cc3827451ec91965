/** Puts things into a mailbox as Exchange keeps them. What is left out is not there. */
import {
  bytesAsMime,
  type Mailbox,
  type Mime,
  type StoredAttachment,
  type StoredFolder,
  type StoredItem,
} from './store.js';
import { element, escapeXml, plain, utc } from './xml.js';

/** Windows zones of the fixtures: what they are called for people, and the IANA zone to reckon with. */
export const ZONES: Readonly<Record<string, { readonly name: string; readonly iana: string }>> = {
  'W. Europe Standard Time': { name: '(UTC+01:00) Amsterdam, Berlin, Bern', iana: 'Europe/Berlin' },
  'Eastern Standard Time': { name: '(UTC-05:00) Eastern Time (US & Canada)', iana: 'America/New_York' },
  'Tokyo Standard Time': { name: '(UTC+09:00) Osaka, Sapporo, Tokyo', iana: 'Asia/Tokyo' },
  'AUS Eastern Standard Time': { name: '(UTC+10:00) Canberra, Melbourne, Sydney', iana: 'Australia/Sydney' },
  'India Standard Time': { name: '(UTC+05:30) Chennai, Kolkata, Mumbai', iana: 'Asia/Calcutta' },
  UTC: { name: '(UTC) Coordinated Universal Time', iana: 'Etc/UTC' },
};

/** The folder of this path below the top, made where it is missing. */
export function folderAt(
  box: Mailbox,
  path: readonly string[],
  more: Parameters<Mailbox['addFolder']>[2] = {},
  top: StoredFolder = box.root,
): StoredFolder {
  let folder = top;
  for (const [i, name] of path.entries()) {
    const found = box
      .children(folder)
      .find((child) => child.name === name || (name === 'INBOX' && child.distinguished === 'inbox'));
    folder = found ?? box.addFolder(folder, name, i === path.length - 1 ? more : {});
  }
  return folder;
}

export interface MessageWish {
  readonly read?: boolean;
  readonly draft?: boolean;
  readonly flagged?: boolean;
  readonly answered?: boolean;
  readonly forwarded?: boolean;
  readonly categories?: readonly string[];
  readonly received?: Date;
  /** Default: from the header. */
  readonly subject?: string;
  readonly itemClass?: string;
  readonly extended?: Iterable<[string, string]>;
}

export function addMessage(
  box: Mailbox,
  folder: StoredFolder,
  bytes: Buffer | Mime,
  wish: MessageWish = {},
): StoredItem {
  const mime = Buffer.isBuffer(bytes) ? bytesAsMime(bytes) : bytes;
  const header = Buffer.isBuffer(bytes) ? bytes.subarray(0, 16_384).toString('utf8') : '';
  const field = (name: string): string => new RegExp(`^${name}: *(.*?)\\r?$`, 'im').exec(header)?.[1] ?? '';
  const received = wish.received ?? new Date(1_400_000_000_000);
  const from = /^(.*?)\s*<([^>]*)>/.exec(field('From'));
  const verb = wish.forwarded ? '104' : wish.answered ? '102' : null;
  return box.add(folder, {
    element: 'Message',
    itemClass: wish.itemClass ?? 'IPM.Note',
    mime,
    fields: new Map([
      ['item:Subject', plain('Subject', wish.subject ?? field('Subject'))],
      ['item:DateTimeReceived', plain('DateTimeReceived', utc(received))],
      ['item:DateTimeSent', plain('DateTimeSent', utc(received))],
      ['item:Size', plain('Size', mime.size + 1_200)],
      ['item:IsDraft', plain('IsDraft', wish.draft ?? false)],
      ['item:Categories', strings('Categories', wish.categories)],
      ['item:Importance', plain('Importance', 'Normal')],
      ['message:IsRead', plain('IsRead', wish.read ?? false)],
      ['message:InternetMessageId', plain('InternetMessageId', field('Message-ID') || undefined)],
      ['message:From', from ? element('t:From', {}, mailboxXml({ name: from[1]!, address: from[2]! })) : ''],
    ]),
    extended: new Map([
      ...(wish.flagged ? ([['0x1090 Integer', '2']] as const) : []),
      ...(verb === null ? [] : ([['0x1081 Integer', verb]] as const)),
      ['0xe06 SystemTime', utc(received)],
      ...(wish.extended ?? []),
    ]),
  });
}

export interface Person {
  readonly name?: string;
  readonly address: string;
  /** 'EX' for an address of the organisation. */
  readonly routing?: string;
}
const mailboxXml = ({ name, address, routing = 'SMTP' }: Person): string =>
  element('t:Mailbox', {}, plain('Name', name), plain('EmailAddress', address), plain('RoutingType', routing));

export interface OccurrenceWish {
  readonly subject?: string;
  /** YYYY-MM-DDTHH:MM:SS as the clock shows it in `zone`; for whole days at midnight. */
  readonly start: string;
  readonly end: string;
  readonly zone?: string;
  readonly allDay?: boolean;
  readonly location?: string;
  readonly body?: string;
  readonly html?: string;
  readonly categories?: readonly string[];
  readonly busy?: 'Free' | 'Tentative' | 'Busy' | 'OOF' | 'WorkingElsewhere';
  readonly sensitivity?: 'Normal' | 'Personal' | 'Private' | 'Confidential';
  readonly reminder?: number;
  readonly organizer?: Person;
  readonly required?: readonly (Person & { readonly response?: string })[];
  readonly optional?: readonly (Person & { readonly response?: string })[];
  readonly resources?: readonly (Person & { readonly response?: string })[];
  readonly cancelled?: boolean;
  readonly attachments?: readonly StoredAttachment[];
  readonly extended?: Iterable<[string, string]>;
}
export interface EventWish extends OccurrenceWish {
  readonly uid: string;
  /** What stands in t:Recurrence. */
  readonly recurrence?: string;
  /** Starts as the clock would have shown them. */
  readonly deleted?: readonly string[];
  readonly changed?: readonly (OccurrenceWish & { readonly original: string })[];
  /** t:StartTimeZone as it is, instead of the named zone. */
  readonly zoneXml?: string;
}

export function addEvent(box: Mailbox, folder: StoredFolder, wish: EventWish): StoredItem {
  const zone = wish.zone ?? 'W. Europe Standard Time';
  const at = (local: string): string => utc(instantOf(local, zone));
  const occurrences = (wish.changed ?? []).map((one) => {
    const fields = occurrenceFields({ ...one, zone }, wish.uid);
    fields.set('calendar:OriginalStart', plain('OriginalStart', at(one.original)));
    fields.set('calendar:CalendarItemType', plain('CalendarItemType', 'Exception'));
    return { item: box.occurrence(fields, { attachments: [...(one.attachments ?? [])] }), wish: one };
  });
  const fields = occurrenceFields({ ...wish, zone }, wish.uid, wish.zoneXml);
  fields.set('calendar:CalendarItemType', plain('CalendarItemType', wish.recurrence ? 'RecurringMaster' : 'Single'));
  fields.set('calendar:IsRecurring', plain('IsRecurring', false));
  if (wish.recurrence) fields.set('calendar:Recurrence', element('t:Recurrence', {}, wish.recurrence));
  if (wish.deleted?.length)
    fields.set(
      'calendar:DeletedOccurrences',
      element(
        't:DeletedOccurrences',
        {},
        ...wish.deleted.map((one) => element('t:DeletedOccurrence', {}, plain('Start', at(one)))),
      ),
    );
  if (occurrences.length > 0)
    fields.set(
      'calendar:ModifiedOccurrences',
      element(
        't:ModifiedOccurrences',
        {},
        ...occurrences.map(({ item, wish: one }) =>
          element(
            't:Occurrence',
            {},
            element('t:ItemId', { Id: item.id }),
            plain('Start', at(one.start)),
            plain('End', at(one.end)),
            plain('OriginalStart', at(one.original)),
          ),
        ),
      ),
    );
  return box.add(folder, {
    element: 'CalendarItem',
    itemClass: 'IPM.Appointment',
    fields,
    attachments: [...(wish.attachments ?? [])],
    occurrences: occurrences.map(({ item }) => item),
    extended: new Map(wish.extended ?? []),
    mime: bytesAsMime(Buffer.from('BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n')),
  });
}

function occurrenceFields(wish: OccurrenceWish, uid: string, zoneXml?: string): Map<string, string> {
  const zone = wish.zone ?? 'W. Europe Standard Time';
  const zoneOf = (name: string): string => element(`t:${name}`, { Name: ZONES[zone]?.name ?? zone, Id: zone });
  const attendees = (name: string, all: OccurrenceWish['required']): string =>
    all?.length
      ? element(
          `t:${name}`,
          {},
          ...all.map((one) =>
            element('t:Attendee', {}, mailboxXml(one), plain('ResponseType', one.response ?? 'Unknown')),
          ),
        )
      : '';
  const isMeeting = (wish.required?.length ?? 0) + (wish.optional?.length ?? 0) > 0;
  return new Map([
    ['item:Subject', plain('Subject', wish.subject ?? '')],
    ['item:Sensitivity', plain('Sensitivity', wish.sensitivity ?? 'Normal')],
    ['item:Body', bodyXml(wish.body, wish.html)],
    ['item:Size', plain('Size', 2_000)],
    ['item:Categories', strings('Categories', wish.categories)],
    ['item:DateTimeCreated', plain('DateTimeCreated', '2014-05-01T08:00:00Z')],
    ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
    ['item:ReminderIsSet', plain('ReminderIsSet', wish.reminder !== undefined)],
    ['item:ReminderMinutesBeforeStart', plain('ReminderMinutesBeforeStart', wish.reminder ?? 15)],
    ['calendar:UID', plain('UID', uid)],
    ['calendar:DateTimeStamp', plain('DateTimeStamp', '2014-05-13T16:53:20Z')],
    ['calendar:Start', plain('Start', utc(instantOf(wish.start, zone)))],
    ['calendar:End', plain('End', utc(instantOf(wish.end, zone)))],
    ['calendar:IsAllDayEvent', plain('IsAllDayEvent', wish.allDay ?? false)],
    ['calendar:LegacyFreeBusyStatus', plain('LegacyFreeBusyStatus', wish.busy ?? 'Busy')],
    ['calendar:Location', plain('Location', wish.location)],
    ['calendar:IsMeeting', plain('IsMeeting', isMeeting)],
    ['calendar:IsCancelled', plain('IsCancelled', wish.cancelled ?? false)],
    ['calendar:MyResponseType', plain('MyResponseType', isMeeting ? 'Organizer' : 'Unknown')],
    ['calendar:Organizer', wish.organizer ? element('t:Organizer', {}, mailboxXml(wish.organizer)) : ''],
    ['calendar:RequiredAttendees', attendees('RequiredAttendees', wish.required)],
    ['calendar:OptionalAttendees', attendees('OptionalAttendees', wish.optional)],
    ['calendar:Resources', attendees('Resources', wish.resources)],
    ['calendar:AppointmentSequenceNumber', plain('AppointmentSequenceNumber', 0)],
    ['calendar:StartTimeZone', zoneXml ?? zoneOf('StartTimeZone')],
    ['calendar:EndTimeZone', zoneXml?.replaceAll('StartTimeZone', 'EndTimeZone') ?? zoneOf('EndTimeZone')],
  ]);
}

export interface ContactWish {
  /** Everything by its element's name: GivenName, Surname, CompanyName, ... */
  readonly texts?: Readonly<Record<string, string>>;
  readonly title?: string;
  readonly suffix?: string;
  readonly emails?: readonly Person[];
  readonly phones?: Readonly<Record<string, string>>;
  readonly addresses?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly ims?: readonly string[];
  /** ISO 8601. */
  readonly birthday?: string;
  readonly anniversary?: string;
  readonly notes?: string;
  readonly categories?: readonly string[];
  readonly children?: readonly string[];
  readonly photo?: { readonly bytes: Buffer; readonly type: string };
  readonly extended?: Iterable<[string, string]>;
}

export function addContact(box: Mailbox, folder: StoredFolder, wish: ContactWish): StoredItem {
  const { texts = {} } = wish;
  const photo = wish.photo
    ? [box.attachment('ContactPicture.jpg', wish.photo.type, wish.photo.bytes, { isContactPhoto: true })]
    : [];
  const entries = (name: string, all: readonly [string, string][]): string =>
    all.length === 0
      ? ''
      : element(`t:${name}`, {}, ...all.map(([Key, value]) => element('t:Entry', { Key }, escapeXml(value))));
  const complete = element(
    't:CompleteName',
    {},
    plain('Title', wish.title),
    plain('FirstName', texts['GivenName']),
    plain('MiddleName', texts['MiddleName']),
    plain('LastName', texts['Surname']),
    plain('Suffix', wish.suffix),
    plain('FullName', texts['DisplayName']),
  );
  const fields = new Map<string, string>([
    ['item:Subject', plain('Subject', texts['DisplayName'] ?? '')],
    ['item:Body', bodyXml(wish.notes, undefined)],
    ['item:Size', plain('Size', 1_500)],
    ['item:Categories', strings('Categories', wish.categories)],
    ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
    ['contacts:CompleteName', complete],
    [
      'contacts:EmailAddresses',
      wish.emails?.length
        ? element(
            't:EmailAddresses',
            {},
            ...wish.emails.map((one, i) =>
              element(
                't:Entry',
                { Key: `EmailAddress${i + 1}`, Name: one.name, RoutingType: one.routing ?? 'SMTP' },
                escapeXml(one.address),
              ),
            ),
          )
        : '',
    ],
    ['contacts:PhoneNumbers', entries('PhoneNumbers', Object.entries(wish.phones ?? {}))],
    [
      'contacts:ImAddresses',
      entries(
        'ImAddresses',
        (wish.ims ?? []).map((one, i) => [`ImAddress${i + 1}`, one]),
      ),
    ],
    [
      'contacts:PhysicalAddresses',
      wish.addresses
        ? element(
            't:PhysicalAddresses',
            {},
            ...Object.entries(wish.addresses).map(([Key, parts]) =>
              element(
                't:Entry',
                { Key },
                ...['Street', 'City', 'State', 'CountryOrRegion', 'PostalCode'].map((name) => plain(name, parts[name])),
              ),
            ),
          )
        : '',
    ],
    ['contacts:Birthday', plain('Birthday', wish.birthday)],
    ['contacts:WeddingAnniversary', plain('WeddingAnniversary', wish.anniversary)],
    ['contacts:Children', strings('Children', wish.children)],
    ['contacts:HasPicture', plain('HasPicture', photo.length > 0)],
    ...Object.entries(texts).map(([name, value]): [string, string] => [`contacts:${name}`, plain(name, value)]),
  ]);
  return box.add(folder, {
    element: 'Contact',
    itemClass: 'IPM.Contact',
    fields,
    attachments: photo,
    extended: new Map(wish.extended ?? []),
    mime: bytesAsMime(Buffer.from('BEGIN:VCARD\r\nEND:VCARD\r\n')),
  });
}

export function addGroup(
  box: Mailbox,
  folder: StoredFolder,
  name: string,
  members: readonly Person[],
  notes?: string,
): StoredItem {
  return box.add(folder, {
    element: 'DistributionList',
    itemClass: 'IPM.DistList',
    fields: new Map([
      ['item:Subject', plain('Subject', name)],
      ['item:Body', bodyXml(notes, undefined)],
      ['item:Size', plain('Size', 900)],
      ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
      ['contacts:DisplayName', plain('DisplayName', name)],
      [
        'distributionlist:Members',
        element(
          't:Members',
          {},
          ...members.map((one) => element('t:Member', {}, mailboxXml(one), plain('Status', 'Normal'))),
        ),
      ],
    ]),
  });
}

export interface TaskWish {
  readonly subject: string;
  readonly body?: string;
  readonly status?: 'NotStarted' | 'InProgress' | 'Completed' | 'WaitingOnOthers' | 'Deferred';
  readonly percent?: number;
  /** ISO 8601. */
  readonly due?: string;
  readonly start?: string;
  readonly completed?: string;
  readonly importance?: 'Low' | 'Normal' | 'High';
  readonly recurrence?: string;
  readonly categories?: readonly string[];
  readonly reminder?: string;
  readonly extended?: Iterable<[string, string]>;
}

export function addTask(box: Mailbox, folder: StoredFolder, wish: TaskWish): StoredItem {
  return box.add(folder, {
    element: 'Task',
    itemClass: 'IPM.Task',
    fields: new Map([
      ['item:Subject', plain('Subject', wish.subject)],
      ['item:Sensitivity', plain('Sensitivity', 'Normal')],
      ['item:Body', bodyXml(wish.body, undefined)],
      ['item:Size', plain('Size', 1_000)],
      ['item:Categories', strings('Categories', wish.categories)],
      ['item:Importance', plain('Importance', wish.importance ?? 'Normal')],
      ['item:DateTimeCreated', plain('DateTimeCreated', '2014-05-01T08:00:00Z')],
      ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
      ['item:ReminderIsSet', plain('ReminderIsSet', wish.reminder !== undefined)],
      ['item:ReminderDueBy', plain('ReminderDueBy', wish.reminder)],
      ['task:CompleteDate', plain('CompleteDate', wish.completed)],
      ['task:DueDate', plain('DueDate', wish.due)],
      ['task:IsComplete', plain('IsComplete', wish.status === 'Completed')],
      ['task:PercentComplete', plain('PercentComplete', wish.percent ?? 0)],
      ['task:StartDate', plain('StartDate', wish.start)],
      ['task:Status', plain('Status', wish.status ?? 'NotStarted')],
      ['task:Recurrence', wish.recurrence ? element('t:Recurrence', {}, wish.recurrence) : ''],
    ]),
    extended: new Map(wish.extended ?? []),
  });
}

export function addNote(
  box: Mailbox,
  folder: StoredFolder,
  text: string,
  more: { readonly categories?: readonly string[]; readonly colour?: number } = {},
): StoredItem {
  return box.add(folder, {
    element: 'Message',
    itemClass: 'IPM.StickyNote',
    fields: new Map([
      ['item:Subject', plain('Subject', text.split(/\r?\n/)[0] ?? '')],
      ['item:Body', bodyXml(text, undefined)],
      ['item:Size', plain('Size', text.length + 600)],
      ['item:Categories', strings('Categories', more.categories)],
      ['item:DateTimeCreated', plain('DateTimeCreated', '2014-05-01T08:00:00Z')],
      ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
      ['message:IsRead', plain('IsRead', true)],
    ]),
    extended: new Map(
      more.colour === undefined ? [] : [['0006200e-0000-0000-c000-000000000046 0x8b00 Integer', String(more.colour)]],
    ),
    mime: bytesAsMime(Buffer.from(`Subject: note\r\n\r\n${text}`)),
  });
}

function bodyXml(text: string | undefined, html: string | undefined): string {
  if (html !== undefined) return element('t:Body', { BodyType: 'HTML' }, escapeXml(html));
  return text === undefined ? '' : `<t:Body BodyType="Text">${escapeXml(text)}</t:Body>`;
}

function strings(name: string, all: readonly string[] | undefined): string {
  return all?.length ? element(`t:${name}`, {}, ...all.map((one) => plain('String', one))) : '';
}

/** The moment at which clocks of a zone show this. */
export function instantOf(local: string, zone: string): Date {
  const iana = ZONES[zone]?.iana ?? 'Etc/UTC';
  const wanted = Date.parse(`${local}Z`);
  let at = wanted;
  for (let i = 0; i < 3; i++) at += wanted - shownBy(iana, at);
  return new Date(at);
}

function shownBy(iana: string, at: number): number {
  const shown = new Date(at).toLocaleString('sv-SE', { timeZone: iana });
  return Date.parse(`${shown.replace(' ', 'T')}Z`);
}
