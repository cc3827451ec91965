import { createPublicKey, type KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { createLocalJWKSet, decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import type { Principal } from '../../panel/host-panel.js';
import { PLUGIN_OPTIONS, type ResolvedOptions, type TokenIssuer } from '../../panel/options.js';

export const API_AUDIENCE = 'mailferry/api';
export const SSO_AUDIENCE = 'mailferry/sso';
export type Audience = typeof API_AUDIENCE | typeof SSO_AUDIENCE;

/** Longest life of a token, seconds from `iat` (DESIGN section 8). */
const MAX_AGE_S: Readonly<Record<Audience, number>> = { [API_AUDIENCE]: 3600, [SSO_AUDIENCE]: 60 };
/** How far two machines' clocks may be apart, seconds. */
const CLOCK_TOLERANCE_S = 5;
/** A token is some hundred bytes; whatever is longer is not read. */
const MAX_TOKEN_LENGTH = 8192;
/** Asymmetric and exact. What stands here is all that is ever tried, whatever a token's header says (RFC 8725 3.1). */
const ALGORITHMS = ['ES256', 'EdDSA'] as const;

const names = z.union([z.string().transform((name) => [name]), z.array(z.string()).max(1000)]);
const Claims = z.object({
  sub: z.string().min(1).max(256),
  iss: z.string(),
  jti: z.string().min(1).max(256),
  exp: z.number(),
  iat: z.number(),
  role: z.enum(['user', 'domain-admin', 'support']),
  tenant: z.string().max(256).optional(),
  mailbox: names.optional(),
  mailboxes: names.optional(),
  domain: names.optional(),
  domains: names.optional(),
  locale: z.string().max(35).optional(),
  name: z.string().max(256).optional(),
  actor: z.string().max(256).optional(),
});

export interface TokenClaims {
  readonly principal: Principal;
  readonly issuer: string;
  readonly jti: string;
  readonly expiresAt: Date;
}

/** Why a token was refused: for the log, never for the sender. */
export class TokenRefused extends Error {
  constructor(readonly why: string) {
    super(`token refused: ${why}`);
    this.name = 'TokenRefused';
  }
}

interface Verifier {
  readonly key: KeyObject | JWTVerifyGetKey;
  readonly algorithms: string[];
}

/** Checks the signed tokens of configured issuers (RFC 7519, RFC 8725). */
@Injectable()
export class Tokens {
  private readonly issuers: ReadonlyMap<string, Verifier>;

  constructor(@Inject(PLUGIN_OPTIONS) options: ResolvedOptions) {
    this.issuers = new Map(options.issuers.map((issuer) => [issuer.iss, verifier(issuer)]));
  }

  /** @throws TokenRefused */
  async verify(token: string, audience: Audience): Promise<TokenClaims> {
    if (token.length > MAX_TOKEN_LENGTH) throw new TokenRefused('too long');
    const issuer = this.issuers.get(issuerOf(token));
    if (issuer === undefined) throw new TokenRefused('unknown issuer');
    const payload = await this.check(token, issuer, audience);
    const claims = Claims.safeParse(payload);
    if (!claims.success) throw new TokenRefused(`claims: ${claims.error.issues[0]?.path.join('.') ?? '?'}`);
    const { sub, iss, jti, exp, iat, role, tenant, locale, name, actor, ...rest } = claims.data;
    if (exp - iat > MAX_AGE_S[audience]) throw new TokenRefused('lives too long');
    return {
      issuer: iss,
      jti,
      expiresAt: new Date(exp * 1000),
      principal: {
        sub,
        role,
        tenantId: tenant ?? '',
        mailboxes: unique(rest.mailbox, rest.mailboxes),
        domains: unique(rest.domain, rest.domains),
        locale: locale ?? 'en',
        ...(name !== undefined && { name }),
        ...(actor !== undefined && { actor }),
      },
    };
  }

  private async check(token: string, { key, algorithms }: Verifier, audience: Audience): Promise<JWTPayload> {
    const rules = {
      algorithms,
      audience,
      maxTokenAge: MAX_AGE_S[audience],
      clockTolerance: CLOCK_TOLERANCE_S,
      requiredClaims: ['exp', 'iat', 'sub', 'jti', 'iss'],
    };
    try {
      // Two overloads: a key, and a function that finds one.
      return (typeof key === 'function' ? await jwtVerify(token, key, rules) : await jwtVerify(token, key, rules))
        .payload;
    } catch (error) {
      throw new TokenRefused(error instanceof errors.JOSEError ? error.code : 'unreadable');
    }
  }
}

function verifier(issuer: TokenIssuer): Verifier {
  const allowed: readonly string[] = issuer.algs ?? ALGORITHMS;
  if (issuer.jwks !== undefined) {
    const { keys } = z
      .object({ keys: z.array(z.looseObject({ kty: z.enum(['EC', 'OKP']) })) })
      .parse(JSON.parse(issuer.jwks));
    return { key: createLocalJWKSet({ keys } as never), algorithms: [...allowed] };
  }
  if (issuer.publicKey === undefined) throw new Error(`issuer ${issuer.iss}: publicKey or jwks is missing`);
  const text = issuer.publicKey.trim();
  const key = text.startsWith('{')
    ? createPublicKey({ key: JSON.parse(text) as never, format: 'jwk' })
    : createPublicKey(text);
  const fits = key.asymmetricKeyType === 'ec' ? 'ES256' : key.asymmetricKeyType === 'ed25519' ? 'EdDSA' : null;
  if (fits === null || !allowed.includes(fits))
    throw new Error(`issuer ${issuer.iss}: the key must be P-256 or Ed25519`);
  return { key, algorithms: [fits] };
}

function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    return '';
  }
}

function unique(...lists: (readonly string[] | undefined)[]): string[] {
  return [...new Set(lists.flatMap((list) => list ?? []).map((name) => name.toLowerCase()))];
}
