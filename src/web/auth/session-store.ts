import { createHash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Principal } from '../../panel/host-panel.js';
import { WEB_DATABASE, type WebDatabase } from '../tokens.js';

/** A session ends after a working day, whatever happens (ms). */
export const SESSION_MS = 8 * 3600_000;

/**
 * Sessions made by a sign-in token, and the tokens that were used. The cookie holds a random secret; the table only
 * its hash, so that nobody who reads the table can be somebody.
 */
export interface SessionStore {
  /** False: the token was used before. */
  useToken(issuer: string, jti: string, expiresAt: Date): Promise<boolean>;
  /** @returns the secret for the cookie. */
  open(principal: Principal): Promise<string>;
  find(secret: string): Promise<Principal | null>;
  close(secret: string): Promise<void>;
}
export const SESSION_STORE = Symbol('mailferry.web.sessions');

/** Beyond a token's own end: other machines' clocks. */
const KEEP_USED = '10 minutes';

@Injectable()
export class PostgresSessions implements SessionStore {
  constructor(@Inject(WEB_DATABASE) private readonly db: WebDatabase) {}

  async useToken(issuer: string, jti: string, expiresAt: Date): Promise<boolean> {
    await this.db.query(`DELETE FROM mailferry.used_tokens WHERE expires_at < now() - interval '${KEEP_USED}'`);
    const rows = (await this.db.query(
      `INSERT INTO mailferry.used_tokens (issuer, jti, expires_at) VALUES ($1, $2, $3)
       ON CONFLICT DO NOTHING RETURNING jti`,
      [issuer, jti, expiresAt],
    )) as unknown[];
    return rows.length === 1;
  }

  async open(principal: Principal): Promise<string> {
    const secret = randomBytes(32).toString('base64url');
    await this.db.query(`DELETE FROM mailferry.sessions WHERE expires_at < now()`);
    await this.db.query(
      `INSERT INTO mailferry.sessions (id, principal, expires_at)
       VALUES ($1, $2, now() + $3 * interval '1 millisecond')`,
      [sessionId(secret), JSON.stringify(principal), SESSION_MS],
    );
    return secret;
  }

  async find(secret: string): Promise<Principal | null> {
    const [row] = (await this.db.query(
      `SELECT principal FROM mailferry.sessions WHERE id = $1 AND expires_at > now()`,
      [sessionId(secret)],
    )) as { principal: Principal }[];
    return row?.principal ?? null;
  }

  async close(secret: string): Promise<void> {
    await this.db.query(`DELETE FROM mailferry.sessions WHERE id = $1`, [sessionId(secret)]);
  }
}

export function sessionId(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
