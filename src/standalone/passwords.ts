import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto';

/** OWASP's choice for scrypt: 2^17, 8, 1 (128 MiB a check, which the rate limit bounds). */
const COST = { N: 2 ** 17, r: 8, p: 1 };
const MAX_MEMORY = 256 * 1024 * 1024;
const HASH_BYTES = 32;
/** Longer than any password, shorter than a way to keep us busy. */
const MAX_PASSWORD = 1024;

/** `scrypt:N:r:p:salt:hash`, both in base64: what the settings file holds. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, COST);
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64'), hash.toString('base64')].join(':');
}

/** @param stored null: there is no such account; it takes as long as a wrong password. */
export async function passwordMatches(password: string, stored: string | null): Promise<boolean> {
  if (password.length > MAX_PASSWORD) return false;
  const [, n, r, p, salt = '', hash = ''] = (stored ?? NOBODY).split(':');
  const wanted = Buffer.from(hash, 'base64');
  const cost = { N: Number(n), r: Number(r), p: Number(p) };
  if (128 * cost.N * cost.r > MAX_MEMORY || wanted.length !== HASH_BYTES) return false;
  const given = await derive(password, Buffer.from(salt, 'base64'), cost);
  return timingSafeEqual(given, wanted) && stored !== null;
}

const NOBODY = ['scrypt', COST.N, COST.r, COST.p, 'AAAA', Buffer.alloc(HASH_BYTES).toString('base64')].join(':');

function derive(password: string, salt: Buffer, cost: ScryptOptions): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(password.normalize('NFC'), salt, HASH_BYTES, { ...cost, maxmem: MAX_MEMORY + 1024 * 1024 }, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  );
}
