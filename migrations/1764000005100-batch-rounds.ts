import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whose turn it is among batches, since when a pass goes on, and whether a run got into the old account. */
export class BatchRounds1764000005100 implements MigrationInterface {
  name = 'BatchRounds1764000005100';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.batches ADD looked_at timestamptz, ADD pass_from timestamptz`);
    await q.query(`ALTER TABLE mailferry.runs ADD signed_in_at timestamptz`);
    await q.query(`CREATE INDEX batch_rows_stopping ON mailferry.batch_rows (batch) WHERE want IN ('pause', 'cancel')`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP INDEX mailferry.batch_rows_stopping`);
    await q.query(`ALTER TABLE mailferry.runs DROP signed_in_at`);
    await q.query(`ALTER TABLE mailferry.batches DROP looked_at, DROP pass_from`);
  }
}
