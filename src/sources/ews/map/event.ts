import type { PlainAttachment, PlainAttendee } from '../../../conversion/build/calendar.js';
import { buildEvent, type PlainOccurrence } from '../../../conversion/build/items.js';
import type { Note } from '../../../mailbox/item.js';
import { childrenNamed, type XmlElement } from '../../../protocols/xml.js';
import { child, instant, isTrue, lines, number, strings, text } from './fields.js';
import { personOf } from './people.js';
import { ruleOf } from './recurrence.js';
import { type EventZone, localIn, timeIn, zoneOf } from './zones.js';

export interface Made {
  readonly bytes: Uint8Array;
  readonly notes: readonly Note[];
}

/** An appointment and what else had to be fetched for it. */
export interface EventParts {
  readonly master: XmlElement;
  /** Modified occurrences by the id the master names; missing: not given. */
  readonly occurrences: ReadonlyMap<string, XmlElement>;
  /** Files, by the id of the item they hang on. */
  readonly files: ReadonlyMap<string, readonly PlainAttachment[]>;
  /** For an item that has no UID. */
  readonly uid: string;
  /** The mailbox's own address: its answer stands in a property of its own. */
  readonly owner: string;
}

/** A calendar item as one iCalendar object; null: it does not say when it is. */
export function eventOf(parts: EventParts): Made | null {
  const { master, owner } = parts;
  const zone = zoneOf(child(master, 'StartTimeZone') ?? child(master, 'MeetingTimeZone'));
  const uid = text(master, 'UID')?.trim() ?? parts.uid;
  const files = (item: XmlElement): readonly PlainAttachment[] => parts.files.get(idOf(item)) ?? [];
  const first = occurrenceOf(master, zone, uid, owner, files(master));
  if (first === null) return null;
  const notes: Note[] = [];
  if (zone.isAlike) notes.push({ code: 'ZONE_MAPPED', detail: `${zone.name}: ${zone.iana}` });
  if (zone.iana === null && zone.name !== '') notes.push({ code: 'ZONE_UNKNOWN', detail: zone.name });
  const allDay = isTrue(master, 'IsAllDayEvent');
  const recurrence = child(master, 'Recurrence');
  if (recurrence === undefined) return { bytes: buildEvent(first), notes };
  const start = localIn(zone, instant(master, 'Start')!);
  const series = ruleOf(recurrence, zone, allDay ? null : start);
  if (series.is !== 'rule') {
    notes.push({ code: 'RULE_DROPPED', detail: series.is === 'unknown' ? series.pattern : series.is });
    return { bytes: buildEvent(first), notes };
  }
  const excluded = (child(master, 'DeletedOccurrences')?.children ?? []).flatMap((one) => {
    const at = instant(one, 'Start');
    return at === undefined ? [] : [timeIn(zone, at, allDay)];
  });
  const changed = (child(master, 'ModifiedOccurrences')?.children ?? []).flatMap((info) => {
    const original = instant(info, 'OriginalStart');
    const known = parts.occurrences.get(idOf(info));
    if (known === undefined) notes.push({ code: 'OCCURRENCE_SHORT' });
    // What is not given is at least at the right time.
    const event = occurrenceOf(known ?? withTimes(master, info), zone, uid, owner, known ? files(known) : []);
    return original === undefined || event === null ? [] : [{ originalStart: timeIn(zone, original, allDay), event }];
  });
  return { bytes: buildEvent({ ...first, recurrence: series.rule, excluded, changed }), notes };
}

export function idOf(element: XmlElement): string {
  return child(element, 'ItemId')?.attributes.get('Id') ?? '';
}

function withTimes(master: XmlElement, info: XmlElement): XmlElement {
  const times = info.children.filter(({ name }) => name === 'Start' || name === 'End');
  return {
    ...master,
    children: [...master.children.filter(({ name }) => name !== 'Start' && name !== 'End'), ...times],
  };
}

const BUSY = {
  Free: 'FREE',
  Tentative: 'TENTATIVE',
  Busy: 'BUSY',
  OOF: 'OOF',
  WorkingElsewhere: 'WORKINGELSEWHERE',
} as const;

function occurrenceOf(
  item: XmlElement,
  zone: EventZone,
  uid: string,
  owner: string,
  attachments: readonly PlainAttachment[],
): PlainOccurrence | null {
  const start = instant(item, 'Start');
  if (start === undefined) return null;
  const end = instant(item, 'End');
  const allDay = isTrue(item, 'IsAllDayEvent');
  const attendees = attendeesOf(item, owner);
  const organizer = attendees.length > 0 ? personOf(child(item, 'Organizer')) : null;
  const busy = BUSY[(text(item, 'LegacyFreeBusyStatus') ?? '') as keyof typeof BUSY];
  const minutes = isTrue(item, 'ReminderIsSet') ? number(item, 'ReminderMinutesBeforeStart') : undefined;
  const endZone = child(item, 'EndTimeZone') === undefined ? zone : zoneOf(child(item, 'EndTimeZone'));
  const created = instant(item, 'DateTimeCreated');
  return {
    uid,
    modified: instant(item, 'LastModifiedTime') ?? instant(item, 'DateTimeStamp') ?? created ?? new Date(0),
    ...(created === undefined ? {} : { created }),
    ...optional('summary', text(item, 'Subject')),
    ...optional('description', lines(item, 'Body')),
    ...optional('location', text(item, 'Location')),
    categories: strings(item, 'Categories'),
    ...optional('classification', classOf(item)),
    ...(attendees.length > 0 ? optional('sequence', number(item, 'AppointmentSequenceNumber')) : {}),
    start: timeIn(zone, start, allDay),
    ...(end === undefined ? {} : { end: timeIn(endZone.iana === null ? zone : endZone, end, allDay) }),
    ...(isTrue(item, 'IsCancelled') ? { status: 'CANCELLED' as const } : {}),
    ...optional('busy', busy),
    ...(organizer === null ? {} : { organizer }),
    attendees,
    attachments,
    alarms: minutes === undefined ? [] : [{ minutesBefore: minutes }],
  };
}

export function optional<Name extends string, Value>(name: Name, value: Value | undefined): { [K in Name]?: Value } {
  return (value === undefined ? {} : { [name]: value }) as { [K in Name]?: Value };
}

export function classOf(item: XmlElement): 'PRIVATE' | 'CONFIDENTIAL' | undefined {
  const sensitivity = text(item, 'Sensitivity');
  if (sensitivity === 'Confidential') return 'CONFIDENTIAL';
  return sensitivity === 'Private' || sensitivity === 'Personal' ? 'PRIVATE' : undefined;
}

const STATUS: Readonly<Record<string, PlainAttendee['status']>> = {
  Accept: 'ACCEPTED',
  Organizer: 'ACCEPTED',
  Decline: 'DECLINED',
  Tentative: 'TENTATIVE',
};

function attendeesOf(item: XmlElement, owner: string): PlainAttendee[] {
  const mine = text(item, 'MyResponseType');
  const list = (name: string, more: Pick<PlainAttendee, 'role' | 'kind'>): PlainAttendee[] =>
    childrenNamed(item, name).flatMap((all) =>
      childrenNamed(all, 'Attendee').flatMap((one) => {
        const person = personOf(one);
        if (person === null) return [];
        const isOwner = person.address.toLowerCase() === owner.toLowerCase();
        const told = text(one, 'ResponseType');
        const response = isOwner && (told === undefined || told === 'Unknown') ? mine : told;
        return [{ ...person, ...more, status: STATUS[response ?? ''] ?? 'NEEDS-ACTION' }];
      }),
    );
  return [
    ...list('RequiredAttendees', { role: 'REQ-PARTICIPANT' }),
    ...list('OptionalAttendees', { role: 'OPT-PARTICIPANT' }),
    ...list('Resources', { role: 'NON-PARTICIPANT', kind: 'RESOURCE' }),
  ];
}
