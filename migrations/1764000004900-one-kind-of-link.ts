import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Those whom the admin of a domain asks and those whom support asks get the same kind of link for a password. */
export class OneKindOfLink1764000004900 implements MigrationInterface {
  name = 'OneKindOfLink1764000004900';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.password_links
      ALTER id SET DEFAULT gen_random_uuid(),
      ADD to_send boolean NOT NULL DEFAULT false,
      ADD sent_at timestamptz`);
    await q.query(`CREATE INDEX password_links_to_send ON mailferry.password_links (created_at) WHERE to_send`);
    // Their addresses are others now: what was sent and not used is sent again.
    await q.query(`INSERT INTO mailferry.password_links
        (id, tenant, job, made_by, created_at, expires_at, used_at, to_send, sent_at)
      SELECT id, tenant, job, created_by, created_at, date_trunc('second', expires_at), used_at,
        to_send OR (sent_at IS NOT NULL AND used_at IS NULL AND expires_at > now()), sent_at
      FROM mailferry.invitations`);
    await q.query(`DROP TABLE mailferry.invitations`);
  }

  async down(q: QueryRunner): Promise<void> {
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
    await q.query(`WITH moved AS (
        DELETE FROM mailferry.password_links l USING mailferry.jobs j
        WHERE j.id = l.job AND j.batch IS NOT NULL AND l.next_action IS NULL RETURNING l.*)
      INSERT INTO mailferry.invitations (id, tenant, job, created_by, created_at, expires_at, to_send, sent_at, used_at)
      SELECT id, tenant, job, made_by, created_at, LEAST(expires_at, revoked_at), to_send, sent_at, used_at FROM moved`);
    await q.query(`ALTER TABLE mailferry.password_links DROP to_send, DROP sent_at, ALTER id DROP DEFAULT`);
  }
}
