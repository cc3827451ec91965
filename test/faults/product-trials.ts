/** npm run faults -- --only product: web, two workers, Redis and Postgres, all but the web taken away while a mailbox is copied. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { type Api, fingerprintOf, Process, sourceOf, type Stack, startStack } from '../e2e/stack.js';
import { appendMessages, hoster, oldProvider } from '../servers/dovecot.js';
import { type MailServer, outline, seeMailbox } from '../servers/mailbox-view.js';
import { privatePostgres, privateRedis } from '../servers/private.js';
import { flushAll } from '../servers/redis.js';
import { audit, compare, readBooks } from './check.js';
import { type Random, randomOf } from './plan.js';

/** What is done to it. A flush of Redis takes every ring and lock; a worker sleeps for longer than its lease. */
export const PRODUCT_ACTS = ['redis-flush', 'redis-kill', 'worker-kill', 'worker-stop', 'database-kill'] as const;
type Act = (typeof PRODUCT_ACTS)[number];

const MESSAGES = 300;
/** Of fast-worker.mjs, its grace included, and some more. */
const LONGER_THAN_A_LEASE_MS = 8_000;
const LIMIT_MS = 240_000;
const MOST_ACTS = 3;
const UNTOUCHED = { received: new Map<string, string[]>(), loose: [] };

interface Product {
  readonly stack: Stack;
  readonly api: Api;
  readonly workers: readonly Process[];
  readonly redis: Awaited<ReturnType<typeof privateRedis>>;
  readonly postgres: Awaited<ReturnType<typeof privatePostgres>>;
}

/** @returns how many failed; each is told with what repeats it. */
export async function productTrials(first: number, trials: number): Promise<number> {
  const product = await started();
  const met = new Map<Act, number>();
  let failed = 0;
  try {
    for (let seed = first; seed < first + trials; seed++) {
      const random = randomOf(seed);
      // Each at least once in as many trials as there are.
      const acts = [PRODUCT_ACTS[seed % PRODUCT_ACTS.length]!];
      while (acts.length < MOST_ACTS && random.chance(0.5)) acts.push(random.oneOf(PRODUCT_ACTS));
      const wrong = await play(product, seed, acts, random).catch((error: Error) => [error.stack ?? error.message]);
      for (const act of acts) met.set(act, (met.get(act) ?? 0) + 1);
      if (wrong.length === 0) continue;
      failed++;
      console.log(`\nFAILED: product, seed ${seed}, ${acts.join(', ')}`);
      for (const line of wrong) console.log(`  ${line}`);
      console.log(`  again: npm run faults -- --only product --trials 1 --seed ${seed}`);
    }
  } finally {
    await Promise.all(product.workers.map((worker) => worker.end()));
    await product.stack.stop();
  }
  const acts = [...met].map(([act, times]) => `${act} ${times}`).join(', ');
  console.log(`\nthe whole product: ${trials} trials, ${failed} failed (${acts}); seed ${first}`);
  return failed;
}

async function started(): Promise<Product> {
  const [redis, postgres] = await Promise.all([privateRedis(), privatePostgres()]);
  const stack = await startStack({ shortLease: true, redisPath: redis.path, databaseUrl: postgres.url });
  const env = { ...stack.env, MAILFERRY_DATA_DIR: join(stack.dir, 'worker2') };
  const second = new Process('test/e2e/fast-worker.mjs', env, join(stack.dir, 'worker2.out'));
  second.start();
  const api = await stack.api(null, { role: 'domain-admin', domain: 'new.test' });
  return { stack, api, workers: [stack.worker, second], redis, postgres };
}

const on = (name: string): MailServer => ({
  ...{ name, prefix: '', separator: '/' },
  account: () => Promise.reject(new Error('made already')),
});

async function play(product: Product, seed: number, acts: readonly Act[], random: Random): Promise<string[]> {
  const { api, stack } = product;
  const from = oldProvider.account();
  const to = hoster.account({ name: from.user.split('@')[0]! });
  await appendMessages(from, fixtureMailbox(MESSAGES, seed));
  const before = await seeMailbox(on('old'), from);
  const source = sourceOf(from, await fingerprintOf(oldProvider.imapsPort));
  const { body } = await api.post('/jobs', { mailbox: to.user, source, start: true, options: { keepForSync: true } });
  let least = 1;
  for (const act of acts) {
    await underWay(product, body.id, least);
    await perform(product, act, body.id, random);
    least += random.upTo(MESSAGES / acts.length);
  }
  const first = await ended(product, body.id);
  const wrong = first === 'complete' ? [] : [`it ended ${first}`];
  const check = async (): Promise<number> => {
    const [old, fresh] = [await seeMailbox(on('old'), from), await seeMailbox(on('new'), to)];
    if (JSON.stringify(outline(old)) !== JSON.stringify(outline(before))) wrong.push('the source is not what it was');
    wrong.push(...compare(old, fresh, UNTOUCHED));
    const books = await readBooks(stack.database.url, body.id, to.user);
    wrong.push(...audit(books, old, fresh, UNTOUCHED));
    return books.copied;
  };
  const copied = await check();
  const again = await api.post(`/jobs/${body.id}/sync`);
  if (again.status !== 202) wrong.push(`no second run: ${again.status} ${JSON.stringify(again.body)}`);
  else if ((await ended(product, body.id)) !== 'complete') wrong.push('the second run is not complete');
  if ((await check()) !== copied) wrong.push('a second run copied something');
  return wrong;
}

async function perform(product: Product, act: Act, job: string, random: Random): Promise<void> {
  const { redis, postgres } = product;
  const away = () => sleep(100 + random.upTo(1_500));
  switch (act) {
    case 'redis-flush':
      return flushAll(redis.path);
    case 'redis-kill':
      await redis.kill();
      await away();
      return redis.restart();
    case 'database-kill':
      await postgres.kill();
      await away();
      return postgres.restart();
    case 'worker-kill': {
      const worker = await atWork(product, job);
      await worker.kill();
      return worker.start();
    }
    case 'worker-stop': {
      const worker = await atWork(product, job);
      worker.signal('SIGSTOP');
      await sleep(LONGER_THAN_A_LEASE_MS);
      worker.signal('SIGCONT');
    }
  }
}

/** The worker whose run it is, or else any. */
async function atWork({ stack, workers }: Product, job: string): Promise<Process> {
  const client = new pg.Client({ connectionString: stack.database.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ pid: number }>(
      `SELECT w.pid FROM mailferry.runs r JOIN mailferry.workers w ON w.id = r.worker
       WHERE r.job = $1 AND r.finished_at IS NULL`,
      [job],
    );
    return workers.find(({ pid }) => pid === rows[0]?.pid) ?? workers[0]!;
  } finally {
    await client.end();
  }
}

/** Waits until so much has arrived, or it has ended before that. */
async function underWay({ api }: Product, job: string, least: number): Promise<void> {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const { status, body } = await api.get(`/jobs/${job}`);
    if (status === 200 && (body.progress.copied >= least || body.state === 'completed')) return;
    if (Date.now() > end) throw new Error(`nothing moves: ${status} ${JSON.stringify(body)}`);
    await sleep(20);
  }
}

/** Its outcome. What waits for an hour is not waited for here. */
async function ended({ api }: Product, job: string): Promise<string> {
  const end = Date.now() + LIMIT_MS;
  for (;;) {
    const { status, body } = await api.get(`/jobs/${job}`);
    if (status === 200 && body.state === 'completed') return String(body.outcome);
    if (status === 200 && ['failed', 'needs-action', 'cancelled'].includes(body.state))
      return `${body.state} ${JSON.stringify(body.reason)}`;
    if (status === 200 && body.state === 'waiting') await api.post(`/jobs/${job}/resume`);
    if (Date.now() > end) throw new Error(`it does not end: ${status} ${JSON.stringify(body)}`);
    await sleep(100);
  }
}
