import type { DataSource } from 'typeorm';
import { HARD_LIMIT_MS } from '../jobs/keeping.js';
import { BATCH_COLUMNS, READY, type BatchRecord } from './batch-record.js';

/** Batches of one round. */
const BATCHES = 100;
/** How often the panel is asked whether somebody still may, while nothing is to be started (ms). */
export const ASK_AGAIN_MS = 30_000;

/** So long after a person last acted a batch rests, a day before its secrets are erased (ms). */
export const NOBODY_ACTED_MS = HARD_LIMIT_MS - 24 * 60 * 60 * 1000;

/**
 * Batches with something to be paused or cancelled, whatever has become of them meanwhile. In no order: where more wait than
 * a round takes, none is always the last.
 */
export function stoppingBatches(db: DataSource): Promise<BatchRecord[]> {
  return db.query(
    `SELECT ${BATCH_COLUMNS} FROM mailferry.batches b
     WHERE b.id IN (SELECT r.batch FROM mailferry.batch_rows r WHERE r.want IN ('pause', 'cancel'))
     ORDER BY random() LIMIT ${BATCHES}`,
  );
}

/**
 * Batches about which something is to be done now, those first that were looked at longest ago: tests, hours that begin or
 * end, something to start, a pass or the end, secrets that nobody asked to keep, and, from time to time, whether whoever started what runs still may.
 */
export async function dueBatches(db: DataSource): Promise<BatchRecord[]> {
  const [batches] = await db.query<[BatchRecord[], number]>(
    `WITH due AS (
       SELECT b.id FROM mailferry.batches b
       WHERE b.testing OR (b.state = 'active' AND (b.start_at IS NULL OR b.start_at <= clock_timestamp()) AND (
         b.resumed_at < clock_timestamp() - make_interval(secs => $2) OR b.finishing OR b.next_sync_at <= clock_timestamp() OR b.options->'hours' <> 'null' OR NOT b.in_hours
         OR EXISTS (SELECT 1 FROM mailferry.batch_rows r
           WHERE r.batch = b.id AND r.want IN ('start', 'resume', 'retry', 'sync') AND ${READY})
         OR (COALESCE(b.looked_at, '-infinity') < clock_timestamp() - make_interval(secs => $1) AND EXISTS
           (SELECT 1 FROM mailferry.jobs j WHERE j.batch = b.id AND j.state IN ('queued', 'running', 'waiting')))))
       ORDER BY b.looked_at NULLS FIRST, b.id LIMIT ${BATCHES})
     UPDATE mailferry.batches b SET looked_at = clock_timestamp() FROM due WHERE b.id = due.id RETURNING ${BATCH_COLUMNS}`,
    [ASK_AGAIN_MS / 1000, NOBODY_ACTED_MS / 1000],
  );
  return batches;
}
