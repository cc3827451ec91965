import type ICAL from 'ical.js';
import type { Changes } from '../notes.js';
import type { Level, TargetProfile } from '../prepared.js';
import { param, type Property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import { databaseZone, icalZone, localOffset } from '../zones/ical-zone.js';
import { ianaZone } from '../zones/zone-names.js';
import { fromMs, parseMoment, toMs, type Moment } from './moments.js';

/** What the steps of one preparation share. */
export interface Context {
  readonly target: TargetProfile;
  readonly level: Level;
  readonly changes: Changes;
  /** The VTIMEZONEs that came with the object and can be used, by TZID. */
  readonly zones: ReadonlyMap<string, Component>;
}

export const DATE_PROPERTIES: ReadonlySet<string> = new Set([
  'DTSTART',
  'DTEND',
  'DUE',
  'RECURRENCE-ID',
  'EXDATE',
  'RDATE',
]);

/** The zone of a TZID: as defined in the object, else as the database knows it. */
export function zoneFor(
  tzid: string | undefined,
  zones: ReadonlyMap<string, Component>,
  year: number,
): ICAL.Timezone | null {
  if (tzid === undefined) return null;
  const own = zones.get(tzid);
  const usable = own && icalZone(own);
  if (usable) return usable;
  const name = ianaZone(tzid);
  return name === null ? null : databaseZone(name, year);
}

/** In milliseconds. A floating time, or one in a zone nobody knows, as if it were UTC. */
export function instantOf(moment: Moment, tzid: string | undefined, zones: ReadonlyMap<string, Component>): number {
  const local = toMs(moment);
  if (moment.utc || moment.time === null) return local;
  const zone = zoneFor(tzid, zones, Number(moment.date.slice(0, 4)));
  return zone ? local - localOffset(zone, moment) * 1000 : local;
}

/** The same instant in UTC; unchanged where it floats. */
export function inUtc(moment: Moment, tzid: string | undefined, zones: ReadonlyMap<string, Component>): Moment {
  if (moment.utc || moment.time === null) return moment;
  if (!zoneFor(tzid, zones, Number(moment.date.slice(0, 4)))) return moment;
  return { ...fromMs(instantOf(moment, tzid, zones)), utc: true };
}

/** Null: there is no such property, or it is not readable. */
export function momentOf(property: Property | undefined): Moment | null {
  return property ? parseMoment(property.value.trim()) : null;
}

export const tzidOf = (property: Property | undefined): string | undefined => property && param(property, 'TZID');
