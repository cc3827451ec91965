import type { DataSource, EntityManager } from 'typeorm';
import { JobError } from '../jobs/contract.js';
import { JobEntity, RunEntity } from '../jobs/entities.js';
import type { JobRunner, RunKind, SourceSettings } from '../jobs/job.js';
import type { JobChanges } from '../jobs/job-changes.js';
import { hasSource } from '../jobs/job-view.js';
import { reasonFor } from '../jobs/messages.js';
import { lockJob } from '../jobs/transition.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { Verdict } from './run-end.js';

/** A job that runs, and its run. */
export interface Claimed {
  readonly job: JobEntity & { source: SourceSettings };
  readonly run: RunEntity;
}
/** Which job, in the transaction that claims it; null: none. */
export type Choose = (manager: EntityManager) => Promise<string | null>;

/** Postgres: unique_violation (runs_one_at_a_time, jobs_one_per_link). */
const UNIQUE_VIOLATION = '23505';

/** How a run begins and ends in the database: always together with its job's state. */
export class RunRecords {
  constructor(
    private readonly db: DataSource,
    private readonly changes: JobChanges,
  ) {}

  /**
   * Both or neither: the job is running, and there is a run that beats.
   * @param worker the process' id. @param runner whose jobs are taken. @returns null: another has it, or it is not to be run now
   */
  async claim(choose: Choose, worker: string, runner: JobRunner): Promise<Claimed | null> {
    try {
      return await this.changes.transact(async (change) => {
        const { manager } = change;
        const id = await choose(manager);
        if (id === null) return null;
        const waiting = await lockJob(manager, id);
        if (waiting === null || waiting.state !== 'queued' || waiting.runner !== runner) return null;
        // Another migration writes into this mailbox: its lease would keep this worker waiting.
        const busy: unknown[] = await manager.query(
          `SELECT 1 FROM mailferry.jobs j JOIN mailferry.runs r ON r.job = j.id AND r.state = 'running'
           WHERE j.tenant = $1 AND j.mailbox = $2 LIMIT 1`,
          [waiting.tenant, waiting.mailbox],
        );
        if (busy.length > 0) return null;
        const job = await this.changes.apply(change, id, 'claim', null);
        if (!hasSource(job)) throw new Error(`the queued job ${id} has no source`);
        const kind: RunKind = job.nextRun;
        const [row]: { id: string }[] = await manager.query(
          `INSERT INTO mailferry.runs (job, kind, worker, started_at) VALUES ($1, $2, $3, clock_timestamp()) RETURNING id`,
          [id, kind, worker],
        );
        return { job, run: await manager.findOneByOrFail(RunEntity, { id: row!.id }) };
      });
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === UNIQUE_VIOLATION || (error instanceof JobError && error.code === 'INVALID_STATE')) return null;
      throw error;
    }
  }

  /** @throws TransferError LINK_BUSY */
  async bindLink(job: string, link: string): Promise<void> {
    try {
      await this.db.query(`UPDATE mailferry.jobs SET link = $2 WHERE id = $1 AND link IS DISTINCT FROM $2`, [
        job,
        link,
      ]);
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      // Told apart only by an alias of the same account: the other one goes first.
      throw new TransferError(reasonFor('LINK_BUSY').message, {
        side: 'destination',
        scope: 'job',
        retry: 'later',
        code: 'LINK_BUSY',
      });
    }
  }

  /** The state after it, unless somebody stopped the job meanwhile. */
  async finish({ job, run }: Claimed, verdict: Verdict): Promise<void> {
    await this.changes.transact(async (change) => {
      const { manager } = change;
      // The job first, then the run: the order in which everybody locks.
      const now = await lockJob(manager, job.id);
      if (now === null) return;
      const ours = now.state === 'running';
      const state = ours ? verdict.run : now.state === 'cancelling' ? 'cancelled' : 'paused';
      const ended: [unknown[], number] = await manager.query(
        `UPDATE mailferry.runs SET state = $2, reason = $3, finished_at = clock_timestamp()
         WHERE id = $1 AND state = 'running'`,
        [run.id, state, ours && verdict.reason ? JSON.stringify(verdict.reason) : null],
      );
      if (ended[1] !== 1) return;
      if (now.copied > job.copied)
        await manager.query(`UPDATE mailferry.jobs SET attempts = 0 WHERE id = $1`, [job.id]);
      if (ours) await this.changes.apply(change, job.id, verdict.event, null, verdict);
      else if (now.state === 'cancelling') await this.changes.apply(change, job.id, 'stopped', null);
      // Paused and resumed while the run was ending: nobody could claim it, so it is rung again.
      else if (now.state === 'queued') change.after(() => this.changes.ring(now));
    });
    await this.ringNeighbours(job);
  }

  /** Others that waited for the same mailbox. */
  private async ringNeighbours({ tenant, mailbox, id }: JobEntity): Promise<void> {
    const others = await this.db.manager.findBy(JobEntity, { tenant, mailbox, state: 'queued' });
    for (const other of others) if (other.id !== id) this.changes.ring(other);
  }
}
