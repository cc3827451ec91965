import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { AuditTrail, by } from '../jobs/audit.js';
import { JobError, type Actor, type Visibility } from '../jobs/contract.js';
import { isUuid } from '../jobs/job-view.js';
import { wordsFor } from '../jobs/messages.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { Doorbell } from '../queue/doorbell.js';
import type { Fleet, FleetApi, WorkerRow } from './contract.js';
import { onlySupport } from './only-support.js';

interface Row {
  id: string;
  host: string;
  pid: number;
  started_at: Date;
  beat_at: Date;
  rss_bytes: string;
  draining: boolean;
  drain: boolean;
  silent: boolean;
  runs: { tenant: string; job: string; mailbox: string; since: string; rate: number | null }[] | null;
}
interface Counts {
  queued: string;
  running: string;
  waiting: string;
  stalled: string;
  oldest: Date | null;
  wake: Date | null;
}

/** The queue and the workers, as Postgres knows them: Redis holds bells only. */
@Injectable()
export class FleetService implements FleetApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(Doorbell) private readonly doorbell: Doorbell,
  ) {}

  async look(visibility: Visibility): Promise<Fleet> {
    onlySupport(visibility);
    const dead = this.options.worker.deadAfterMs / 1000;
    const [workers, [counts], rings] = await Promise.all([
      this.db.query<Row[]>(
        `SELECT w.id, w.host, w.pid, w.started_at, w.beat_at, w.rss_bytes, w.draining, w.drain,
           w.beat_at < clock_timestamp() - make_interval(secs => $1) AS silent,
           (SELECT jsonb_agg(jsonb_build_object('tenant', j.tenant, 'job', j.id, 'mailbox', j.mailbox,
              'since', r.started_at, 'rate', j.rate) ORDER BY r.started_at)
            FROM mailferry.runs r JOIN mailferry.jobs j ON j.id = r.job
            WHERE r.worker = w.id AND r.state = 'running') AS runs
         FROM mailferry.workers w ORDER BY w.host, w.started_at, w.id`,
        [dead],
      ),
      this.db.query<[Counts]>(
        `SELECT count(*) FILTER (WHERE j.state = 'queued') AS queued, count(*) FILTER (WHERE j.state = 'running') AS running,
           count(*) FILTER (WHERE j.state = 'waiting') AS waiting,
           count(*) FILTER (WHERE j.state IN ('running', 'cancelling') AND NOT EXISTS (
             SELECT 1 FROM mailferry.runs r WHERE r.job = j.id AND r.state = 'running'
               AND r.beat_at >= clock_timestamp() - make_interval(secs => $2))) AS stalled,
           min(j.queued_at) FILTER (WHERE j.state = 'queued') AS oldest,
           min(j.until) FILTER (WHERE j.state = 'waiting') AS wake
         FROM mailferry.jobs j WHERE j.tenant = $1 AND j.state IN ('queued', 'running', 'waiting', 'cancelling')`,
        [visibility.tenant, dead],
      ),
      this.doorbell.waiting(),
    ]);
    return {
      workers: workers.map((row) => workerOf(row, visibility.tenant)),
      jobs: {
        queued: Number(counts.queued),
        running: Number(counts.running),
        waiting: Number(counts.waiting),
        stalled: Number(counts.stalled),
      },
      oldestQueuedAt: counts.oldest?.toISOString() ?? null,
      nextWakeAt: counts.wake?.toISOString() ?? null,
      rings,
    };
  }

  async drain(who: Actor, worker: string, drain: boolean): Promise<void> {
    onlySupport(who.visibility);
    const known: unknown[] = isUuid(worker)
      ? await this.db.query(`SELECT 1 FROM mailferry.workers WHERE id = $1`, [worker])
      : [];
    if (known.length === 0) throw new JobError('NOT_FOUND', wordsFor('NOT_FOUND').message);
    await this.audit.demand({ ...by(who), action: drain ? 'worker.drain' : 'worker.undrain', detail: { worker } });
    await this.db.query(`UPDATE mailferry.workers SET drain = $2 WHERE id = $1`, [worker, drain]);
  }
}

function workerOf(row: Row, tenant: string): WorkerRow {
  const runs = row.runs ?? [];
  return {
    id: row.id,
    host: row.host,
    pid: row.pid,
    startedAt: row.started_at.toISOString(),
    beatAt: row.beat_at.toISOString(),
    rssBytes: Number(row.rss_bytes),
    state: row.silent ? 'silent' : row.draining || row.drain ? 'draining' : 'well',
    drain: row.drain,
    runs: runs
      .filter((run) => run.tenant === tenant)
      .map(({ job, mailbox, since, rate }) => ({ job, mailbox, since: new Date(since).toISOString(), rate })),
    otherRuns: runs.filter((run) => run.tenant !== tenant).length,
  };
}
