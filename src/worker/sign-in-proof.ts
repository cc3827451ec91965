import type { DataSource } from 'typeorm';
import type { JobEntity } from '../jobs/entities.js';
import { TEST_VALID_MS } from '../jobs/source-hash.js';

/** Whether the old account has let us in with these settings before: then what is wrong now changed since. */
export class SignInProof {
  constructor(private readonly db: DataSource) {}

  /** By an earlier run, or by a connection test. */
  async isThere(job: JobEntity, run: string): Promise<boolean> {
    return (job.startedAt !== null && (await this.ranBefore(job.id, run))) || this.testPassed(job);
  }

  private async ranBefore(job: string, run: string): Promise<boolean> {
    const rows: unknown[] = await this.db.query(
      `SELECT 1 FROM mailferry.runs WHERE job = $1 AND id <> $2 AND state IN ('completed', 'waiting', 'paused', 'interrupted')
         AND EXISTS (SELECT 1 FROM mailferry.job_folders WHERE job = $1) LIMIT 1`,
      [job, run],
    );
    return rows.length > 0;
  }

  private async testPassed({ tenant, sourceHash }: JobEntity): Promise<boolean> {
    if (sourceHash === null) return false;
    const rows: unknown[] = await this.db.query(
      `SELECT 1 FROM mailferry.passed_tests WHERE tenant = $1 AND source_hash = $2 AND at > $3`,
      [tenant, sourceHash, new Date(Date.now() - TEST_VALID_MS)],
    );
    return rows.length > 0;
  }

  /** It did so now. */
  async remember({ tenant, sourceHash }: JobEntity, run: string): Promise<void> {
    await this.db.query(`UPDATE mailferry.runs SET signed_in_at = clock_timestamp() WHERE id = $1`, [run]);
    if (sourceHash === null) return;
    await this.db.query(
      `INSERT INTO mailferry.passed_tests (tenant, source_hash, at) VALUES ($1, $2, now())
       ON CONFLICT (tenant, source_hash) DO UPDATE SET at = EXCLUDED.at`,
      [tenant, sourceHash],
    );
  }
}
