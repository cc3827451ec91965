import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a replace took out of calendars and address books, as files that are kept with the job. */
export class RecoveryFiles1764000005700 implements MigrationInterface {
  name = 'RecoveryFiles1764000005700';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.recovery_files (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      kind text NOT NULL,
      folder text NOT NULL,
      ending text NOT NULL,
      type text NOT NULL,
      items integer NOT NULL DEFAULT 0,
      bytes bigint NOT NULL DEFAULT 0,
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
    await q.query(`CREATE INDEX recovery_files_by_job ON mailferry.recovery_files (job)`);
    await q.query(`CREATE TABLE mailferry.recovery_parts (
      file uuid NOT NULL REFERENCES mailferry.recovery_files(id) ON DELETE CASCADE,
      n integer NOT NULL,
      bytes bytea NOT NULL,
      PRIMARY KEY (file, n)
    )`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP TABLE mailferry.recovery_parts`);
    await q.query(`DROP TABLE mailferry.recovery_files`);
  }
}
