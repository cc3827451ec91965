import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { appendMessages, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { privateRedis, stopPrivateServers } from '../servers/private.js';
import { flushAll } from '../servers/redis.js';
import { freePort } from '../../src/standalone/infra/process.js';
import { Api, fingerprintOf, Process, sourceOf, type Stack, startStack } from './stack.js';

/** Two web and three worker processes against one Postgres and one Redis, which are all taken away in turns. */
const MIGRATIONS = 9;
const MESSAGES = 150;
/** As in stack.ts: more on a slow machine. */
const PATIENCE = Number(process.env['MAILFERRY_TEST_PATIENCE'] ?? 1);
const END = ['completed', 'failed', 'needs-action', 'cancelled'];

let stack: Stack;
let redis: Awaited<ReturnType<typeof privateRedis>>;
let others: Process[] = [];
let secondWeb: { process: Process; base: string };
let db: pg.Client;

beforeAll(async () => {
  redis = await privateRedis();
  stack = await startStack({ shortLease: true, redisPath: redis.path, env: { MAILFERRY_WORKER_JOBS: '2' } });
  const port = await freePort();
  const env = (name: string, more: object = {}) => ({
    ...stack.env,
    MAILFERRY_DATA_DIR: join(stack.dir, name),
    ...more,
  });
  secondWeb = {
    process: new Process(
      'dist/src/main.js',
      { ...stack.env, MAILFERRY_PORT: String(port) },
      join(stack.dir, 'web2.out'),
    ),
    base: `http://127.0.0.1:${port}/migrate`,
  };
  others = ['worker2', 'worker3'].map(
    (name) => new Process('test/e2e/fast-worker.mjs', env(name), join(stack.dir, `${name}.out`)),
  );
  for (const process of [secondWeb.process, ...others]) process.start();
  db = new pg.Client({ connectionString: stack.database.url });
  await db.connect();
  await until(async () => (await workers()).length === 3);
  await until(async () => (await fetch(`${secondWeb.base}/health/ready`).catch(() => null))?.status === 200);
}, 120_000 * PATIENCE);
afterAll(async () => {
  await db?.end();
  await Promise.all([secondWeb?.process, ...others].map((process) => process?.end()));
  await stack?.stop();
  await stopPrivateServers();
}, 120_000);

async function until(look: () => Promise<boolean>, ms = 90_000 * PATIENCE): Promise<void> {
  const end = Date.now() + ms;
  while (!(await look())) {
    if (Date.now() > end) throw new Error('it did not come to that in time');
    await delay(50);
  }
}
const workers = async () =>
  (
    await db.query<{ id: string; pid: number; draining: boolean }>(
      `SELECT id, pid, draining FROM mailferry.workers WHERE beat_at > now() - interval '10 s'`,
    )
  ).rows;
const copied = async (): Promise<number> =>
  Number((await db.query<{ n: string }>(`SELECT sum(copied) AS n FROM mailferry.jobs`)).rows[0]!.n);

it(
  'whatever is killed, every migration ends complete, and none runs twice',
  async () => {
    const fingerprint = await fingerprintOf(oldProvider.imapsPort);
    const pairs: { from: TestAccount; to: TestAccount; api: Api; id: string }[] = [];
    for (let i = 0; i < MIGRATIONS; i++) {
      const from = oldProvider.account();
      const to = hoster.account({ name: from.user.split('@')[0]! });
      await appendMessages(from, fixtureMailbox(MESSAGES, i));
      const token = await stack.token(to.user);
      const api = new Api(i % 2 === 0 ? stack.base : secondWeb.base, token);
      const { status, body } = await api.post('/jobs', {
        mailbox: to.user,
        source: sourceOf(from, fingerprint),
        start: true,
      });
      expect(status).toBe(201);
      // Whoever is asked knows of it at once: web processes hold nothing.
      expect((await new Api(i % 2 === 0 ? secondWeb.base : stack.base, token).get(`/jobs/${body.id}`)).status).toBe(
        200,
      );
      pairs.push({ from, to, api: new Api(stack.base, token), id: body.id });
    }

    // A worker is told to take no more: what it has it ends, and the others do the rest.
    const drained = (await workers()).find(({ pid }) => pid === others[1]!.pid)!;
    await db.query(`UPDATE mailferry.workers SET drain = true WHERE id = $1`, [drained.id]);
    await until(async () => (await workers()).some(({ id, draining }) => id === drained.id && draining));
    const {
      rows: [last],
    } = await db.query<{ at: Date }>(`SELECT clock_timestamp() AS at`);

    await until(async () => (await copied()) > 0);
    await stack.worker.kill();
    await secondWeb.process.kill();
    // All bells are gone; then Redis itself, for a while.
    await redis.kill();
    const before = await copied();
    await until(async () => (await copied()) > before || (await copied()) === MIGRATIONS * MESSAGES);
    await redis.restart();
    stack.worker.start();

    for (const { api, id, from, to } of pairs) {
      const done = await api.until(id, END, 180_000 * PATIENCE);
      expect(done).toMatchObject({
        state: 'completed',
        outcome: 'complete',
        progress: { found: MESSAGES, copied: MESSAGES },
      });
      const count = async (account: TestAccount) =>
        (await readMailbox(account)).reduce((sum, { messages }) => sum + messages.length, 0);
      expect(await count(to)).toBe(await count(from));
    }
    const { rows: overlaps } = await db.query(
      `SELECT a.job FROM mailferry.runs a JOIN mailferry.runs b ON a.job = b.job AND a.id < b.id
     WHERE tstzrange(a.started_at, a.finished_at) && tstzrange(b.started_at, b.finished_at)`,
    );
    expect(overlaps).toEqual([]);
    const { rows: taken } = await db.query(`SELECT 1 FROM mailferry.runs WHERE worker = $1 AND started_at > $2`, [
      drained.id,
      last!.at,
    ]);
    expect(taken).toEqual([]);
    // One JSON object a line, with the run and the job it is about.
    const lines = others[0]!
      .log()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { message: unknown });
    const ended = lines.map(({ message }) => message as { event?: string; job?: string; run?: string });
    expect(ended).toContainEqual(
      expect.objectContaining({ event: 'run-ended', job: expect.any(String), run: expect.any(String) }),
    );
  },
  360_000 * PATIENCE,
);

it(
  'a worker that sleeps longer than it may, while Redis is emptied, neither ends nor spoils what it had begun',
  async () => {
    await db.query(`UPDATE mailferry.workers SET drain = false`);
    const from = oldProvider.account();
    const to = hoster.account({ name: from.user.split('@')[0]! });
    await appendMessages(from, fixtureMailbox(2_000, 99));
    const api = new Api(stack.base, await stack.token(to.user));
    const source = sourceOf(from, await fingerprintOf(oldProvider.imapsPort));
    const { body } = await api.post('/jobs', { mailbox: to.user, source, start: true });
    const own = async (): Promise<number> => (await api.get(`/jobs/${body.id}`)).body.progress.copied as number;
    await until(async () => (await own()) > 0);
    const {
      rows: [run],
    } = await db.query<{ pid: number; worker: string }>(
      `SELECT w.pid, w.id AS worker FROM mailferry.runs r JOIN mailferry.workers w ON w.id = r.worker
       WHERE r.job = $1 AND r.finished_at IS NULL`,
      [body.id],
    );
    const sleeper = [stack.worker, ...others].find(({ pid }) => pid === run!.pid)!;
    sleeper.signal('SIGSTOP');
    try {
      await flushAll(redis.path);
      const done = await api.until(body.id, END, 180_000 * PATIENCE);
      expect(done).toMatchObject({
        state: 'completed',
        outcome: 'complete',
        progress: { found: 2_000, copied: 2_000 },
      });
    } finally {
      sleeper.signal('SIGCONT');
    }
    const whole = async (account: TestAccount) =>
      (await readMailbox(account)).filter(({ messages }) => messages.length > 0).map(({ messages }) => messages);
    const expected = await whole(from);
    expect(await whole(to)).toEqual(expected);
    // Awake again it finds that it is another's, and works on.
    await until(async () => (await workers()).some(({ pid }) => pid === sleeper.pid));
    await delay(3_000);
    expect(await whole(to)).toEqual(expected);
    expect((await api.get(`/jobs/${body.id}`)).body).toMatchObject({ state: 'completed', outcome: 'complete' });
    const { rows: runs } = await db.query<{ worker: string }>(
      `SELECT worker FROM mailferry.runs WHERE job = $1 ORDER BY started_at`,
      [body.id],
    );
    expect(runs.length).toBeGreaterThan(1);
    expect(runs.slice(1).map(({ worker }) => worker)).not.toContain(run!.worker);
  },
  360_000 * PATIENCE,
);
