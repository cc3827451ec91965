import type { MigrationInterface, QueryRunner } from 'typeorm';

/** News of a batch itself, about no single migration. */
export class BatchNotices1764000005800 implements MigrationInterface {
  name = 'BatchNotices1764000005800';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.outbox ALTER job DROP NOT NULL`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DELETE FROM mailferry.outbox WHERE job IS NULL`);
    await q.query(`ALTER TABLE mailferry.outbox ALTER job SET NOT NULL`);
  }
}
