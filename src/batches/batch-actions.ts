import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { jobError } from '../jobs/admission.js';
import { AuditTrail, by } from '../jobs/audit.js';
import { JobError, type Actor } from '../jobs/contract.js';
import { JobChanges } from '../jobs/job-changes.js';
import { HARD_LIMIT_MS, inMs } from '../jobs/keeping.js';
import type { Reason } from '../jobs/job.js';
import { wordsFor } from '../jobs/messages.js';
import { revokeLinksOfBatch } from '../jobs/password-links.js';
import { invalid } from '../jobs/settings.js';
import { checkOptions, type CheckedOptions } from './act-options.js';
import type { BatchAction } from './batch.js';
import { lockBatch, NEEDS_SOMEBODY, READY, type BatchRecord } from './batch-record.js';
import { nextBatchState } from './batch-state.js';
import type { ActOptions } from './contract.js';

/** What of a batch an action is about, as SQL over its rows `r` and their migrations `j`. */
const STARTABLE = `j.state = 'draft'`;
const MOVING = `j.state IN ('queued', 'running', 'waiting')`;

/**
 * Writes down what is wanted of a batch: its own state, and a mark on every row that something is to be done about. One
 * statement, however many rows; BatchRunner carries the marks out.
 */
@Injectable()
export class BatchActions {
  constructor(
    @Inject(JobChanges) private readonly changes: JobChanges,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** @throws JobError NOT_FOUND, INVALID_STATE, VALIDATION, CREDENTIALS_REQUIRED */
  async act(who: Actor, id: string, action: BatchAction, options: ActOptions): Promise<void> {
    const checked = checkOptions(action, options);
    const { ids } = checked;
    await this.changes.transact(async ({ manager }) => {
      const batch = await lockBatch(manager, who.visibility, id);
      const state = nextBatchState(batch.state, action);
      if (state === null) throw jobError('INVALID_STATE', { state: batch.state, action });
      await this.carryOut(manager, batch, action, checked, who);
      // One row's pause is not the batch's.
      const whole = ids === null || action === 'start';
      await manager.query(
        `UPDATE mailferry.batches SET state = $2, reason = NULL, updated_at = now(),
           principal = CASE WHEN $3 THEN $4::jsonb ELSE principal END,
           resumed_at = CASE WHEN $3 THEN clock_timestamp() ELSE resumed_at END,
           started_at = CASE WHEN $2 = 'active' THEN COALESCE(started_at, now()) ELSE started_at END,
           finished_at = CASE WHEN $2 IN ('finished', 'cancelled') THEN now() END
         WHERE id = $1`,
        [
          id,
          whole ? state : batch.state,
          ['start', 'resume', 'retry', 'sync'].includes(action),
          JSON.stringify(who.principal ?? {}),
        ],
      );
      await this.audit.record(
        {
          ...by(who),
          action: `batch.${action}`,
          detail: { batch: id, domain: batch.domain, ...(ids === null ? {} : { chosen: String(ids.length) }) },
        },
        manager,
      );
    });
  }

  /**
   * No more passes: what is not over is cancelled, and the secrets are erased; those of what failed are kept some days for
   * another try. Inside a transaction.
   * @param anyway although some mailboxes are not done. @throws JobError BATCH_BUSY, FINISH_NEEDS_YOU
   */
  async finish(manager: EntityManager, batch: BatchRecord, who: Actor | null, anyway: boolean): Promise<void> {
    const [{ busy, unfinished }]: [{ busy: number; unfinished: number }] = await manager.query(
      `SELECT (count(*) FILTER (WHERE j.state IN ('queued', 'running', 'waiting', 'cancelling')))::int AS busy,
         (count(*) FILTER (WHERE ${NEEDS_SOMEBODY}))::int AS unfinished
       FROM mailferry.batch_rows r JOIN mailferry.jobs j ON j.id = r.job WHERE r.batch = $1`,
      [batch.id],
    );
    if (busy > 0) throw jobError('BATCH_BUSY');
    if (unfinished > 0 && !anyway) {
      const { code, message } = needsYou(unfinished);
      throw new JobError(code, message, { unfinished });
    }
    const { message } = wordsFor('NO_PASSWORD_GIVEN');
    await manager.query(
      `UPDATE mailferry.batch_rows r SET want = NULL, code = 'NO_PASSWORD_GIVEN', message = $2
       FROM mailferry.jobs j, mailferry.batches b
       WHERE r.batch = $1 AND b.id = r.batch AND j.id = r.job AND j.state = 'draft' AND NOT ${READY}`,
      [batch.id, message],
    );
    await this.end(manager, batch, who, true);
    await mark(manager, batch.id, null, `j.state IN ('paused', 'needs-action')`, 'cancel');
  }

  private async carryOut(
    manager: EntityManager,
    batch: BatchRecord,
    action: BatchAction,
    { ids, at, last, anyway }: CheckedOptions,
    who: Actor,
  ): Promise<void> {
    const { id } = batch;
    const row = (where: string, want: string): Promise<number> => mark(manager, id, ids, where, want);
    switch (action) {
      case 'test':
        return this.test(manager, batch, ids);
      case 'start': {
        if (at !== null && batch.state !== 'draft') throw invalid({ at: 'is for the first start' });
        await this.keep(manager, batch);
        // Second time: those that were not chosen the first time.
        if ((await row(`${STARTABLE} AND r.want IS NULL AND r.code IS NULL`, 'start')) === 0)
          throw jobError('INVALID_STATE', { state: batch.state, action });
        await manager.query(
          `UPDATE mailferry.batches SET pass = GREATEST(pass, 1), start_at = COALESCE($2, start_at), next_sync_at = CASE
             WHEN next_sync_at IS NULL THEN COALESCE($2, start_at, now()) + make_interval(hours => (options->>'syncEveryHours')::int)
             ELSE next_sync_at END WHERE id = $1`,
          [id, at],
        );
        return;
      }
      case 'pause':
        await row(MOVING, 'pause');
        return;
      case 'resume':
        // One row of a batch that rests would rest, too.
        if (ids !== null && batch.state === 'paused') throw jobError('INVALID_STATE', { state: batch.state, action });
        await this.keep(manager, batch);
        // What has not been paused yet goes on as it was.
        await manager.query(
          `UPDATE mailferry.batch_rows SET want = NULL
           WHERE batch = $1 AND want = 'pause' AND ($2::uuid[] IS NULL OR job = ANY($2))`,
          [id, ids],
        );
        // Whoever chooses one that waits for a server wants it to look again now.
        await row(ids === null ? `r.held AND j.state = 'paused'` : `j.state IN ('paused', 'waiting')`, 'resume');
        return;
      case 'cancel':
        return this.cancel(manager, batch, ids, who);
      case 'retry': {
        await this.keep(manager, batch);
        const marked =
          (await row(`j.state = 'failed' OR j.outcome = 'incomplete'`, 'retry')) +
          (await row(`j.state = 'needs-action'`, 'resume')) +
          (await row(`${STARTABLE} AND r.code IS NOT NULL`, 'start'));
        if (marked === 0) throw jobError('INVALID_STATE', { state: batch.state, action });
        return;
      }
      case 'sync':
        await this.keep(manager, batch);
        await this.pass(manager, batch, ids);
        if (last)
          await manager.query(`UPDATE mailferry.batches SET finishing = true, next_sync_at = NULL WHERE id = $1`, [id]);
        return;
      case 'finish':
        return this.finish(manager, batch, who, anyway);
    }
  }

  /** A delta pass: what came meanwhile, and what is still missing. @throws JobError INVALID_STATE when there is nobody */
  async pass(manager: EntityManager, { id, state }: BatchRecord, ids: readonly string[] | null): Promise<void> {
    // A run that tries failed items again also finds what is new.
    const marked =
      (await mark(manager, id, ids, `j.state = 'completed' AND j.outcome = 'complete'`, 'sync')) +
      (await mark(manager, id, ids, `j.outcome = 'incomplete' OR j.state = 'failed'`, 'retry'));
    if (marked === 0) throw jobError('INVALID_STATE', { state, action: 'sync' });
    await manager.query(
      `UPDATE mailferry.batches SET pass = pass + 1, pass_from = clock_timestamp(),
         next_sync_at = now() + make_interval(hours => (options->>'syncEveryHours')::int) WHERE id = $1`,
      [id],
    );
  }

  private async test(manager: EntityManager, { id }: BatchRecord, ids: readonly string[] | null): Promise<void> {
    const [, marked]: [unknown[], number] = await manager.query(
      `UPDATE mailferry.batch_rows r SET want_test = true FROM mailferry.jobs j, mailferry.batches b
       WHERE r.batch = $1 AND b.id = r.batch AND j.id = r.job AND ($2::uuid[] IS NULL OR j.id = ANY($2))
         AND j.state IN ('draft', 'paused', 'needs-action', 'failed', 'completed')
         AND (b.auth->>'kind' <> 'ask-user' OR EXISTS (SELECT 1 FROM mailferry.credentials c WHERE c.owner = j.id))`,
      [id, ids],
    );
    if (marked === 0) throw jobError('INVALID_STATE', { action: 'test' });
    await manager.query(`UPDATE mailferry.batches SET testing = true, tests_from = clock_timestamp() WHERE id = $1`, [
      id,
    ]);
  }

  private async cancel(
    manager: EntityManager,
    batch: BatchRecord,
    ids: readonly string[] | null,
    who: Actor,
  ): Promise<void> {
    await this.changes.cancelDrafts(manager, batch.id, ids);
    await mark(
      manager,
      batch.id,
      ids,
      `j.state IN ('queued', 'running', 'waiting', 'paused', 'needs-action')`,
      'cancel',
    );
    if (ids === null) await this.end(manager, batch, who, false);
    else
      await manager.query(
        `UPDATE mailferry.batch_rows SET want = NULL, held = false WHERE batch = $1 AND job = ANY($2) AND want <> 'cancel'`,
        [batch.id, ids],
      );
  }

  /** Nothing starts any more, and nothing is kept. @param keepFailed but for some days what another try needs */
  private async end(manager: EntityManager, batch: BatchRecord, who: Actor | null, keepFailed: boolean): Promise<void> {
    await manager.query(
      `UPDATE mailferry.batch_rows SET want = NULL, held = false, want_test = false
       WHERE batch = $1 AND want IS DISTINCT FROM 'cancel'`,
      [batch.id],
    );
    await this.changes.cancelDrafts(manager, batch.id, null);
    await manager.query(
      `UPDATE mailferry.jobs SET options = options - 'keepForSync', version = version + 1, updated_at = now()
       WHERE batch = $1 AND options ? 'keepForSync'`,
      [batch.id],
    );
    await revokeLinksOfBatch(manager, batch.id);
    await manager.query(
      `UPDATE mailferry.batches SET testing = false, finishing = false, next_sync_at = NULL WHERE id = $1`,
      [batch.id],
    );
    await this.changes.eraseBatch(manager, batch, who, keepFailed);
  }

  /** Secrets live as long as a month from when somebody last wanted something done with them. What has expired has gone. */
  private async keep(manager: EntityManager, { id }: BatchRecord): Promise<void> {
    await manager.query(
      `UPDATE mailferry.credentials SET expires_at = $2
       WHERE (owner = $1 OR owner IN (SELECT id FROM mailferry.jobs WHERE batch = $1))
         AND (expires_at IS NULL OR expires_at > now())`,
      [id, inMs(HARD_LIMIT_MS)],
    );
    const [missing]: unknown[] = await manager.query(
      `SELECT 1 FROM mailferry.batches b WHERE b.id = $1 AND b.auth->>'kind' = 'admin'
         AND NOT EXISTS (SELECT 1 FROM mailferry.credentials c
           WHERE c.owner = b.id AND (c.expires_at IS NULL OR c.expires_at > now()))`,
      [id],
    );
    if (missing !== undefined) throw jobError('CREDENTIALS_REQUIRED', { side: 'source' });
  }
}

/** Why a batch does not finish by itself. */
export function needsYou(unfinished: number): Reason {
  const { message, action } = wordsFor('FINISH_NEEDS_YOU');
  const who = unfinished === 1 ? 'One mailbox needs' : `${unfinished} mailboxes need`;
  return { code: 'FINISH_NEEDS_YOU', message: `${who} you. ${message}`, ...(action !== undefined && { action }) };
}

/** @returns how many rows got the mark. */
export async function mark(
  manager: EntityManager,
  batch: string,
  ids: readonly string[] | null,
  where: string,
  want: string,
): Promise<number> {
  const [, marked]: [unknown[], number] = await manager.query(
    `UPDATE mailferry.batch_rows r SET want = $3, code = NULL, message = NULL,
       held = CASE WHEN $3 = 'resume' THEN false ELSE r.held END
     FROM mailferry.jobs j WHERE r.batch = $1 AND j.id = r.job AND ($2::uuid[] IS NULL OR j.id = ANY($2)) AND (${where})`,
    [batch, ids, want],
  );
  return marked;
}
