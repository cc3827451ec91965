/**
 * Calendars and cards of other projects' test data, where they lie beside the project (../shared/corpus): every object is prepared
 * for each kind of server or refused with a reason. None of it is kept here.
 */
import { describe, expect, it } from '@jest/globals';
import ICAL from 'ical.js';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareForStore, type Prepared } from '../../src/conversion/prepare.js';
import { semanticDigest } from '../../src/conversion/semantic/digest.js';
import { splitObjects, type SplitObject } from '../../src/conversion/split/split.js';
import { PACKAGE_DIR } from '../../src/standalone/infra/places.js';
import { differences } from '../support/semantic-compare.js';
import { CYRUS, RADICALE, UNKNOWN } from './fixtures.js';

const CORPUS = join(PACKAGE_DIR, '..', 'shared', 'corpus');
const here = existsSync(CORPUS) ? ['ics', 'vcf'] : [];

/** Notes that say how a line is written, not what it says. */
const FORM_ONLY = new Set(
  'CONVERTED_FORMAT SCHEDULING_SILENCED METHOD_REMOVED REPAIRED_CHARSET REPAIRED_FOLDING REPAIRED_VALUE ZONE_ADDED'.split(
    ' ',
  ),
);

interface Summary {
  exact: number;
  repaired: Record<string, number>;
  refused: Record<string, number>;
}

function files(kind: string): { name: string; bytes: Buffer }[] {
  return readdirSync(join(CORPUS, kind), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(`.${kind}`))
    .sort()
    .map((name) => ({ name, bytes: readFileSync(join(CORPUS, kind, name)) }));
}

const count = (counts: Record<string, number>, key: string): void => {
  counts[key] = (counts[key] ?? 0) + 1;
};

/** What is wrong with an object as it was prepared. */
function faults(source: SplitObject, prepared: Prepared): string[] {
  const faults: string[] = [];
  try {
    ICAL.parse(Buffer.from(prepared.bytes).toString('utf8'));
  } catch (error) {
    faults.push(`ical.js does not read it: ${String(error)}`);
  }
  if (
    Buffer.from(prepared.bytes)
      .toString('latin1')
      .split('\r\n')
      .some((line) => line.length > 75)
  )
    faults.push('a long line');
  const untouched = prepared.notes.every(({ code }) => FORM_ONLY.has(code));
  if (untouched && semanticDigest(source.bytes) !== semanticDigest(prepared.bytes))
    faults.push(...differences(source.bytes, prepared.bytes));
  return faults;
}

describe('the corpus of calendars and cards', () => {
  const each = here.length === 0 ? it.skip.each(['ics'] as const) : it.each(here);
  each('every object in a .%s file is prepared or refused by name, and means what it meant', (kind) => {
    for (const target of [CYRUS, RADICALE, UNKNOWN]) {
      const summary: Summary = { exact: 0, repaired: {}, refused: {} };
      const wrong: string[] = [];
      for (const { name, bytes } of files(kind)) {
        const objects = splitObjects(bytes);
        const whole = { bytes, kind: kind === 'ics' ? ('VEVENT' as const) : ('VCARD' as const), uid: null, copy: 0 };
        for (const object of objects.length > 0 ? objects : [whole]) {
          const result = prepareForStore(
            object.kind === 'VCARD' ? 'card' : 'calendar',
            object.bytes,
            target,
            object.copy,
          );
          if ('refused' in result) count(summary.refused, result.refused);
          else if (result.notes.length === 0) summary.exact++;
          for (const { code } of 'refused' in result ? [] : result.notes) count(summary.repaired, code);
          if (!('refused' in result))
            wrong.push(...faults(object, result).map((fault) => `${name} ${result.uid}: ${fault}`));
        }
      }
      console.log(`${kind} for ${target.name}: ${JSON.stringify(summary)}`);
      expect(wrong).toEqual([]);
      expect(summary.exact + Object.keys(summary.repaired).length).toBeGreaterThan(10);
      // Free-busy lists, snippets that are no calendar, and events that do not say when they are.
      expect(
        Object.keys(summary.refused).filter(
          (code) => !/^(?:OBJECT_EMPTY|NOT_CALENDAR|EVENT_WITHOUT_START)$/.test(code),
        ),
      ).toEqual([]);
    }
  });
});
