import type { DataSource, EntityManager } from 'typeorm';
import { reasonFor } from '../jobs/messages.js';
import type { Outbox } from '../jobs/outbox.js';
import { lockAgain, type BatchRecord } from './batch-record.js';
import { isInside } from './hours.js';

/** Outside the allowed hours what runs is paused; inside it goes on. @returns whether it may go on now */
export async function keepHours(db: DataSource, { id, options, inHours }: BatchRecord): Promise<boolean> {
  const isNow = (hours: BatchRecord['options']['hours']): boolean => hours === null || isInside(hours, new Date());
  if (isNow(options.hours) === inHours) return inHours;
  return db.transaction(async (manager) => {
    const batch = await lockAgain(manager, id);
    if (batch?.state !== 'active') return false;
    const now = isNow(batch.options.hours);
    if (now === batch.inHours) return now;
    await manager.query(`UPDATE mailferry.batches SET in_hours = $2, updated_at = now() WHERE id = $1`, [id, now]);
    if (now)
      await manager.query(
        `UPDATE mailferry.batch_rows r SET want = 'resume', held = false FROM mailferry.jobs j
         WHERE r.batch = $1 AND j.id = r.job AND r.held AND r.want IS NULL AND j.state = 'paused'`,
        [id],
      );
    else await pauseAll(manager, id);
    return now;
  });
}

/** Pauses a batch with a reason: going on would do harm. Not one that somebody has stopped meanwhile. */
export async function halt(db: DataSource, outbox: Outbox, { id }: BatchRecord, code: string): Promise<void> {
  await db.transaction(async (manager) => {
    const batch = await lockAgain(manager, id);
    if (batch === null || (batch.state !== 'active' && !batch.testing)) return;
    // Whose domain it is no more has nothing to do with it.
    if (code !== 'BATCH_NOT_ALLOWED') await outbox.putBatch(manager, batch, reasonFor(code));
    await manager.query(
      `UPDATE mailferry.batches SET state = CASE WHEN state = 'active' THEN 'paused' ELSE state END, testing = false,
         reason = $2, updated_at = now() WHERE id = $1`,
      [id, JSON.stringify(reasonFor(code))],
    );
    await manager.query(`UPDATE mailferry.batch_rows SET want_test = false WHERE batch = $1 AND want_test`, [id]);
    await pauseAll(manager, id);
  });
}

/** What somebody wants cancelled stays so. */
async function pauseAll(manager: EntityManager, batch: string): Promise<void> {
  await manager.query(
    `UPDATE mailferry.batch_rows r SET want = 'pause' FROM mailferry.jobs j
     WHERE r.batch = $1 AND j.id = r.job AND j.state IN ('queued', 'running', 'waiting')
       AND r.want IS DISTINCT FROM 'cancel'`,
    [batch],
  );
}
