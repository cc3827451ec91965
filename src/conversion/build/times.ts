import { fromMs, printMoment, type Moment } from '../calendar/moments.js';
import { property, type Property } from '../text/content-line.js';
import { ianaZone } from '../zones/zone-names.js';

/**
 * A time as a source knows it. `date` is YYYY-MM-DD; `local` is YYYY-MM-DDTHH:MM:SS as the clock shows it in `zone`, which is
 * an IANA or a Windows name, or wherever one is (`floating`).
 */
export type PlainTime =
  | { readonly is: 'date'; readonly date: string }
  | { readonly is: 'utc'; readonly at: Date }
  | { readonly is: 'floating'; readonly local: string }
  | { readonly is: 'zoned'; readonly local: string; readonly zone: string };

/** The zones that the times of an object named, by their IANA name, for the definitions. */
export class UsedZones {
  private readonly years = new Map<string, number>();

  note(zone: string, year: number): void {
    this.years.set(zone, Math.min(year, this.years.get(zone) ?? year));
  }

  entries(): IterableIterator<[string, number]> {
    return this.years.entries();
  }
}

/** Several times of one kind make one property, e.g. EXDATE. A zone that nobody knows is left out: the clock stays. */
export function timeProperty(name: string, times: readonly PlainTime[], zones: UsedZones): Property {
  const [first] = times;
  const value = times.map((time) => printMoment(momentOf(time))).join(',');
  if (first?.is === 'date') return property(name, value, { VALUE: 'DATE' });
  const zone = first?.is === 'zoned' ? ianaZone(first.zone) : null;
  if (zone === null) return property(name, value);
  for (const time of times) zones.note(zone, Number(momentOf(time).date.slice(0, 4)));
  return property(name, value, { TZID: zone });
}

export function utcProperty(name: string, at: Date): Property {
  return property(name, printMoment({ ...fromMs(at.getTime()), utc: true }));
}

export function momentOf(time: PlainTime): Moment {
  if (time.is === 'utc') return { ...fromMs(time.at.getTime()), utc: true };
  if (time.is === 'date') return { date: time.date.replaceAll('-', ''), time: null, utc: false };
  const [date = '', clock = ''] = time.local.split('T');
  return { date: date.replaceAll('-', ''), time: clock.replaceAll(':', ''), utc: false };
}
