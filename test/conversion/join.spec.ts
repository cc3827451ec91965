import { describe, expect, it } from '@jest/globals';
import { calendarFile, canBeKept, cardFile } from '../../src/conversion/join.js';
import { digestObject } from '../../src/conversion/semantic/digest.js';
import { splitObjects } from '../../src/conversion/split/split.js';
import { calendar, card } from './fixtures.js';

const zone = (tzid: string, offset = '+0100'): string =>
  `BEGIN:VTIMEZONE\r\nTZID:${tzid}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:${offset}\r\nTZOFFSETTO:${offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE`;
const event = (uid: string, tzid: string): string =>
  `BEGIN:VEVENT\r\nUID:${uid}\r\nDTSTART;TZID=${tzid}:20250101T100000\r\nDURATION:PT1H\r\nSUMMARY:END:VEVENT is only text\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT`;
const times = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;
const digests = (bytes: Uint8Array): string[] => splitObjects(bytes).map((one) => digestObject(one.bytes).digest);

describe('one file of many objects', () => {
  it('has each time zone once, and gives every event back as it was', () => {
    const objects = [
      calendar(zone('Old'), event('a', 'Old')),
      calendar(zone('Old'), event('b', 'Old')),
      calendar('BEGIN:VTODO\r\nUID:t\r\nSUMMARY:Task\r\nEND:VTODO'),
    ];
    const file = calendarFile();
    const text = objects.map((one) => file.add(Buffer.from(one))).join('') + file.end();
    expect([times(text, /BEGIN:VCALENDAR/g), times(text, /BEGIN:VTIMEZONE/g), times(text, /END:VCALENDAR/g)]).toEqual([
      1, 1, 1,
    ]);
    expect(digests(Buffer.from(text)).sort()).toEqual(objects.flatMap((one) => digests(Buffer.from(one))).sort());
  });

  it('begins a new calendar where a zone is described otherwise, so that no time shifts', () => {
    const objects = [calendar(zone('Old'), event('a', 'Old')), calendar(zone('Old', '+0500'), event('b', 'Old'))];
    const file = calendarFile();
    const text = objects.map((one) => file.add(Buffer.from(one))).join('') + file.end();
    expect(times(text, /BEGIN:VCALENDAR/g)).toBe(2);
    expect(digests(Buffer.from(text))).toEqual(objects.flatMap((one) => digests(Buffer.from(one))));
  });

  const joined = (...objects: readonly Uint8Array[]): string => {
    const file = calendarFile();
    return objects.map((one) => file.add(one)).join('') + file.end();
  };
  const plain = String(calendar(event('a', 'Old')));
  it.each([
    ['a byte order mark in front', Buffer.from(`\ufeff${plain}`)],
    ['blanks and empty lines in front', Buffer.from(`\r\n  ${plain}`)],
    ['UTF-16', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(plain, 'utf16le')])],
    ['Latin-1', Buffer.from(plain.replace('SUMMARY:', 'SUMMARY:Größe '), 'latin1')],
    ['a folded name', Buffer.from(plain.replace('BEGIN:VEVENT', 'BEGIN:VEV\r\n ENT'))],
    ['no end', Buffer.from(plain.replace('END:VCALENDAR\r\n', ''))],
  ])('holds an event with %s', (_, object) => {
    expect(canBeKept('calendar', object)).toBe(true);
    const text = joined(Buffer.from(plain), object);
    expect(text).not.toContain('\ufeff');
    expect(times(text.replace(/\r\n /g, ''), /^BEGIN:VEVENT\r$/gm)).toBe(2);
    const [first, second] = digests(Buffer.from(text));
    expect(first).toBe(digestObject(Buffer.from(plain)).digest);
    // The file joins what has one UID; alone it is the object again.
    expect(digests(Buffer.from(joined(object)))).toEqual([digestObject(object).digest]);
    expect(second ?? first).toBeTruthy();
  });

  it.each([
    ['nothing in it', calendar(zone('Old'))],
    ['no calendar around it', Buffer.from('BEGIN:VEVENT\r\nUID:x\r\nEND:VEVENT\r\n')],
    ['no structure', Buffer.from('what is this')],
  ])('does not pretend to hold what has %s', (_, object) => {
    expect(canBeKept('calendar', object)).toBe(false);
    expect(calendarFile().add(object)).toBeNull();
    expect(joined(object)).toBe('');
  });

  it.each([
    ['a byte order mark in front', Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), card('3.0', 'FN:A', 'N:A;;;;')])],
    ['Latin-1', Buffer.from(String(card('3.0', 'FN:Jörg', 'N:Jörg;;;;')), 'latin1')],
  ])('holds a card with %s', (_, object) => {
    const text = cardFile().add(object)!;
    expect(text).toMatch(/^BEGIN:VCARD/);
    expect(digestObject(Buffer.from(text)).digest).toBe(digestObject(object).digest);
  });

  it('does not pretend to hold what is no card', () => {
    expect(canBeKept('card', Buffer.from('what is this'))).toBe(false);
    expect(cardFile().add(calendar(event('a', 'Old')))).toBeNull();
  });

  it('is empty without objects, and holds cards one after the other', () => {
    expect(calendarFile().end()).toBe('');
    const file = cardFile();
    const cards = [card('FN:A', 'N:A;;;;'), card('FN:B', 'N:B;;;;')];
    const text = cards.map((one) => file.add(Buffer.from(one))).join('') + file.end();
    expect(digests(Buffer.from(text))).toEqual(cards.flatMap((one) => digests(Buffer.from(one))));
  });
});
