import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where a word of a search may stand. */
const SEARCH = `lower(mailbox || ' ' || COALESCE(source->>'host', '') || ' ' || COALESCE(source->>'username', ''))`;

/**
 * Lists of a million migrations: every order and every filter has an index that begins with the tenant and ends with
 * the row's id. None holds a column that a running migration writes each second, so those writes stay cheap.
 */
export class JobLists1764000004000 implements MigrationInterface {
  name = 'JobLists1764000004000';

  async up(q: QueryRunner): Promise<void> {
    await q.query(`ALTER TABLE mailferry.jobs
      ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now(),
      ADD COLUMN search text GENERATED ALWAYS AS (${SEARCH}) STORED`);
    await q.query(`UPDATE mailferry.jobs SET changed_at = COALESCE(finished_at, started_at, created_at)`);
    await q.query(`CREATE INDEX jobs_list_created ON mailferry.jobs (tenant, created_at, id) INCLUDE (search)`);
    await q.query(`CREATE INDEX jobs_list_changed ON mailferry.jobs (tenant, changed_at, id)`);
    await q.query(`CREATE INDEX jobs_list_mailbox ON mailferry.jobs (tenant, mailbox, id)`);
    await q.query(`CREATE INDEX jobs_list_failed ON mailferry.jobs (tenant, failed, id)`);
    await q.query(`CREATE INDEX jobs_list_state ON mailferry.jobs (tenant, state, created_at, id)`);
    await q.query(`CREATE INDEX jobs_list_domain ON mailferry.jobs (tenant, domain, created_at, id)`);
    await q.query(`CREATE INDEX jobs_list_host ON mailferry.jobs (tenant, source_host, created_at, id)`);
    await q.query(`CREATE INDEX jobs_list_code ON mailferry.jobs (tenant, (reason->>'code'), created_at, id)
      WHERE reason IS NOT NULL`);
    await q.query(`CREATE INDEX jobs_list_batch ON mailferry.jobs (batch, created_at, id) WHERE batch IS NOT NULL`);
    await q.query(`CREATE INDEX refusals_by_code ON mailferry.refusals (code, job)`);
    await q.query(`DROP INDEX mailferry.jobs_by_age`);
    await q.query(`DROP INDEX mailferry.jobs_by_domain`);
  }

  async down(q: QueryRunner): Promise<void> {
    await q.query(`CREATE INDEX jobs_by_domain ON mailferry.jobs (tenant, domain, created_at DESC)`);
    await q.query(`CREATE INDEX jobs_by_age ON mailferry.jobs (created_at DESC, id)`);
    await q.query(`DROP INDEX mailferry.refusals_by_code`);
    for (const name of ['batch', 'code', 'host', 'domain', 'state', 'failed', 'mailbox', 'changed', 'created'])
      await q.query(`DROP INDEX mailferry.jobs_list_${name}`);
    await q.query(`ALTER TABLE mailferry.jobs DROP COLUMN search, DROP COLUMN changed_at`);
  }
}
