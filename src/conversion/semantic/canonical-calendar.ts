import { createHash } from 'node:crypto';
import { DATE_PROPERTIES, instantOf, zoneFor } from '../calendar/context.js';
import { parseDuration, printMoment, readMoment, type Moment } from '../calendar/moments.js';
import { param, type Param, type Property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import { splitRaw, unescapeText } from '../text/values.js';
import { localOffset, usableZones } from '../zones/ical-zone.js';
import { sorted, type Canonical } from './meaning.js';

type Zones = ReadonlyMap<string, Component>;

const NOISE =
  /^(?:PRODID|VERSION|METHOD|CALSCALE|DTSTAMP|LAST-MODIFIED|CREATED|SEQUENCE|REQUEST-STATUS|X-WR-.*|X-LIC-.*|X-VOBJ-.*)$/;
const SILENT_PARAMS = /^(?:SCHEDULE-AGENT|SCHEDULE-STATUS|SCHEDULE-FORCE-SEND|X-VOBJ-.*|CHARSET)$/;
const TEXT = /^(?:SUMMARY|DESCRIPTION|LOCATION|COMMENT|CONTACT|UID|RELATED-TO|X-.*)$/;
const LISTS = /^(?:CATEGORIES|RESOURCES)$/;
/** Said or not, it means the same (RFC 5545). */
const DEFAULTS: Readonly<Record<string, string>> = {
  TRANSP: 'OPAQUE',
  CLASS: 'PUBLIC',
  PRIORITY: '0',
  CUTYPE: 'INDIVIDUAL',
  ROLE: 'REQ-PARTICIPANT',
  PARTSTAT: 'NEEDS-ACTION',
  RSVP: 'FALSE',
  RELATED: 'START',
  RELTYPE: 'PARENT',
};
const KEYWORDS = /^(?:TRANSP|CLASS|STATUS|ACTION)$/;
const KEYWORD_PARAMS = /^(?:CUTYPE|ROLE|PARTSTAT|RSVP|RELATED|RELTYPE|FBTYPE|RANGE|FMTTYPE)$/;

/** The items of a VCALENDAR. */
export function canonicalCalendar(calendar: Component): Canonical[] {
  const zones = usableZones(calendar.components);
  return calendar.components.filter(({ name }) => name !== 'VTIMEZONE').map((one) => canonicalItem(one, zones));
}

function canonicalItem(component: Component, zones: Zones): Canonical {
  const lines = component.properties.flatMap((one) => canonicalLines(one, zones));
  const start = component.properties.find(({ name }) => name === 'DTSTART');
  if (start && component.properties.some(({ name }) => name === 'RRULE' || name === 'RDATE'))
    lines.push(...clock(start, zones));
  return {
    name: component.name,
    lines: [...new Set(lines)].sort(),
    components: sorted(component.components.map((one) => canonicalItem(one, zones))),
  };
}

function canonicalLines(one: Property, zones: Zones): string[] {
  if (NOISE.test(one.name)) return [];
  const value = one.value.trim();
  const params = canonicalParams(one.params);
  if (DATE_PROPERTIES.has(one.name) || (one.name === 'TRIGGER' && readMoment(value)))
    return value.split(',').map((part) => `${one.name}${params}:${canonicalDate(part, param(one, 'TZID'), zones)}`);
  if (LISTS.test(one.name))
    return splitRaw(value, ',')
      .map((part) => unescapeText(part).trim())
      .filter((part) => part !== '')
      .map((part) => `${one.name}:${part}`);
  const meant = canonicalValue(one, value);
  return meant === '' || DEFAULTS[one.name] === meant ? [] : [`${one.name}${params}:${meant}`];
}

function canonicalValue(one: Property, value: string): string {
  if (one.name === 'RRULE' || one.name === 'EXRULE') return canonicalRule(value);
  if (one.name === 'DURATION' || one.name === 'TRIGGER') return String(parseDuration(value) ?? value);
  if (one.name === 'ATTENDEE' || one.name === 'ORGANIZER') return value.toLowerCase();
  if (KEYWORDS.test(one.name)) return value.toUpperCase();
  if (one.name === 'GEO') return value.split(';').map(Number).join(';');
  if (/^(?:BASE64|B)$/i.test(param(one, 'ENCODING') ?? '') || param(one, 'VALUE')?.toUpperCase() === 'BINARY')
    return createHash('sha256').update(Buffer.from(value, 'base64')).digest('hex');
  return TEXT.test(one.name) ? unescapeText(value).replace(/\s+$/, '') : value;
}

function canonicalParams(params: readonly Param[]): string {
  return params
    .filter(({ name }) => name !== 'TZID' && name !== 'VALUE' && name !== 'ENCODING' && !SILENT_PARAMS.test(name))
    .map(({ name, values }) => ({
      name,
      values: KEYWORD_PARAMS.test(name) ? values.map((one) => one.toUpperCase()) : values,
    }))
    .filter(({ name, values }) => !(values.length === 1 && (values[0] === '' || DEFAULTS[name] === values[0])))
    .map(({ name, values }) => `;${name}=${[...values].sort().join(',')}`)
    .sort()
    .join('');
}

/** In UTC where it is in a zone; `~` where it floats. */
function canonicalDate(value: string, tzid: string | undefined, zones: Zones): string {
  const [first = '', second] = value.trim().split('/', 2);
  const moment = readMoment(first);
  if (!moment) return value.trim();
  const end = second === undefined ? '' : `/${parseDuration(second) ?? canonicalDate(second, tzid, zones)}`;
  return `${canonicalMoment(moment, tzid, zones)}${end}`;
}

function canonicalMoment(moment: Moment, tzid: string | undefined, zones: Zones): string {
  if (moment.time === null) return moment.date;
  const zone = moment.utc || zoneFor(tzid, zones, Number(moment.date.slice(0, 4))) !== null;
  return zone ? new Date(instantOf(moment, tzid, zones)).toISOString() : `~${printMoment({ ...moment, utc: false })}`;
}

/** What a series needs to know of its zone: the offsets of two years, whatever its name. */
function clock(start: Property, zones: Zones): string[] {
  const moment = readMoment(start.value);
  if (!moment || moment.time === null || moment.utc) return [];
  const year = Number(moment.date.slice(0, 4));
  const zone = zoneFor(param(start, 'TZID'), zones, year);
  if (!zone) return [];
  return [`CLOCK:${offsetsFrom(zone, moment)}`];
}

const CLOCKS = new WeakMap<object, Map<string, string>>();

/** A hash of the offsets on the 1st and 15th of each month, for two years from the month after the start. */
function offsetsFrom(zone: NonNullable<ReturnType<typeof zoneFor>>, { date: start }: Moment): string {
  const known = CLOCKS.get(zone) ?? new Map<string, string>();
  CLOCKS.set(zone, known);
  const before = known.get(start.slice(0, 6));
  if (before !== undefined) return before;
  const [year, from] = [Number(start.slice(0, 4)), Number(start.slice(4, 6)) - 1];
  const offsets: number[] = [];
  for (let months = from + 1; months <= from + 24; months++)
    for (const day of ['01', '15']) {
      const date = `${year + Math.floor(months / 12)}${String((months % 12) + 1).padStart(2, '0')}${day}`;
      offsets.push(localOffset(zone, { date, time: '120000', utc: false }));
    }
  const hash = createHash('sha256').update(offsets.join()).digest('hex').slice(0, 16);
  known.set(start.slice(0, 6), hash);
  return hash;
}

function canonicalRule(value: string): string {
  return value
    .toUpperCase()
    .split(';')
    .map((part) => {
      const [name = '', list = ''] = part.trim().split('=', 2);
      const until = name === 'UNTIL' ? readMoment(list) : null;
      if (until) return `${name}=${printMoment(until)}`;
      return `${name}=${list
        .split(',')
        .map((one) => one.replace(/^\+/, ''))
        .sort()
        .join(',')}`;
    })
    .filter((part) => !/^(?:INTERVAL=1|WKST=MO|=)$/.test(part))
    .sort()
    .join(';');
}
