import { property, type Property } from '../text/content-line.js';
import { printComponents, type Component } from '../text/component.js';
import { escapeText } from '../text/values.js';
import { vtimezone } from '../zones/vtimezone.js';
import { buildRule, type PlainRecurrence } from './recurrence.js';
import type { UsedZones } from './times.js';
import { timeProperty, utcProperty, type PlainTime } from './times.js';

/** What events, tasks and notes have in common. All texts are plain; what is missing is left out. */
export interface PlainItem {
  readonly uid: string;
  /** When the source last changed it: DTSTAMP and LAST-MODIFIED. */
  readonly modified: Date;
  readonly created?: Date;
  readonly summary?: string;
  readonly description?: string;
  readonly categories?: readonly string[];
  readonly classification?: 'PUBLIC' | 'PRIVATE' | 'CONFIDENTIAL';
  readonly sequence?: number;
  readonly attachments?: readonly PlainAttachment[];
  readonly alarms?: readonly PlainAlarm[];
  /** Private properties, without escapes, by their whole name (X-...). */
  readonly extra?: Readonly<Record<string, string>>;
}
export type PlainAttachment =
  { readonly uri: string } | { readonly bytes: Uint8Array; readonly mediaType: string; readonly name: string };
/** Minutes before the start (an event) or the end (a task); negative: after it. Or at a moment. */
export type PlainAlarm = { readonly minutesBefore: number } | { readonly at: Date };

export interface PlainPerson {
  readonly address: string;
  readonly name?: string;
}
export interface PlainAttendee extends PlainPerson {
  readonly status?: 'NEEDS-ACTION' | 'ACCEPTED' | 'DECLINED' | 'TENTATIVE' | 'DELEGATED';
  readonly role?: 'REQ-PARTICIPANT' | 'OPT-PARTICIPANT' | 'NON-PARTICIPANT' | 'CHAIR';
  readonly kind?: 'INDIVIDUAL' | 'GROUP' | 'RESOURCE' | 'ROOM';
}

/** A series: how it goes on, what of it is left out. */
export interface PlainSeries {
  readonly recurrence?: PlainRecurrence;
  readonly excluded?: readonly PlainTime[];
}

const PRODUCT = '-//Mailferry//Mailferry//EN';
const BUSY = {
  FREE: 'TRANSPARENT',
  TENTATIVE: 'OPAQUE',
  BUSY: 'OPAQUE',
  OOF: 'OPAQUE',
  WORKINGELSEWHERE: 'OPAQUE',
} as const;
export type BusyStatus = keyof typeof BUSY;

/** A VCALENDAR with these items and the definitions of the zones that they name. */
export function buildCalendar(items: readonly Component[], zones: UsedZones): Uint8Array {
  const properties = [property('VERSION', '2.0'), property('PRODID', PRODUCT)];
  const defined = [...zones.entries()].map(([zone, year]) => vtimezone(zone, zone, year));
  return printComponents([{ name: 'VCALENDAR', properties, components: [...defined, ...items] }]);
}

export function itemProperties(item: PlainItem): Property[] {
  return [
    property('UID', item.uid),
    utcProperty('DTSTAMP', item.modified),
    utcProperty('LAST-MODIFIED', item.modified),
    ...(item.created ? [utcProperty('CREATED', item.created)] : []),
    ...text('SUMMARY', item.summary),
    ...text('DESCRIPTION', item.description),
    ...(item.categories?.length ? [property('CATEGORIES', item.categories.map(escapeText).join(','))] : []),
    ...(item.classification ? [property('CLASS', item.classification)] : []),
    ...(item.sequence === undefined ? [] : [property('SEQUENCE', String(item.sequence))]),
    ...(item.attachments ?? []).map(attachment),
    ...Object.entries(item.extra ?? {}).flatMap(([name, value]) => text(name, value)),
  ];
}

export function text(name: string, value: string | undefined): Property[] {
  return value === undefined || value === '' ? [] : [property(name, escapeText(value))];
}

export function seriesProperties({ recurrence, excluded }: PlainSeries, zones: UsedZones): Property[] {
  return [
    ...(recurrence ? [property('RRULE', buildRule(recurrence))] : []),
    ...(excluded?.length ? [timeProperty('EXDATE', excluded, zones)] : []),
  ];
}

export function busyProperties(busy: BusyStatus | undefined): Property[] {
  if (busy === undefined) return [];
  return [property('TRANSP', BUSY[busy]), property('X-MICROSOFT-CDO-BUSYSTATUS', busy)];
}

/** Nobody is notified: RFC 6638 section 7.1. */
export function organizerProperty(person: PlainPerson): Property {
  const name: Record<string, string> = person.name ? { CN: person.name } : {};
  return property('ORGANIZER', addressOf(person), { ...name, 'SCHEDULE-AGENT': 'NONE' });
}

export function attendeeProperty({ name, status, role, kind, ...person }: PlainAttendee): Property {
  return property('ATTENDEE', addressOf(person), {
    ...(name ? { CN: name } : {}),
    ...(kind ? { CUTYPE: kind } : {}),
    ...(role ? { ROLE: role } : {}),
    ...(status ? { PARTSTAT: status } : {}),
    'SCHEDULE-AGENT': 'NONE',
  });
}

/** Exchange's own addresses (/O=...) stay as they are, in a form that is a URI. */
function addressOf({ address }: PlainPerson): string {
  if (/^[a-z][a-z0-9+.-]*:/i.test(address)) return address;
  return address.includes('@') ? `mailto:${address}` : `invalid:${encodeURIComponent(address)}`;
}

export function alarmComponents(alarms: readonly PlainAlarm[] = [], relatedToEnd = false): Component[] {
  return alarms.map((alarm) => ({
    name: 'VALARM',
    properties: [property('ACTION', 'DISPLAY'), property('DESCRIPTION', 'Reminder'), trigger(alarm, relatedToEnd)],
    components: [],
  }));
}

function trigger(alarm: PlainAlarm, relatedToEnd: boolean): Property {
  if ('at' in alarm) return { ...utcProperty('TRIGGER', alarm.at), params: [{ name: 'VALUE', values: ['DATE-TIME'] }] };
  const value = `${alarm.minutesBefore > 0 ? '-' : ''}PT${Math.abs(alarm.minutesBefore)}M`;
  return property('TRIGGER', value, relatedToEnd ? { RELATED: 'END' } : {});
}

function attachment(one: PlainAttachment): Property {
  if ('uri' in one) return property('ATTACH', one.uri);
  const params = { FMTTYPE: one.mediaType, 'X-FILENAME': one.name, ENCODING: 'BASE64', VALUE: 'BINARY' };
  return property('ATTACH', Buffer.from(one.bytes).toString('base64'), params);
}
