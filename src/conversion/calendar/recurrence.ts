import ICAL from 'ical.js';
import { printMoment, readMoment, type Moment } from './moments.js';

/** From the clock of DTSTART's zone to UTC; unchanged where DTSTART floats. */
export type ToUtc = (local: Moment) => Moment;

/** Parts a rule may have (RFC 5545 section 3.3.10, RFC 7529); what else stands in one is left out. */
const PARTS =
  /^(?:FREQ|UNTIL|COUNT|INTERVAL|BYSECOND|BYMINUTE|BYHOUR|BYDAY|BYMONTHDAY|BYYEARDAY|BYWEEKNO|BYMONTH|BYSETPOS|WKST|RSCALE|SKIP)$/;
const FREQUENCIES = /^(?:SECONDLY|MINUTELY|HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY)$/;
const WEEKDAY = /^[+-]?\d{0,2}(?:SU|MO|TU|WE|TH|FR|SA)$/;

/** Largest value of each list of numbers; 0 is never one where the list counts from 1. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  BYSECOND: [0, 60],
  BYMINUTE: [0, 59],
  BYHOUR: [0, 23],
  BYMONTHDAY: [-31, 31],
  BYYEARDAY: [-366, 366],
  BYWEEKNO: [-53, 53],
  BYSETPOS: [-366, 366],
};
const FROM_ZERO = /^BY(?:SECOND|MINUTE|HOUR)$/;

/**
 * A recurrence rule as RFC 5545 wants it: known parts once each, numbers in range, UNTIL of the kind that DTSTART is,
 * not both UNTIL and COUNT. Never expanded. Null: it says nothing that can be understood.
 */
export function mendRule(value: string, start: Moment | null, toUtc: ToUtc): string | null {
  const parts = new Map<string, string>();
  for (const part of value.trim().toUpperCase().split(';')) {
    const [name = '', raw] = part.split('=', 2).map((one) => one.trim());
    if (raw === undefined || raw === '' || !PARTS.test(name) || parts.has(name)) continue;
    const mended = mendPart(name, raw, start, toUtc);
    if (mended === null) return null;
    if (mended !== '') parts.set(name, mended);
  }
  if (!FREQUENCIES.test(parts.get('FREQ') ?? '')) return null;
  if (parts.has('UNTIL')) parts.delete('COUNT');
  const rule = [...parts].map(([name, one]) => `${name}=${one}`).join(';');
  return readable(rule) ? rule : null;
}

/** Empty: the part says nothing. Null: it says something that cannot be understood. */
function mendPart(name: string, raw: string, start: Moment | null, toUtc: ToUtc): string | null {
  if (name === 'UNTIL') return mendUntil(raw, start, toUtc);
  if (name === 'INTERVAL') return /^\d+$/.test(raw) && Number(raw) > 0 ? String(Number(raw)) : '';
  if (name === 'COUNT') return /^\d+$/.test(raw) && Number(raw) > 0 ? String(Number(raw)) : null;
  if (name === 'WKST') return /^(?:SU|MO|TU|WE|TH|FR|SA)$/.test(raw) ? raw : '';
  const values = raw.split(',').map((one) => one.trim().replace(/^\+(?=\d+$)/, ''));
  if (name === 'BYDAY') return values.every((one) => WEEKDAY.test(one)) ? values.join(',') : null;
  if (name === 'BYMONTH') return values.every((one) => /^(?:0?[1-9]|1[0-2])L?$/.test(one)) ? values.join(',') : null;
  const range = RANGES[name];
  if (!range) return raw;
  const inside = (one: string): boolean =>
    /^-?\d+$/.test(one) &&
    Number(one) >= range[0] &&
    Number(one) <= range[1] &&
    (FROM_ZERO.test(name) || Number(one) !== 0);
  return values.every(inside) ? values.map((one) => String(Number(one))).join(',') : null;
}

/** The last day stays one: a whole day becomes the end of that day where times recur, and the other way round. */
function mendUntil(raw: string, start: Moment | null, toUtc: ToUtc): string | null {
  const until = readMoment(raw);
  if (!until || !start) return until && printMoment(until);
  if (start.time === null) return until.date;
  if (until.utc) return printMoment(until);
  // A floating series has a floating end, any other one in UTC (RFC 5545 section 3.3.10).
  return printMoment(toUtc({ date: until.date, time: until.time ?? '235959', utc: start.utc }));
}

function readable(rule: string): boolean {
  try {
    ICAL.Recur.fromString(rule);
    return true;
  } catch {
    return false;
  }
}
