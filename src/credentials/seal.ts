import { createCipheriv, randomBytes } from 'node:crypto';
import type { Keyring } from './keyring.js';

/** Where a secret belongs. Its ciphertext opens nowhere else. */
export interface SealPlace {
  readonly tenant: string;
  /** Row id of the job or connection test. */
  readonly owner: string;
  /** What it is, e.g. 'source-password'. */
  readonly field: string;
}

/** A sealed secret as it lies in the database. */
export interface Sealed {
  /** Id of the master key that wraps the data key. */
  readonly keyId: string;
  /** Nonce, the encrypted data key, tag. */
  readonly wrappedKey: Buffer;
  readonly nonce: Buffer;
  /** The encrypted secret, tag. */
  readonly ciphertext: Buffer;
}

export const CIPHER = 'aes-256-gcm';
/** NIST SP 800-38D section 5.2.1.1: the length GCM is made for. */
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;
const DATA_KEY_BYTES = 32;

/**
 * Encrypts with a data key of its own, which is wrapped by the keyring's first master key. The place is authenticated
 * with both, the master key's id with the wrapping: so the key can be wrapped anew without touching the secret.
 */
export function seal(keyring: Keyring, secret: string, place: SealPlace): Sealed {
  const dataKey = randomBytes(DATA_KEY_BYTES);
  try {
    const nonce = randomBytes(NONCE_BYTES);
    return {
      keyId: keyring.sealing.id,
      wrappedKey: wrapDataKey(keyring, dataKey, place),
      nonce,
      ciphertext: encrypt(dataKey, nonce, Buffer.from(secret, 'utf8'), secretContext(place)),
    };
  } finally {
    dataKey.fill(0);
  }
}

/** A key for one file that is too large to be a secret: it is what is sealed. Base64 of 32 bytes. */
export function newFileKey(): string {
  return randomBytes(DATA_KEY_BYTES).toString('base64');
}

/** One part of a file under the file's key: nonce, the encrypted bytes, tag. It opens only as this part of this file. */
export function sealPart(key: string, file: string, n: number, plain: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  return Buffer.concat([nonce, encrypt(Buffer.from(key, 'base64'), nonce, plain, partContext(file, n))]);
}

export function partContext(file: string, n: number): Buffer {
  return Buffer.from(JSON.stringify(['mailferry file', file, n]));
}

/** Wraps a data key by the master key that seals today. */
export function wrapDataKey(keyring: Keyring, dataKey: Buffer, place: SealPlace): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const { id, key } = keyring.sealing;
  return Buffer.concat([nonce, encrypt(key, nonce, dataKey, keyContext(place, id))]);
}

/** JSON keeps the parts apart: no two places have the same text. */
export function secretContext({ tenant, owner, field }: SealPlace): Buffer {
  return Buffer.from(JSON.stringify(['mailferry secret', tenant, owner, field]));
}

export function keyContext({ tenant, owner, field }: SealPlace, keyId: string): Buffer {
  return Buffer.from(JSON.stringify(['mailferry data key', tenant, owner, field, keyId]));
}

function encrypt(key: Buffer, nonce: Buffer, plain: Buffer, context: Buffer): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(context);
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}
