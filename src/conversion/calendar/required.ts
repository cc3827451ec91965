import { param, property, withoutParam, withParam } from '../text/content-line.js';
import { adding, first, valueOf, without, type Component } from '../text/component.js';
import { mendBase64, mendText } from '../text/mend-value.js';
import type { Context } from './context.js';

/** May stand once in a component (RFC 5545 sections 3.6.1 to 3.6.3, RFC 7986 section 5.9). */
const ONCE = new Set(
  (
    'UID DTSTAMP DTSTART DTEND DUE DURATION CLASS CREATED DESCRIPTION GEO LAST-MODIFIED LOCATION ORGANIZER PRIORITY ' +
    'SEQUENCE STATUS SUMMARY TRANSP URL RECURRENCE-ID COMPLETED PERCENT-COMPLETE COLOR'
  ).split(' '),
);
/** A journal may have several texts (RFC 5545 section 3.6.3). */
const isOnce = (component: string, name: string): boolean =>
  ONCE.has(name) && !(component === 'VJOURNAL' && name === 'DESCRIPTION');
const TEXTS = new Set(['SUMMARY', 'DESCRIPTION', 'LOCATION', 'COMMENT', 'CONTACT']);
const EPOCH = '19700101T000000Z';

/** ACTION must be there (RFC 5545 section 3.6.6); without it Radicale makes a sound of an alarm that showed a text. */
export function mendAlarms(component: Component, { changes }: Context): Component {
  const components = component.components.map((one) => {
    if (one.name !== 'VALARM' || valueOf(one, 'ACTION')) return one;
    changes.add('REQUIRED_ADDED', 'ACTION');
    return adding(without(one, 'ACTION'), property('ACTION', 'DISPLAY'));
  });
  return { ...component, components };
}

/** RFC 5545 section 3.8.1: TEXT with its escapes, attachments with whole base64. */
export function mendValues(component: Component, { changes }: Context): Component {
  const properties = component.properties.map((one) => {
    const mended = TEXTS.has(one.name) ? mendText(one) : mendBase64(one);
    if (mended !== one) changes.add('REPAIRED_VALUE', one.name);
    return mended;
  });
  return { ...component, properties };
}

export function mendRequired(component: Component, uid: string, { changes }: Context): Component {
  const seen = new Set<string>();
  const properties = component.properties.filter(({ name, value }) => {
    if (!isOnce(component.name, name)) return true;
    if (!seen.has(name)) return seen.add(name);
    if (value.trim() !== '') changes.add('PROPERTY_DROPPED', name);
    return false;
  });
  let out: Component = { ...component, properties };
  if (valueOf(out, 'UID') !== uid) out = adding(without(out, 'UID'), property('UID', uid));
  if (!first(out, 'DTSTAMP')) {
    changes.add('REQUIRED_ADDED', 'DTSTAMP');
    const stamp = ['LAST-MODIFIED', 'CREATED'].map((name) => valueOf(out, name)).find((value) => value !== undefined);
    out = adding(out, property('DTSTAMP', stamp ?? EPOCH));
  }
  return out;
}

/**
 * Nobody is notified when the object is stored (RFC 6638 section 7.1). Attendees of an alarm stay as they are: nobody
 * schedules those.
 */
export function silenced(component: Component, { changes }: Context): Component {
  const properties = component.properties.map((one) => {
    if (one.name !== 'ATTENDEE' && one.name !== 'ORGANIZER') return one;
    const quiet = withoutParam(one, 'SCHEDULE-FORCE-SEND', 'SCHEDULE-STATUS');
    if (param(one, 'SCHEDULE-AGENT')?.toUpperCase() === 'NONE' && quiet === one) return one;
    changes.add('SCHEDULING_SILENCED');
    return withParam(quiet, 'SCHEDULE-AGENT', 'NONE');
  });
  return { ...component, properties };
}
