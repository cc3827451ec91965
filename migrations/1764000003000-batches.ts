import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A domain's migrations as one: what its admin wants of them, and what is left to be done about each row. */
export class Batches1764000003000 implements MigrationInterface {
  name = 'Batches1764000003000';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.batches
      ADD name text NOT NULL DEFAULT '',
      ADD state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft','active','paused','finished','cancelled')),
      ADD reason jsonb,
      ADD auth jsonb NOT NULL DEFAULT '{"kind": "per-row"}',
      ADD principal jsonb NOT NULL DEFAULT '{}',
      ADD pass integer NOT NULL DEFAULT 0,
      ADD finishing boolean NOT NULL DEFAULT false,
      ADD in_hours boolean NOT NULL DEFAULT true,
      ADD start_at timestamptz,
      ADD next_sync_at timestamptz,
      ADD testing boolean NOT NULL DEFAULT false,
      ADD tests_from timestamptz,
      ADD updated_at timestamptz NOT NULL DEFAULT now(),
      ADD started_at timestamptz,
      ADD resumed_at timestamptz,
      ADD finished_at timestamptz`);
    await q.query(`CREATE INDEX batches_by_domain ON mailferry.batches (tenant, domain, created_at DESC)`);
    await q.query(`CREATE INDEX batches_at_work ON mailferry.batches (state) WHERE state = 'active' OR testing`);
    await q.query(`ALTER TABLE mailferry.batch_rows
      ADD want text CHECK (want IN ('start','resume','retry','sync','pause','cancel')),
      ADD held boolean NOT NULL DEFAULT false,
      ADD want_test boolean NOT NULL DEFAULT false`);
    await q.query(`CREATE INDEX batch_rows_by_job ON mailferry.batch_rows (job) WHERE job IS NOT NULL`);
    await q.query(`CREATE INDEX batch_rows_wanted ON mailferry.batch_rows (batch, want, row) WHERE want IS NOT NULL`);
    await q.query(`CREATE INDEX IF NOT EXISTS jobs_by_batch ON mailferry.jobs (batch, state) WHERE batch IS NOT NULL`);
    await q.query(`CREATE TABLE mailferry.invitations (
      id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
      tenant text NOT NULL,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      created_by text NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      to_send boolean NOT NULL DEFAULT false,
      sent_at timestamptz,
      used_at timestamptz
    )`);
    await q.query(`CREATE INDEX invitations_by_job ON mailferry.invitations (job, created_at DESC)`);
    await q.query(`CREATE INDEX invitations_to_send ON mailferry.invitations (created_at) WHERE to_send`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`DROP TABLE mailferry.invitations`);
    await q.query(`DROP INDEX mailferry.jobs_by_batch`);
    await q.query(`DROP INDEX mailferry.batch_rows_wanted`);
    await q.query(`DROP INDEX mailferry.batch_rows_by_job`);
    await q.query(`ALTER TABLE mailferry.batch_rows DROP want, DROP held, DROP want_test`);
    await q.query(`DROP INDEX mailferry.batches_at_work`);
    await q.query(`DROP INDEX mailferry.batches_by_domain`);
    await q.query(`ALTER TABLE mailferry.batches DROP name, DROP state, DROP reason, DROP auth, DROP principal, DROP pass,
      DROP finishing, DROP in_hours, DROP start_at, DROP next_sync_at, DROP testing, DROP tests_from, DROP updated_at,
      DROP started_at, DROP resumed_at, DROP finished_at`);
  }
}
