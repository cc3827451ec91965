import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { oneAtATime } from '../database/one-at-a-time.js';
import { JobError } from '../jobs/contract.js';
import { JobChanges } from '../jobs/job-changes.js';
import type { JobEvent } from '../jobs/job-state.js';
import { reasonFor } from '../jobs/messages.js';
import { lockJob } from '../jobs/transition.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { LOCKS } from '../database/locks.js';

/** Rows of one kind that are looked after in one sweep. */
const BATCH = 200;
/** A test that takes longer has no worker any more (s). */
const TEST_LOST_S = 120;

/**
 * Makes what Postgres says happen, whatever was lost: rings for what waits without a bell, wakes what waited long
 * enough, takes back runs whose worker is silent. The lease keeps a silent worker that lives on from writing.
 */
@Injectable()
export class Sweeper {
  private readonly logger = new Logger('mailferry:sweeper');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(JobChanges) private readonly changes: JobChanges,
  ) {}

  /** @returns false when another worker sweeps right now. */
  sweep(): Promise<boolean> {
    return oneAtATime(this.db, LOCKS.sweep, async () => {
      await this.rescue();
      await this.wake();
      await this.endOrphans();
      await this.ring();
      await this.tests();
    });
  }

  /** Runs without a beat: back into the queue, or cancelled where that was wanted. */
  private async rescue(): Promise<void> {
    const silent = await this.db.query<{ id: string; job: string }[]>(
      `SELECT id, job FROM mailferry.runs
       WHERE state = 'running' AND beat_at < clock_timestamp() - make_interval(secs => $1) LIMIT ${BATCH}`,
      [this.options.worker.deadAfterMs / 1000],
    );
    for (const run of silent) await this.each(run.job, (change) => this.takeBack(change, run));
  }

  private async takeBack(change: Parameters<JobChanges['apply']>[0], run: { id: string; job: string }): Promise<void> {
    const { manager } = change;
    const job = await lockJob(manager, run.job);
    const [, ended]: [unknown[], number] = await manager.query(
      `UPDATE mailferry.runs SET state = $2, reason = $3, finished_at = clock_timestamp()
       WHERE id = $1 AND state = 'running' AND beat_at < clock_timestamp() - make_interval(secs => $4)`,
      [
        run.id,
        job?.state === 'cancelling' ? 'cancelled' : job?.state === 'paused' ? 'paused' : 'interrupted',
        JSON.stringify(reasonFor('INTERRUPTED')),
        this.options.worker.deadAfterMs / 1000,
      ],
    );
    if (ended !== 1) return;
    this.logger.warn(`run ${run.id} lost its worker and is taken back`);
    if (job?.state === 'running') await this.changes.apply(change, job.id, 'requeue', null);
    else if (job?.state === 'cancelling') await this.changes.apply(change, job.id, 'stopped', null);
  }

  private async wake(): Promise<void> {
    const due = await this.db.query<{ id: string }[]>(
      `SELECT id FROM mailferry.jobs WHERE state = 'waiting' AND until <= clock_timestamp() ORDER BY until LIMIT ${BATCH}`,
    );
    for (const { id } of due) await this.apply(id, 'wake');
  }

  /** Jobs that say they run while no run does: a crash between two statements of somebody who went round the service. */
  private async endOrphans(): Promise<void> {
    const orphans = await this.db.query<{ id: string; state: string }[]>(
      `SELECT j.id, j.state FROM mailferry.jobs j WHERE j.state IN ('running', 'cancelling')
         AND NOT EXISTS (SELECT 1 FROM mailferry.runs r WHERE r.job = j.id AND r.state = 'running') LIMIT ${BATCH}`,
    );
    for (const { id, state } of orphans) await this.apply(id, state === 'running' ? 'requeue' : 'stopped');
  }

  private async ring(): Promise<void> {
    const waiting = await this.db.query<{ id: string; queuedAt: Date }[]>(
      `SELECT id, queued_at AS "queuedAt" FROM mailferry.jobs
       WHERE state = 'queued' AND runner = 'workers' ORDER BY batch IS NOT NULL, queued_at LIMIT ${BATCH}`,
    );
    for (const job of waiting) this.changes.ring(job);
  }

  /** Tests whose worker died. Those nobody took yet are taken by whoever looks (WorkerService). */
  private async tests(): Promise<void> {
    const lost = { ok: false, ...reasonFor('TIMEOUT'), folders: [], totals: { folders: 0, items: 0, bytes: 0 } };
    // Not done again: it may have been a sign-in, and those are never repeated on their own.
    await this.db.query(
      `UPDATE mailferry.connection_tests SET state = 'done', result = $1, finished_at = now()
       WHERE state = 'running' AND started_at < now() - make_interval(secs => $2)`,
      [JSON.stringify(lost), TEST_LOST_S],
    );
  }

  private apply(id: string, event: JobEvent): Promise<void> {
    return this.each(id, async (change) => void (await this.changes.apply(change, id, event, null)));
  }

  /** One job's trouble is not the others'. */
  private async each(id: string, work: Parameters<JobChanges['transact']>[0]): Promise<void> {
    try {
      await this.changes.transact(work);
    } catch (error) {
      // A person was faster.
      if (error instanceof JobError) return;
      this.logger.error(`sweeping ${id}: ${(error as Error).message}`);
    }
  }
}
