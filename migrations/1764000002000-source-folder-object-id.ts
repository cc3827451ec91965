import type { MigrationInterface, QueryRunner } from 'typeorm';

/** MAILBOXID of source folders (RFC 8474): a folder that was renamed at the old provider is known again by it. */
export class SourceFolderObjectId1764000002000 implements MigrationInterface {
  name = 'SourceFolderObjectId1764000002000';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.folders ADD COLUMN object_id text`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.folders DROP COLUMN object_id`);
  }
}
