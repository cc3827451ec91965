import { randomUUID } from 'node:crypto';
import { resolveOptions } from '../../src/plugin-options.js';
import type { WorkerOptions } from '../../src/panel/options.js';
import { nextJob } from '../../src/worker/next-job.js';
import { RunJob } from '../../src/worker/run-job.js';
import { alice, newJob, TENANT } from '../jobs/support.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { WORKER, workerRoom, type WorkerRoom } from './support.js';

let room: WorkerRoom;
beforeAll(async () => {
  room = await workerRoom();
});
afterEach(() => room.clear());
afterAll(() => room.close());

let made = 0;
interface Row {
  readonly tenant?: string;
  readonly owner?: string;
  readonly batch?: string | null;
  readonly host?: string;
  readonly mailbox?: string;
}

/** Queued in this order. */
async function queued({
  tenant = TENANT,
  owner = 'anybody',
  batch = null,
  host = 'old.test',
  mailbox,
}: Row = {}): Promise<string> {
  const n = ++made;
  const [row] = await room.db.query<{ id: string }[]>(
    `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, batch, state, source, queued_at)
     VALUES ($1, 'new.test', $2, $3, $4, 'queued', $5, clock_timestamp()) RETURNING id`,
    [
      tenant,
      mailbox ?? `m${n}@new.test`,
      owner,
      batch,
      JSON.stringify({ type: 'imap', host, port: 993, username: `u${n}` }),
    ],
  );
  return row!.id;
}

async function aBatch(tenant = TENANT): Promise<string> {
  const [row] = await room.db.query<{ id: string }[]>(
    `INSERT INTO mailferry.batches (tenant, domain, owner) VALUES ($1, 'new.test', 'admin') RETURNING id`,
    [tenant],
  );
  return row!.id;
}

/** What a worker takes next; it is at work from then on. */
async function take(limits: Partial<WorkerOptions> = {}, worker = WORKER): Promise<string | null> {
  const { worker: usual } = room.options;
  return room.db.transaction(async (manager) => {
    const id = await nextJob(manager, worker, { ...usual, ...limits });
    if (id === null) return null;
    await manager.query(`UPDATE mailferry.jobs SET state = 'running' WHERE id = $1`, [id]);
    await manager.query(`INSERT INTO mailferry.runs (job, kind, worker) VALUES ($1, 'first', $2)`, [id, worker]);
    return id;
  });
}
async function done(id: string): Promise<void> {
  await room.db.query(`UPDATE mailferry.runs SET state = 'completed' WHERE job = $1`, [id]);
  await room.db.query(`UPDATE mailferry.jobs SET state = 'completed' WHERE id = $1`, [id]);
}

test('a person who starts after a batch of fifty is next, with a single place', async () => {
  const batch = await aBatch();
  for (let n = 0; n < 50; n++) await queued({ batch });
  room.outside.fill(2);
  const { job } = await room.get(JobsService).create(alice, newJob({ start: true }));
  expect(await room.get(RunJob).executeNext(WORKER, new AbortController().signal)).toBe(true);
  expect(await room.get(JobsService).get(alice.visibility, job.id)).toMatchObject({ state: 'completed' });
  const [left] = await room.db.query(`SELECT count(*)::int AS n FROM mailferry.jobs WHERE state = 'queued'`);
  expect(left).toEqual({ n: 50 });
});

test('batches leave one place of each worker to people, unless it has no other', async () => {
  const batch = await aBatch();
  for (let n = 0; n < 4; n++) await queued({ batch });
  const places = { jobs: 3 };
  expect(await take(places)).not.toBeNull();
  expect(await take(places)).not.toBeNull();
  expect(await take(places)).toBeNull();
  const person = await queued();
  expect(await take(places)).toBe(person);
  expect(await take({ jobs: 1 }, randomUUID())).not.toBeNull();
});

test('two tenants, and two batches of one tenant, take turns, however much one of them has queued', async () => {
  const first = [await queued({ tenant: 'a' }), await queued({ tenant: 'a' }), await queued({ tenant: 'a' })];
  const second = [await queued({ tenant: 'b' }), await queued({ tenant: 'b' })];
  const order: string[] = [];
  for (let id = await take({ jobs: 1 }); id !== null; id = await take({ jobs: 1 })) {
    order.push(first.includes(id) ? 'a' : second.includes(id) ? 'b' : '?');
    await done(id);
  }
  expect(order.join('')).toBe('ababa');

  const [x, y] = [await aBatch(), await aBatch()];
  const large = [await queued({ batch: x }), await queued({ batch: x }), await queued({ batch: x })];
  await queued({ batch: y });
  const taken: (string | null)[] = [await take({ jobs: 9 }), await take({ jobs: 9 })];
  expect(taken.map((id) => large.includes(id!))).toEqual([true, false]);
});

test('no more of a tenant, of an old server and of a mailbox are at work than may be', async () => {
  const mine = [await queued({ host: 'h1.test', mailbox: 'same@new.test' }), await queued({ host: 'h1.test' })];
  const same = await queued({ host: 'h2.test', mailbox: 'same@new.test' });
  const limits = { hostLimits: { 'h1.test': 1 }, tenantJobs: 2 };
  expect(await take(limits)).toBe(mine[0]);
  // The other one of h1 has to wait, and so has the one with the same mailbox.
  expect(await take(limits)).toBeNull();
  const third = await queued({ host: 'h3.test' });
  expect(await take(limits)).toBe(third);
  await queued({ host: 'h4.test' });
  expect(await take(limits)).toBeNull();
  await done(mine[0]!);
  expect(await take(limits)).toBe(mine[1]);
  await done(third);
  expect(await take(limits)).toBe(same);
});

test('a server whose connections are all in use is left alone until one is free', async () => {
  const job = await queued({ host: 'old.test' });
  const { ttlMs } = room.options.worker.lease;
  const holder = randomUUID();
  await room.db.query(
    `INSERT INTO mailferry.source_slots (host, account, holder, until)
     SELECT 'old.test', 'a', $1, clock_timestamp() + $2 * interval '1 millisecond' FROM generate_series(1, 2)`,
    [holder, ttlMs],
  );
  const limits = { hostConnections: 2 };
  expect(await take(limits)).toBeNull();
  await room.db.query(`UPDATE mailferry.source_slots SET until = clock_timestamp() WHERE holder = $1`, [holder]);
  expect(await take(limits)).toBe(job);
});

test('workers that choose at the same moment take different jobs and pass no limit together', async () => {
  for (let n = 0; n < 12; n++) await queued();
  const taken = await Promise.all(Array.from({ length: 8 }, () => take({ tenantJobs: 5 }, randomUUID())));
  const ids = taken.filter((id) => id !== null);
  expect([ids.length, new Set(ids).size]).toEqual([5, 5]);
});

test('the defaults limit nobody who does not run a whole datacentre', () => {
  const { worker } = resolveOptions({ panel: room.panel, databaseUrl: 'x', redis: { path: 'x' }, keys: 'x' });
  expect(worker).toMatchObject({ hostConnections: 64, hostLimits: {}, tenantJobs: null });
});
