import { BatchRunner } from '../../src/batches/batch-runner.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { nextJob } from '../../src/worker/next-job.js';
import { WORKER } from '../worker/support.js';
import { dora } from '../jobs/support.js';
import { batchRoom, type BatchRoom } from './support.js';

const NAMES = ['ann', 'ben', 'cem', 'dan', 'eva', 'fay', 'gus', 'hal'];

describe('the rounds of a worker that looks after batches', () => {
  let room: BatchRoom;
  let runner: BatchRunner;
  beforeAll(async () => {
    room = await batchRoom();
    runner = room.get(BatchRunner);
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  /** Other batches, each with three migrations under way and one that waits for its turn: no room for it yet. */
  async function crowd(count: number): Promise<void> {
    const { id } = await room.batch(NAMES.slice(0, 4));
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    await room.db.query(
      `WITH made AS (
         INSERT INTO mailferry.batches (tenant, domain, owner, principal, source, auth, options, state, pass, started_at, resumed_at)
         SELECT tenant, domain, owner, principal, source, auth, options, state, pass, started_at, resumed_at
         FROM mailferry.batches, generate_series(1, $2) WHERE id = $1 RETURNING id),
       jobs AS (
         INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, batch, state, source, items, queued_at)
         SELECT j.tenant, j.domain, j.mailbox, j.owner, m.id, j.state, j.source, j.items, j.queued_at
         FROM made m, mailferry.jobs j WHERE j.batch = $1 RETURNING id, batch, mailbox, state)
       INSERT INTO mailferry.batch_rows (batch, row, mailbox, job, want)
       SELECT batch, row_number() OVER (PARTITION BY batch), mailbox, id, CASE WHEN state = 'draft' THEN 'start' END FROM jobs`,
      [id, count],
    );
  }

  it('reach the batch behind a hundred busy ones, its start, its pause and its end', async () => {
    await crowd(120);
    const { id } = await room.batch(['ida']);
    await room.batches.act(dora, id, 'start');
    await runner.tick();
    await runner.tick();
    expect(await room.states(id)).toEqual(['queued']);
    await room.batches.act(dora, id, 'pause');
    // At once, whoever else waits.
    await runner.tick();
    expect(await room.states(id)).toEqual(['paused']);
    await room.batches.act(dora, id, 'cancel');
    await runner.tick();
    expect(await room.states(id)).toEqual(['cancelled']);
  });

  it('pass over batches in which nothing is to be done', async () => {
    const { id } = await room.batch(['ann']);
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    const [job] = await room.jobs(id);
    await room.run(job!);
    const looked = async (): Promise<unknown> =>
      (await room.db.query<object[]>(`SELECT looked_at FROM mailferry.batches WHERE id = $1`, [id]))[0];
    const before = await looked();
    await runner.tick();
    expect(await looked()).toEqual(before);
    await room.db.query(`UPDATE mailferry.batches SET next_sync_at = now() WHERE id = $1`, [id]);
    expect(await room.settle(id)).toEqual(['queued']);
    expect(await looked()).not.toEqual(before);
  });

  it('keep no worker from choosing its next migration meanwhile', async () => {
    const { id } = await room.batch(NAMES.slice(0, 2));
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    await room.batches.act(dora, id, 'test').catch(() => undefined);
    await room.db.query(`UPDATE mailferry.batch_rows SET want = 'start' WHERE batch = $1 AND row = 1`, [id]);
    let asked = (): void => undefined;
    let answer = (): void => undefined;
    const inside = new Promise<void>((resolve) => (asked = resolve));
    const gate = new Promise<void>((resolve) => (answer = resolve));
    const currentPrincipal = room.panel.currentPrincipal.bind(room.panel);
    room.panel.currentPrincipal = async (claimed) => {
      asked();
      await gate;
      return currentPrincipal(claimed);
    };
    const round = runner.tick();
    try {
      await inside;
      const found = await room.db.transaction(async (manager) => {
        await manager.query(`SET LOCAL lock_timeout = '5s'`);
        return nextJob(manager, WORKER, room.options.worker);
      });
      expect(await room.jobs(id)).toContain(found);
    } finally {
      answer();
      await round;
      room.panel.currentPrincipal = currentPrincipal;
    }
  });

  describe('count sign-ins', () => {
    async function first(): Promise<{ id: string; jobs: string[] }> {
      const { id } = await room.batch(NAMES);
      await room.batches.act(dora, id, 'start');
      const jobs = await room.jobs(id);
      for (;;) {
        const states = await room.settle(id);
        const open = jobs.filter((_, i) => states[i] === 'queued');
        if (open.length === 0) return { id, jobs };
        for (const job of open) await room.run(job);
      }
    }
    const refuse = async (job: string): Promise<void> => {
      await room.happen(job, 'claim');
      await room.happen(job, 'need-action', { reason: reasonFor('AUTH_FAILED') });
    };

    it('anew in each pass: a password that was changed since is tried on a few mailboxes, not on all', async () => {
      const { id, jobs } = await first();
      await room.db.query(`UPDATE mailferry.batches SET next_sync_at = now() WHERE id = $1`, [id]);
      const begun = await room.settle(id);
      expect(begun.filter((state) => state === 'queued')).toHaveLength(3);
      for (const [i, job] of jobs.entries()) if (begun[i] === 'queued') await refuse(job);
      const states = await room.settle(id);
      expect(states.filter((state) => state === 'needs-action')).toHaveLength(3);
      expect(states.filter((state) => state === 'completed')).toHaveLength(5);
      expect(await room.batches.get(dora.visibility, id)).toMatchObject({
        state: 'paused',
        reason: { code: 'SIGN_INS_REFUSED' },
      });
      expect(await room.news()).toEqual([['dora', 'SIGN_INS_REFUSED']]);
    });

    it('of an administrator who is refused five times in a row, after he got in before', async () => {
      const { id } = await room.batch(NAMES, { options: { atOnce: 1 } });
      await room.batches.act(dora, id, 'start');
      const jobs = await room.jobs(id);
      await room.settle(id);
      // A run that is under way got in.
      await room.happen(jobs[0]!, 'claim');
      await room.db.query(
        `INSERT INTO mailferry.runs (job, kind, signed_in_at) VALUES ($1, 'first', clock_timestamp())`,
        [jobs[0]],
      );
      await room.happen(jobs[0]!, 'finish', { outcome: 'complete' });
      for (const job of jobs.slice(1, 6)) {
        expect((await room.settle(id))[jobs.indexOf(job)]).toBe('queued');
        await refuse(job);
      }
      expect((await room.settle(id)).slice(6)).toEqual(['draft', 'draft']);
      expect((await room.batches.get(dora.visibility, id))!.reason?.code).toBe('SIGN_INS_REFUSED');
    });

    it('by what a run that is still under way found out', async () => {
      const { id } = await room.batch(NAMES.slice(0, 6));
      await room.batches.act(dora, id, 'start');
      expect((await room.settle(id)).filter((state) => state === 'queued')).toHaveLength(3);
      const [ann] = await room.jobs(id);
      await room.happen(ann!, 'claim');
      await room.db.query(
        `INSERT INTO mailferry.runs (job, kind, signed_in_at) VALUES ($1, 'first', clock_timestamp())`,
        [ann],
      );
      expect((await room.settle(id)).filter((state) => state === 'draft')).toEqual([]);
    });
  });
});
