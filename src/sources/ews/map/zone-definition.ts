import { offsetAt, type Transition, transitions } from '../../../conversion/zones/offsets.js';
import { WINDOWS_ZONES } from '../../../conversion/zones/windows-zones.js';
import { childrenNamed, textOf, type XmlElement } from '../../../protocols/xml.js';

const DAY_MS = 86_400_000;
/** What a zone may differ from a definition in a year: clocks that change some weeks earlier, and no other half of the year. */
const MOST_WRONG_MS = 35 * DAY_MS;
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** A zone as an appointment defines it ([MS-OXWSGTZ] 2.2.4). Offsets are minutes east of UTC. */
export interface ZoneDefinition {
  readonly standard: number;
  /** Null: none is named, or the clock is never changed. */
  readonly daylight: number | null;
  /** When the clock is changed in the years to come; null: it is not told. */
  readonly changes: readonly YearlyChange[] | null;
}

interface YearlyChange {
  readonly to: number;
  /** Of the clock before the change, as if it showed UTC (ms). */
  readonly local: (year: number) => number;
}

/** Null: it defines nothing. */
export function definitionOf(zone: XmlElement): ZoneDefinition | null {
  const periods = childrenNamed(zone, 'Periods').flatMap((one) => childrenNamed(one, 'Period'));
  // A bias is what is added to local time to get UTC.
  const offsets = new Map(
    periods.map(({ attributes }) => [attributes.get('Id') ?? '', 0 - minutesOf(attributes.get('Bias') ?? '')]),
  );
  if (offsets.size === 0) return null;
  const isStandard = ({ attributes }: XmlElement): boolean => /standard/i.test(attributes.get('Name') ?? '');
  const offset = (one: XmlElement | undefined): number | undefined => offsets.get(one?.attributes.get('Id') ?? '');
  const standard = offset(periods.find(isStandard) ?? periods[0])!;
  const daylight = offset(periods.find((one) => !isStandard(one) && offset(one) !== standard));
  return { standard, daylight: daylight ?? null, changes: changesOf(zone, offsets) };
}

/** Those of the group of rules that holds last. */
function changesOf(zone: XmlElement, offsets: ReadonlyMap<string, number>): YearlyChange[] | null {
  const groups = childrenNamed(zone, 'TransitionsGroups').flatMap((all) => childrenNamed(all, 'TransitionsGroup'));
  const last = childrenNamed(zone, 'Transitions')
    .flatMap(({ children }) => children)
    .map((one) => textOf(one, 'To'))
    .at(-1);
  const group = groups.find(({ attributes }) => attributes.get('Id') === last) ?? groups.at(-1);
  if (group === undefined) return null;
  const changes = group.children.flatMap((one): (YearlyChange | null)[] => {
    const to = offsets.get(textOf(one, 'To'));
    const local = whenOf(one);
    // A plain transition names the period that holds where nothing changes.
    if (local === undefined) return [];
    return [to === undefined || local === null ? null : { to, local }];
  });
  return changes.includes(null) || changes.length === 1 ? null : (changes as YearlyChange[]);
}

/** Undefined: it is no yearly change; null: one that cannot be read. */
function whenOf(change: XmlElement): YearlyChange['local'] | null | undefined {
  if (change.name !== 'RecurringDayTransition' && change.name !== 'RecurringDateTransition') return undefined;
  const month = Number(textOf(change, 'Month')) - 1;
  const time = minutesOf(textOf(change, 'TimeOffset')) * 60_000;
  if (!(month >= 0 && month < 12)) return null;
  if (change.name === 'RecurringDateTransition') {
    const day = Number(textOf(change, 'Day'));
    return day >= 1 && day <= 31 ? (year) => Date.UTC(year, month, day) + time : null;
  }
  const weekday = WEEKDAYS.indexOf(textOf(change, 'DayOfWeek'));
  const nth = Number(textOf(change, 'Occurrence'));
  if (weekday < 0 || !(nth === -1 || (nth >= 1 && nth <= 5))) return null;
  return (year) => {
    const [first, days] = [
      new Date(Date.UTC(year, month, 1)).getUTCDay(),
      new Date(Date.UTC(year, month + 1, 0)).getUTCDate(),
    ];
    const all = Array.from({ length: days }, (_, i) => i + 1).filter((day) => (first + day - 1) % 7 === weekday);
    return Date.UTC(year, month, (nth === -1 ? undefined : all[nth - 1]) ?? all.at(-1)) + time;
  };
}

/** An XML duration: PT5H, -PT60M, -PT9H30M, P0DT2H. */
function minutesOf(duration: string): number {
  const parts = /^(-?)P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?/.exec(duration.trim());
  if (parts === null) return 0;
  const [days, hours, minutes] = parts.slice(2).map((part) => Number(part ?? 0));
  const all = (days! * 24 + hours!) * 60 + minutes!;
  return parts[1] === '-' ? 0 - all : all;
}

/**
 * The known zone whose clock shows what the definition says through a whole year, or nearly: the one that differs least.
 * Null: all differ for more than some weeks.
 */
export function zoneLike(definition: ZoneDefinition, year = new Date().getUTCFullYear()): string | null {
  const wanted = yearOf(definition, year);
  if (wanted === null) return zoneOfHalves(definition, year);
  let [best, least]: [string | null, number] = [null, MOST_WRONG_MS + 1];
  for (const [zone, known] of knownYears(year)) {
    const wrong = difference(known, wanted, year);
    if (wrong < least) [best, least] = [zone, wrong];
  }
  return best;
}

/** Offsets through a year: at its begin, and what each change makes of it. Seconds east of UTC. */
interface Year {
  readonly first: number;
  readonly changes: readonly Pick<Transition, 'at' | 'to'>[];
}

function yearOf({ standard, daylight, changes }: ZoneDefinition, year: number): Year | null {
  if (changes === null) return daylight === null ? { first: standard * 60, changes: [] } : null;
  if (changes.length === 0) return { first: standard * 60, changes: [] };
  const inOrder = changes
    .map(({ to, local }) => ({ to: to * 60, local: local(year) }))
    .sort((a, b) => a.local - b.local);
  const first = inOrder.at(-1)!.to;
  return {
    first,
    changes: inOrder.map(({ to, local }, i) => ({ to, at: local - (inOrder[i - 1]?.to ?? first) * 1_000 })),
  };
}

const KNOWN = new Map<number, ReadonlyMap<string, Year>>();

function knownYears(year: number): ReadonlyMap<string, Year> {
  const before = KNOWN.get(year);
  if (before !== undefined) return before;
  const [from, to] = [Date.UTC(year, 0, 1), Date.UTC(year + 1, 0, 1)];
  const all = new Map(
    [...new Set(Object.values(WINDOWS_ZONES))].map((zone) => [
      zone,
      { first: offsetAt(zone, from), changes: transitions(zone, from, to) },
    ]),
  );
  KNOWN.clear();
  KNOWN.set(year, all);
  return all;
}

/** Milliseconds of the year in which the clocks show different times. */
function difference(one: Year, other: Year, year: number): number {
  const end = Date.UTC(year + 1, 0, 1);
  const changes = [
    ...one.changes.map(({ at, to }) => ({ at, one: to })),
    ...other.changes.map(({ at, to }) => ({ at, other: to })),
    { at: end },
  ].sort((a, b) => a.at - b.at);
  let [at, wrong, shown] = [Date.UTC(year, 0, 1), 0, { one: one.first, other: other.first }];
  for (const { at: next, ...to } of changes) {
    if (shown.one !== shown.other) wrong += Math.max(0, Math.min(next, end) - at);
    at = Math.max(at, next);
    shown = { ...shown, ...to };
  }
  return wrong;
}

/** Where it is not told when the clock is changed: summer is where most people have it. */
function zoneOfHalves({ standard, daylight }: ZoneDefinition, year: number): string | null {
  const wanted = [standard, daylight].join();
  for (const zone of knownYears(year).keys()) {
    const halves = [0, 6].map((month) => offsetAt(zone, Date.UTC(year, month, 15)) / 60);
    if (halves.join() === wanted) return zone;
  }
  return null;
}
