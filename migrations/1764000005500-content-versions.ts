import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Of which version of the source's item the copy is: events and contacts change in place. */
export class ContentVersions1764000005500 implements MigrationInterface {
  name = 'ContentVersions1764000005500';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.bindings ADD COLUMN version text`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.bindings DROP COLUMN version`);
  }
}
