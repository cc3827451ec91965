import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { Keyring } from '../../src/credentials/keyring.js';
import { open, OpenError, rewrap } from '../../src/credentials/open.js';
import { seal, type Sealed, type SealPlace } from '../../src/credentials/seal.js';

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const k1 = newKey('k1');
const k2 = newKey('k2');
const keyring = Keyring.parse(k1);
const place: SealPlace = { tenant: 't1', owner: '7b1c', field: 'source-password' };

const anyPlace = fc.record({ tenant: fc.string(), owner: fc.string(), field: fc.string() });
const why = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof OpenError) return error.why;
    throw error;
  }
  return 'opened';
};

test('what was sealed opens in its place', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), anyPlace, (secret, where) => {
      expect(open(keyring, seal(keyring, secret, where), where)).toBe(secret);
    }),
  );
});

test('a ciphertext moved to another tenant, owner or field does not open', () => {
  fc.assert(
    fc.property(anyPlace, anyPlace, (from, to) => {
      fc.pre(JSON.stringify(from) !== JSON.stringify(to));
      expect(why(() => open(keyring, seal(keyring, 'geheim', from), to))).toBe('not-authentic');
    }),
  );
  const moved = { tenant: 't', owner: '1', field: '2' };
  expect(why(() => open(keyring, seal(keyring, 'x', { tenant: 't1', owner: '', field: '2' }), moved))).toBe(
    'not-authentic',
  );
});

test('one changed bit anywhere keeps it shut', () => {
  const sealed = seal(keyring, 'geheim', place);
  for (const part of ['wrappedKey', 'nonce', 'ciphertext'] as const)
    for (let at = 0; at < sealed[part].length; at++) {
      const bytes = Buffer.from(sealed[part]);
      bytes[at]! ^= 1;
      expect(why(() => open(keyring, { ...sealed, [part]: bytes }, place))).toBe('not-authentic');
    }
});

test('parts of different secrets do not fit together, not even in the same place', () => {
  const one = seal(keyring, 'one', place);
  const two = seal(keyring, 'two', place);
  expect(why(() => open(keyring, { ...one, wrappedKey: two.wrappedKey }, place))).toBe('not-authentic');
});

test('a truncated or empty blob is not authentic, never a crash', () => {
  const sealed = seal(keyring, 'geheim', place);
  fc.assert(
    fc.property(fc.nat(60), fc.nat(60), (a, b) => {
      const cut: Sealed = {
        ...sealed,
        wrappedKey: sealed.wrappedKey.subarray(0, Math.min(a, sealed.wrappedKey.length - 1)),
        ciphertext: sealed.ciphertext.subarray(0, b),
      };
      expect(why(() => open(keyring, cut, place))).toBe('not-authentic');
    }),
  );
});

test('the same secret never has the same ciphertext twice', () => {
  const a = seal(keyring, 'geheim', place);
  const b = seal(keyring, 'geheim', place);
  expect(a.ciphertext.equals(b.ciphertext)).toBe(false);
  expect(a.nonce.equals(b.nonce)).toBe(false);
});

test('after a rotation old secrets open, are wrapped anew, and need the old key no longer', () => {
  const sealed = seal(keyring, 'geheim', place);
  const both = Keyring.parse(`${k2},${k1}`);
  expect(open(both, sealed, place)).toBe('geheim');
  const again = rewrap(both, sealed, place)!;
  expect(again.keyId).toBe('k2');
  expect(again.ciphertext).toBe(sealed.ciphertext);
  expect(open(Keyring.parse(k2), again, place)).toBe('geheim');
  expect(rewrap(both, again, place)).toBeNull();
  expect(why(() => open(Keyring.parse(k2), sealed, place))).toBe('unknown-key');
});

test('a wrapping cannot be passed off as another master key’s', () => {
  const sealed = seal(keyring, 'geheim', place);
  const same = k1.slice(3);
  expect(why(() => open(Keyring.parse(`kx:${same}`), { ...sealed, keyId: 'kx' }, place))).toBe('not-authentic');
});

test.each([
  '',
  ' , ',
  'k1',
  `:${k1.slice(3)}`,
  'k1:short',
  `k1:${'A'.repeat(43)}!`,
  `${k1},${k1}`,
  'k1:' + 'A'.repeat(64),
])('a wrong key setting is refused without showing it: %p', (setting) => {
  let message = '';
  try {
    Keyring.parse(setting);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).not.toBe('');
  expect(message).not.toContain('AAAA');
  expect(message).not.toContain(k1.slice(3));
});

test('a mac depends on purpose, text and the first key alone', () => {
  const both = Keyring.parse(`${k1},${k2}`);
  expect(keyring.mac('a', 'x')).toBe(both.mac('a', 'x'));
  expect(keyring.mac('a', 'x')).not.toBe(keyring.mac('b', 'x'));
  expect(keyring.mac('a', 'x')).not.toBe(keyring.mac('a', 'y'));
  expect(keyring.mac('a', 'x')).not.toBe(Keyring.parse(`${k2},${k1}`).mac('a', 'x'));
});
