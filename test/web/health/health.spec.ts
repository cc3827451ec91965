import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { startWeb, type WebApp } from '../web-app.js';

let web: WebApp;
beforeEach(async () => {
  web = await startWeb({ metricsToken: 'metrics-secret' });
});
afterEach(() => web.close());
const health = () => request(web.server).get('/migrate/health');

describe('health', () => {
  it('is 200 when web, database, queue and a worker are well, asked by anybody', async () => {
    const answer = await health();
    expect([answer.status, answer.body]).toEqual([
      200,
      { status: 'ok', parts: { web: 'ok', database: 'ok', queue: 'ok', worker: 'ok' } },
    ]);
  });

  it.each([
    ['no worker', () => (web.infrastructure.workers = 0), { worker: 'down', database: 'ok', queue: 'ok' }],
    ['no queue', () => (web.infrastructure.queueUp = false), { queue: 'down', database: 'ok', worker: 'ok' }],
    ['no database', () => (web.infrastructure.database = 'down'), { database: 'down', queue: 'ok' }],
    ['a database that hangs', () => (web.infrastructure.database = 'hangs'), { database: 'down', queue: 'ok' }],
  ])('is 503 with %s, says which part, and nothing more', async (_, breakIt, parts) => {
    breakIt();
    const answer = await health();
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ status: 'unavailable', parts });
    expect(answer.text).not.toMatch(/ECONN|postgres|redis|stack/i);
  });

  it.each([
    ['well', () => undefined, 200, 200],
    [
      'without a worker or a queue',
      () => ((web.infrastructure.workers = 0), (web.infrastructure.queueUp = false)),
      200,
      200,
    ],
    ['without a database', () => (web.infrastructure.database = 'down'), 200, 503],
  ])('lives and is ready %s', async (_, breakIt, live, ready) => {
    breakIt();
    const status = async (path: string) => (await request(web.server).get(`/migrate/health/${path}`)).status;
    expect([await status('live'), await status('ready')]).toEqual([live, ready]);
  });

  it('asks the database once for many askers', async () => {
    await Promise.all(Array.from({ length: 20 }, () => health()));
    expect(web.infrastructure.queries).toBe(1);
  });
});

describe('metrics', () => {
  const metrics = () => request(web.server).get('/migrate/metrics');

  it('are for this machine', async () => {
    const answer = await metrics();
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('mailferry_jobs{state="running"} 2');
    expect(answer.text).toContain('mailferry_queue_waiting{queue="runs"} 1');
  });

  it('are not for what came through a proxy, unless it knows the token', async () => {
    expect((await metrics().set('X-Forwarded-For', '127.0.0.1')).status).toBe(404);
    expect(
      (await metrics().set('X-Forwarded-For', '1.2.3.4').set('Authorization', 'Bearer metrics-secret')).status,
    ).toBe(200);
    expect((await metrics().set('Authorization', 'Bearer wrong')).status).toBe(404);
  });

  it('say nothing rather than something old when the database is away', async () => {
    await metrics();
    web.infrastructure.database = 'down';
    const answer = await metrics();
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('mailferry_jobs{');
  });
});
