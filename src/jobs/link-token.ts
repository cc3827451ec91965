import { timingSafeEqual } from 'node:crypto';
import type { Keyring } from '../credentials/keyring.js';

const PURPOSE = 'password-link';
const TOKEN = /^([A-Za-z0-9_-]{22})\.([0-9a-z]{6,9})\.([A-Za-z0-9_-]{43})$/;

/**
 * The part of a link that cannot be guessed: `id.expiry.mac`, that is the row's UUID, Unix seconds in base 36, and
 * HMAC-SHA-256 of both by a key derived from the master keys. The database alone makes no link; whoever has the keys can
 * make the same one again, so that none need be kept.
 */
export function linkToken(keyring: Keyring, id: string, expiresAt: Date): string {
  const seconds = Math.floor(expiresAt.getTime() / 1000);
  const head = `${Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')}.${seconds.toString(36)}`;
  return `${head}.${Buffer.from(keyring.mac(PURPOSE, head), 'hex').toString('base64url')}`;
}

/** The row's id, and whether its time is over. Null: not made by us. */
export function readLinkToken(keyring: Keyring, token: string): { id: string; expired: boolean } | null {
  const parts = TOKEN.exec(token);
  if (parts === null) return null;
  const [, name, seconds, signature] = parts as unknown as [string, string, string, string];
  const given = Buffer.from(signature, 'base64url');
  const ours = keyring
    .macs(PURPOSE, `${name}.${seconds}`)
    .some((mac) => timingSafeEqual(Buffer.from(mac, 'hex'), given));
  if (!ours) return null;
  const hex = Buffer.from(name, 'base64url').toString('hex');
  const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  return { id, expired: parseInt(seconds, 36) * 1000 <= Date.now() };
}
