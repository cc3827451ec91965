import { printMoment } from '../calendar/moments.js';
import { momentOf, type PlainTime } from './times.js';

export type Weekday = 'SU' | 'MO' | 'TU' | 'WE' | 'TH' | 'FR' | 'SA';

/** How a series goes on, as Exchange and others tell it. Fields that a frequency does not use are left out. */
export interface PlainRecurrence {
  readonly frequency: 'daily' | 'weekly' | 'monthly' | 'yearly';
  /** Every so many days, weeks, ...; 1 when missing. */
  readonly interval?: number;
  readonly weekdays?: readonly Weekday[];
  /** With `weekdays`, which of them in the month: 1 to 4, or -1 for the last. */
  readonly weekOfMonth?: 1 | 2 | 3 | 4 | -1;
  /** 1 to 31; -1 is the last one. A day that a month lacks does not recur in it, unless `orLastDay`. */
  readonly dayOfMonth?: number;
  /** A month that lacks the day has it on its last one, as Exchange reckons. */
  readonly orLastDay?: boolean;
  /** 1 to 12. */
  readonly month?: number;
  readonly weekStart?: Weekday;
  /** Number of all occurrences, exceptions included. */
  readonly count?: number;
  /** The last one is at or before this: in UTC for a series in a zone, else of the kind of its start. */
  readonly until?: PlainTime;
}

/** The value of RRULE (RFC 5545 section 3.3.10). */
export function buildRule(recurrence: PlainRecurrence): string {
  const { interval, weekdays, weekOfMonth, dayOfMonth, month, weekStart, count, until } = recurrence;
  const parts = [`FREQ=${recurrence.frequency.toUpperCase()}`];
  if (interval !== undefined && interval > 1) parts.push(`INTERVAL=${interval}`);
  if (month !== undefined) parts.push(`BYMONTH=${month}`);
  if (dayOfMonth !== undefined) parts.push(...monthDays(recurrence, dayOfMonth));
  if (weekdays !== undefined && weekdays.length > 0) {
    // "The first weekday of the month" is one of five days and not each of them.
    const several = weekOfMonth !== undefined && weekdays.length > 1;
    const nth = weekOfMonth === undefined || several ? '' : String(weekOfMonth);
    parts.push(`BYDAY=${weekdays.map((day) => nth + day).join(',')}`);
    if (several) parts.push(`BYSETPOS=${weekOfMonth}`);
  }
  if (weekStart !== undefined && weekStart !== 'MO') parts.push(`WKST=${weekStart}`);
  if (until !== undefined) parts.push(`UNTIL=${printMoment(momentOf(until))}`);
  else if (count !== undefined) parts.push(`COUNT=${count}`);
  return parts.join(';');
}

/** Days of every month; any day after the 28th is missing in one of them at least. */
const ALWAYS_THERE = 28;

function monthDays({ orLastDay = false }: PlainRecurrence, day: number): string[] {
  if (!orLastDay || day <= ALWAYS_THERE) return [`BYMONTHDAY=${day}`];
  if (day === 31) return ['BYMONTHDAY=-1'];
  const days = Array.from({ length: day - ALWAYS_THERE + 1 }, (_, i) => ALWAYS_THERE + i);
  return [`BYMONTHDAY=${days.join(',')}`, 'BYSETPOS=-1'];
}
