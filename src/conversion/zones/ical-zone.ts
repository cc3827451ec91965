import ICAL from 'ical.js';
import { parseMoment, type Moment } from '../calendar/moments.js';
import { printComponents, valueOf, type Component } from '../text/component.js';
import { vtimezone } from './vtimezone.js';

/**
 * Changes of the clock that all definitions in one object may say, up to the last year: about 10 of Outlook's, which begin in
 * 1601, or 40 of those that begin in 1970. Each takes some 20 µs once, and no job goes on meanwhile.
 */
const MOST_CHANGES = 20_000;
/** Offsets are asked for up to this year; nobody knows the rules of later ones. */
const LAST_YEAR = 2200;
/** By definition as it was read, and by its text: the same zone comes with every event. */
const KNOWN = new WeakMap<Component, ICAL.Timezone | null>();
const ZONES = new Map<string, ICAL.Timezone>();
const MOST_ZONES = 200;
const OFFSET = /^[+-]\d{4}(?:\d\d)?$/;
/** What observances of real zones use. Others, e.g. FREQ=SECONDLY, would be expanded for ages. */
const RULE_PART =
  /^(?:FREQ=YEARLY|INTERVAL=1|BYMONTH=(?:0?[1-9]|1[0-2])|BYDAY=(?:[+-]?[1-5])?(?:SU|MO|TU|WE|TH|FR|SA)|BYMONTHDAY=[\d,-]+|WKST=(?:SU|MO|TU|WE|TH|FR|SA)|UNTIL=\d{8}(?:T\d{6}Z?)?|COUNT=\d{1,4})$/i;

/** True: it has observances, and each says from when and to what offset (RFC 5545 section 3.6.5). */
export function isUsableZone(zone: Component): boolean {
  return changesIn(zone) <= MOST_CHANGES;
}

/** Definitions by their TZID, the first of each, as far as what they say can be worked out in no time. */
export function usableZones(components: readonly Component[]): Map<string, Component> {
  const found = new Map<string, Component>();
  let left = MOST_CHANGES;
  for (const zone of components) {
    const tzid = zone.name === 'VTIMEZONE' ? valueOf(zone, 'TZID') : undefined;
    if (tzid === undefined || found.has(tzid)) continue;
    const changes = changesIn(zone);
    if (changes > left) continue;
    left -= changes;
    found.set(tzid, zone);
  }
  return found;
}

/** How often it changes the clock, at most; Infinity: it is not usable. */
function changesIn(zone: Component): number {
  if (valueOf(zone, 'TZID') === undefined || zone.components.length === 0) return Infinity;
  let changes = 0;
  for (const one of zone.components) {
    const start = parseMoment(valueOf(one, 'DTSTART') ?? '');
    const isObservance =
      (one.name === 'STANDARD' || one.name === 'DAYLIGHT') &&
      start?.time != null &&
      OFFSET.test(valueOf(one, 'TZOFFSETFROM') ?? '') &&
      OFFSET.test(valueOf(one, 'TZOFFSETTO') ?? '');
    if (!isObservance) return Infinity;
    changes += 1;
    for (const { name, value } of one.properties) {
      if (name === 'RDATE') changes += 1;
      if (name === 'RRULE') changes += changesBy(value, Number(start.date.slice(0, 4)));
    }
  }
  return changes;
}

function changesBy(rule: string, year: number): number {
  const parts = rule.trim().replace(/;$/, '').split(';');
  if (!parts.every((part) => RULE_PART.test(part))) return Infinity;
  const said = new Map(parts.map((part) => part.toUpperCase().split('=', 2) as [string, string]));
  if (!said.has('FREQ')) return Infinity;
  const [until, month, days, weekday] = ['UNTIL', 'BYMONTH', 'BYMONTHDAY', 'BYDAY'].map((name) => said.get(name));
  if (until !== undefined && parseMoment(until) === null) return Infinity;
  const list = days?.split(',').map(Number) ?? [];
  // A day that never comes would be looked for without end.
  const longest = Number(month) === 2 ? 28 : 30;
  if (!list.every((day) => day !== 0 && Math.abs(day) <= longest)) return Infinity;
  const isNth = /\d/.test(weekday ?? '');
  if (isNth && list.length > 0) return Infinity;
  const years = Math.max(0, Math.min(Number(until?.slice(0, 4) ?? LAST_YEAR), LAST_YEAR) - year) + 1;
  const inMonth = list.length || (weekday === undefined || isNth ? 0 : 5);
  return years * (inMonth === 0 ? 1 : inMonth * (month === undefined ? 12 : 1));
}

/** For computing with it. Null: it is not usable. */
export function icalZone(zone: Component): ICAL.Timezone | null {
  const before = KNOWN.get(zone);
  if (before !== undefined) return before;
  const made = make(zone);
  KNOWN.set(zone, made);
  return made;
}

function make(zone: Component): ICAL.Timezone | null {
  if (!isUsableZone(zone)) return null;
  const text = Buffer.from(printComponents([zone])).toString('utf8');
  const made = ZONES.get(text);
  if (made) return made;
  try {
    const fresh = new ICAL.Timezone({ component: ICAL.Component.fromString(text), tzid: valueOf(zone, 'TZID')! });
    // Whatever it cannot be worked out for is not usable.
    offsetIn(fresh, new Date().getUTCFullYear(), 1, 1);
    if (ZONES.size >= MOST_ZONES) ZONES.clear();
    ZONES.set(text, fresh);
    return fresh;
  } catch {
    return null;
  }
}

/** The zone of the database by its IANA name. */
export function databaseZone(zone: string, fromYear: number): ICAL.Timezone | null {
  return icalZone(vtimezone(zone, zone, fromYear));
}

/** Worked out up to the last year. */
const WHOLE = new WeakSet<ICAL.Timezone>();

/** Seconds east of UTC at a time as the clock shows it there. */
export function localOffset(zone: ICAL.Timezone, at: Moment): number {
  const year = Math.min(Number(at.date.slice(0, 4)), LAST_YEAR);
  // It is worked out from the beginning for every few years further on: rather all of them at once.
  if (year > new Date().getUTCFullYear() && !WHOLE.has(zone)) {
    WHOLE.add(zone);
    offsetIn(zone, LAST_YEAR, 1, 1);
  }
  return offsetIn(zone, year, Number(at.date.slice(4, 6)), Number(at.date.slice(6, 8)), at.time ?? '000000');
}

function offsetIn(zone: ICAL.Timezone, year: number, month: number, day: number, time = '000000'): number {
  const [hour, minute, second] = [time.slice(0, 2), time.slice(2, 4), time.slice(4, 6)].map(Number);
  return zone.utcOffset(
    ICAL.Time.fromData({ year, month, day, hour: hour!, minute: minute!, second: second!, isDate: false }),
  );
}
