import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Domains that stood in the standalone host's settings once: one that is taken out is no longer anybody's. */
export class ConfiguredDomains1764000005810 implements MigrationInterface {
  name = 'ConfiguredDomains1764000005810';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.standalone_known DROP CONSTRAINT standalone_known_kind_check,
      ADD CONSTRAINT standalone_known_kind_check CHECK (kind IN ('mailbox', 'domain', 'configured'))`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DELETE FROM mailferry.standalone_known WHERE kind = 'configured'`);
    await q.query(`ALTER TABLE mailferry.standalone_known DROP CONSTRAINT standalone_known_kind_check,
      ADD CONSTRAINT standalone_known_kind_check CHECK (kind IN ('mailbox', 'domain'))`);
  }
}
