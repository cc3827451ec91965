import { describe, expect, it } from '@jest/globals';
import { calendarFile, cardFile } from '../../src/conversion/join.js';
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

  it('is empty without objects, and holds cards one after the other', () => {
    expect(calendarFile().end()).toBe('');
    const file = cardFile();
    const cards = [card('FN:A', 'N:A;;;;'), card('FN:B', 'N:B;;;;')];
    const text = cards.map((one) => file.add(Buffer.from(one))).join('') + file.end();
    expect(digests(Buffer.from(text))).toEqual(cards.flatMap((one) => digests(Buffer.from(one))));
  });
});
