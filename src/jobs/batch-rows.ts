import type { EntityManager } from 'typeorm';
import { jobError } from './admission.js';
import { wordsFor } from './messages.js';

/** @throws JobError BATCH_NOT_OVER while the batch that a job belongs to still counts on it; `details` has its id */
export async function notOfOpenBatch(manager: EntityManager, job: string): Promise<void> {
  const [batch]: { id: string }[] = await manager.query(
    `SELECT b.id FROM mailferry.jobs j JOIN mailferry.batches b ON b.id = j.batch
     WHERE j.id = $1 AND b.state NOT IN ('finished', 'cancelled') FOR SHARE OF b`,
    [job],
  );
  if (batch !== undefined) throw jobError('BATCH_NOT_OVER', { batch: batch.id });
}

/**
 * Whose batch signs in as an administrator has no password and no server of its own: a user's password would be sent with
 * the administrator's name, and a changed server would cut it off. @throws JobError BATCH_LOGIN; `details` has the batch's id
 */
export async function notOfBatchLogin(manager: EntityManager, job: string): Promise<void> {
  const [batch]: { id: string }[] = await manager.query(
    `SELECT b.id FROM mailferry.jobs j JOIN mailferry.batches b ON b.id = j.batch
     WHERE j.id = $1 AND b.source ? 'login' AND b.state NOT IN ('finished', 'cancelled')`,
    [job],
  );
  if (batch !== undefined) throw jobError('BATCH_LOGIN', { batch: batch.id });
}

/** Of a job that is about to be erased: its row of the batch's report says so, and keeps the numbers. */
export async function keepNumbers(manager: EntityManager, job: string): Promise<void> {
  await manager.query(
    `UPDATE mailferry.batch_rows r SET code = 'ERASED', message = $2, want = NULL, want_test = false, held = false,
       kept = jsonb_build_object('state', j.state, 'outcome', j.outcome, 'found', j.found, 'copied', j.copied,
         'already_there', j.already_there, 'skipped', j.skipped, 'failed', j.failed, 'bytes', j.bytes,
         'total_bytes', j.total_bytes, 'started_at', j.started_at, 'finished_at', j.finished_at)
     FROM mailferry.jobs j WHERE r.job = $1 AND j.id = $1`,
    [job, wordsFor('ERASED').message],
  );
}
