import type { DataSource } from 'typeorm';
import type { BatchRecord } from './batch-record.js';
import { LOCK_OUT_CODES, REFUSED_CODES, type SignIns } from './stopping.js';

/**
 * How the sign-ins of a batch went since its pass began, or since a person last wanted it to go on: the same password may
 * have been changed at the old server since the pass before.
 */
export async function signInsOf(
  db: DataSource,
  { id, passFrom, resumedAt }: BatchRecord,
): Promise<SignIns & { readonly busy: number }> {
  const since = new Date(Math.max(passFrom?.getTime() ?? 0, resumedAt?.getTime() ?? 0));
  const [numbers] = await db.query<(SignIns & { busy: number })[]>(
    `WITH one AS (
       SELECT j.state, j.reason->>'code' AS code, j.changed_at,
         GREATEST(
           CASE WHEN j.state = 'completed' AND j.finished_at >= $4 THEN j.finished_at END,
           CASE WHEN j.test_result->>'ok' = 'true' AND j.tested_at >= $4 THEN j.tested_at END,
           (SELECT max(r.signed_in_at) FROM mailferry.runs r WHERE r.job = j.id AND r.signed_in_at >= $4)) AS worked_at
       FROM mailferry.jobs j WHERE j.batch = $1),
     refused AS (
       SELECT changed_at FROM one WHERE state IN ('failed', 'needs-action') AND code = ANY($2) AND changed_at >= $4)
     SELECT (count(*) FILTER (WHERE state IN ('queued', 'running')))::int AS busy,
       count(worked_at)::int AS worked,
       (SELECT count(*) FROM refused)::int AS refused,
       (SELECT count(*) FROM refused WHERE changed_at > COALESCE((SELECT max(worked_at) FROM one), '-infinity'))::int AS "inARow",
       (count(*) FILTER (WHERE state = 'failed' AND code = ANY($3) AND changed_at >= $4))::int AS "lockedOut"
     FROM one`,
    [id, REFUSED_CODES, LOCK_OUT_CODES, since],
  );
  return numbers!;
}
