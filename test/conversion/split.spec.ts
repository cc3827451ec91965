import { describe, expect, it } from '@jest/globals';
import { ObjectScanner } from '../../src/conversion/split/object-scanner.js';
import { assemble, rangesOf, splitObjects } from '../../src/conversion/split/split.js';
import { calendar, card, linesOf, text } from './fixtures.js';

const zone = (tzid: string) =>
  `BEGIN:VTIMEZONE\r\nTZID:${tzid}\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE`;
const item = (kind: string, ...lines: string[]) => [`BEGIN:${kind}`, ...lines, `END:${kind}`].join('\r\n');

describe('a calendar file', () => {
  const file = calendar(
    'METHOD:PUBLISH',
    zone('Old'),
    zone('Unused'),
    item('VEVENT', 'UID:a', 'DTSTART;TZID=Old:20250101T000000', 'RRULE:FREQ=DAILY'),
    item('VTODO', 'UID:a', 'SUMMARY:same UID'),
    item('VEVENT', 'SUMMARY:no UID'),
    item('VEVENT', 'UID:', ' b', 'BEGIN:VALARM', 'UID:alarm', 'END:VALARM'),
    item('VFREEBUSY', 'UID:f'),
    item('VEVENT', 'UID:a', 'RECURRENCE-ID;TZID=Old:20250102T000000'),
  );

  it('gives one object a UID and kind, with its exceptions and the zones it names', () => {
    const objects = splitObjects(file);
    expect(objects.map(({ kind, uid, copy }) => [kind, uid, copy])).toEqual([
      ['VEVENT', 'a', 0],
      ['VTODO', 'a', 0],
      ['VEVENT', null, 0],
      ['VEVENT', 'b', 0],
    ]);
    const lines = linesOf(objects[0]!.bytes);
    expect(lines.filter((line) => line.startsWith('BEGIN:'))).toEqual(
      ['VCALENDAR', 'VTIMEZONE', 'STANDARD', 'VEVENT', 'VEVENT'].map((name) => `BEGIN:${name}`),
    );
    expect(lines).toContain('METHOD:PUBLISH');
    expect(Buffer.from(objects[1]!.bytes).toString()).not.toContain('VTIMEZONE');
  });

  it('is found alike in pieces of any size and with any line ends', () => {
    for (const end of ['\r\n', '\n', '\r']) {
      const bytes = Buffer.from(file.toString().replaceAll('\r\n', end));
      const whole = splitObjects(bytes).map((one) =>
        linesOf(
          Buffer.from(
            Buffer.from(one.bytes)
              .toString()
              .replace(/\r\n|\r|\n/g, '\r\n'),
          ),
        ),
      );
      for (const size of [1, 7, 64]) {
        const scanner = new ObjectScanner();
        for (let at = 0; at < bytes.length; at += size) scanner.update(bytes.subarray(at, at + size));
        const index = scanner.end();
        expect(index.leftOut).toEqual(new Map([['VFREEBUSY', 1]]));
        const pieces = index.objects.map((one) => {
          expect(rangesOf(one, index).every(({ start, end: stop }) => start < stop)).toBe(true);
          return assemble(one, index, ({ start, end: stop }) => bytes.subarray(start, stop));
        });
        expect(
          pieces.map((one) =>
            linesOf(
              Buffer.from(
                Buffer.from(one)
                  .toString()
                  .replace(/\r\n|\r|\n/g, '\r\n'),
              ),
            ),
          ),
        ).toEqual(whole);
      }
    }
  });

  it('an equal copy is left out, another series with the same UID counts as a copy', () => {
    const [same, other] = [item('VEVENT', 'UID:a', 'SUMMARY:1'), item('VEVENT', 'UID:a', 'SUMMARY:2')];
    expect(splitObjects(calendar(same, same, other)).map(({ copy }) => copy)).toEqual([0, 1]);
  });

  it('several calendars in one file keep their own zones; what breaks off is kept as far as it goes', () => {
    const bytes = Buffer.concat([
      calendar(zone('Old'), item('VEVENT', 'UID:1', 'DTSTART;TZID=Old:20250101T000000')),
      text('BEGIN:VCALENDAR', 'BEGIN:VEVENT', 'UID:2', 'DTSTART;TZID=Old:20250101T000000'),
    ]);
    const [one, two] = splitObjects(bytes);
    expect(Buffer.from(one!.bytes).toString()).toContain('VTIMEZONE');
    expect(two!.uid).toBe('2');
    expect(Buffer.from(two!.bytes).toString()).not.toContain('VTIMEZONE');
  });
});

describe('an address book', () => {
  it('gives its cards one by one, with the cards inside of them', () => {
    const inner = 'AGENT:\r\nBEGIN:VCARD\r\nVERSION:2.1\r\nUID:inner\r\nEND:VCARD';
    const bytes = Buffer.concat([card('2.1', 'UID:a', inner), card('3.0', 'FN:B')]);
    expect(splitObjects(bytes).map(({ kind, uid }) => [kind, uid])).toEqual([
      ['VCARD', 'a'],
      ['VCARD', null],
    ]);
    expect(splitObjects(Buffer.from('hello'))).toEqual([]);
  });
});
