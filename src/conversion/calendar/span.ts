import { property, withoutParam, type Property } from '../text/content-line.js';
import { adding, first, replacing, valueOf, without, type Component } from '../text/component.js';
import { instantOf, momentOf, tzidOf, type Context } from './context.js';
import { parseDuration, printMoment } from './moments.js';

/** Where a start is looked for, the likeliest first. */
const OTHER_STARTS = ['RECURRENCE-ID', 'DTEND', 'CREATED', 'DTSTAMP', 'LAST-MODIFIED'] as const;
/** The shortest that Cyrus takes; no client shows it. */
const SHORTEST = 'PT1S';
const DAY_SECONDS = 86_400;

/**
 * An event without DTSTART would be in no client's calendar (RFC 5545 section 3.6.1): it gets the likeliest date that
 * it has. Null: it has none.
 */
export function mendStart(component: Component, { changes }: Context): Component | null {
  const start = first(component, 'DTSTART');
  if (component.name !== 'VEVENT' || start) return component;
  const from = OTHER_STARTS.find((name) => momentOf(first(component, name)));
  if (from === undefined) return null;
  changes.add('START_ADDED', from);
  return adding(component, { ...withoutParam(first(component, from)!, 'RANGE'), name: 'DTSTART' });
}

/** An end that the destination takes, in events: DTEND or DURATION, after the start. */
export function mendEnd(component: Component, context: Context): Component {
  let out = component;
  const { changes } = context;
  const [endName, start] = [out.name === 'VTODO' ? 'DUE' : 'DTEND', momentOf(first(out, 'DTSTART'))];
  if (first(out, endName) && first(out, 'DURATION')) {
    changes.add('PROPERTY_DROPPED', 'DURATION');
    out = without(out, 'DURATION');
  }
  if (!start || !context.target.needsEnd) return out;
  const end = momentOf(first(out, endName));
  if (end && (end.time === null) !== (start.time === null)) {
    changes.add('END_CHANGED', 'of the kind of the start');
    out = replacing(out, likeStart(first(out, 'DTSTART')!, first(out, endName)!, start.time === null));
  }
  if (out.name !== 'VEVENT') return out;
  const wholeDay = start.time === null;
  const duration = valueOf(out, 'DURATION');
  const seconds = duration === undefined ? spanOf(out, context) : parseDuration(duration);
  if (seconds !== null && seconds > 0 && !(wholeDay && /T/i.test(duration ?? ''))) return out;
  if (seconds === null && wholeDay && duration === undefined) return out;
  out = without(out, 'DTEND', 'DURATION');
  // RFC 5545 section 3.6.1: whole days last days or weeks.
  const days = Math.max(1, Math.ceil((seconds ?? 0) / DAY_SECONDS));
  changes.add('END_CHANGED', wholeDay ? `${days} day${days > 1 ? 's' : ''}` : 'one second');
  return adding(out, property('DURATION', wholeDay ? `P${days}D` : SHORTEST));
}

/** Seconds from DTSTART to DTEND; null: there is no DTEND. */
function spanOf(component: Component, { zones }: Context): number | null {
  const [from, to] = [first(component, 'DTSTART'), first(component, 'DTEND')];
  const [start, end] = [momentOf(from), momentOf(to)];
  if (!start || !end) return null;
  return (instantOf(end, tzidOf(to), zones) - instantOf(start, tzidOf(from), zones)) / 1000;
}

function likeStart(start: Property, end: Property, wholeDay: boolean): Property {
  const moment = momentOf(end)!;
  const value = printMoment(
    wholeDay ? { date: moment.date, time: null, utc: false } : { ...moment, time: '000000', utc: momentOf(start)!.utc },
  );
  return { ...start, name: end.name, value };
}
