import type { EntityManager } from 'typeorm';
import { JobError } from './contract.js';
import { JobEntity } from './entities.js';
import type { JobOutcome, JobState, Reason, RunKind } from './job.js';
import { isFinal, type JobEvent, next } from './job-state.js';
import { wordsFor } from './messages.js';

/** What an event brings along. */
export interface Circumstances {
  readonly reason?: Reason | null;
  readonly until?: Date | null;
  readonly outcome?: JobOutcome;
}

/** Postgres: unique_violation. */
const UNIQUE_VIOLATION = '23505';

/**
 * The one place that sets a job's state. Inside the caller's transaction: locks the row, asks the table, and updates on
 * the condition that state and version are still those it asked about.
 * @returns the state before, and the row after. @throws JobError NOT_FOUND or INVALID_STATE
 */
export async function transition(
  manager: EntityManager,
  id: string,
  event: JobEvent,
  { reason = null, until = null, outcome }: Circumstances = {},
): Promise<{ from: JobState; job: JobEntity }> {
  const before = await lockJob(manager, id);
  if (before === null) throw new JobError('NOT_FOUND', wordsFor('NOT_FOUND').message);
  const to = next(before.state, event);
  if (to === null) throw refused(before.state, event);
  const keepsReason = event === 'stopped' || event === 'cancel';
  try {
    const changed = await manager
      .createQueryBuilder()
      .update(JobEntity)
      .set({
        state: to,
        reason: keepsReason ? before.reason : reason,
        until: to === 'waiting' ? until : null,
        outcome: to === 'completed' ? (outcome ?? null) : to === 'queued' || to === 'running' ? null : before.outcome,
        nextRun: nextRun(before.nextRun, event),
        rate: null,
        etaSeconds: null,
        // A person's word starts the count of fruitless waits anew.
        ...(['start', 'resume', 'retry', 'sync', 'finish'].includes(event) ? { attempts: 0 } : {}),
        ...(event === 'wait' ? { attempts: () => 'attempts + 1' } : {}),
        ...(to === 'queued' ? { queuedAt: () => 'clock_timestamp()', finishedAt: null } : {}),
        ...(to === 'running' ? { startedAt: () => 'COALESCE(started_at, now())' } : {}),
        ...(isFinal(to) ? { finishedAt: () => 'now()' } : {}),
        version: () => 'version + 1',
        updatedAt: () => 'now()',
        changedAt: () => 'now()',
        handledAt: null,
      })
      .where('id = :id AND state = :state AND version = :version', {
        id,
        state: before.state,
        version: before.version,
      })
      .execute();
    if (changed.affected !== 1) throw refused(before.state, event);
  } catch (error) {
    // jobs_one_per_link: another migration of this pair is under way.
    if ((error as { code?: string }).code === UNIQUE_VIOLATION)
      throw new JobError('INVALID_STATE', 'Another migration from this account into this mailbox is under way.');
    throw error;
  }
  return { from: before.state, job: await manager.findOneByOrFail(JobEntity, { id }) };
}

/** The same for all drafts of a batch at once: `cancel` is the one event that can happen to thousands in a moment. */
export async function cancelledDrafts(
  manager: EntityManager,
  batch: string,
  ids: readonly string[] | null,
): Promise<{ id: string }[]> {
  const to = next('draft', 'cancel');
  const [rows]: [{ id: string }[], number] = await manager.query(
    `UPDATE mailferry.jobs SET state = $3, finished_at = now(), changed_at = now(), version = version + 1, updated_at = now()
     WHERE batch = $1 AND state = 'draft' AND ($2::uuid[] IS NULL OR id = ANY($2)) RETURNING id`,
    [batch, ids, to],
  );
  return rows;
}

export function lockJob(manager: EntityManager, id: string): Promise<JobEntity | null> {
  return manager.findOne(JobEntity, { where: { id }, lock: { mode: 'pessimistic_write' } });
}

/** A retry or a delta that was interrupted is still one when it goes on. */
function nextRun(kind: RunKind, event: JobEvent): RunKind {
  if (event === 'retry' || event === 'sync') return event;
  if (event === 'start') return 'first';
  const goesOn = event === 'resume' || event === 'wake' || event === 'requeue';
  return goesOn && kind === 'first' ? 'resume' : kind;
}

function refused(state: JobState, event: JobEvent): JobError {
  return new JobError('INVALID_STATE', wordsFor('INVALID_STATE').message, { state, action: event });
}
