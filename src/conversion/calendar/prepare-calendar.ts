import { ConversionError } from '../conversion-error.js';
import { Changes } from '../notes.js';
import type { CalendarComponent, Level, Preparation, PreparedCalendar, TargetProfile } from '../prepared.js';
import { property, type Property } from '../text/content-line.js';
import { first, parseComponents, printComponents, valueOf, type Component } from '../text/component.js';
import type { Context } from './context.js';
import { mendDates, replacesUnknown } from './dates.js';
import { mendAlarms, mendRequired, mendValues, silenced } from './required.js';
import { mendRules, mendSeries } from './series.js';
import { mendEnd, mendStart } from './span.js';
import { cutAtCommas } from './lists.js';
import { alignExceptions, strictly } from './strict.js';
import { uidFrom, uidFromContent } from '../uid.js';
import { usableZones } from '../zones/ical-zone.js';
import { fromVersion1 } from './version-1.js';
import { mendZones } from './zone-repair.js';

const PRODUCT = '-//Mailferry//Mailferry//EN';
/** Of the whole calendar, not of an object in it. */
const OF_THE_COLLECTION =
  /^(?:METHOD|VERSION|PRODID|X-WR-.*|TZ|DAYLIGHT|NAME|DESCRIPTION|COLOR|URL|SOURCE|REFRESH-INTERVAL|X-PUBLISHED-TTL)$/;

export interface CalendarOptions {
  readonly level?: Level;
  /** Above 0: there were that many other objects with this UID before; it gets one of its own. */
  readonly copy?: number;
}

/**
 * An iCalendar object in the form that the destination takes: RFC 5545, one UID, no METHOD, nobody notified; what was there
 * already stays as it was. A resource with several UIDs becomes several objects: the others are in `also`.
 * Bytes that are no calendar are an outcome, never an exception.
 */
export function prepareCalendar(
  bytes: Uint8Array,
  target: TargetProfile,
  options: CalendarOptions = {},
): Preparation<PreparedCalendar> {
  try {
    const { calendar, items: found, defects } = read(bytes);
    const changes = new Changes();
    changes.addDefects(defects);
    const old = valueOf(calendar, 'VERSION') === '1.0';
    if (old) changes.add('CONVERTED_FORMAT', 'iCalendar 1.0: 2.0');
    const groups = grouped(old ? found.map((one) => fromVersion1(one, calendar)) : found);
    if (groups.length > 1) changes.add('SEVERAL_IN_ONE');
    const shared = changes.notes();
    const zones = usableZones(calendar.components);
    const prepared = groups.map(({ items, copy }) => {
      const own = new Changes();
      for (const { code, detail } of shared) own.add(code as Parameters<Changes['add']>[0], detail);
      return prepareGroup(calendar, items, copy + (options.copy ?? 0), {
        target,
        level: options.level ?? 'needed',
        changes: own,
        zones,
      });
    });
    return { ...prepared[0]!, also: prepared.slice(1) };
  } catch (error) {
    if (error instanceof ConversionError) return { refused: error.code, message: error.message };
    throw error;
  }
}

function isItem({ name }: Component): boolean {
  return name === 'VEVENT' || name === 'VTODO' || name === 'VJOURNAL';
}

/** All VCALENDARs of the bytes as one. Items without any around them are taken, too. */
function read(
  bytes: Uint8Array,
): { calendar: Component; items: Component[] } & Pick<ReturnType<typeof parseComponents>, 'defects'> {
  const { components, defects } = parseComponents(bytes);
  const calendars = components.filter(({ name }) => name === 'VCALENDAR');
  const inner = [
    ...calendars.flatMap((one) => one.components),
    ...components.filter(({ name }) => name !== 'VCALENDAR'),
  ];
  const items = inner.filter(isItem);
  if (calendars.length === 0 && items.length === 0) throw new ConversionError('NOT_CALENDAR', 'This is no calendar.');
  if (items.length === 0) throw new ConversionError('OBJECT_EMPTY', 'There is no event, task or note in it.');
  const calendar = { name: 'VCALENDAR', properties: calendars[0]?.properties ?? [], components: inner };
  return { calendar, items, defects };
}

interface Group {
  readonly items: Component[];
  /** How many other objects with this UID came before it. */
  readonly copy: number;
}

/**
 * By UID and kind. Without a UID each item is an object of its own, and so is a second series with the same UID that is no
 * other edition of the first one, and an exception of nobody knows which date: as part of the series it would have to
 * stand for the whole of it.
 */
function grouped(items: readonly Component[]): Group[] {
  const groups: Group[] = [];
  const latest = new Map<string, Group & { readonly editions: Map<string, string> }>();
  const begin = (one: Component): void => {
    const key = keyOf(one);
    const group = { items: [one], copy: (latest.get(key)?.copy ?? -1) + 1, editions: editionsOf(one) };
    groups.push(group);
    if (valueOf(one, 'UID') !== undefined) latest.set(key, group);
  };
  for (const one of items.filter((item) => !replacesUnknown(item))) {
    const before = latest.get(keyOf(one));
    if (before && joins(before.editions, one)) before.items.push(one);
    else begin(one);
  }
  // Behind the series of the same UID, which keeps it.
  items.filter(replacesUnknown).forEach(begin);
  return groups;
}

const keyOf = (one: Component): string => `${one.name} ${valueOf(one, 'UID')}`;

/** What a series says, by its SEQUENCE; of an exception nothing. */
function editionsOf(one: Component): Map<string, string> {
  const isException = first(one, 'RECURRENCE-ID') !== undefined;
  return new Map(isException ? [] : [[valueOf(one, 'SEQUENCE') ?? '0', uidFromContent(one)]]);
}

/** False: a series in an edition that is known, and says something else. What it says is known from now on. */
function joins(known: Map<string, string>, one: Component): boolean {
  for (const [edition, content] of editionsOf(one)) {
    if ((known.get(edition) ?? content) !== content) return false;
    known.set(edition, content);
  }
  return true;
}

function prepareGroup(
  calendar: Component,
  group: readonly Component[],
  copy: number,
  context: Context,
): PreparedCalendar {
  const { changes } = context;
  const uid = uidOf(group, copy, changes);
  const mended = group.map((one) => {
    const dated = mendStart(
      mendDates(mendAlarms(cutAtCommas(mendValues(one, context), context), context), context),
      context,
    );
    if (!dated) throw new ConversionError('EVENT_WITHOUT_START', 'It does not say when it is.');
    return strictly(
      silenced(mendRules(mendEnd(mendRequired(dated, uid, context), context), context), context),
      context,
    );
  });
  const { components, zones } = mendZones(alignExceptions(mendSeries(mended, context), context), context);
  const printed: Component = {
    name: 'VCALENDAR',
    properties: calendarProperties(calendar, context),
    components: [...zones, ...components],
  };
  return {
    bytes: printComponents([printed]),
    uid,
    component: group[0]!.name as CalendarComponent,
    notes: changes.notes(),
  };
}

function uidOf(group: readonly Component[], copy: number, changes: Changes): string {
  const own = valueOf(group[0]!, 'UID');
  const uid = own ?? uidFromContent(group[0]!);
  if (copy > 0) changes.add('UID_CHANGED');
  else if (own === undefined) changes.add('UID_ADDED');
  return copy > 0 ? uidFrom(uid, group[0]!.name, String(copy)) : uid;
}

function calendarProperties(calendar: Component, { changes, level }: Context): Property[] {
  if (first(calendar, 'METHOD')) changes.add('METHOD_REMOVED');
  for (const name of ['VERSION', 'PRODID']) if (!valueOf(calendar, name)) changes.add('REQUIRED_ADDED', name);
  const kept = calendar.properties.filter(
    ({ name }) => !OF_THE_COLLECTION.test(name) && (level !== 'bare' || name === 'CALSCALE'),
  );
  return [property('VERSION', '2.0'), property('PRODID', valueOf(calendar, 'PRODID') ?? PRODUCT), ...kept];
}
