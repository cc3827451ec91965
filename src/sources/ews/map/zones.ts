import type { PlainTime } from '../../../conversion/build/times.js';
import { offsetAt } from '../../../conversion/zones/offsets.js';
import { WINDOWS_ZONES } from '../../../conversion/zones/windows-zones.js';
import { ianaZone } from '../../../conversion/zones/zone-names.js';
import { childrenNamed, type XmlElement } from '../../../protocols/xml.js';

/** The zone an appointment was made in. Null `iana`: nobody knows it. */
export interface EventZone {
  readonly iana: string | null;
  /** Minutes east of UTC that a definition names as its standard time. */
  readonly standard: number;
  readonly name: string;
}

/** By its Windows name, else by its name for people, else by its own definition of offsets. */
export function zoneOf(element: XmlElement | undefined): EventZone {
  const id = element?.attributes.get('Id') ?? '';
  const name = element?.attributes.get('Name') ?? '';
  const biases = element === undefined ? [] : biasesOf(element);
  const iana = ianaZone(id) ?? ianaZone(name) ?? zoneWith(biases);
  return { iana, standard: biases[0] ?? 0, name: name || id };
}

/** Minutes east of UTC, standard time first. A bias is what is added to local time to get UTC. */
function biasesOf(zone: XmlElement): number[] {
  const periods = childrenNamed(zone, 'Periods').flatMap((one) => childrenNamed(one, 'Period'));
  const found = periods.map(({ attributes }) => ({
    isStandard: /standard/i.test(attributes.get('Name') ?? ''),
    minutes: -minutesOf(attributes.get('Bias') ?? ''),
  }));
  return found.sort((a, b) => Number(b.isStandard) - Number(a.isStandard)).map(({ minutes }) => minutes);
}

/** An XML duration: PT5H, -PT60M, -PT9H30M. */
function minutesOf(duration: string): number {
  const parts = /^(-?)PT?(?:(\d+)H)?(?:(\d+)M)?/.exec(duration);
  if (parts === null) return 0;
  const minutes = Number(parts[2] ?? 0) * 60 + Number(parts[3] ?? 0);
  return parts[1] === '-' ? -minutes : minutes;
}

/** The first known zone with these offsets in January and July; which of several says nothing wrong about any moment they share. */
function zoneWith(biases: readonly number[]): string | null {
  if (biases.length === 0) return null;
  const wanted = [...new Set(biases)].sort((a, b) => a - b).join();
  const year = new Date().getUTCFullYear();
  for (const zone of new Set(Object.values(WINDOWS_ZONES))) {
    const offsets = [Date.UTC(year, 0, 15), Date.UTC(year, 6, 15)].map((at) => offsetAt(zone, at) / 60);
    if ([...new Set(offsets)].sort((a, b) => a - b).join() === wanted) return zone;
  }
  return null;
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
