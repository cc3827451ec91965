import { describe, expect, it } from '@jest/globals';
import { calendar, event, find, linesOf, prepare, text, UNKNOWN } from './fixtures.js';
import { semanticDigest } from '../../src/conversion/semantic/digest.js';
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

describe('definitions that are made to be worked out for ages', () => {
  const observance = (start: string, rule: string | null, n = 0): string[] => [
    ...['BEGIN:STANDARD', `DTSTART:${start}`, `TZOFFSETFROM:+0${n % 10}00`, `TZOFFSETTO:+0${(n + 1) % 10}00`],
    ...(rule === null ? [] : [`RRULE:${rule}`]),
    'END:STANDARD',
  ];
  const zone = (tzid: string, ...observances: string[]): string[] => [
    'BEGIN:VTIMEZONE',
    `TZID:${tzid}`,
    ...observances,
    'END:VTIMEZONE',
  ];
  const usable = (...observances: string[]): boolean =>
    icalZone(parseComponents(text(...zone('X', ...observances))).components[0]!) !== null;
  const many = (n: number, start: string, more = ''): string[] =>
    Array.from({ length: n }, (_, i) => {
      const rule = `FREQ=YEARLY;BYMONTH=${(i % 12) + 1};BYDAY=${(i % 4) + 1}SU${more}`;
      return observance(start, rule, i);
    }).flat();

  it('are not: their zone is the one that its name says, or none', () => {
    expect(usable(...many(2, '16010101T000000'))).toBe(true);
    expect(usable(...many(60, '19700101T000000', ';UNTIL=19991231T000000Z'))).toBe(true);
    // Each change by itself, as some programs list them.
    expect(usable(...Array.from({ length: 500 }, (_, i) => observance('20000101T000000', null, i)).flat())).toBe(true);
    expect(usable(...many(800, '00010101T000000'))).toBe(false);
    expect(usable(...many(100, '16010101T000000'))).toBe(false);

    const endless = (tzid: string): Buffer =>
      calendar(...zone(tzid, ...many(800, '00010101T000000')), ...linesOf(inZone(tzid)).slice(3, -1));
    const inZone = (tzid: string): Buffer => event(`DTSTART;TZID=${tzid}:20250110T090000`, 'DURATION:PT1H');
    expect(prepare('calendar', endless('Europe/Berlin')).notes).toEqual({ ZONE_ADDED: 'Europe/Berlin' });
    expect(prepare('calendar', endless('Mars')).notes).toEqual({ ZONE_UNKNOWN: 'Mars' });
    expect(semanticDigest(endless('Europe/Berlin'))).toBe(semanticDigest(inZone('Europe/Berlin')));
  });

  it.each([
    'FREQ=YEARLY;BYMONTH=13;BYDAY=1SU',
    'FREQ=YEARLY;BYMONTH=0;BYDAY=1SU',
    'FREQ=YEARLY;BYMONTH=3;BYDAY=1SU;UNTIL=20251399T000000Z',
    'FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=1;BYDAY=5MO',
    'FREQ=YEARLY;WKST=XX;BYMONTH=3;BYDAY=1SU',
  ])('or by a rule that says nothing are no definitions: %s', (rule) => {
    expect(usable(...observance('19700101T000000', rule))).toBe(false);
  });

  it('may not come in masses: the first ones of an object are used, as many as an object ever has', () => {
    const names = Array.from({ length: 3_000 }, (_, i) => `Zone ${i}`);
    const zones = names.flatMap((name) => zone(name, ...many(2, '16010101T000000')));
    const dates = names.map((name) => `EXDATE;TZID=${name}:20500110T090000`);
    const bytes = calendar(zones.join('\r\n'), ...linesOf(event(...dates)).slice(3, -1));
    const { lines, notes } = prepare('calendar', bytes);
    const kept = find(lines, 'TZID');
    expect(kept.length).toBeGreaterThanOrEqual(10);
    expect(kept.length).toBeLessThan(100);
    expect(kept).toEqual(names.slice(0, kept.length).map((name) => `TZID:${name}`));
    expect(notes['ZONE_UNKNOWN']).toContain(`Zone ${kept.length},`);
    expect(semanticDigest(bytes)).toMatch(/^[0-9a-f]{64}$/);
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
