import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is left in a batch's report of a migration that was erased: its numbers. */
export class BatchRowsKept1764000005600 implements MigrationInterface {
  name = 'BatchRowsKept1764000005600';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.batch_rows ADD kept jsonb`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.batch_rows DROP kept`);
  }
}
