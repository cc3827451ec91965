/** Appointments as Exchange keeps them. */
import { bodyXml, mailboxXml, type Person, strings } from './fill-pieces.js';
import { bytesAsMime, type Mailbox, type StoredAttachment, type StoredFolder, type StoredItem } from './store.js';
import { element, plain, utc } from './xml.js';

/** Windows zones of the fixtures: what they are called for people, and the IANA zone to reckon with. */
export const ZONES: Readonly<Record<string, { readonly name: string; readonly iana: string }>> = {
  'W. Europe Standard Time': { name: '(UTC+01:00) Amsterdam, Berlin, Bern', iana: 'Europe/Berlin' },
  'Eastern Standard Time': { name: '(UTC-05:00) Eastern Time (US & Canada)', iana: 'America/New_York' },
  'Tokyo Standard Time': { name: '(UTC+09:00) Osaka, Sapporo, Tokyo', iana: 'Asia/Tokyo' },
  'AUS Eastern Standard Time': { name: '(UTC+10:00) Canberra, Melbourne, Sydney', iana: 'Australia/Sydney' },
  'India Standard Time': { name: '(UTC+05:30) Chennai, Kolkata, Mumbai', iana: 'Asia/Calcutta' },
  UTC: { name: '(UTC) Coordinated Universal Time', iana: 'Etc/UTC' },
};

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
