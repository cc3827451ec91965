import { getQueueToken } from '@nestjs/bull';
import { Test, type TestingModule } from '@nestjs/testing';
import { getDataSourceToken } from '@nestjs/typeorm';
import type Bull from 'bull';
import type { DataSource } from 'typeorm';
import { ConnectionTestsService } from '../../src/jobs/connection-tests.service.js';
import { JOBS_PROVIDERS } from '../../src/jobs/jobs.providers.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { ensureLink } from '../../src/ledger/links.js';
import { PostgresLedger } from '../../src/ledger/postgres-ledger.js';
import { HOST_PANEL, PLUGIN_OPTIONS } from '../../src/panel/options.js';
import { resolveOptions } from '../../src/plugin-options.js';
import { RUNS_QUEUE } from '../../src/queue/names.js';
import { QueueModule } from '../../src/queue/queue.module.js';
import { runTransfer } from '../../src/transfer/run-transfer.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { ENDPOINTS, LEDGER, LINKS, RUN_TRANSFER, STAGING } from '../../src/worker/endpoints.js';
import { alice, CANARY, newJob, newKeys, openDatabase, SOURCE, until, WorkPanel } from '../jobs/support.js';
import { freshDatabase, type TestDatabase } from '../servers/database.js';
import { privateRedis, type Restartable, stopPrivateServers } from '../servers/private.js';
import { failure, Outside } from './support.js';
import { WORKER_SERVICES } from '../../src/worker/worker.providers.js';

let database: TestDatabase;
let redis: Awaited<ReturnType<typeof privateRedis>> & Restartable;
let outside: Outside;
const running: { module: TestingModule; db: DataSource }[] = [];

beforeEach(async () => {
  [database, redis] = await Promise.all([freshDatabase(), privateRedis()]);
  outside = new Outside();
  outside.reset();
});
afterEach(async () => {
  for (const one of running.splice(0)) await end(one);
  await database.drop();
  await redis.stop();
});
afterAll(stopPrivateServers);

async function end({ module, db }: { module: TestingModule; db: DataSource }): Promise<void> {
  await module.close();
  await db.destroy();
}

/** A whole worker process, but in this one. */
async function worker(): Promise<{ module: TestingModule; db: DataSource; jobs: JobsService }> {
  const panel = new WorkPanel();
  const db = await openDatabase(database.url);
  const options = resolveOptions({
    panel,
    databaseUrl: database.url,
    redis: { path: redis.path },
    keys: keys,
    egress: { allowPrivate: true },
    limits: { testFloorMs: 0, testWaitMs: 10_000 },
    worker: { jobs: 3, sweepMs: 200, deadAfterMs: 2_500 },
  });
  const { Global, Module } = await import('@nestjs/common');
  class Core {}
  Global()(Core);
  Module({
    providers: [
      { provide: PLUGIN_OPTIONS, useValue: options },
      { provide: HOST_PANEL, useValue: panel },
      { provide: getDataSourceToken('mailferry'), useValue: db },
    ],
    exports: [PLUGIN_OPTIONS, HOST_PANEL, getDataSourceToken('mailferry')],
  })(Core);
  const module = await Test.createTestingModule({
    imports: [Core, QueueModule.registerAsync({ inject: [], useFactory: () => ({ path: redis.path }) })],
    providers: [
      ...JOBS_PROVIDERS,
      ...WORKER_SERVICES,
      { provide: ENDPOINTS, useValue: outside },
      {
        provide: LINKS,
        useValue: {
          ensure: (ref: { tenantId: string; address: string }, account: { kind: string; stableId: string }) =>
            ensureLink(db, {
              tenant: ref.tenantId,
              address: ref.address,
              sourceKind: account.kind,
              accountHash: account.stableId,
            }),
        },
      },
      {
        provide: LEDGER,
        useValue: new PostgresLedger(db, { ttlMs: 3_000, graceMs: 200, marginMs: 500, renewMs: 500, pollMs: 50 }),
      },
      { provide: STAGING, useValue: new BodyStaging() },
      { provide: RUN_TRANSFER, useValue: runTransfer },
    ],
  })
    .setLogger(false as never)
    .compile();
  module.enableShutdownHooks([]);
  await module.init();
  const one = { module, db, jobs: module.get(JobsService) };
  running.push(one);
  return one;
}
const keys = newKeys();

const stateOf = async ({ jobs }: { jobs: JobsService }, id: string): Promise<string> =>
  (await jobs.get(alice.visibility, id))!.state;

test('a job that is started is carried out, and a test is answered while somebody waits', async () => {
  outside.fill(10);
  const one = await worker();
  const tests = one.module.get(ConnectionTestsService);
  const asked = await tests.request(alice, { source: SOURCE, secret: { password: CANARY }, mailbox: 'alice@new.test' });
  expect(await tests.wait(alice, asked, 10_000)).toMatchObject({ ok: true, state: 'done' });
  const { job } = await one.jobs.create(alice, newJob({ start: true }));
  await until(async () => (await stateOf(one, job.id)) === 'completed');
  expect(await one.db.query(`SELECT draining FROM mailferry.workers`)).toEqual([{ draining: false }]);
});

test('without Redis at the start, the work is done once it is there', async () => {
  await redis.kill();
  outside.fill(3);
  const one = await worker();
  const { job } = await one.jobs.create(alice, newJob({ start: true }));
  expect(job.state).toBe('queued');
  await redis.restart();
  await until(async () => (await stateOf(one, job.id)) === 'completed', 20_000);
});

test('without Redis a connection test is answered all the same', async () => {
  const one = await worker();
  await redis.kill();
  try {
    outside.fill(1);
    const tests = one.module.get(ConnectionTestsService);
    const asked = await tests.request(alice, {
      source: SOURCE,
      secret: { password: CANARY },
      mailbox: 'alice@new.test',
    });
    expect(await tests.wait(alice, asked, 30_000)).toMatchObject({ ok: true, state: 'done' });
  } finally {
    await redis.restart();
  }
}, 60_000);

test('Redis emptied and gone in the middle of a run: the run does not notice, and what waits is not lost', async () => {
  outside.fill(3);
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  outside.onScan = () => gate;
  const one = await worker();
  const first = (await one.jobs.create(alice, newJob({ start: true }))).job;
  await until(async () => (await stateOf(one, first.id)) === 'running');
  await redis.kill();
  const second = (await one.jobs.create(alice, newJob({ start: true, source: { ...SOURCE, username: 'x' } }))).job;
  go();
  await until(async () => (await stateOf(one, first.id)) === 'completed');
  await redis.restart();
  await one.module.get<Bull.Queue>(getQueueToken(RUNS_QUEUE)).client.flushall();
  await until(async () => (await stateOf(one, second.id)) === 'completed', 20_000);
});

test('a worker that falls silent loses its run to another one, which copies nothing twice', async () => {
  outside.fill(20);
  const lost = await worker();
  let reached = false;
  outside.onScan = (signal) => {
    reached = true;
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  };
  const { job } = await lost.jobs.create(alice, newJob({ start: true }));
  await until(async () => reached);
  // Its database connection dies with it: no beat, no renewal of the lease.
  running.splice(0);
  await lost.db.destroy();
  outside.onScan = () => undefined;
  const other = await worker();
  await until(async () => (await stateOf(other, job.id)) === 'completed', 25_000);
  const view = (await other.jobs.get(alice.visibility, job.id))!;
  expect(view.runs.map(({ state }) => state)).toEqual(['interrupted', 'completed']);
  expect(view.progress).toMatchObject({ found: 20, copied: 20 });
  expect(outside.newMailbox.folder(['INBOX'])!.messages).toHaveLength(20);
  await lost.module.close();
}, 60_000);

test('a worker that is told to end hands its runs back and says goodbye', async () => {
  outside.fill(2);
  outside.onScan = (signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  const one = await worker();
  const { job } = await one.jobs.create(alice, newJob({ start: true }));
  await until(async () => (await stateOf(one, job.id)) === 'running');
  running.splice(0);
  await one.module.close();
  expect(await one.db.query(`SELECT state FROM mailferry.jobs`)).toEqual([{ state: 'queued' }]);
  expect(await one.db.query(`SELECT state FROM mailferry.runs`)).toEqual([{ state: 'interrupted' }]);
  expect(await one.db.query(`SELECT 1 FROM mailferry.workers`)).toEqual([]);
  await one.db.destroy();
});

test('a worker can end while Redis is away', async () => {
  outside.fill(1);
  const one = await worker();
  const { job } = await one.jobs.create(alice, newJob({ start: true }));
  await until(async () => (await stateOf(one, job.id)) === 'completed');
  await redis.kill();
  await end(running.pop()!);
  // Only so that nothing keeps trying to connect after this test.
  await redis.restart();
});

test('a failing job leaves the worker and the other jobs alone', async () => {
  outside.fill(2);
  const one = await worker();
  outside.onConnect = () => {
    throw failure('AUTH_FAILED');
  };
  const bad = (await one.jobs.create(alice, newJob({ start: true, source: { ...SOURCE, username: 'bad' } }))).job;
  await until(async () => (await stateOf(one, bad.id)) === 'failed');
  outside.onConnect = () => undefined;
  const good = (await one.jobs.create(alice, newJob({ start: true }))).job;
  await until(async () => (await stateOf(one, good.id)) === 'completed');
});

test('Redis holds ids and nothing else', async () => {
  outside.fill(1);
  const one = await worker();
  const queue = one.module.get<Bull.Queue>(getQueueToken(RUNS_QUEUE));
  await queue.pause(true);
  const { job } = await one.jobs.create(alice, newJob({ start: true }));
  const dump = await until(async () => {
    const parts: string[] = [];
    for (const key of await queue.client.keys('*')) {
      const type = await queue.client.type(key);
      parts.push(key, type === 'hash' ? JSON.stringify(await queue.client.hgetall(key)) : type);
    }
    return parts.join('\n').includes(job.id) && parts.join('\n');
  });
  expect(dump).toContain(`"data":"{\\"id\\":\\"${job.id}\\"}"`);
  for (const secret of [CANARY, 'alice@', SOURCE.host]) expect(dump).not.toContain(secret);
});
