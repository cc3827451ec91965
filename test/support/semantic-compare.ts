import ICAL from 'ical.js';
import { canonical } from '../../src/conversion/semantic/canonical.js';
import type { Canonical } from '../../src/conversion/semantic/meaning.js';

/** Occurrences of one series that are looked at. */
const MOST_INSTANTS = 2_000;
const TWO_YEARS_S = 2 * 366 * 86_400;

/**
 * What two iCalendar objects or vCards say differently: component by component, property by property, then the instants of two
 * years by an implementation that is not ours. `-` is only in the first, `+` only in the second. Empty: they mean the same.
 */
export function differences(first: Uint8Array, second: Uint8Array): string[] {
  const [a, b] = [first, second].map((bytes) => flat(canonical(bytes)));
  const [before, after] = [first, second].map(instants);
  return [
    ...minus(a!, b!, '-'),
    ...minus(b!, a!, '+'),
    ...minus(before!, after!, '- at '),
    ...minus(after!, before!, '+ at '),
  ];
}

function flat(components: readonly Canonical[], path = ''): string[] {
  return components.flatMap((one) => {
    const here = `${path}${one.name}`;
    return [here, ...one.lines.map((line) => `${here} ${line}`), ...flat(one.components, `${here}/`)];
  });
}

function minus(from: readonly string[], what: readonly string[], sign: string): string[] {
  const left = [...what];
  return from.flatMap((line) => {
    const at = left.indexOf(line);
    if (at < 0) return [`${sign}${line}`];
    left.splice(at, 1);
    return [];
  });
}

/** `start/end` of every occurrence in the first two years, in UTC; floating times and whole days as they are written. */
export function instants(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString('utf8');
  if (!/^BEGIN:VCALENDAR/i.test(text)) return [];
  const calendar = new ICAL.Component(ICAL.parse(text));
  const events = calendar.getAllSubcomponents('vevent').filter((one) => one.getFirstProperty('dtstart'));
  const masters = events.filter((one) => !one.getFirstProperty('recurrence-id'));
  return (masters.length > 0 ? masters : events).flatMap((master) => {
    const uid = master.getFirstPropertyValue('uid');
    const exceptions =
      masters.length > 0 ? events.filter((one) => one !== master && one.getFirstPropertyValue('uid') === uid) : [];
    return occurrences(new ICAL.Event(master, { exceptions }));
  });
}

function occurrences(event: ICAL.Event): string[] {
  const span = ({ startDate, endDate }: { startDate: ICAL.Time; endDate: ICAL.Time }): string =>
    `${said(startDate)}/${said(endDate)}`;
  if (!event.isRecurring()) return [span(event)];
  const iterator = event.iterator();
  const last = event.startDate.toUnixTime() + TWO_YEARS_S;
  const found: string[] = [];
  for (let next = iterator.next(); next && found.length < MOST_INSTANTS; next = iterator.next()) {
    if (next.toUnixTime() > last) break;
    found.push(span(event.getOccurrenceDetails(next)));
  }
  return found.sort();
}

function said(time: ICAL.Time): string {
  if (time.isDate || time.zone === ICAL.Timezone.localTimezone) return time.toString();
  return new Date(time.toUnixTime() * 1000).toISOString();
}
