import { param, withoutParam, withParam, type Property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import { vtimezone } from '../zones/vtimezone.js';
import { ianaZone } from '../zones/zone-names.js';
import type { Context } from './context.js';

/** How a TZID of the source is written at the destination; null: its times float. */
type Replacement = { readonly tzid: string; readonly zone: Component } | null;

/**
 * Every TZID that is used gets a definition with the same instants: its own if it is usable, else that of the IANA zone that
 * it names. Definitions that nothing uses are left out.
 * @returns the components, and the definitions they need
 */
export function mendZones(
  components: readonly Component[],
  context: Context,
): { components: Component[]; zones: Component[] } {
  const year = firstYear(components);
  const used = new Map<string, Replacement>();
  const mend = (one: Property): Property => {
    const tzid = param(one, 'TZID');
    if (tzid === undefined) return one;
    if (!used.has(tzid)) used.set(tzid, replacementFor(tzid, year, context));
    const now = used.get(tzid)!;
    if (now === null) return withoutParam(one, 'TZID');
    return now.tzid === tzid ? one : withParam(one, 'TZID', now.tzid);
  };
  const deep = (one: Component): Component => ({
    ...one,
    properties: one.properties.map(mend),
    components: one.components.map(deep),
  });
  const mended = components.map(deep);
  const zones = new Map([...used.values()].flatMap((one) => (one ? [[one.tzid, one.zone] as const] : [])));
  return { components: mended, zones: [...zones.values()] };
}

function replacementFor(tzid: string, year: number, { zones, changes }: Context): Replacement {
  const own = zones.get(tzid);
  if (own) return { tzid, zone: own };
  const iana = ianaZone(tzid);
  if (iana === null) {
    changes.add('ZONE_UNKNOWN', tzid);
    return null;
  }
  if (iana === tzid) changes.add('ZONE_ADDED', tzid);
  else changes.add('ZONE_MAPPED', `${tzid}: ${iana}`);
  return { tzid: iana, zone: vtimezone(iana, iana, year) };
}

/** The year of the earliest date; definitions need not go further back. */
function firstYear(components: readonly Component[]): number {
  const years = components.flatMap((one) =>
    one.properties
      .filter(({ params }) => params.some(({ name }) => name === 'TZID'))
      .map(({ value }) => Number(value.slice(0, 4))),
  );
  return Math.min(...years.filter((year) => year > 0).slice(0, 10_000), new Date().getUTCFullYear());
}
