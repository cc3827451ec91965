import { JobCredentials } from '../../src/jobs/job-credentials.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { checkSettings } from '../../src/jobs/settings.js';
import { lockJob } from '../../src/jobs/transition.js';
import { Pruner } from '../../src/worker/pruner.js';
import { alice, CANARY, dora, newJob, refusal, until } from '../jobs/support.js';
import { batchRoom, type BatchRoom } from './support.js';

const DAY_MS = 24 * 60 * 60 * 1000;

describe('how long a batch keeps its secrets', () => {
  let room: BatchRoom;
  beforeAll(async () => {
    room = await batchRoom({}, [Pruner]);
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  /** Days that are left, of every secret. */
  const left = async (): Promise<number[]> =>
    (
      await room.db.query<{ days: number }[]>(
        `SELECT round(extract(epoch FROM expires_at - now()) / 86400)::int AS days FROM mailferry.credentials ORDER BY 1`,
      )
    ).map(({ days }) => days);
  /** As if it had happened so many days ago. */
  async function daysPass(days: number): Promise<void> {
    await room.db.query(
      `UPDATE mailferry.credentials SET expires_at = expires_at - make_interval(days => $1),
      created_at = created_at - make_interval(days => $1)`,
      [days],
    );
    await room.db.query(
      `UPDATE mailferry.batches SET resumed_at = resumed_at - make_interval(days => $1),
         started_at = started_at - make_interval(days => $1), updated_at = updated_at - make_interval(days => $1)`,
      [days],
    );
  }
  const passDue = (): Promise<unknown> => room.db.query(`UPDATE mailferry.batches SET next_sync_at = now()`);
  async function underWay(): Promise<{ id: string; jobs: string[] }> {
    const { id } = await room.batch(['ann', 'ben'], { auth: { kind: 'per-row' }, options: { syncEveryHours: 6 } });
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    return { id, jobs: await room.jobs(id) };
  }

  it('is not made longer by passes that come by themselves, nor by a wait that ends', async () => {
    const { id, jobs } = await underWay();
    await room.run(jobs[0]!);
    await daysPass(10);
    await room.happen(jobs[1]!, 'claim');
    await room.happen(jobs[1]!, 'wait', { reason: reasonFor('THROTTLED'), until: new Date() });
    await room.happen(jobs[1]!, 'wake');
    await room.run(jobs[1]!);
    await passDue();
    expect(await room.settle(id)).toEqual(['queued', 'queued']);
    for (const job of jobs) await room.run(job);
    expect(await left()).toEqual([20, 20]);
    // What fails meanwhile is not shortened either: the next pass comes back to it.
    await passDue();
    await room.settle(id);
    await room.happen(jobs[0]!, 'claim');
    await room.happen(jobs[0]!, 'fail', { reason: reasonFor('CONNECT_FAILED') });
    expect(await left()).toEqual([20, 20]);
    await room.batches.act(dora, id, 'retry');
    expect(await left()).toEqual([30, 30]);
  });

  it('pauses it a day before they are erased, with the reason; resuming keeps them on', async () => {
    const { id, jobs } = await underWay();
    for (const job of jobs) await room.run(job);
    await daysPass(28);
    await passDue();
    expect(await room.settle(id)).toEqual(['queued', 'queued']);
    await daysPass(1);
    expect(await room.settle(id)).toEqual(['paused', 'paused']);
    expect(await room.batches.get(dora.visibility, id)).toMatchObject({
      state: 'paused',
      reason: { code: 'SECRETS_END' },
    });
    await room.batches.act(dora, id, 'resume');
    expect(await room.settle(id)).toEqual(['queued', 'queued']);
    expect(await left()).toEqual([30, 30]);
  });

  it('lets a start lie fourteen days ahead and no more, so that they last', async () => {
    const { id } = await room.batch(['ann']);
    const at = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString();
    expect(await refusal(room.batches.act(dora, id, 'start', { at: at(14.1) }))).toBe('START_TOO_FAR');
    expect(await refusal(room.batches.act(dora, id, 'start', { at: 'soon' }))).toBe('VALIDATION');
    expect(await refusal(room.batches.act(dora, id, 'start', { at: at(13.9) }))).toBe('done');
  });

  it('removes what was never started after a week, with them, unless its users are being asked', async () => {
    const admin = await room.batch(['ann']);
    const own = await room.batch(['ben'], { auth: { kind: 'per-row' } });
    const asked = await room.batch(['cem'], { auth: { kind: 'ask-user' } });
    const given = await room.batch(['dan'], { auth: { kind: 'ask-user' } });
    const started = await room.batch(['eva']);
    await room.batches.act(dora, started.id, 'start');
    await room.batches.invite(dora, asked.id, { days: 14, send: false });
    await daysPass(6);
    await room.get(Pruner).prune();
    expect(await room.batches.list(dora.visibility, 'new.test')).toHaveLength(5);
    const [dan] = await room.jobs(given.id);
    await room.get(JobsService).setCredentials(dora, dan!, { password: CANARY });
    await daysPass(2);
    await room.get(Pruner).prune();
    const kept = (await room.batches.list(dora.visibility, 'new.test')).map(({ id }) => id);
    expect(kept.sort()).toEqual([asked.id, given.id, started.id].sort());
    // The started one's administrator, and Dan's.
    expect(await left()).toHaveLength(2);
    for (const { id } of [admin, own]) expect(await room.jobs(id)).toEqual([]);
    const lines = await room.db.query<{ detail: object }[]>(
      `SELECT detail FROM mailferry.audit WHERE action = 'batch.discard' AND sub = 'mailferry'`,
    );
    expect(lines).toContainEqual({ detail: expect.objectContaining({ batch: own.id, secrets: '1' }) });
  });

  it('brings back nothing that has expired: neither resuming a batch nor one migration', async () => {
    const { id, jobs } = await underWay();
    const { job } = await room
      .get(JobsService)
      .create(alice, newJob({ destination: { password: CANARY }, start: true }));
    await room.batches.act(dora, id, 'pause');
    await room.settle(id);
    await room.get(JobsService).act(alice, job.id, 'pause');
    await room.db.query(
      `UPDATE mailferry.credentials SET expires_at = now() - interval '1 day'
       WHERE owner = $1 OR (owner = $2 AND field = 'destination-password')`,
      [jobs[0], job.id],
    );
    await room.batches.act(dora, id, 'resume');
    await room.get(JobsService).act(alice, job.id, 'resume');
    expect(await left()).toEqual([-1, -1, 30, 30]);
    expect(await room.settle(id)).toEqual(['paused', 'queued']);
    const admin = await room.batch(['ann']);
    await room.db.query(`UPDATE mailferry.credentials SET expires_at = now() - interval '1 day' WHERE owner = $1`, [
      admin.id,
    ]);
    expect(await refusal(room.batches.act(dora, admin.id, 'start'))).toBe('CREDENTIALS_REQUIRED');
  });

  it.each(['discarded', 'forgotten', 'filled anew'] as const)(
    'keeps no password that somebody gives while his batch is %s',
    async (how) => {
      const { id } = await room.batch(['ann', 'ben'], { auth: { kind: 'ask-user' } });
      const [ann] = await room.jobs(id);
      const ways = {
        discarded: () => room.batches.discard(dora, id),
        forgotten: () => room.get(Pruner).prune(),
        'filled anew': () => room.batches.fill(dora, id, { rows: [] }),
      };
      await daysPass(8);
      let gone: Promise<unknown> = Promise.resolve();
      await room.db.transaction(async (manager) => {
        await lockJob(manager, ann!);
        gone = ways[how]();
        await until(async () => {
          const [waiting] = await room.db.query<{ n: number }[]>(
            `SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND pid <> pg_backend_pid()`,
          );
          return waiting!.n > 0;
        });
        await room.get(JobCredentials).set(manager, dora, ann!, checkSettings({ secret: { password: CANARY } }));
      });
      await gone;
      expect(await room.jobs(id)).not.toContain(ann);
      expect(await room.secrets()).toBe(0);
    },
  );
});
