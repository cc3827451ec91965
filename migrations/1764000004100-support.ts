import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the people who help work with: notes, links for a password, workers that are to take no more, a trail to search. */
export class Support1764000004100 implements MigrationInterface {
  name = 'Support1764000004100';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.jobs ADD COLUMN handled_at timestamptz`);
    // Rows that wait for somebody are few beside those that do not.
    await q.query(`CREATE INDEX jobs_list_open ON mailferry.jobs (tenant, created_at, id)
      WHERE handled_at IS NULL AND (state IN ('failed', 'needs-action') OR outcome = 'incomplete')`);

    await q.query(`CREATE TABLE mailferry.job_notes (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      at timestamptz NOT NULL DEFAULT now(),
      author text NOT NULL,
      text text NOT NULL,
      handled boolean NOT NULL DEFAULT false
    )`);
    await q.query(`CREATE INDEX job_notes_by_job ON mailferry.job_notes (job, id)`);

    await q.query(`CREATE TABLE mailferry.password_links (
      id uuid PRIMARY KEY,
      tenant text NOT NULL,
      job uuid NOT NULL REFERENCES mailferry.jobs(id) ON DELETE CASCADE,
      made_by text NOT NULL,
      next_action text CHECK (next_action IN ('start', 'resume', 'retry')),
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      used_at timestamptz,
      revoked_at timestamptz
    )`);
    await q.query(`CREATE INDEX password_links_by_job ON mailferry.password_links (job, created_at)`);
    await q.query(`CREATE INDEX password_links_expiring ON mailferry.password_links (expires_at)`);

    await q.query(`ALTER TABLE mailferry.workers ADD COLUMN drain boolean NOT NULL DEFAULT false`);

    await q.query(`CREATE INDEX audit_by_tenant ON mailferry.audit (tenant, id)`);
    await q.query(`CREATE INDEX audit_by_mailbox ON mailferry.audit (tenant, mailbox, id)`);
    await q.query(`CREATE INDEX audit_by_person ON mailferry.audit (tenant, sub, id)`);
    await q.query(`CREATE INDEX audit_by_action ON mailferry.audit (tenant, action, id)`);
  }

  async down(q: QueryRunner): Promise<void> {
    for (const name of ['action', 'person', 'mailbox', 'tenant'])
      await q.query(`DROP INDEX mailferry.audit_by_${name}`);
    await q.query(`ALTER TABLE mailferry.workers DROP COLUMN drain`);
    await q.query(`DROP TABLE mailferry.password_links`);
    await q.query(`DROP TABLE mailferry.job_notes`);
    await q.query(`ALTER TABLE mailferry.jobs DROP COLUMN handled_at`);
  }
}
