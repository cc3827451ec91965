import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was said to the servers of a run that ended badly, or that support asked for; bounded, without bodies or secrets. */
export class ProtocolLogs1764000004300 implements MigrationInterface {
  name = 'ProtocolLogs1764000004300';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.protocol_logs (
      run uuid PRIMARY KEY REFERENCES mailferry.runs(id) ON DELETE CASCADE,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      at timestamptz NOT NULL DEFAULT now(),
      source text,
      destination text
    )`);
    await q.query(`CREATE INDEX protocol_logs_by_job ON mailferry.protocol_logs (job, at)`);
    await q.query(`ALTER TABLE mailferry.jobs ADD COLUMN wants_log boolean NOT NULL DEFAULT false`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.jobs DROP COLUMN wants_log`);
    await q.query(`DROP TABLE mailferry.protocol_logs`);
  }
}
