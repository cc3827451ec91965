import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../../../src/database/data-source.js';
import { PostgresSessions } from '../../../src/web/auth/session-store.js';
import { ALICE } from '../../fakes/fake-panel.js';
import { freshDatabase, type TestDatabase } from '../../servers/database.js';

let database: TestDatabase;
let source: DataSource;
let sessions: PostgresSessions;
beforeAll(async () => {
  database = await freshDatabase();
  source = await createDataSource({ url: database.url }).initialize();
  sessions = new PostgresSessions(source);
});
afterAll(async () => {
  await source.destroy();
  await database.drop();
});
const soon = (): Date => new Date(Date.now() + 60_000);

describe('sessions in Postgres', () => {
  it('are found by their secret until they are closed', async () => {
    const secret = await sessions.open(ALICE);
    expect(await sessions.find(secret)).toEqual(ALICE);
    expect(await sessions.find(`${secret}x`)).toBeNull();
    await sessions.close(secret);
    expect(await sessions.find(secret)).toBeNull();
  });

  it('end by the database’s clock, and are cleared away', async () => {
    const secret = await sessions.open(ALICE);
    await source.query(`UPDATE mailferry.sessions SET expires_at = now() - interval '1 second'`);
    expect(await sessions.find(secret)).toBeNull();
    await sessions.open(ALICE);
    expect(await source.query('SELECT count(*)::int AS n FROM mailferry.sessions')).toEqual([{ n: 1 }]);
  });

  it('are stored under a hash: who reads the table is nobody', async () => {
    const secret = await sessions.open(ALICE);
    const rows = (await source.query('SELECT id FROM mailferry.sessions')) as { id: Buffer }[];
    expect(rows.some(({ id }) => id.equals(createHash('sha256').update(secret).digest()))).toBe(true);
    expect(JSON.stringify(rows)).not.toContain(secret);
  });

  it('take a sign-in token once, however many ask at the same time', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => sessions.useToken('iss', 'jti-1', soon())));
    expect(answers.filter(Boolean)).toHaveLength(1);
    expect(await sessions.useToken('another issuer', 'jti-1', soon())).toBe(true);
    expect(await sessions.useToken('iss', 'jti-2', soon())).toBe(true);
  });

  it('forget used tokens only long after they ended', async () => {
    await sessions.useToken('iss', 'old', new Date(Date.now() - 3600_000));
    await sessions.useToken('iss', 'just-ended', new Date(Date.now() - 1000));
    expect(await sessions.useToken('iss', 'just-ended', soon())).toBe(false);
    const rows = await source.query(`SELECT jti FROM mailferry.used_tokens WHERE jti = 'old'`);
    expect(rows).toEqual([]);
  });
});
