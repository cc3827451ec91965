import { withoutParam, type Property } from '../text/content-line.js';
import { adding, first, valueOf, without, type Component } from '../text/component.js';
import { inUtc, instantOf, momentOf, tzidOf, type Context } from './context.js';
import { mendRule } from './recurrence.js';

/** Recurrence rules that can be read; the others go, with a note that holds them. */
export function mendRules(component: Component, { changes, level, zones }: Context): Component {
  const start = first(component, 'DTSTART');
  const toUtc = (moment: Parameters<typeof inUtc>[0]) => inUtc(moment, tzidOf(start), zones);
  let rules = 0;
  const properties = component.properties.flatMap((one): Property[] => {
    if (one.name !== 'RRULE' && one.name !== 'EXRULE') return [one];
    const strict = level !== 'needed';
    const raw = level === 'bare' ? gregorian(one.value) : one.value;
    const mended = raw === null ? null : mendRule(raw, strict ? momentOf(start) : null, toUtc);
    // RFC 5545 section 3.8.5.3: more than one rule should not be there; section A.1: EXRULE is gone.
    if (mended === null || (strict && (one.name === 'EXRULE' || ++rules > 1))) {
      changes.add('RULE_DROPPED', `${one.name}:${one.value}`);
      return [];
    }
    if (sameRule(mended, one.value)) return [one];
    changes.add('RULE_REPAIRED');
    return [{ ...one, value: mended }];
  });
  return { ...component, properties };
}

/** Without RFC 7529, which few servers know. Null: the rule is of another calendar and means nothing without it. */
function gregorian(rule: string): string | null {
  if (/RSCALE=(?!GREGORIAN)/i.test(rule)) return null;
  return rule.replace(/;?(?:RSCALE|SKIP)=[^;]*/gi, '').replace(/^;/, '');
}

function sameRule(mended: string, raw: string): boolean {
  const parts = (rule: string): string => rule.split(';').sort().join(';');
  return parts(mended) === parts(raw);
}

/** The instant that an exception replaces, as a text; null: it is no exception. */
function replacedInstant(component: Component, { zones }: Context): string | null {
  const id = first(component, 'RECURRENCE-ID');
  const moment = momentOf(id);
  if (!id || !moment) return null;
  return moment.time === null ? moment.date : String(instantOf(moment, tzidOf(id), zones));
}

/**
 * The components of one UID: one of them the series (or the single event), the others its exceptions, each instant once.
 * Of two for the same instant the later edition stays (RFC 5546 section 2.1.5). Exceptions alone get a series that has just
 * their dates, where the destination wants one.
 */
export function mendSeries(components: readonly Component[], context: Context): Component[] {
  const kept = new Map<string, Component>();
  for (const one of components) {
    const key = replacedInstant(one, context) ?? '';
    const before = kept.get(key);
    if (before) context.changes.add('DUPLICATE_DROPPED');
    if (!before || isLater(one, before)) kept.set(key, one);
  }
  const all = [...kept].sort(([a], [b]) => (a === '' ? -1 : b === '' ? 1 : 0)).map(([, one]) => one);
  if (kept.has('') || context.target.takesDetachedOverrides) return all;
  context.changes.add('SERIES_ADDED');
  return [seriesOf(all, context), ...all];
}

function isLater(one: Component, other: Component): boolean {
  const [a, b] = [one, other].map((component) => Number(valueOf(component, 'SEQUENCE') ?? 0));
  if (a !== b) return a! > b!;
  const [stamp, before] = [one, other].map(
    (component) => valueOf(component, 'LAST-MODIFIED') ?? valueOf(component, 'DTSTAMP') ?? '',
  );
  return stamp! > before!;
}

/** The first exception as it would have been, at the dates of all of them. */
function seriesOf(exceptions: readonly Component[], { zones }: Context): Component {
  const ids = exceptions.map((one) => first(one, 'RECURRENCE-ID')!);
  const at = (id: Property): number => instantOf(momentOf(id)!, tzidOf(id), zones);
  const [earliest, ...later] = ids.sort((a, b) => at(a) - at(b)).map((id) => withoutParam(id, 'RANGE'));
  const base = without(
    exceptions[0]!,
    'RECURRENCE-ID',
    'DTSTART',
    'DTEND',
    'DUE',
    'DURATION',
    'RRULE',
    'RDATE',
    'EXDATE',
  );
  return adding(
    { ...base, components: [] },
    { ...earliest!, name: 'DTSTART' },
    ...(base.name === 'VEVENT' ? lengthOf(exceptions[0]!) : []),
    ...later.map((id) => ({ ...id, name: 'RDATE' })),
  );
}

/** As the exception says it itself where it says how long it takes. */
function lengthOf(exception: Component): Property[] {
  const [start, end, duration] = ['DTSTART', 'DTEND', 'DURATION'].map((name) => first(exception, name));
  if (duration) return [duration];
  const [from, to] = [momentOf(start), momentOf(end)];
  if (!from || !to) return [];
  const seconds = (instantOf(to, undefined, new Map()) - instantOf(from, undefined, new Map())) / 1000;
  if (seconds <= 0 || tzidOf(start) !== tzidOf(end)) return [];
  const value = from.time === null ? `P${Math.round(seconds / 86_400)}D` : `PT${Math.round(seconds)}S`;
  return [{ group: null, name: 'DURATION', params: [], value }];
}
