import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { LinkAction, Steering } from '../jobs/contract.js';
import type { JobState } from '../jobs/job.js';
import { mark } from './batch-actions.js';
import type { BatchState } from './batch.js';

/**
 * A migration of a batch goes on in its turn: within the batch's hours and number, as whoever started it. One whose batch
 * is over is nobody's any more.
 */
@Injectable()
export class BatchSteering implements Steering {
  constructor(@Inject(getDataSourceToken('mailferry')) private readonly db: DataSource) {}

  passwordCame(job: string, action: LinkAction | null): Promise<boolean | null> {
    return this.db.transaction(async (manager) => {
      const [row]: { batch: string; state: BatchState; want: string | null; stuck: boolean; job: JobState }[] =
        await manager.query(
          `SELECT r.batch, b.state, r.want, r.code IS NOT NULL AS stuck, j.state AS job FROM mailferry.batch_rows r
           JOIN mailferry.batches b ON b.id = r.batch JOIN mailferry.jobs j ON j.id = r.job
           WHERE r.job = $1 AND b.state IN ('draft', 'active', 'paused') FOR UPDATE OF r`,
          [job],
        );
      if (row === undefined) return null;
      // Nothing of it has been started yet, or whoever stops it wants it to stop.
      if (row.state === 'draft' || row.want === 'pause' || row.want === 'cancel') return false;
      // One that was to start and could not; one that nobody has started goes on waiting for that.
      const want = action ?? (row.job === 'draft' && row.stuck ? 'start' : null);
      if (want !== null) await mark(manager, row.batch, [job], 'true', want);
      return row.state === 'active' && (want ?? row.want) !== null;
    });
  }
}
