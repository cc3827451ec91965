import { accountSubject } from '../jobs/attempts.js';
import type { SourceSettings } from '../jobs/job.js';
import type { TakePermit } from '../protocols/permit.js';
import type { Source } from '../sources/source.js';
import { MeteredSource } from './metered-source.js';
import { connectionsTo, davHostOf, knownProvider } from './source-builder.js';
import type { SourceSlots } from './source-slots.js';
import type { VolumeMeter } from './volume-meter.js';

/** What counts over all jobs of all processes on one database. */
export interface SharedLimits {
  readonly slots: SourceSlots;
  readonly meter: VolumeMeter;
}

/**
 * A source that keeps to what its server and its provider bear: connections at once, and bytes in a day.
 * @param connections to one account, where its provider names no lower number
 * @param say told once when it has to wait for a connection
 */
export function withinLimits(
  { slots, meter }: SharedLimits,
  settings: SourceSettings,
  connections: number,
  say: ((text: string) => void) | undefined,
  open: (permit: TakePermit, davPermit: TakePermit) => Source,
): Source {
  const place = {
    host: settings.host.toLowerCase(),
    account: accountSubject(settings),
    most: connectionsTo(settings, connections),
  };
  // An account of its own to the count: its mail may have all connections that the account bears, and keeps them.
  const dav = { ...place, host: davHostOf(settings), account: `dav ${place.account}` };
  const source = open(slots.permits(place, say), slots.permits(dav, say));
  const perDay = knownProvider(settings)?.limits.bytesDownPerDay;
  return perDay === undefined ? source : new MeteredSource(source, meter, perDay);
}
