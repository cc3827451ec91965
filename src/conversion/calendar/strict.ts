import { param, property, withoutParam, withParam, type Property } from '../text/content-line.js';
import { adding, first, valueOf, type Component } from '../text/component.js';
import { inUtc, momentOf, tzidOf, zoneFor, type Context } from './context.js';
import { fromMs, parseDuration, printMoment, toMs } from './moments.js';
import { localOffset } from '../zones/ical-zone.js';

/** RFC 5545 section 8.3.2 and RFC 7986. */
const KNOWN = new Set(
  (
    'ATTACH CATEGORIES CLASS COMMENT DESCRIPTION GEO LOCATION PERCENT-COMPLETE PRIORITY RESOURCES STATUS SUMMARY COMPLETED ' +
    'DTEND DUE DTSTART DURATION FREEBUSY TRANSP TZID TZNAME TZOFFSETFROM TZOFFSETTO TZURL ATTENDEE CONTACT ORGANIZER ' +
    'RECURRENCE-ID RELATED-TO URL UID EXDATE EXRULE RDATE RRULE ACTION REPEAT TRIGGER CREATED DTSTAMP LAST-MODIFIED ' +
    'SEQUENCE REQUEST-STATUS COLOR IMAGE CONFERENCE ACKNOWLEDGED'
  ).split(' '),
);
const NUMBERS: Readonly<Record<string, readonly [number, number]>> = {
  PRIORITY: [0, 9],
  'PERCENT-COMPLETE': [0, 100],
  SEQUENCE: [0, 2 ** 31 - 1],
  REPEAT: [0, 2 ** 31 - 1],
};
const WORDS: Readonly<Record<string, RegExp>> = {
  STATUS: /^(?:TENTATIVE|CONFIRMED|CANCELLED|NEEDS-ACTION|COMPLETED|IN-PROCESS|DRAFT|FINAL)$/i,
  TRANSP: /^(?:OPAQUE|TRANSPARENT)$/i,
  GEO: /^-?\d+(?:\.\d+)?;-?\d+(?:\.\d+)?$/,
  CLASS: /^[A-Z0-9-]+$/i,
};

/** After a refusal: values out of range, alarms without a trigger and whatever is not in the standard leave. */
export function strictly(component: Component, context: Context): Component {
  if (context.level === 'needed') return component;
  const start = first(component, 'DTSTART');
  const properties = component.properties
    .filter((one) => isTaken(one, context))
    .map((one) => ({ ...one, params: context.level === 'bare' ? one.params.filter(isStandardParam) : one.params }))
    .map((one) => (start && ['EXDATE', 'RDATE'].includes(one.name) ? likeStart(one, start, context) : one));
  const components = component.components.flatMap((one) => alarm(one, context));
  return { ...component, properties, components };
}

/**
 * Exceptions, after a refusal: the date that each replaces is written as the series writes its start, and none has a rule of its own
 * (RFC 5545 section 3.8.4.4).
 */
export function alignExceptions(components: readonly Component[], context: Context): Component[] {
  const start = components.flatMap((one) => (first(one, 'RECURRENCE-ID') ? [] : [first(one, 'DTSTART')]))[0];
  if (context.level === 'needed' || !start) return [...components];
  return components.map((one) => {
    if (!first(one, 'RECURRENCE-ID')) return one;
    const properties = one.properties.flatMap((line) => {
      if (line.name === 'RECURRENCE-ID') return [likeStart(line, start, context)];
      if (!/^(?:RRULE|RDATE|EXDATE)$/.test(line.name)) return [line];
      context.changes.add('PROPERTY_DROPPED', line.name);
      return [];
    });
    return { ...one, properties };
  });
}

function isTaken(one: Property, { level, changes }: Context): boolean {
  const range = NUMBERS[one.name];
  const value = one.value.trim();
  const sound =
    /^[A-Z0-9-]+$/.test(one.name) &&
    (!range || (/^\d+$/.test(value) && Number(value) >= range[0] && Number(value) <= range[1])) &&
    (WORDS[one.name]?.test(value) ?? true);
  if (
    sound &&
    !(level === 'bare' && one.name === 'IMAGE') &&
    (KNOWN.has(one.name) || (level === 'strict' && one.name.startsWith('X-')))
  )
    return true;
  changes.add('PROPERTY_DROPPED', one.name);
  return false;
}

const isStandardParam = ({ name }: { name: string }): boolean => !name.startsWith('X-');

/** Exceptions in the zone and of the kind of the series (RFC 5545 section 3.8.4.4). */
function likeStart(one: Property, start: Property, { zones, changes, level }: Context): Property {
  const model = momentOf(start);
  if (!model) return one;
  if (param(one, 'VALUE')?.toUpperCase() === 'PERIOD') return level === 'bare' ? withoutLengths(one, changes) : one;
  const values = one.value.split(',').map((value) => {
    const moment = momentOf({ ...one, value });
    if (!moment || moment.time === null) return value;
    if (model.time === null) return moment.date;
    const utc = inUtc(moment, tzidOf(one), zones);
    if (model.utc || !utc.utc) return printMoment(utc);
    const zone = zoneFor(tzidOf(start), zones, Number(utc.date.slice(0, 4)));
    if (!zone) return printMoment({ ...moment, utc: false });
    // The offset at the instant: guessed by reading UTC as the clock, then once more by that clock.
    const guess = fromMs(toMs(utc) + localOffset(zone, utc) * 1000);
    return printMoment({ ...fromMs(toMs(utc) + localOffset(zone, { ...guess, utc: false }) * 1000), utc: false });
  });
  const params = [...start.params.filter(({ name }) => name === 'TZID'), ...withoutParam(one, 'TZID', 'VALUE').params];
  const out = { ...one, params, value: values.join(',') };
  const said = model.time === null ? withParam(out, 'VALUE', 'DATE') : out;
  if (said.value !== one.value || tzidOf(one) !== tzidOf(start)) changes.add('DATE_REPAIRED', one.name);
  return said;
}

/** Dates of a series that have a length of their own get that of the series. */
function withoutLengths(one: Property, changes: Context['changes']): Property {
  changes.add('END_CHANGED', one.name);
  return { ...withoutParam(one, 'VALUE'), value: one.value.replace(/\/[^,]*/g, '') };
}

function alarm(one: Component, { changes }: Context): Component[] {
  if (one.name !== 'VALARM') {
    changes.add('PROPERTY_DROPPED', one.name);
    return [];
  }
  const trigger = first(one, 'TRIGGER');
  if (!trigger || (parseDuration(trigger.value) === null && !momentOf(trigger)?.utc)) {
    changes.add('ALARM_DROPPED');
    return [];
  }
  let out = one;
  // RFC 5545 section 3.6.6.
  if (/^(?:DISPLAY|EMAIL)$/i.test(valueOf(out, 'ACTION') ?? '') && !valueOf(out, 'DESCRIPTION')) {
    changes.add('REQUIRED_ADDED', 'DESCRIPTION');
    out = adding(out, property('DESCRIPTION', 'Reminder'));
  }
  return [{ ...out, components: [] }];
}
