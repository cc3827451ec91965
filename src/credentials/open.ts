import { createDecipheriv } from 'node:crypto';
import type { Keyring } from './keyring.js';
import {
  CIPHER,
  keyContext,
  NONCE_BYTES,
  partContext,
  type Sealed,
  type SealPlace,
  secretContext,
  TAG_BYTES,
  wrapDataKey,
} from './seal.js';

/** `unknown-key`: its master key is not in the settings. `not-authentic`: moved to another place, or changed. */
export class OpenError extends Error {
  constructor(readonly why: 'unknown-key' | 'not-authentic') {
    super(why === 'unknown-key' ? 'the master key of this secret is not set' : 'this secret does not belong here');
    this.name = 'OpenError';
  }
}

/** @throws OpenError */
export function open(keyring: Keyring, sealed: Sealed, place: SealPlace): string {
  const dataKey = unwrap(keyring, sealed, place);
  try {
    return decrypt(dataKey, sealed.nonce, sealed.ciphertext, secretContext(place)).toString('utf8');
  } finally {
    dataKey.fill(0);
  }
}

/** @throws OpenError */
export function openPart(key: string, file: string, n: number, sealed: Buffer): Buffer {
  const [nonce, body] = [sealed.subarray(0, NONCE_BYTES), sealed.subarray(NONCE_BYTES)];
  return decrypt(Buffer.from(key, 'base64'), nonce, body, partContext(file, n));
}

/**
 * The same secret under the master key that seals today; null when it is already.
 * @throws OpenError
 */
export function rewrap(keyring: Keyring, sealed: Sealed, place: SealPlace): Sealed | null {
  if (sealed.keyId === keyring.sealing.id) return null;
  const dataKey = unwrap(keyring, sealed, place);
  try {
    return { ...sealed, keyId: keyring.sealing.id, wrappedKey: wrapDataKey(keyring, dataKey, place) };
  } finally {
    dataKey.fill(0);
  }
}

function unwrap(keyring: Keyring, { keyId, wrappedKey }: Sealed, place: SealPlace): Buffer {
  const master = keyring.find(keyId);
  if (master === null) throw new OpenError('unknown-key');
  const nonce = wrappedKey.subarray(0, NONCE_BYTES);
  return decrypt(master.key, nonce, wrappedKey.subarray(NONCE_BYTES), keyContext(place, keyId));
}

function decrypt(key: Buffer, nonce: Buffer, sealed: Buffer, context: Buffer): Buffer {
  try {
    const body = sealed.subarray(0, -TAG_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(context);
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    throw new OpenError('not-authentic');
  }
}
