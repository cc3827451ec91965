import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { ConnectionTestsService } from '../jobs/connection-tests.service.js';
import { JobError, type Actor } from '../jobs/contract.js';
import { reasonFor } from '../jobs/messages.js';
import type { BatchRecord } from './batch-record.js';
import { carefully, LOCK_OUT_CODES, REFUSED_CODES, type SignIns, whyStop } from './stopping.js';

/** Tests of one batch at once: the worker has eight places, and single users wait for theirs at the keyboard. */
const TESTS_AT_ONCE = 4;

/** Tests the rows of a batch, some at a time, and stops when the server has had enough. */
@Injectable()
export class BatchTester {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(ConnectionTestsService) private readonly tests: ConnectionTestsService,
  ) {}

  /** The next few tests, as far as there is room. */
  async go(batch: BatchRecord, who: Actor): Promise<void> {
    const [numbers] = await this.db.query<(SignIns & { running: number; open: number })[]>(
      `SELECT (count(*) FILTER (WHERE r.want_test))::int AS open,
         (count(*) FILTER (WHERE EXISTS (SELECT 1 FROM mailferry.connection_tests t
            WHERE t.job = j.id AND t.state <> 'done' AND t.expires_at > now())))::int AS running,
         (count(*) FILTER (WHERE j.tested_at >= $2 AND j.test_result->>'ok' = 'true'))::int AS worked,
         (count(*) FILTER (WHERE j.tested_at >= $2 AND j.test_result->>'code' = ANY($3)))::int AS refused,
         (count(*) FILTER (WHERE j.tested_at >= $2 AND j.test_result->>'code' = ANY($3) AND j.tested_at >
            COALESCE((SELECT max(o.tested_at) FROM mailferry.jobs o WHERE o.batch = $1 AND o.test_result->>'ok' = 'true'), '-infinity')))::int AS "inARow",
         (count(*) FILTER (WHERE j.tested_at >= $2 AND j.test_result->>'code' = ANY($4)))::int AS "lockedOut"
       FROM mailferry.batch_rows r JOIN mailferry.jobs j ON j.id = r.job WHERE r.batch = $1`,
      [batch.id, batch.testsFrom ?? new Date(0), REFUSED_CODES, LOCK_OUT_CODES],
    );
    const { open, running, ...signIns } = numbers!;
    const stop = whyStop(signIns, batch.auth);
    if (stop !== null && open > 0) return this.end(batch, stop);
    if (open === 0) {
      if (running === 0) await this.end(batch, null);
      return;
    }
    const room = carefully(signIns, batch.auth, TESTS_AT_ONCE) - running;
    if (room <= 0) return;
    const rows = await this.db.query<{ row: number; job: string }[]>(
      `SELECT row, job FROM mailferry.batch_rows WHERE batch = $1 AND want_test ORDER BY row LIMIT $2`,
      [batch.id, room],
    );
    for (const { row, job } of rows) {
      await this.db.query(`UPDATE mailferry.batch_rows SET want_test = false WHERE batch = $1 AND row = $2`, [
        batch.id,
        row,
      ]);
      try {
        await this.tests.requestOfBatch(who, job);
      } catch (error) {
        if (!(error instanceof JobError)) throw error;
        await this.remember(job, error);
      }
    }
  }

  /** A test that could not begin has a result, too: the table shows why. */
  private async remember(job: string, { code, message }: JobError): Promise<void> {
    const result = { ok: false, code, message, folders: [], totals: { folders: 0, items: 0, bytes: 0 } };
    await this.db.query(
      `UPDATE mailferry.jobs SET test_result = $2, tested_at = now(), version = version + 1, updated_at = now()
       WHERE id = $1`,
      [job, JSON.stringify(result)],
    );
  }

  private async end({ id }: BatchRecord, code: string | null): Promise<void> {
    await this.db.query(`UPDATE mailferry.batch_rows SET want_test = false WHERE batch = $1 AND want_test`, [id]);
    await this.db.query(
      `UPDATE mailferry.batches SET testing = false, reason = COALESCE($2, reason), updated_at = now() WHERE id = $1`,
      [id, code === null ? null : JSON.stringify(reasonFor(code))],
    );
  }
}
