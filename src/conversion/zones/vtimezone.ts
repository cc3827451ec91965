import { property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import { offsetAt, transitions, type Transition } from './offsets.js';

/** Rules that still hold in this year are written without an end. */
const LAST_YEAR = 2037;
const WEEKDAYS = ['SU', 'MO', 'TU', 'WE', 'TH', 'FR', 'SA'] as const;

/**
 * The definition of an IANA zone (RFC 5545 section 3.6.5) that gives the right instants from `fromYear` on: one observance for
 * each rule and the years it held.
 */
export function vtimezone(tzid: string, zone: string, fromYear: number): Component {
  const from = Math.max(1970, Math.min(fromYear, LAST_YEAR) - 1);
  const key = `${tzid}\n${zone}\n${from}`;
  const made = MADE.get(key) ?? make(tzid, zone, from);
  if (MADE.size >= MOST_MADE) MADE.clear();
  MADE.set(key, made);
  return made;
}

const MADE = new Map<string, Component>();
const MOST_MADE = 200;

function make(tzid: string, zone: string, fromYear: number): Component {
  const start = Date.UTC(fromYear, 0, 1);
  const before = offsetAt(zone, start);
  const all = transitions(zone, start, Date.UTC(LAST_YEAR + 1, 0, 1));
  const fixed: Transition = { at: start - before * 1000, from: before, to: before };
  return {
    name: 'VTIMEZONE',
    properties: [property('TZID', tzid)],
    components: [observance([fixed], null), ...series(all).map(([run, rule]) => observance(run, rule))],
  };
}

/** Where a transition lies in its month, in every way a yearly rule could say it. */
function rulesFor(one: Transition): string[] {
  const local = new Date(one.at + one.from * 1000);
  const [month, day, weekday] = [local.getUTCMonth() + 1, local.getUTCDate(), WEEKDAYS[local.getUTCDay()]!];
  const days = new Date(Date.UTC(local.getUTCFullYear(), month, 0)).getUTCDate();
  const last = day > days - 7 ? [`FREQ=YEARLY;BYMONTH=${month};BYDAY=-1${weekday}`] : [];
  return [...last, `FREQ=YEARLY;BYMONTH=${month};BYDAY=${Math.ceil(day / 7)}${weekday}`];
}

/** Runs of transitions that one yearly rule describes, in the order of their first. */
function series(all: readonly Transition[]): [Transition[], string | null][] {
  const open: { run: Transition[]; rules: string[] }[] = [];
  const done: { run: Transition[]; rules: string[] }[] = [];
  for (const one of all) {
    const fits = open.find(
      ({ run, rules }) => continues(run.at(-1)!, one) && rulesFor(one).some((r) => rules.includes(r)),
    );
    if (fits) {
      fits.rules = fits.rules.filter((rule) => rulesFor(one).includes(rule));
      fits.run.push(one);
      continue;
    }
    const started = { run: [one], rules: rulesFor(one) };
    open.push(started);
    done.push(started);
    // What has skipped a year cannot go on.
    for (const old of [...open]) if (yearOf(one) - yearOf(old.run.at(-1)!) > 1) open.splice(open.indexOf(old), 1);
  }
  return done.map(({ run, rules }) => [run, run.length > 1 ? rules[0]! : null]);
}

const yearOf = (one: Transition): number => new Date(one.at + one.from * 1000).getUTCFullYear();
const timeOf = (one: Transition): number => (((one.at / 1000 + one.from) % 86_400) + 86_400) % 86_400;

function continues(last: Transition, next: Transition): boolean {
  return (
    yearOf(next) === yearOf(last) + 1 && last.from === next.from && last.to === next.to && timeOf(last) === timeOf(next)
  );
}

function observance(run: readonly Transition[], rule: string | null): Component {
  const [first, last] = [run[0]!, run.at(-1)!];
  const until = yearOf(last) < LAST_YEAR ? `;UNTIL=${stamp(last.at)}Z` : '';
  return {
    name: first.to > first.from ? 'DAYLIGHT' : 'STANDARD',
    properties: [
      property('DTSTART', stamp(first.at + first.from * 1000)),
      property('TZOFFSETFROM', offset(first.from)),
      property('TZOFFSETTO', offset(first.to)),
      ...(rule === null ? [] : [property('RRULE', `${rule}${until}`)]),
    ],
    components: [],
  };
}

/** Milliseconds as YYYYMMDDTHHMMSS. */
function stamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).replace(/[-:]/g, '');
}

/** Seconds east of UTC as +HHMM or +HHMMSS (RFC 5545 section 3.3.14). */
function offset(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const all = Math.abs(seconds);
  const rest = all % 60 === 0 ? '' : two(all % 60);
  return `${seconds < 0 ? '-' : '+'}${two(Math.floor(all / 3600))}${two(Math.floor(all / 60) % 60)}${rest}`;
}
