import { param, withoutParam, withParam, type Property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import { DATE_PROPERTIES, inUtc, tzidOf, type Context } from './context.js';
import { parseDuration, parseMoment, printMoment, readMoment, type Moment } from './moments.js';

/** Always in UTC (RFC 5545 sections 3.8.2.1 and 3.8.7). */
const UTC_PROPERTIES = new Set(['CREATED', 'DTSTAMP', 'LAST-MODIFIED', 'COMPLETED', 'ACKNOWLEDGED']);

/** Dates in the form of RFC 5545 with the VALUE and TZID that belong to it; what cannot be read goes. */
export function mendDates(component: Component, context: Context): Component {
  const properties = component.properties.flatMap((one) => {
    if (UTC_PROPERTIES.has(one.name)) return mendUtc(one, context);
    if (one.name === 'DURATION' || one.name === 'TRIGGER') return [{ ...one, value: one.value.trim() }];
    return DATE_PROPERTIES.has(one.name) ? mendList(one, context) : [one];
  });
  return { ...component, properties, components: component.components.map((one) => mendDates(one, context)) };
}

/** It says that it replaces a date of a series, and not which: whatever is taken for that date would be a guess. */
export function replacesUnknown(component: Component): boolean {
  const ids = component.properties.filter(({ name }) => name === 'RECURRENCE-ID');
  return ids.length > 0 && ids.every(({ value }) => mendValue(value.trim()) === null);
}

function mendUtc(property: Property, { changes, zones }: Context): Property[] {
  const value = property.value.trim();
  if (parseMoment(value)?.utc) return [property];
  const read = readMoment(value);
  if (!read) {
    changes.add('DATE_DROPPED', `${property.name} ${value}`.trim());
    return [];
  }
  changes.add('DATE_REPAIRED', property.name);
  const utc = inUtc({ ...read, time: read.time ?? '000000' }, tzidOf(property), zones);
  return [{ ...withoutParam(property, 'TZID', 'VALUE'), value: printMoment({ ...utc, utc: true }) }];
}

function mendList(property: Property, { changes }: Context): Property[] {
  const values = property.value.split(property.name === 'EXDATE' || property.name === 'RDATE' ? /[,;]/ : /(?!)/);
  const kept: { text: string; moment: Moment; period: boolean }[] = [];
  for (const value of values) {
    const read = mendValue(value.trim());
    // An exception replaces a date, never a period (RFC 5545 section 3.8.4.4).
    const one = read?.period && property.name === 'RECURRENCE-ID' ? mendValue(value.trim().split('/')[0]!) : read;
    if (one) kept.push(one);
    else if (value.trim() !== '' || values.length === 1)
      changes.add('DATE_DROPPED', `${property.name} ${value}`.trim());
  }
  if (kept.length === 0) return [];
  const wholeDay = kept[0]!.moment.time === null;
  // Both kinds in one list: the first one tells, the others are written in a property of their own.
  const [same, other] = [kept, kept].map((all, i) =>
    all.filter(({ moment }) => ((moment.time === null) === wholeDay) === (i === 0)),
  );
  return [same!, other!].filter((all) => all.length > 0).map((all) => withKind(property, all, changes));
}

function mendValue(value: string): { text: string; moment: Moment; period: boolean } | null {
  const [first = '', second] = value.split('/', 2);
  const start = parseMoment(first) ?? readMoment(first);
  if (!start) return null;
  if (second === undefined) return { text: printMoment(start), moment: start, period: false };
  const end = parseDuration(second) === null ? readMoment(second) : null;
  if (parseDuration(second) === null && !end) return null;
  return { text: `${printMoment(start)}/${end ? printMoment(end) : second}`, moment: start, period: true };
}

function withKind(
  property: Property,
  values: readonly { text: string; moment: Moment; period: boolean }[],
  changes: Context['changes'],
): Property {
  const { moment, period } = values[0]!;
  const midnight = param(property, 'VALUE')?.toUpperCase() === 'DATE' && moment.time === '000000' && !moment.utc;
  const days = moment.time === null || midnight;
  let out: Property = { ...property, value: values.map(({ text }) => (midnight ? text.slice(0, 8) : text)).join(',') };
  const wanted = period ? 'PERIOD' : days ? 'DATE' : undefined;
  const said = param(property, 'VALUE')?.toUpperCase();
  if (wanted !== undefined && said !== wanted) out = withParam(out, 'VALUE', wanted);
  else if (wanted === undefined && said !== undefined && said !== 'DATE-TIME') out = withoutParam(out, 'VALUE');
  if (days || values.every((one) => one.moment.utc)) out = withoutParam(out, 'TZID');
  const changed = out.value !== property.value.trim() || out.params.length !== property.params.length;
  if (changed || param(out, 'VALUE')?.toUpperCase() !== said) changes.add('DATE_REPAIRED', property.name);
  return out;
}
