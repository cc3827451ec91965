import type { PlainTime } from '../../../conversion/build/times.js';
import { offsetAt } from '../../../conversion/zones/offsets.js';
import { ianaZone } from '../../../conversion/zones/zone-names.js';
import type { XmlElement } from '../../../protocols/xml.js';
import { definitionOf, zoneLike } from './zone-definition.js';

/** The zone an appointment was made in. Null `iana`: nobody knows it. */
export interface EventZone {
  readonly iana: string | null;
  /** Minutes east of UTC that a definition names as its standard time. */
  readonly standard: number;
  readonly name: string;
  /** Its name says nothing to us: `iana` is the zone that is most like its definition. */
  readonly isAlike: boolean;
}

/** By its Windows name, else by its name for people, else by its own definition. */
export function zoneOf(element: XmlElement | undefined): EventZone {
  const id = element?.attributes.get('Id') ?? '';
  const name = element?.attributes.get('Name') ?? '';
  const definition = element === undefined ? null : definitionOf(element);
  const named = ianaZone(id) ?? ianaZone(name);
  const alike = named === null && definition !== null ? zoneLike(definition) : null;
  return {
    iana: named ?? alike,
    standard: definition?.standard ?? 0,
    name: name || id,
    isAlike: alike !== null,
  };
}

/** What the clock shows there: YYYY-MM-DDTHH:MM:SS. */
export function localIn(zone: EventZone, at: Date): string {
  const seconds = zone.iana === null ? zone.standard * 60 : offsetAt(zone.iana, at.getTime());
  return new Date(at.getTime() + seconds * 1_000).toISOString().slice(0, 19);
}

/** The moment at which the clock shows this there. */
export function instantIn(zone: EventZone, local: string): Date {
  const shown = Date.parse(`${local}Z`);
  if (zone.iana === null) return new Date(shown - zone.standard * 60_000);
  let at = shown;
  for (let i = 0; i < 3; i++) at = shown - offsetAt(zone.iana, at) * 1_000;
  return new Date(at);
}

/** As the calendar will keep it: a day, a moment of UTC, or the clock of its zone. An unknown zone leaves only the moment. */
export function timeIn(zone: EventZone, at: Date, allDay: boolean): PlainTime {
  if (allDay) return { is: 'date', date: dayIn(zone, at) };
  if (zone.iana === null || zone.iana === 'Etc/UTC') return { is: 'utc', at };
  return { is: 'zoned', local: localIn(zone, at), zone: zone.iana };
}

/** Midnight in the zone; where the zone is not what the person had, the nearest midnight. */
function dayIn(zone: EventZone, at: Date): string {
  const local = Date.parse(`${localIn(zone, at)}Z`);
  const DAY = 86_400_000;
  return new Date(Math.round(local / DAY) * DAY).toISOString().slice(0, 10);
}
