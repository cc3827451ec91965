import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Calendar and contact files that people upload, encrypted in parts; they go with the sealed key that opens them. */
export class UploadedFiles1764000006100 implements MigrationInterface {
  name = 'UploadedFiles1764000006100';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.uploaded_files (
      id uuid PRIMARY KEY,
      tenant text NOT NULL,
      mailbox text NOT NULL,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      credential uuid REFERENCES mailferry.credentials(id) ON DELETE CASCADE,
      bytes bigint NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
    await q.query(`CREATE INDEX uploaded_files_by_mailbox ON mailferry.uploaded_files (tenant, mailbox)`);
    await q.query(`CREATE INDEX uploaded_files_by_job ON mailferry.uploaded_files (job)`);
    await q.query(`CREATE INDEX uploaded_files_by_credential ON mailferry.uploaded_files (credential)`);
    await q.query(`CREATE TABLE mailferry.uploaded_parts (
      file uuid NOT NULL REFERENCES mailferry.uploaded_files(id) ON DELETE CASCADE,
      n integer NOT NULL,
      bytes bytea NOT NULL,
      PRIMARY KEY (file, n)
    )`);
    // Encrypted bytes cannot be compressed: it is not tried.
    await q.query(`ALTER TABLE mailferry.uploaded_parts ALTER COLUMN bytes SET STORAGE EXTERNAL`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP TABLE mailferry.uploaded_parts`);
    await q.query(`DROP TABLE mailferry.uploaded_files`);
  }
}
