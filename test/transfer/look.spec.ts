import type { Digest } from '../../src/mailbox/digest.js';
import { match, type Unclaimed, type Wanted } from '../../src/transfer/look.js';
import { after, compareIds, maxId, minId, sameFlags } from '../../src/transfer/ids.js';

const date = { seconds: 1_400_000_000, offset: 0 };
const there = (id: number, more: Partial<Unclaimed> = {}): Unclaimed => ({
  id: { epoch: '1', id: String(id) },
  size: 10,
  date,
  flags: [],
  digest: 'd' as Digest,
  ...more,
});
const want = (mark: number, more: Partial<Wanted> = {}): Wanted => ({
  mark: String(mark),
  digest: 'd' as Digest,
  headerDigest: null,
  date,
  flags: [],
  ...more,
});
const pairs = (found: Unclaimed[], wanted: Wanted[]) =>
  wanted.map((one) => match(found, wanted).get(one)?.id.id ?? null);

describe('matching what is wanted with what is there', () => {
  it('finds min(k, m) of k wanted and m there', () => {
    expect(pairs([there(1)], [want(1), want(1)]).filter(Boolean)).toHaveLength(1);
    expect(pairs([there(1), there(2), there(3)], [want(1), want(1)]).filter(Boolean)).toHaveLength(2);
    expect(pairs([there(1, { digest: 'other' as Digest })], [want(1)])).toEqual([null]);
  });

  it('takes nothing below the mark: it was there before the intent', () => {
    expect(pairs([there(4)], [want(5)])).toEqual([null]);
    expect(pairs([there(9), there(10)], [want(10), want(1)])).toEqual(['10', '9']);
  });

  it('finds the most even where marks differ, whatever looks more alike', () => {
    const found = [there(3, { flags: ['a'] }), there(7, { flags: ['b'] })];
    expect(pairs(found, [want(5, { flags: ['a'] }), want(1, { flags: ['b'] })])).toEqual(['7', '3']);
  });

  it('prefers the same flags and date among equal ones', () => {
    const found = [there(1, { flags: ['\\Seen'] }), there(2, { flags: ['Label'] })];
    expect(pairs(found, [want(1, { flags: ['Label'] }), want(1, { flags: ['\\Seen'] })])).toEqual(['2', '1']);
    expect(pairs([there(1, { flags: ['\\Seen'] })], [want(1), want(1, { flags: ['\\seen'] })])).toEqual([null, '1']);
  });
});

describe('ids', () => {
  it('are compared by value, also above 2^53', () => {
    expect(compareIds('9', '10')).toBeLessThan(0);
    expect(compareIds('9007199254740993', '9007199254740992')).toBeGreaterThan(0);
    expect([maxId('9', '10'), minId('9', '10'), after('4294967295')]).toEqual(['10', '9', '4294967296']);
    expect(after('/calendar/a.ics')).toBe('/calendar/a.ics');
  });

  it('flags are equal in any order and case, \\Recent left out', () => {
    expect(sameFlags(['\\Seen', 'A'], ['a', '\\SEEN', '\\Recent'])).toBe(true);
    expect(sameFlags(['\\Seen'], [])).toBe(false);
  });
});
