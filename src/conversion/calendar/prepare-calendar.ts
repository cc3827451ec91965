import { ConversionError } from '../conversion-error.js';
import { Changes } from '../notes.js';
import type { CalendarComponent, Level, Preparation, PreparedCalendar, TargetProfile } from '../prepared.js';
import { property, type Property } from '../text/content-line.js';
import { first, parseComponents, printComponents, valueOf, type Component } from '../text/component.js';
import { zonesOf, type Context } from './context.js';
import { mendDates } from './dates.js';
import { mendAlarms, mendRequired, mendValues, silenced } from './required.js';
import { mendRules, mendSeries } from './series.js';
import { mendEnd, mendStart } from './span.js';
import { alignExceptions, strictly } from './strict.js';
import { uidFrom, uidFromContent } from '../uid.js';
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
    const prepared = groups.map(({ items, copy }) => {
      const own = new Changes();
      for (const { code, detail } of shared) own.add(code as Parameters<Changes['add']>[0], detail);
      return prepareGroup(calendar, items, copy + (options.copy ?? 0), {
        target,
        level: options.level ?? 'needed',
        changes: own,
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
 * other edition of the first one.
 */
function grouped(items: readonly Component[]): Group[] {
  const groups: Group[] = [];
  const latest = new Map<string, Group>();
  for (const one of items) {
    const uid = valueOf(one, 'UID');
    const key = `${one.name} ${uid}`;
    const before = uid === undefined ? undefined : latest.get(key);
    if (before && !before.items.some((other) => isOther(one, other))) {
      before.items.push(one);
      continue;
    }
    const group = { items: [one], copy: before ? before.copy + 1 : 0 };
    groups.push(group);
    if (uid !== undefined) latest.set(key, group);
  }
  return groups;
}

/** Both are a series, in the same edition, and say different things. */
function isOther(one: Component, other: Component): boolean {
  const series = [one, other].every((component) => !first(component, 'RECURRENCE-ID'));
  const edition = (component: Component): string => valueOf(component, 'SEQUENCE') ?? '0';
  return series && edition(one) === edition(other) && uidFromContent(one) !== uidFromContent(other);
}

function prepareGroup(
  calendar: Component,
  group: readonly Component[],
  copy: number,
  wanted: Pick<Context, 'target' | 'level' | 'changes'>,
): PreparedCalendar {
  const { changes } = wanted;
  const context: Context = { ...wanted, zones: zonesOf(calendar.components) };
  const uid = uidOf(group, copy, changes);
  const mended = group.map((one) => {
    const dated = mendStart(mendDates(mendAlarms(mendValues(one, context), context), context), context);
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
