import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What only the standalone host keeps: who is signed in at its own pages, and which mailboxes it was told of. */
export class Standalone1764000000100 implements MigrationInterface {
  name = 'Standalone1764000000100';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`CREATE TABLE mailferry.standalone_sessions (
      id bytea PRIMARY KEY,
      subject jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL
    )`);
    await q.query(`CREATE INDEX standalone_sessions_expires_at ON mailferry.standalone_sessions (expires_at)`);
    await q.query(`CREATE TABLE mailferry.standalone_known (
      tenant text NOT NULL,
      kind text NOT NULL CHECK (kind IN ('mailbox', 'domain')),
      name text NOT NULL,
      since timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant, kind, name)
    )`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP TABLE mailferry.standalone_known`);
    await q.query(`DROP TABLE mailferry.standalone_sessions`);
  }
}
