import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a worker measured of the database, for the operator. */
export class LedgerLatency1764000004400 implements MigrationInterface {
  name = 'LedgerLatency1764000004400';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.workers ADD COLUMN ledger_ms double precision`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.workers DROP COLUMN ledger_ms`);
  }
}
