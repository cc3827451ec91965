import ICAL from 'ical.js';
import { parseMoment, type Moment } from '../calendar/moments.js';
import { printComponents, valueOf, type Component } from '../text/component.js';
import { vtimezone } from './vtimezone.js';

/** Offsets are asked for up to this year; nobody knows the rules of later ones. */
const LAST_YEAR = 2200;
/** By definition as it was read, and by its text: the same zone comes with every event. */
const KNOWN = new WeakMap<Component, ICAL.Timezone | null>();
const ZONES = new Map<string, ICAL.Timezone>();
const MOST_ZONES = 200;
const OFFSET = /^[+-]\d{4}(?:\d\d)?$/;
/** What observances of real zones use. Others, e.g. FREQ=SECONDLY, would be expanded for ages. */
const RULE_PART =
  /^(?:FREQ=YEARLY|INTERVAL=1|BYMONTH=\d{1,2}|BYDAY=(?:[+-]?[1-5])?(?:SU|MO|TU|WE|TH|FR|SA)|BYMONTHDAY=[\d,-]+|WKST=\w\w|UNTIL=\d{8}(?:T\d{6}Z?)?|COUNT=\d{1,4})$/i;

/** True: it has observances, and each says from when and to what offset (RFC 5545 section 3.6.5). */
export function isUsableZone(zone: Component): boolean {
  return (
    valueOf(zone, 'TZID') !== undefined &&
    zone.components.length > 0 &&
    zone.components.every(
      (one) =>
        (one.name === 'STANDARD' || one.name === 'DAYLIGHT') &&
        parseMoment(valueOf(one, 'DTSTART') ?? '')?.time != null &&
        OFFSET.test(valueOf(one, 'TZOFFSETFROM') ?? '') &&
        OFFSET.test(valueOf(one, 'TZOFFSETTO') ?? '') &&
        one.properties.every(({ name, value }) => name !== 'RRULE' || isBoundedRule(value)),
    )
  );
}

function isBoundedRule(rule: string): boolean {
  const parts = rule.trim().replace(/;$/, '').split(';');
  if (!parts.every((part) => RULE_PART.test(part)) || !parts.some((part) => /^FREQ=/i.test(part))) return false;
  // A day that never comes would be looked for without end.
  const days = /BYMONTHDAY=([\d,-]+)/i.exec(rule)?.[1]?.split(',').map(Number) ?? [];
  const longest = /BYMONTH=0?2\b/i.test(rule) ? 28 : 30;
  return days.every((day) => day !== 0 && Math.abs(day) <= longest);
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

/** Seconds east of UTC at a time as the clock shows it there. */
export function localOffset(zone: ICAL.Timezone, at: Moment): number {
  const year = Math.min(Number(at.date.slice(0, 4)), LAST_YEAR);
  const time = at.time ?? '000000';
  return zone.utcOffset(
    ICAL.Time.fromData({
      year,
      month: Number(at.date.slice(4, 6)),
      day: Number(at.date.slice(6, 8)),
      hour: Number(time.slice(0, 2)),
      minute: Number(time.slice(2, 4)),
      second: Number(time.slice(4, 6)),
      isDate: false,
    }),
  );
}
