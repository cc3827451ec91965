import type { PlainRecurrence, Weekday } from '../../../conversion/build/recurrence.js';
import type { XmlElement } from '../../../protocols/xml.js';
import { child, number, text } from './fields.js';
import { type EventZone, instantIn } from './zones.js';

const DAYS: Readonly<Record<string, readonly Weekday[]>> = {
  Sunday: ['SU'],
  Monday: ['MO'],
  Tuesday: ['TU'],
  Wednesday: ['WE'],
  Thursday: ['TH'],
  Friday: ['FR'],
  Saturday: ['SA'],
  Day: ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'],
  Weekday: ['MO', 'TU', 'WE', 'TH', 'FR'],
  WeekendDay: ['SU', 'SA'],
};
const WEEKS = { First: 1, Second: 2, Third: 3, Fourth: 4, Last: -1 } as const;
const MONTHS = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
];

const FEBRUARY = 2;

/** How a series goes on. `regenerating`: the next task is made when one is done, which no calendar rule can say. */
export type SeriesRule =
  | { readonly is: 'rule'; readonly rule: PlainRecurrence }
  | { readonly is: 'regenerating' }
  /** Something this version does not know. */
  | { readonly is: 'unknown'; readonly pattern: string };

/** @param start local time of the first one, for the end; null for whole days */
export function ruleOf(recurrence: XmlElement, zone: EventZone, start: string | null): SeriesRule {
  const pattern = recurrence.children.find(({ name }) => /(?:Recurrence|Regeneration)$/.test(name) && !isRange(name));
  if (pattern === undefined) return { is: 'unknown', pattern: '' };
  if (/Regeneration$/.test(pattern.name)) return { is: 'regenerating' };
  const rule = patternOf(pattern);
  if (rule === null) return { is: 'unknown', pattern: pattern.name };
  return { is: 'rule', rule: { ...rule, ...endOf(recurrence, zone, start) } };
}

function isRange(name: string): boolean {
  return ['NoEndRecurrence', 'EndDateRecurrence', 'NumberedRecurrence'].includes(name);
}

function patternOf(pattern: XmlElement): PlainRecurrence | null {
  const interval = Math.max(1, number(pattern, 'Interval') ?? 1);
  const weekdays = (text(pattern, 'DaysOfWeek') ?? '').split(/\s+/).flatMap((one) => DAYS[one] ?? []);
  const weekOfMonth = WEEKS[(text(pattern, 'DayOfWeekIndex') ?? '') as keyof typeof WEEKS];
  const dayOfMonth = number(pattern, 'DayOfMonth');
  const month = MONTHS.indexOf(text(pattern, 'Month')?.trim() ?? '') + 1;
  switch (pattern.name) {
    case 'DailyRecurrence':
      return { frequency: 'daily', interval };
    case 'WeeklyRecurrence': {
      const first = DAYS[text(pattern, 'FirstDayOfWeek') ?? '']?.[0];
      return { frequency: 'weekly', interval, weekdays, ...(first === undefined ? {} : { weekStart: first }) };
    }
    case 'AbsoluteMonthlyRecurrence':
      // A month that lacks the day has it on its last one: so Exchange reckons.
      return dayOfMonth === undefined ? null : { frequency: 'monthly', interval, dayOfMonth, orLastDay: true };
    case 'RelativeMonthlyRecurrence':
      return weekOfMonth === undefined ? null : { frequency: 'monthly', interval, weekdays, weekOfMonth };
    case 'AbsoluteYearlyRecurrence':
      if (dayOfMonth === undefined || month === 0) return null;
      return { frequency: 'yearly', dayOfMonth, month, ...(month === FEBRUARY ? { orLastDay: true } : {}) };
    case 'RelativeYearlyRecurrence':
      return weekOfMonth === undefined || month === 0 ? null : { frequency: 'yearly', weekdays, weekOfMonth, month };
    default:
      return null;
  }
}

/** The last day is a day of the zone, so the last moment is that of an occurrence on it. */
function endOf(
  recurrence: XmlElement,
  zone: EventZone,
  start: string | null,
): Pick<PlainRecurrence, 'count' | 'until'> {
  const count = number(child(recurrence, 'NumberedRecurrence'), 'NumberOfOccurrences');
  if (count !== undefined) return { count };
  const end = text(child(recurrence, 'EndDateRecurrence'), 'EndDate')?.trim().slice(0, 10);
  if (end === undefined || !/^\d{4}-\d{2}-\d{2}$/.test(end)) return {};
  if (start === null) return { until: { is: 'date', date: end } };
  return { until: { is: 'utc', at: instantIn(zone, `${end}T${start.slice(11)}`) } };
}
