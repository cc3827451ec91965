import type { EntityManager } from 'typeorm';
import type { WorkerOptions } from '../panel/options.js';
import { LOCKS } from '../database/locks.js';

/**
 * The job that a worker with a free place should take now, in the caller's transaction; null: none may run.
 *
 * Left out is what would pass a limit: a mailbox that another job writes into, a tenant with all his jobs at work, an old
 * server with all its connections in use; and jobs of batches where they have all places of this worker but one, which is
 * kept for people. Of the rest: people before batches; then the tenant with the fewest at work, or whose turn was longest
 * ago; then the person, or the batch, likewise; then who waits longest.
 */
export async function nextJob(
  manager: EntityManager,
  worker: string,
  { jobs, tenantJobs, hostConnections, hostLimits }: WorkerOptions,
): Promise<string | null> {
  await manager.query(`SELECT pg_advisory_xact_lock($1)`, [LOCKS.choice]);
  const hosts = Object.keys(hostLimits);
  const [found]: { id: string; tenant: string; party: string }[] = await manager.query(
    `WITH busy AS MATERIALIZED (
       SELECT j.tenant, j.mailbox, j.batch, j.source_host, r.worker, ${PARTY} AS party
       FROM mailferry.runs r JOIN mailferry.jobs j ON j.id = r.job
       WHERE r.state = 'running' AND j.runner = 'workers')
     SELECT j.id, j.tenant, ${PARTY} AS party FROM mailferry.jobs j
     LEFT JOIN (SELECT tenant, count(*) AS n FROM busy GROUP BY tenant) t ON t.tenant = j.tenant
     LEFT JOIN (SELECT party, count(*) AS n FROM busy GROUP BY party) p ON p.party = ${PARTY}
     LEFT JOIN (SELECT source_host, count(*) AS n FROM busy GROUP BY source_host) h ON h.source_host = j.source_host
     LEFT JOIN (SELECT host, count(*) AS n FROM mailferry.source_slots WHERE until > clock_timestamp() GROUP BY host) s
       ON s.host = j.source_host
     LEFT JOIN unnest($3::text[], $4::int[]) AS l (host, most) ON l.host = j.source_host
     LEFT JOIN mailferry.turns tt ON tt.who = 'tenant ' || j.tenant
     LEFT JOIN mailferry.turns pt ON pt.who = ${PARTY}
     WHERE j.state = 'queued' AND j.runner = 'workers'
       AND NOT EXISTS (SELECT 1 FROM busy b WHERE b.tenant = j.tenant AND b.mailbox = j.mailbox)
       AND ($1::int IS NULL OR COALESCE(t.n, 0) < $1)
       AND GREATEST(COALESCE(h.n, 0), COALESCE(s.n, 0)) < COALESCE(l.most, $2)
       AND (j.batch IS NULL OR (SELECT count(*) FROM busy WHERE worker = $5 AND batch IS NOT NULL) < $6)
     ORDER BY j.batch IS NOT NULL, COALESCE(t.n, 0), tt.at NULLS FIRST, COALESCE(p.n, 0), pt.at NULLS FIRST,
       j.queued_at, j.id
     LIMIT 1`,
    [tenantJobs, hostConnections, hosts, hosts.map((host) => hostLimits[host]), worker, Math.max(1, jobs - 1)],
  );
  if (found === undefined) return null;
  await manager.query(
    `INSERT INTO mailferry.turns (who, at) SELECT unnest($1::text[]), clock_timestamp()
     ON CONFLICT (who) DO UPDATE SET at = EXCLUDED.at`,
    [[`tenant ${found.tenant}`, found.party]],
  );
  return found.id;
}

/** Who waits: a batch as a whole, or the person who made the job. */
const PARTY = `COALESCE('batch ' || j.batch::text, 'owner ' || j.tenant || ' ' || j.owner)`;
