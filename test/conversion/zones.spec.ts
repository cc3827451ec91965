import { describe, expect, it } from '@jest/globals';
import { calendar, event, find, linesOf, prepare, UNKNOWN } from './fixtures.js';
import { prepareForStore, repairedAfterRefusal } from '../../src/conversion/prepare.js';
import { databaseZone, icalZone, localOffset } from '../../src/conversion/zones/ical-zone.js';
import { offsetAt, transitions } from '../../src/conversion/zones/offsets.js';
import { WINDOWS_ZONES } from '../../src/conversion/zones/windows-zones.js';
import { ianaZone } from '../../src/conversion/zones/zone-names.js';
import { fromMs } from '../../src/conversion/calendar/moments.js';
import { differences, instants } from '../support/semantic-compare.js';
import { parseComponents } from '../../src/conversion/text/component.js';

const DAY_MS = 86_400_000;

/** Offsets of our definition beside those of the zone database, by the local clock, where that is unambiguous. */
function wrongOffsets(zone: string, year: number): string[] {
  const made = databaseZone(zone, year)!;
  const [from, to] = [Date.UTC(year, 0, 2), Date.UTC(year + 2, 0, 2)];
  const around = transitions(zone, from, to).flatMap(({ at }) => [
    at - DAY_MS / 4,
    at - 2 * 3_600_000,
    at + 2 * 3_600_000,
    at + DAY_MS / 4,
  ]);
  // At noon no clock is changed.
  const monthly = Array.from({ length: 24 }, (_, i) => from + (i * 30 + 0.5) * DAY_MS);
  return [...around, ...monthly].flatMap((at) => {
    const offset = offsetAt(zone, at);
    const local = fromMs(at + offset * 1000);
    const got = localOffset(made, { ...local, utc: false });
    return got === offset ? [] : [`${zone} ${new Date(at).toISOString()}: ${got}, not ${offset}`];
  });
}

describe('a definition of a zone', () => {
  it('gives the instants of the zone database for two years across the clock changes, for every Windows zone', () => {
    const zones = [...new Set(Object.values(WINDOWS_ZONES))];
    expect(zones.length).toBeGreaterThan(120);
    expect(zones.flatMap((zone) => wrongOffsets(zone, 2025))).toEqual([]);
  });

  it.each([
    'Europe/Berlin',
    'America/New_York',
    'Europe/London',
    'Australia/Sydney',
    'America/Sao_Paulo',
    'Africa/Casablanca',
    'Asia/Kolkata',
  ])('%s is right in the past, too', (zone) => {
    for (const year of [1975, 1996, 2006, 2007, 2018]) expect(wrongOffsets(zone, year)).toEqual([]);
  });

  it('that would be expanded for ages is not computed', () => {
    for (const rule of ['FREQ=SECONDLY', 'FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30', 'FREQ=YEARLY;BYSECOND=1,2,3']) {
      const zone = `BEGIN:VTIMEZONE\r\nTZID:X\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:${rule}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n`;
      expect(icalZone(parseComponents(Buffer.from(zone)).components[0]!)).toBeNull();
    }
  });
});

describe('the name of a zone', () => {
  it.each([
    ['Europe/Berlin', 'Europe/Berlin'],
    ['/mozilla.org/20050126_1/America/New_York', 'America/New_York'],
    ['/freeassociation.sourceforge.net/Tzfile/Europe/Vienna', 'Europe/Vienna'],
    ['W. Europe Standard Time', 'Europe/Berlin'],
    ['w. europe standard time 1', 'Europe/Berlin'],
    ['(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna', 'Europe/Amsterdam'],
    ['America/Argentina/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
    ['tzone://Microsoft/Utc', 'Etc/UTC'],
    ['Customized Time Zone', null],
    ['tzone://Microsoft/Custom', null],
    ['Nowhere/Atlantis', null],
    ['', null],
  ])('%s means %s', (name, zone) => {
    expect(ianaZone(name)).toBe(zone);
  });
});

describe('an event in a zone', () => {
  const vtimezone = (tzid: string) =>
    [
      'BEGIN:VTIMEZONE',
      `TZID:${tzid}`,
      'BEGIN:STANDARD',
      'DTSTART:16010101T030000',
      'TZOFFSETFROM:+0200',
      'TZOFFSETTO:+0100',
    ]
      .concat([
        'RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10',
        'END:STANDARD',
        'BEGIN:DAYLIGHT',
        'DTSTART:16010101T020000',
        'TZOFFSETFROM:+0100',
      ])
      .concat(['TZOFFSETTO:+0200', 'RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3', 'END:DAYLIGHT', 'END:VTIMEZONE']);
  const weekly = (tzid: string, ...zone: string[]) =>
    calendar(
      ...zone,
      ...linesOf(event(`DTSTART;TZID=${tzid}:20250110T090000`, 'DURATION:PT1H', 'RRULE:FREQ=WEEKLY')).slice(3, -1),
    );

  it('keeps a definition of its own, also one with a name that nobody knows', () => {
    const bytes = weekly('Customized Time Zone', ...vtimezone('Customized Time Zone'));
    const { lines, codes } = prepare('calendar', bytes);
    expect(codes).toEqual([]);
    expect(lines).toEqual(linesOf(bytes));
  });

  it('a Windows name without a definition becomes the IANA zone at the same instants for two years', () => {
    const defined = weekly('W. Europe Standard Time', ...vtimezone('W. Europe Standard Time'));
    const mapped = prepareForStore('calendar', weekly('W. Europe Standard Time'), UNKNOWN);
    if ('refused' in mapped) throw new Error(mapped.refused);
    expect(mapped.notes).toEqual([{ code: 'ZONE_MAPPED', detail: 'W. Europe Standard Time: Europe/Berlin' }]);
    expect(differences(defined, mapped.bytes)).toEqual([]);
    expect(instants(mapped.bytes)).toContain('2025-07-04T07:00:00.000Z/2025-07-04T08:00:00.000Z');
    expect(instants(mapped.bytes).length).toBeGreaterThan(100);
  });

  it('a broken definition is replaced, an unknown zone leaves the clock as it is', () => {
    const broken = weekly('Europe/Berlin', 'BEGIN:VTIMEZONE', 'TZID:Europe/Berlin', 'END:VTIMEZONE');
    expect(prepare('calendar', broken).codes).toEqual(['ZONE_ADDED']);
    const unknown = prepare('calendar', weekly('Customized Time Zone'));
    expect(unknown.notes).toEqual({ ZONE_UNKNOWN: 'Customized Time Zone' });
    expect(find(unknown.lines, 'DTSTART')).toEqual(['DTSTART:20250110T090000']);
  });

  it('the last day of a series that ends on a day is the same one in UTC, once a server has refused the day', () => {
    const first = prepareForStore(
      'calendar',
      Buffer.from(weekly('America/New_York').toString().replace('WEEKLY', 'DAILY;UNTIL=20250301')),
      UNKNOWN,
    );
    if ('refused' in first) throw new Error(first.refused);
    const strict = repairedAfterRefusal('calendar', first.bytes)!;
    expect(find(linesOf(strict.bytes), 'RRULE').at(-1)).toBe('RRULE:FREQ=DAILY;UNTIL=20250302T045959Z');
  });
});
