import { WINDOWS_ZONES } from './windows-zones.js';

/** The few that stand for UTC in the wild. */
const UTC_NAMES = /^(?:utc|z|zulu|gmt|etc\/utc|etc\/gmt|tzone:\/\/microsoft\/utc|\(utc\).*coordinated.*)$/i;
const WINDOWS_BY_LOWER = new Map(Object.entries(WINDOWS_ZONES).map(([name, zone]) => [name.toLowerCase(), zone]));

/**
 * The IANA zone that a TZID means, in the spelling of the zone database: an IANA name, one with a path in front
 * (`/mozilla.org/20050126_1/Europe/Berlin`), a Windows name, or a Windows display name with cities
 * (`(UTC+01:00) Amsterdam, Berlin`). Null: nobody knows, e.g. "Customized Time Zone".
 */
export function ianaZone(tzid: string): string | null {
  const name = tzid.trim().replace(/^"|"$/g, '');
  if (UTC_NAMES.test(name)) return 'Etc/UTC';
  const windows = WINDOWS_BY_LOWER.get(name.toLowerCase()) ?? WINDOWS_BY_LOWER.get(withoutNumber(name).toLowerCase());
  if (windows !== undefined) return windows;
  const parts = name.split('/').filter((part) => part !== '');
  for (let from = 0; from < parts.length; from++) {
    const zone = known(parts.slice(from).join('/').replaceAll(' ', '_'));
    // A last part alone must say where it is: `Berlin`, and not the EST of some server.
    if (zone !== null && (from === 0 || zone.includes('/'))) return zone;
  }
  return byCity(name);
}

/** Exchange numbers the zones of one series: `W. Europe Standard Time 1`. */
function withoutNumber(name: string): string {
  return name.replace(/[ _]\d+$/, '');
}

const CHECKED = new Map<string, string | null>();
const MOST_CHECKED = 2_000;

function known(name: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+)*$/.test(name)) return null;
  const before = CHECKED.get(name);
  if (before !== undefined) return before;
  const zone = asWritten(name);
  if (CHECKED.size < MOST_CHECKED) CHECKED.set(name, zone);
  return zone;
}

function asWritten(name: string): string | null {
  try {
    const resolved = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
    return resolved.toLowerCase() === name.toLowerCase() ? resolved : name;
  } catch {
    return null;
  }
}

let cities: Map<string, string> | undefined;

function byCity(name: string): string | null {
  cities ??= new Map(
    Intl.supportedValuesOf('timeZone').map((zone) => [
      zone.split('/').at(-1)!.replaceAll('_', ' ').toLowerCase(),
      zone,
    ]),
  );
  const listed = name.replace(/^\((?:UTC|GMT)[^)]*\)\s*/i, '').replace(/^(?:UTC|GMT)[+-][\d:.]+\s*/i, '');
  for (const city of listed.split(/[,/]| - /)) {
    const zone = cities.get(city.trim().toLowerCase());
    if (zone !== undefined) return zone;
  }
  return null;
}
