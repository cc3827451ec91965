import { param, property, withoutParam, withParam, type Property } from '../text/content-line.js';
import { valueOf, type Component } from '../text/component.js';
import { decodeQuoted } from '../text/quoted-printable.js';
import { escapeText, splitRaw } from '../text/values.js';
import { fromMs, parseMoment, printMoment, toMs } from './moments.js';

/** vCalendar 1.0 spells them otherwise, or they have several values cut at semicolons. */
const TEXTS = /^(?:SUMMARY|DESCRIPTION|LOCATION|COMMENT|CONTACT|X-.*)$/;
const LISTS = /^(?:CATEGORIES|RESOURCES)$/;
const ALARMS: Readonly<Record<string, string>> = {
  AALARM: 'AUDIO',
  DALARM: 'DISPLAY',
  MALARM: 'EMAIL',
  PALARM: 'PROCEDURE',
};
const STATUSES: Readonly<Record<string, string>> = {
  ACCEPTED: 'ACCEPTED',
  CONFIRMED: 'ACCEPTED',
  DECLINED: 'DECLINED',
  TENTATIVE: 'TENTATIVE',
  DELEGATED: 'DELEGATED',
  COMPLETED: 'COMPLETED',
  'NEEDS ACTION': 'NEEDS-ACTION',
  SENT: 'NEEDS-ACTION',
};
const DATES = new Set(['DTSTART', 'DTEND', 'DUE', 'EXDATE', 'RDATE', 'DCREATED', 'COMPLETED', 'LAST-MODIFIED']);

/** An event or task of vCalendar 1.0 (versit, 1996) as RFC 5545 writes it. */
export function fromVersion1(component: Component, calendar: Component): Component {
  const recurs = valueOf(component, 'RRULE') !== undefined;
  const alarms: Component[] = [];
  const properties = component.properties.flatMap((raw): Property[] => {
    const one = decodedProperty(raw);
    const action = ALARMS[one.name];
    if (action !== undefined) {
      const alarm = alarmFrom(one, action);
      if (alarm) alarms.push(alarm);
      return [];
    }
    if (one.name === 'RRULE' || one.name === 'EXRULE') {
      const rule = ruleFrom(one.value);
      return [rule === null ? one : { ...one, value: rule }];
    }
    if (one.name === 'ATTENDEE') return [attendeeFrom(one)];
    if (one.name === 'DCREATED') return [{ ...one, name: 'CREATED', value: zoned(one.value, calendar, false) }];
    if (DATES.has(one.name)) {
      const values = one.value.split(/[;,]/).map((value) => zoned(value.trim(), calendar, recurs));
      return [{ ...one, value: values.join(',') }];
    }
    if (one.name === 'TRANSP' && /^\d+$/.test(one.value))
      return [{ ...one, value: Number(one.value) > 0 ? 'TRANSPARENT' : 'OPAQUE' }];
    if (one.name === 'STATUS') return [{ ...one, value: one.value.trim().toUpperCase().replace(/ /g, '-') }];
    return [one];
  });
  return { ...component, properties, components: [...component.components, ...alarms] };
}

/** QUOTED-PRINTABLE and CHARSET undone; BASE64 said as RFC 5545 does; only semicolons were escaped. */
function decodedProperty(one: Property): Property {
  const encoding = param(one, 'ENCODING')?.toUpperCase();
  const plain = withoutParam(one, 'ENCODING', 'CHARSET');
  if (encoding === 'BASE64' || encoding === 'B') {
    return withParam(withParam(withoutParam(plain, 'VALUE'), 'ENCODING', 'BASE64'), 'VALUE', 'BINARY');
  }
  let { value } = one;
  if (encoding === 'QUOTED-PRINTABLE') value = decodeQuoted(value, param(one, 'CHARSET'));
  if (LISTS.test(one.name))
    return {
      ...plain,
      value: splitRaw(value, ';')
        .map((part) => escapeText(unescaped(part)))
        .join(','),
    };
  return TEXTS.test(one.name) ? { ...plain, value: escapeText(unescaped(value)) } : { ...plain, value };
}

const unescaped = (value: string): string => value.replace(/\\([;,\\])/g, '$1').replace(/\\[nN]/g, '\n');

/** Run time; snooze; repeat; what to show or play (versit section 2.5.1). */
function alarmFrom(one: Property, action: string): Component | null {
  const [at = '', , , ...rest] = one.value.split(';');
  const moment = parseMoment(at.trim());
  if (!moment || moment.time === null) return null;
  const trigger = property('TRIGGER', printMoment({ ...moment, utc: true }), { VALUE: 'DATE-TIME' });
  const words = rest.join(';').trim();
  const shown = action === 'AUDIO' ? [] : [property('DESCRIPTION', words === '' ? 'Reminder' : escapeText(words))];
  return {
    name: 'VALARM',
    properties: [trigger, property('ACTION', action === 'PROCEDURE' ? 'DISPLAY' : action), ...shown],
    components: [],
  };
}

function attendeeFrom(one: Property): Property {
  const status = STATUSES[param(one, 'STATUS')?.toUpperCase() ?? ''];
  const organizer = /^(?:OWNER|ORGANIZER)$/i.test(param(one, 'ROLE') ?? '');
  const named = /^\s*"?([^"<]*?)"?\s*<([^>]+)>\s*$/.exec(one.value);
  const address = (named?.[2] ?? one.value).trim();
  let out: Property = withoutParam(one, 'STATUS', 'EXPECT', ...(organizer ? ['ROLE', 'RSVP'] : []));
  if (status !== undefined && !organizer) out = withParam(out, 'PARTSTAT', status);
  if (/^(?:ATTENDEE|DELEGATE)$/i.test(param(out, 'ROLE') ?? '')) out = withParam(out, 'ROLE', 'REQ-PARTICIPANT');
  if (/^(?:YES|NO)$/i.test(param(out, 'RSVP') ?? ''))
    out = withParam(out, 'RSVP', /^y/i.test(param(out, 'RSVP')!) ? 'TRUE' : 'FALSE');
  if (named?.[1]) out = withParam(out, 'CN', named[1]);
  const value = /^[a-z][a-z0-9+.-]*:/i.test(address) ? address : `mailto:${address}`;
  return { ...out, name: organizer ? 'ORGANIZER' : 'ATTENDEE', value };
}

/** Times without Z are in the calendar's TZ. A series keeps its clock, since its zone has no name. */
function zoned(value: string, calendar: Component, recurs: boolean): string {
  const moment = parseMoment(value);
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(valueOf(calendar, 'TZ') ?? '');
  if (!moment || moment.utc || moment.time === null || !offset || recurs) return value;
  const [, sign, hours = '0', minutes = '0'] = offset;
  let east = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1);
  // TRUE;offset;from;to;names
  for (const { value: rule } of calendar.properties.filter(({ name }) => name === 'DAYLIGHT')) {
    const [yes, summer = '', from = '', to = ''] = rule.split(';').map((part) => part.trim());
    const match = /^([+-])(\d\d):?(\d\d)?$/.exec(summer);
    const [begin, end] = [parseMoment(from), parseMoment(to)];
    if (yes?.toUpperCase() !== 'TRUE' || !match || !begin || !end) continue;
    if (toMs(moment) >= toMs(begin) && toMs(moment) < toMs(end))
      east = (Number(match[2]) * 60 + Number(match[3] ?? 0)) * (match[1] === '-' ? -1 : 1);
  }
  return printMoment({ ...fromMs(toMs(moment) - east * 60_000), utc: true });
}

/**
 * `W2 MO TU #5`, `MP1 1+ MO 1- FR 19990101T000000`, `MD1 3- #0`, `YM1 6 7`, `YD1 100` (versit section 2.2): what recurs,
 * how often, where in it, and how long. Null: in none of these forms; RFC 5545's own are left alone.
 */
export function ruleFrom(value: string): string | null {
  const [head = '', ...rest] = value.trim().toUpperCase().split(/\s+/);
  const match = /^(D|W|MP|MD|YM|YD)(\d+)$/.exec(head);
  if (!match) return null;
  const end = rest.at(-1);
  const count = /^#(\d+)$/.exec(end ?? '');
  const until = end !== undefined && parseMoment(end);
  const list = count || until ? rest.slice(0, -1) : rest;
  const freq = { D: 'DAILY', W: 'WEEKLY', MP: 'MONTHLY', MD: 'MONTHLY', YM: 'YEARLY', YD: 'YEARLY' }[match[1]!];
  const parts = [`FREQ=${freq}`, ...(match[2] === '1' ? [] : [`INTERVAL=${match[2]}`]), ...placesIn(match[1]!, list)];
  // #0 is for ever; no duration at all is twice (versit section 2.2.4).
  if (until) parts.push(`UNTIL=${printMoment(until)}`);
  else if (count?.[1] !== '0') parts.push(`COUNT=${count?.[1] ?? 2}`);
  return parts.join(';');
}

function placesIn(kind: string, list: readonly string[]): string[] {
  const number = (text: string): string => (text.endsWith('-') ? `-${parseInt(text, 10)}` : String(parseInt(text, 10)));
  if (list.length === 0) return [];
  if (kind === 'W') return [`BYDAY=${list.filter((one) => /^[A-Z]{2}$/.test(one)).join(',')}`];
  if (kind === 'MD') return [`BYMONTHDAY=${list.map((one) => (one === 'LD' ? '-1' : number(one))).join(',')}`];
  if (kind === 'YM') return [`BYMONTH=${list.map(number).join(',')}`];
  if (kind === 'YD') return [`BYYEARDAY=${list.map(number).join(',')}`];
  if (kind !== 'MP') return [];
  const days: string[] = [];
  let places: string[] = [];
  let daysSeen = false;
  for (const one of list) {
    if (/^\d+[+-]?$/.test(one)) {
      places = daysSeen ? [number(one)] : [...places, number(one)];
      daysSeen = false;
    } else if (/^[A-Z]{2}$/.test(one)) {
      daysSeen = true;
      days.push(...places.map((place) => `${place}${one}`));
    }
  }
  return days.length === 0 ? [] : [`BYDAY=${days.join(',')}`];
}
