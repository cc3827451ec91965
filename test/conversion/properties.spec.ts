import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConversionError } from '../../src/conversion/conversion-error.js';
import { prepareForStore, repairedAfterRefusal } from '../../src/conversion/prepare.js';
import { contentDigest, digestObject, semanticDigest } from '../../src/conversion/semantic/digest.js';
import { splitObjects } from '../../src/conversion/split/split.js';
import { parseLine, printLine, type Property } from '../../src/conversion/text/content-line.js';
import { parseComponents, printComponents } from '../../src/conversion/text/component.js';
import { readLines } from '../../src/conversion/text/lines.js';
import { escapeText, splitRaw, unescapeText } from '../../src/conversion/text/values.js';
import { noteFromMessage } from '../../src/conversion/notes/note-message.js';
import { card, CYRUS, event, RADICALE, UNKNOWN } from './fixtures.js';

/** Characters without controls, which no line may have, and without halves of characters. */
const words = (constraints: fc.StringConstraints = {}) =>
  fc.string({ unit: 'grapheme', ...constraints }).filter((one) => !/[\p{Cc}\p{Cs}]/u.test(one));
const name = fc.stringMatching(/^[A-Z][A-Z0-9-]{0,12}$/).filter((one) => one !== 'BEGIN' && one !== 'END');
const property: fc.Arbitrary<Property> = fc.record({
  group: fc.option(fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/), { nil: null }),
  name,
  params: fc.array(
    fc.record({
      name,
      values: fc.array(
        words({ minLength: 1 }).filter((one) => !one.includes('"')),
        { minLength: 1, maxLength: 3 },
      ),
    }),
    { maxLength: 3 },
  ),
  value: words(),
});

describe('any content', () => {
  it('a line that was printed is read as it was', () => {
    fc.assert(
      fc.property(property, (one) => {
        const [line] = readLines(Buffer.from(printLine(one))).lines;
        const encoded = one.params.some(({ name: key }) => key === 'ENCODING');
        if (!encoded) expect(parseLine(line!)).toEqual(one);
      }),
      { numRuns: 300 },
    );
  });

  it('components that were printed are read as they were', () => {
    const tree = fc.letrec((tie) => ({
      component: fc.record({
        name,
        properties: fc.array(
          property.filter(({ params }) => params.every(({ name: key }) => key !== 'ENCODING')),
          { maxLength: 4 },
        ),
        components: fc.oneof(
          { depthSize: 'small', maxDepth: 3 },
          fc.constant([]),
          fc.array(tie('component'), { maxLength: 2 }),
        ),
      }),
    })).component as fc.Arbitrary<Parameters<typeof printComponents>[0][number]>;
    fc.assert(
      fc.property(tree, (one) => {
        expect(parseComponents(printComponents([one])).components).toEqual([one]);
      }),
      { numRuns: 100 },
    );
  });

  it('a text that was escaped is read as it was, in a list, too', () => {
    fc.assert(
      fc.property(fc.array(words(), { minLength: 1 }), (texts) => {
        const list = texts.map(escapeText).join(',');
        expect(splitRaw(list, ',').map(unescapeText)).toEqual(texts);
      }),
    );
  });

  it('prepared twice is prepared once, and means what it meant', () => {
    const line = fc.oneof(
      words().map((one) => `SUMMARY:${one}`),
      words().map((one) => `DESCRIPTION:${one}`),
      words({ minLength: 1 }).map((one) => `ATTENDEE;CN="${one.replaceAll('"', '')}":mailto:a@x.test`),
      fc.constantFrom(
        'RRULE:FREQ=DAILY',
        'EXDATE:20250111T090000Z',
        'RRULE:garbage',
        'DTEND:20250110T090000Z',
        'CREATED:x',
        'CLASS:',
      ),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), fc.constantFrom(CYRUS, RADICALE, UNKNOWN), (lines, target) => {
        const once = prepareForStore('calendar', event(...lines), target);
        if ('refused' in once) throw new Error(once.refused);
        const twice = prepareForStore('calendar', once.bytes, target);
        if ('refused' in twice) throw new Error(twice.refused);
        expect(Buffer.from(twice.bytes).toString()).toBe(Buffer.from(once.bytes).toString());
        expect(twice.notes).toEqual([]);
        expect(semanticDigest(twice.bytes)).toBe(semanticDigest(once.bytes));
      }),
      { numRuns: 150 },
    );
  });
});

describe('hostile bytes', () => {
  const pieces = fc.constantFrom(
    ...[
      'BEGIN:VCALENDAR\r\n',
      'END:VCALENDAR\r\n',
      'BEGIN:VEVENT\r\n',
      'END:VEVENT\n',
      'BEGIN:VCARD\r',
      'END:VCARD\r\n',
      'BEGIN:VTIMEZONE\r\n',
    ],
    ...[
      'VERSION:2.1\r\n',
      'VERSION:1.0\r\n',
      'UID:a\r\n',
      'UID\r\n :b\r\n',
      'DTSTART;TZID=X:20250101T000000\r\n',
      'TZID:X\r\n',
      'RRULE:FREQ=DAILY;COUNT=0\r\n',
    ],
    ...[
      'DTSTART;VALUE=DATE:99999999\r\n',
      'N;ENCODING=QUOTED-PRINTABLE:=\r\n',
      'PHOTO;ENCODING=b:A\r\n',
      'A;B="',
      ' folded',
      ':',
      ';',
      '"',
      '=\n',
    ],
    ...[
      'BDAY:--99\r\n',
      'RECURRENCE-ID:20250101T000000Z\r\n',
      'DURATION:-PT\r\n',
      'AALARM:;;;\r\n',
      'BEGIN:VALARM\r\n',
      'TRIGGER:\r\n',
      'GEO:;\r\n',
    ],
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .array(
        fc.oneof(
          pieces.map((one) => Buffer.from(one)),
          fc.uint8Array({ maxLength: 6 }),
        ),
        { maxLength: 40 },
      )
      .map((all) => Buffer.concat(all)),
  );

  it('never make anything throw but a ConversionError, nor prepare what is not prepared once', () => {
    fc.assert(
      fc.property(bytes, (one) => {
        for (const format of ['calendar', 'card'] as const) {
          const prepared = prepareForStore(format, one, RADICALE);
          if ('refused' in prepared) continue;
          for (const object of [prepared, ...prepared.also]) {
            const again = prepareForStore(format, object.bytes, RADICALE);
            expect('refused' in again ? again.refused : Buffer.from(again.bytes).toString()).toBe(
              Buffer.from(object.bytes).toString(),
            );
            repairedAfterRefusal(format, object.bytes);
          }
        }
        digestObject(one);
        contentDigest(one);
        noteFromMessage(one);
        try {
          splitObjects(one);
          parseComponents(one);
        } catch (error) {
          expect(error).toBeInstanceOf(ConversionError);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('repairing always comes to an end', () => {
    fc.assert(
      fc.property(bytes, (one) => {
        for (const [format, whole] of [
          [
            'calendar',
            event(
              Buffer.from(one)
                .toString('latin1')
                .replace(/[\r\n]/g, ' '),
            ),
          ],
          [
            'card',
            card(
              '2.1',
              Buffer.from(one)
                .toString('latin1')
                .replace(/[\r\n]/g, ' '),
            ),
          ],
        ] as const) {
          const first = prepareForStore(format, whole, CYRUS);
          let next = 'refused' in first ? null : repairedAfterRefusal(format, first.bytes);
          for (let step = 0; next; step++) {
            expect(step).toBeLessThan(4);
            next = repairedAfterRefusal(format, next.bytes);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
