import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../../../src/database/data-source.js';
import { EventStreams } from '../../../src/web/api/event-streams.js';
import { Health } from '../../../src/web/health/health.js';
import { Metrics } from '../../../src/web/health/metrics.js';
import { resolveOptions } from '../../../src/plugin-options.js';
import { FakePanel } from '../../fakes/fake-panel.js';
import { freshDatabase, type TestDatabase } from '../../servers/database.js';

let database: TestDatabase;
let source: DataSource;
beforeAll(async () => {
  database = await freshDatabase();
  source = await createDataSource({ url: database.url }).initialize();
  await source.query(`INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, state, copied, bytes)
    VALUES ('t', 'd', 'a@d', 'a', 'running', 5, 500), ('t', 'd', 'b@d', 'b', 'failed', 2, 200)`);
  await source.query(`UPDATE mailferry.jobs SET rate = 250 WHERE state = 'running'`);
  await source.query(`UPDATE mailferry.jobs SET reason = '{"code": "TIMEOUT"}' WHERE state = 'failed'`);
  await source.query(`INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, state, queued_at)
    VALUES ('t', 'd', 'c@d', 'c', 'queued', now() - interval '1 minute')`);
  await source.query(`INSERT INTO mailferry.outbox (tenant, channel, target, template, job, data, failed_at)
    VALUES ('t', 'notify', 'x', 'started', gen_random_uuid(), '{}', null), ('t', 'notify', 'x', 'started', gen_random_uuid(), '{}', now())`);
  await source.query(
    `INSERT INTO mailferry.workers (id, host, pid, rss_bytes, ledger_ms) VALUES (gen_random_uuid(), 'h', 1, 5000, 12)`,
  );
  await source.query(`INSERT INTO mailferry.workers (id, host, pid, beat_at)
    VALUES (gen_random_uuid(), 'h', 2, now() - interval '1 hour')`);
});
afterAll(async () => {
  await source.destroy();
  await database.drop();
});
const queue = { isUp: async () => true, waiting: async () => ({ runs: 3, tests: 0 }) };

it('the numbers come from the real tables', async () => {
  const text = await new Metrics(source, queue, new EventStreams()).registry.metrics();
  expect(text).toContain('mailferry_jobs{state="running"} 1');
  expect(text).toContain('mailferry_jobs{state="failed"} 1');
  expect(text).toContain('mailferry_items{outcome="copied"} 7');
  expect(text).toContain('mailferry_bytes_copied 700');
  expect(text).toContain('mailferry_workers{draining="false"} 1');
  expect(text).toContain('mailferry_copy_bytes_per_second 250');
  expect(text).toContain('mailferry_reasons{state="failed",code="TIMEOUT"} 1');
  expect(text).toMatch(/mailferry_queue_oldest_seconds 6\d\.?/);
  expect(text).toContain('mailferry_ledger_seconds 0.012');
  expect(text).toContain('mailferry_worker_memory_bytes{host="h",pid="1"} 5000');
  expect(text).toContain('mailferry_runs_silent 0');
  expect(text).toContain('mailferry_notices{state="waiting"} 1');
  expect(text).toContain('mailferry_notices{state="failed"} 1');
});

it('health sees a living worker, and none when its last sign of life is old', async () => {
  const options = resolveOptions({
    databaseUrl: database.url,
    redis: { url: 'redis://unused' },
    keys: `k:${Buffer.alloc(32).toString('base64')}`,
    panel: new FakePanel(),
  });
  expect((await new Health(source, queue, options).report()).status).toBe('ok');
  await source.query(`UPDATE mailferry.workers SET beat_at = now() - interval '1 hour'`);
  expect((await new Health(source, queue, options).report()).parts).toMatchObject({ database: 'ok', worker: 'down' });
});
