import { JobsService } from '../../src/jobs/jobs.service.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { batchCsv } from '../../src/reports/batch-csv.js';
import { CANARY, dora, refusal, sam } from '../jobs/support.js';
import { batchRoom, type BatchRoom } from './support.js';

describe('the passes of a batch and its end', () => {
  let room: BatchRoom;
  beforeAll(async () => {
    room = await batchRoom();
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  const batchOf = async (id: string) => (await room.batches.get(dora.visibility, id))!;
  const expiries = async (owners: readonly string[]): Promise<number[]> =>
    (
      await room.db.query<{ hours: number }[]>(
        `SELECT round(extract(epoch FROM expires_at - now()) / 3600)::int AS hours FROM mailferry.credentials
         WHERE owner = ANY($1) ORDER BY expires_at`,
        [owners],
      )
    ).map(({ hours }) => hours);
  async function ends(job: string, how: 'complete' | 'incomplete' | 'failed' | 'needs-action'): Promise<void> {
    if (how === 'complete' || how === 'incomplete') return room.run(job, how);
    await room.happen(job, 'claim');
    await room.happen(job, how === 'failed' ? 'fail' : 'need-action', { reason: reasonFor('QUOTA_EXCEEDED') });
  }

  describe('of which some users have not given their passwords', () => {
    /** Ann’s is there and her mailbox has been copied; Ben’s is missing. */
    async function waiting(): Promise<{ id: string; ann: string; ben: string }> {
      const { id } = await room.batch(['ann', 'ben'], { auth: { kind: 'ask-user' }, options: { syncEveryHours: 6 } });
      const [ann, ben] = (await room.jobs(id)) as [string, string];
      await room.get(JobsService).setCredentials(dora, ann, { password: CANARY });
      await room.batches.act(dora, id, 'start');
      expect(await room.settle(id)).toEqual(['queued', 'draft']);
      await room.run(ann);
      return { id, ann, ben };
    }

    it('goes on with its passes when they are due', async () => {
      const { id } = await waiting();
      await room.db.query(`UPDATE mailferry.batches SET next_sync_at = now()`);
      expect(await room.settle(id)).toEqual(['queued', 'draft']);
      expect(await batchOf(id)).toMatchObject({ pass: 2 });
    });

    it('finishes after the last pass and says whose mailbox was left out, and why', async () => {
      const { id, ann, ben } = await waiting();
      await room.batches.act(dora, id, 'sync', { last: true });
      expect(await room.settle(id)).toEqual(['queued', 'draft']);
      await room.run(ann);
      expect(await room.settle(id)).toEqual(['completed', 'cancelled']);
      expect((await batchOf(id)).state).toBe('finished');
      const { rows } = (await room.batches.rows(dora.visibility, id, { show: 'attention', page: 1, perPage: 9 }))!;
      expect(rows).toMatchObject([{ job: ben, wanted: false, reason: { code: 'NO_PASSWORD_GIVEN' } }]);
      let csv = '';
      for await (const lines of (await batchCsv(room.db, dora.visibility, id))!) csv += lines;
      expect(csv).toMatch(/^2,ben@new\.test,.*,cancelled,.*,NO_PASSWORD_GIVEN,/m);
      expect(await room.secrets()).toBe(0);
    });
  });

  describe('when its last pass leaves something undone', () => {
    async function last(): Promise<{ id: string; jobs: string[] }> {
      const { id } = await room.batch(['ann', 'ben', 'cem', 'dan', 'eva'], { auth: { kind: 'per-row' } });
      await room.batches.act(dora, id, 'start');
      await room.settle(id);
      const jobs = await room.jobs(id);
      for (const job of jobs) await room.run(job);
      await room.batches.act(dora, id, 'sync', { last: true });
      await room.settle(id);
      for (const [i, how] of (['complete', 'incomplete', 'failed', 'needs-action'] as const).entries())
        await ends(jobs[i]!, how);
      await room.get(JobsService).act(dora, jobs[4]!, 'pause');
      return { id, jobs };
    }

    it('stays open, says so, and keeps every secret', async () => {
      const { id } = await last();
      expect(await room.settle(id)).toEqual(['completed', 'completed', 'failed', 'needs-action', 'paused']);
      const batch = await batchOf(id);
      expect(batch).toMatchObject({ state: 'active', finishing: true, reason: { code: 'FINISH_NEEDS_YOU' } });
      expect(batch.reason!.message).toContain('3 mailboxes need you');
      expect(batch.counts.unfinished).toBe(3);
      // Whoever made it is told once.
      expect(await room.news()).toEqual([['dora', 'FINISH_NEEDS_YOU']]);
      expect(batch.actions).toContain('finish');
      expect(await room.secrets()).toBe(5);
      expect(await refusal(room.batches.act(dora, id, 'finish'))).toBe('FINISH_NEEDS_YOU');
      expect((await batchOf(id)).state).toBe('active');
    });

    it('finishes by itself once they are done', async () => {
      const { id, jobs } = await last();
      await room.settle(id);
      await room.batches.act(dora, id, 'retry');
      await room.get(JobsService).act(dora, jobs[4]!, 'resume');
      await room.settle(id);
      for (const job of jobs.slice(1)) await room.run(job);
      await room.settle(id);
      const { state, reason } = await batchOf(id);
      expect([state, reason]).toEqual(['finished', undefined]);
      expect(await room.secrets()).toBe(0);
    });

    it('is finished anyway when somebody says so: what waits is cancelled, what failed can be tried again for three days', async () => {
      const { id, jobs } = await last();
      await room.settle(id);
      await room.batches.act(dora, id, 'finish', { anyway: true });
      expect(await room.settle(id)).toEqual(['completed', 'completed', 'failed', 'cancelled', 'cancelled']);
      expect((await batchOf(id)).state).toBe('finished');
      expect(await expiries(jobs)).toEqual([72, 72]);
      expect(await expiries([jobs[1]!, jobs[2]!])).toEqual([72, 72]);
      expect(await refusal(room.get(JobsService).act(sam, jobs[2]!, 'retry'))).toBe('done');
    });
  });

  it('keeps the administrator’s password for what failed, and not when nothing did or it was cancelled', async () => {
    async function admin(how: 'complete' | 'failed'): Promise<{ id: string; job: string }> {
      const { id } = await room.batch(['ann']);
      await room.batches.act(dora, id, 'start');
      await room.settle(id);
      const [job] = await room.jobs(id);
      await ends(job!, how);
      return { id, job: job! };
    }
    const failed = await admin('failed');
    await room.batches.act(dora, failed.id, 'finish', { anyway: true });
    expect(await expiries([failed.id])).toEqual([72]);
    expect(await refusal(room.get(JobsService).act(sam, failed.job, 'retry'))).toBe('done');
    await room.get(JobsService).act(sam, failed.job, 'cancel');
    const complete = await admin('complete');
    await room.batches.act(dora, complete.id, 'finish');
    expect(await expiries([complete.id])).toEqual([]);
    const cancelled = await admin('failed');
    await room.batches.act(dora, cancelled.id, 'cancel');
    expect(await expiries([cancelled.id])).toEqual([]);
  });

  it('ends as a whole: not for chosen rows, and no secret goes because of them', async () => {
    const { id } = await room.batch(['ann', 'ben'], { auth: { kind: 'per-row' } });
    const ids = await room.jobs(id);
    await room.batches.act(dora, id, 'start', { ids: [ids[0]!] });
    await room.settle(id);
    await room.run(ids[0]!);
    expect(await refusal(room.batches.act(dora, id, 'finish', { ids: [ids[0]!] }))).toBe('VALIDATION');
    expect(await refusal(room.batches.act(dora, id, 'sync', { ids: [ids[0]!], last: true }))).toBe('VALIDATION');
    expect(await batchOf(id)).toMatchObject({ state: 'active', finishing: false, pass: 1 });
    expect([await room.settle(id), await room.secrets()]).toEqual([['completed', 'draft'], 2]);
  });

  it('asks for no pass again and again when there is nobody to make one for', async () => {
    const { id } = await room.batch(['ann'], { options: { syncEveryHours: 6 } });
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    const [ann] = await room.jobs(id);
    await room.batches.act(dora, id, 'cancel', { ids: [ann!] });
    await room.settle(id);
    await room.db.query(`UPDATE mailferry.batches SET next_sync_at = now()`);
    await room.settle(id);
    expect(Date.parse((await batchOf(id)).nextSyncAt!)).toBeGreaterThan(Date.now());
  });

  it('lets no migration be erased before its end, and keeps the numbers of one that is erased after it', async () => {
    const jobs = room.get(JobsService);
    const { id } = await room.batch(['ann', 'ben', 'a%b']);
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    const [ann, ben] = (await room.jobs(id)) as [string, string];
    await room.db.query(
      `UPDATE mailferry.jobs SET found = 7, copied = 4, already_there = 3, bytes = 99 WHERE id = $1`,
      [ann],
    );
    await room.run(ann);
    await room.run(ben);
    const refused = await jobs.erase(dora, ann).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'BATCH_NOT_OVER', details: { batch: id } });
    const before = await batchOf(id);
    await room.batches.act(dora, id, 'finish', { anyway: true });
    await jobs.erase(dora, ann);
    expect(await jobs.get(dora.visibility, ann)).toBeNull();
    const after = await batchOf(id);
    expect(after.counts).toMatchObject({ rows: 3, accepted: before.counts.accepted, refused: before.counts.refused });
    expect(after.counts).toMatchObject({ erased: 1, states: { completed: before.counts.states.completed - 1 } });
    expect(after.progress).toEqual(before.progress);
    const show = async (what: 'all' | 'refused') =>
      (await room.batches.rows(dora.visibility, id, { show: what, page: 1, perPage: 9 }))!.rows;
    expect((await show('all'))[0]).toMatchObject({
      job: null,
      erased: true,
      state: 'completed',
      outcome: 'complete',
      copied: 4,
      alreadyThere: 3,
      reason: { code: 'ERASED' },
    });
    expect((await show('refused')).map(({ row }) => row)).toEqual(before.counts.refused === 0 ? [] : [3]);
    let csv = '';
    for await (const lines of (await batchCsv(room.db, dora.visibility, id))!) csv += lines;
    expect(csv).toMatch(/^1,ann@new\.test,ann@new\.test,completed,complete,7,4,3,0,0,99,ERASED,.*,\d{4}-/m);
    expect(csv).toMatch(/^2,ben@new\.test,ben@new\.test,completed,complete,0,/m);
  });
});
