import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, decodeJwt, exportJWK, importSPKI, jwtVerify } from 'jose';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runDoctor } from '../../src/standalone/commands/doctor.js';
import { masterKeys, OWN_ISSUER, ownIssuer, signToken, tokenKey } from '../../src/standalone/keys.js';
import { loadSettings } from '../../src/standalone/settings.js';
import { emptyDatabase, freshDatabase, type TestDatabase } from '../servers/database.js';
import { hoster } from '../servers/dovecot.js';
import { testEnv } from '../servers/env.js';

const KEYS = `k1:${Buffer.alloc(32, 1).toString('base64')}`;
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mailferry-commands-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('tokens of the standalone host', () => {
  it('are believed by whoever has its public key, with the claims the plugin reads', async () => {
    const token = await signToken(dir, {
      sub: 'alice',
      role: 'user',
      mailboxes: ['Alice@New.test'],
      domains: [],
      audience: 'mailferry/api',
      ttl: 120,
    });
    const issuer = ownIssuer(dir);
    const jwk = await exportJWK(await importSPKI(issuer.publicKey ?? '', 'ES256'));
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet({ keys: [jwk] }), {
      issuer: OWN_ISSUER,
      audience: 'mailferry/api',
      algorithms: ['ES256'],
    });
    expect(protectedHeader.alg).toBe('ES256');
    expect(payload).toMatchObject({ sub: 'alice', role: 'user', mailboxes: ['alice@new.test'], domains: [] });
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(120);
    expect(payload.jti).toBeTruthy();
  });

  it('live no longer than their audience allows, and each has an id of its own', async () => {
    const request = { sub: 'a', role: 'support', mailboxes: [], domains: [], audience: 'mailferry/sso' } as const;
    const [first, second] = await Promise.all([signToken(dir, request), signToken(dir, request)]);
    const claims = decodeJwt(first);
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(60);
    expect(claims.jti).not.toBe(decodeJwt(second).jti);
  });

  it('are signed with one key, made once and readable for its owner alone', () => {
    expect(tokenKey(dir)).toBe(tokenKey(dir));
    expect(statSync(join(dir, 'token-key.pem')).mode & 0o777).toBe(0o600);
  });
});

describe('the master keys', () => {
  it('are made and kept in the sandbox, and asked for elsewhere', () => {
    const settings = loadSettings({ MAILFERRY_DATA_DIR: mkdtempSync(join(dir, 'keys-')) });
    expect(() => masterKeys(settings, false)).toThrow('MAILFERRY_KEYS is missing');
    const made = masterKeys(settings, true);
    expect(made).toMatch(/^k1:[A-Za-z0-9+/]{43}=$/);
    expect(masterKeys(settings, true)).toBe(made);
    expect(statSync(join(settings.dataDir, 'keys')).mode & 0o777).toBe(0o600);
  });
});

describe('mailferry doctor', () => {
  let database: TestDatabase;
  let empty: TestDatabase;
  const before = { ...process.env };
  beforeAll(async () => {
    [database, empty] = await Promise.all([freshDatabase(), emptyDatabase()]);
    writeFileSync(join(dir, 'secret'), testEnv().hoster.master.password);
    writeFileSync(join(dir, 'ca.crt'), hoster.ca);
  });
  afterAll(async () => {
    process.env = before;
    await Promise.all([database.drop(), empty.drop()]);
  });

  const destination = (port = hoster.imapsPort, authcid = hoster.master.name): string =>
    JSON.stringify({
      imap: { host: '127.0.0.1', port, caFile: join(dir, 'ca.crt') },
      domains: ['new.test'],
      access: { kind: 'imap-authzid', authcid, secretFile: join(dir, 'secret') },
    });
  const doctor = async (env: Record<string, string>, mailbox?: string): Promise<{ well: boolean; lines: string[] }> => {
    process.env = {
      ...before,
      MAILFERRY_DATA_DIR: join(dir, 'none'),
      MAILFERRY_KEYS: KEYS,
      MAILFERRY_DATABASE_URL: database.url,
      MAILFERRY_REDIS_URL: `unix:${testEnv().redisPath}`,
      MAILFERRY_DESTINATION: destination(),
      ...env,
    };
    const lines: string[] = [];
    const well = await runDoctor({ mailbox }, (line) => lines.push(line));
    return { well, lines };
  };

  it('finds all well, the way into a mailbox too', async () => {
    const account = hoster.account();
    const { well, lines } = await doctor({}, account.user);
    expect(lines.filter((line) => line.startsWith('wrong'))).toEqual([]);
    expect(lines.filter((line) => line.startsWith('ok'))).toHaveLength(5);
    expect(well).toBe(true);
  });

  it.each([
    ['a wrong setting', { MAILFERRY_PORT: 'x' }, /settings: MAILFERRY_PORT must be a whole number/],
    ['no keys', { MAILFERRY_KEYS: '' }, /keys: MAILFERRY_KEYS is missing/],
    [
      'a database that is away',
      { MAILFERRY_DATABASE_URL: 'postgres://u:canary@127.0.0.1:1/x' },
      /database: .*ECONNREFUSED/,
    ],
    ['a queue that is away', { MAILFERRY_REDIS_URL: 'redis://:canary@127.0.0.1:1' }, /queue: .*ECONNREFUSED/],
    ['no destination', { MAILFERRY_DESTINATION: '' }, /destination: MAILFERRY_DESTINATION is not set/],
  ])('says what is wrong with %s, and what to do', async (_, env, line) => {
    const { well, lines } = await doctor(env);
    expect(well).toBe(false);
    const at = lines.findIndex((one) => one.startsWith('wrong'));
    expect(lines[at]).toMatch(line);
    expect(lines[at + 1]).toMatch(/^ +-> /);
    expect(lines.join('\n')).not.toContain('canary');
  });

  it('names SQL migrations that are missing', async () => {
    const { well, lines } = await doctor({ MAILFERRY_DATABASE_URL: empty.url });
    expect(well).toBe(false);
    expect(lines.join('\n')).toMatch(/SQL migrations are missing[^]*mailferry migrate-database/);
  });

  it('tells a server that does not answer from one that does not let us in', async () => {
    const account = hoster.account();
    expect((await doctor({ MAILFERRY_DESTINATION: destination(1) })).lines.join('\n')).toContain('does not answer');
    const refused = await doctor({ MAILFERRY_DESTINATION: destination(undefined, 'nobody') }, account.user);
    expect(refused.lines.join('\n')).toMatch(/wrong +destination: .*the sign-in was refused/);
    expect(refused.lines.join('\n')).not.toContain(testEnv().hoster.master.password);
    const unknown = await doctor({}, 'x@elsewhere.test');
    expect(unknown.lines.join('\n')).toContain('is not a known mailbox');
  });
});
