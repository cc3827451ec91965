import { createConnection } from 'node:net';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { appendMessages, hoster, oldProvider, type TestAccount } from '../servers/dovecot.js';
import { testEnv } from '../servers/env.js';
import { scriptedImap } from '../servers/scripted-imap.js';
import { type Api, fingerprintOf, sourceOf, type Stack, startStack } from './stack.js';
import { Visitor } from './visitor.js';

const canary = (): string => `canary "${randomBytes(8).toString('hex')}" <&>`;

/** The spellings in which a password may be lying about. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;'),
    bytes.toString('hex'),
    // A part of a base64 text, wherever it begins in it.
    ...[0, 1, 2].map((shift) =>
      Buffer.concat([Buffer.alloc(shift), bytes])
        .toString('base64')
        .slice(4, -4),
    ),
    /[0-9a-f]{16}/.exec(secret)![0],
  ];
}

async function everyRow(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    const texts: string[] = [];
    for (const { name } of tables) {
      const { rows } = await client.query<{ line: string }>(`SELECT t::text AS line FROM ${name} t`);
      texts.push(`${name}: ${rows.length}`, ...rows.map(({ line }) => line));
    }
    return texts.join('\n');
  } finally {
    await client.end();
  }
}

function everyFile(dir: string): string {
  if (!existsSync(dir)) return '';
  return readdirSync(dir)
    .map((name) => join(dir, name))
    .map((path) => (statSync(path).isDirectory() ? everyFile(path) : readFileSync(path, 'latin1')))
    .join('\n');
}

async function sealedFor(url: string, job: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query('SELECT 1 FROM mailferry.credentials WHERE owner = $1', [job]);
    return rows.length;
  } finally {
    await client.end();
  }
}

describe('a password (case 36)', () => {
  let stack: Stack;
  let redis: Redis;
  let fingerprint: string;
  /** Everything anybody told Redis while the tests ran. */
  const told: string[] = [];
  const secrets: string[] = [];
  const seen: string[] = [];

  beforeAll(async () => {
    stack = await startStack({ env: { MAILFERRY_ALLOW_PLAINTEXT: 'true' } });
    fingerprint = await fingerprintOf(oldProvider.imapsPort);
    redis = new Redis(testEnv().redisPath);
    // By a socket of our own: a client that also asks for INFO may take a watched command for its answer.
    const monitor = createConnection(testEnv().redisPath, () => monitor.write('MONITOR\r\n'));
    monitor.setEncoding('utf8').on('data', (text: string) => told.push(text));
    redis.on('close', () => monitor.destroy());
  });
  afterAll(async () => {
    redis?.disconnect();
    await stack?.stop();
  });

  function customer(): { from: TestAccount; to: TestAccount; password: string } {
    const password = canary();
    secrets.push(password);
    const from = oldProvider.account({ password });
    return { from, to: hoster.account({ name: from.user.split('@')[0]! }), password };
  }
  /** All that a person and support can look at. */
  async function lookAround(api: Api, mailbox: string, id: string): Promise<void> {
    const support = await stack.api(null, { role: 'support' });
    for (const reader of [api, support])
      for (const path of ['', '/report', '/report.csv', '/items'])
        seen.push(JSON.stringify(await reader.get(`/jobs/${id}${path}`)));
    seen.push(JSON.stringify(await support.get('/jobs')));
    for (const visitor of [
      await Visitor.signedIn(stack, mailbox),
      await Visitor.signedIn(stack, null, { role: 'support' }),
    ])
      for (const path of ['', `/jobs/${id}`, `/jobs/${id}/report`, `/jobs/${id}/cancel`, '/admin', '/widget'])
        seen.push((await visitor.get(`/migrate${path}`)).text);
  }

  it('is gone after success, and was told to nobody', async () => {
    const { from, to } = customer();
    await appendMessages(from, fixtureMailbox(20, 21));
    const api = await stack.api(to.user);
    const source = sourceOf(from, fingerprint);
    const test = await api.post('/connection-tests', { source, mailbox: to.user });
    expect(test.body).toMatchObject({ ok: true });
    const { body } = await api.post('/jobs', { mailbox: to.user, source });
    expect(await sealedFor(stack.database.url, body.id)).toBe(1);
    await api.post(`/jobs/${body.id}/start`);
    expect(await api.until(body.id, ['completed', 'failed'])).toMatchObject({ outcome: 'complete' });
    expect(await sealedFor(stack.database.url, body.id)).toBe(0);
    seen.push(JSON.stringify(test), JSON.stringify(body));
    await lookAround(api, to.user, body.id);
  });

  it('is gone after a cancellation', async () => {
    const { from, to } = customer();
    await appendMessages(from, fixtureMailbox(600, 22));
    const api = await stack.api(to.user);
    const { body } = await api.post('/jobs', { mailbox: to.user, source: sourceOf(from, fingerprint), start: true });
    await api.until(body.id, ['running', 'completed']);
    await api.post(`/jobs/${body.id}/cancel`);
    await api.until(body.id, ['cancelled', 'completed']);
    expect(await sealedFor(stack.database.url, body.id)).toBe(0);
    await lookAround(api, to.user, body.id);
  });

  it('that the old server repeats in every way stays with us for a retry only, and is gone with the record', async () => {
    const password = canary();
    secrets.push(password);
    const echo = [password, Buffer.from(`\0eve\0${password}`).toString('base64'), '<script>alert(1)</script>'].join(
      ' ',
    );
    const server = await scriptedImap(
      {
        AUTHENTICATE: async ({ tag, session }) => {
          await session.send('+ \r\n');
          await session.line();
          await session.send(`* OK [ALERT] ${echo}\r\n${tag} NO [AUTHENTICATIONFAILED] ${echo}\r\n`);
        },
      },
      { greeting: `* OK [ALERT] ${echo}\r\n` },
    );
    try {
      const to = hoster.account();
      const api = await stack.api(to.user);
      const source = {
        type: 'imap',
        host: '127.0.0.1',
        port: server.port,
        security: 'none',
        username: 'eve',
        password,
      };
      const test = await api.post('/connection-tests', { source, mailbox: to.user });
      expect(test.body).toMatchObject({ ok: false, code: 'AUTH_FAILED' });
      const { body } = await api.post('/jobs', { mailbox: to.user, source, start: true });
      const ended = await api.until(body.id, ['failed', 'needs-action', 'completed']);
      expect([ended.state, ended.reason?.code]).toEqual(['failed', 'AUTH_FAILED']);
      expect(await sealedFor(stack.database.url, body.id)).toBe(1);
      seen.push(JSON.stringify(test));
      await lookAround(api, to.user, body.id);
      expect(seen.join('\n')).not.toContain('<script>alert(1)');
      expect((await api.delete(`/jobs/${body.id}`)).status).toBe(204);
      expect(await sealedFor(stack.database.url, body.id)).toBe(0);
    } finally {
      await server.close();
    }
  });

  it('is found nowhere: in no row, no file, nothing told to Redis, no page and no answer', async () => {
    const places = {
      database: await everyRow(stack.database.url),
      files: everyFile(stack.dir),
      redis: told.join(''),
      pages: seen.join('\n'),
    };
    for (const [place, text] of Object.entries(places)) {
      expect([place, text.length]).toEqual([place, expect.any(Number)]);
      expect(text.length).toBeGreaterThan(200);
    }
    expect(secrets).toHaveLength(3);
    const found = Object.entries(places).flatMap(([place, text]) =>
      secrets
        .flatMap(spellings)
        .filter((spelling) => text.includes(spelling))
        .map(
          (spelling) =>
            `${place}: …${text.slice(Math.max(0, text.indexOf(spelling) - 60), text.indexOf(spelling) + 20)}`,
        ),
    );
    expect(found).toEqual([]);
  });
});
