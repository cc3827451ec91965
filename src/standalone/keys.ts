import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { Role } from '../panel/host-panel.js';
import type { TokenIssuer } from '../panel/options.js';
import type { Settings } from './settings.js';
import { checkKeys, SettingsError } from './settings-check.js';

/** `iss` of the tokens that this host signs itself. */
export const OWN_ISSUER = 'urn:mailferry:standalone';
const MASTER_KEYS_FILE = 'keys';
const TOKEN_KEY_FILE = 'token-key.pem';
/** Longest life of a token (DESIGN section 8), seconds. */
export const MAX_TTL_S = { 'mailferry/api': 3600, 'mailferry/sso': 60 } as const;
export type Audience = keyof typeof MAX_TTL_S;

/**
 * The master keys: from the settings; in the sandbox made once and kept in the data folder.
 * @param mayMake whether this is the sandbox.
 * @throws SettingsError when there are none.
 */
export function masterKeys(settings: Settings, mayMake: boolean): string {
  if (settings.keys !== null) return settings.keys;
  const file = join(settings.dataDir, MASTER_KEYS_FILE);
  const kept = readIfThere(file);
  if (kept === null && !mayMake)
    throw new SettingsError(
      'MAILFERRY_KEYS is missing: set it to id:KEY, with a KEY made by `openssl rand -base64 32`',
    );
  const keys = kept ?? makeOnce(file, () => `k1:${randomBytes(32).toString('base64')}\n`);
  checkKeys(keys.trim(), file);
  return keys.trim();
}

/** The key that signs this host's own tokens, PKCS #8 PEM; made at the first wish, readable for its owner alone. */
export function tokenKey(dataDir: string): string {
  const file = join(dataDir, TOKEN_KEY_FILE);
  return (
    readIfThere(file) ??
    makeOnce(file, () =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    )
  );
}

/** What the plugin needs to believe this host's own tokens. */
export function ownIssuer(dataDir: string): TokenIssuer {
  const publicKey = createPublicKey(createPrivateKey(tokenKey(dataDir)));
  return {
    iss: OWN_ISSUER,
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    algs: ['ES256'],
  };
}

export interface TokenRequest {
  readonly sub: string;
  readonly role: Role;
  readonly mailboxes: readonly string[];
  readonly domains: readonly string[];
  readonly tenant?: string;
  /** Seconds. Default: the longest that the audience allows. */
  readonly ttl?: number;
  readonly audience: Audience;
}

/** A signed token (DESIGN section 8), ES256. */
export function signToken(dataDir: string, request: TokenRequest): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({
    role: request.role,
    mailboxes: request.mailboxes.map((address) => address.toLowerCase()),
    domains: request.domains.map((domain) => domain.toLowerCase()),
    ...(request.tenant ? { tenant: request.tenant } : {}),
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .setIssuer(OWN_ISSUER)
    .setAudience(request.audience)
    .setSubject(request.sub)
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + (request.ttl ?? MAX_TTL_S[request.audience]))
    .sign(createPrivateKey(tokenKey(dataDir)));
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new SettingsError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** Several processes may want it at once: one wins, whole, and all use its text. */
function makeOnce(file: string, make: () => string): string {
  mkdirSync(join(file, '..'), { recursive: true });
  const part = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(part, make(), { mode: 0o600, flag: 'wx' });
  try {
    linkSync(part, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(part, { force: true });
  }
  return readFileSync(file, 'utf8');
}
