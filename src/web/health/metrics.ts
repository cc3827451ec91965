import { Inject, Injectable } from '@nestjs/common';
import { Counter, Gauge, Registry } from 'prom-client';
import { EventStreams } from '../api/event-streams.js';
import { WEB_DATABASE, WEB_QUEUE, type WebDatabase, type WebQueue } from '../tokens.js';
import { within } from './health.js';

/** Longest a scrape waits for one source of numbers (ms). */
const COLLECT_MS = 3_000;

/** A registry of our own: a host that has Prometheus itself never meets our names. Numbers are those of the tables. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly requests: Counter<'method' | 'status'>;

  constructor(
    @Inject(WEB_DATABASE) private readonly db: WebDatabase,
    @Inject(WEB_QUEUE) queue: WebQueue,
    streams: EventStreams,
  ) {
    const registers = [this.registry];
    this.requests = new Counter({
      name: 'mailferry_http_requests_total',
      help: 'Answers of the pages and the API, by method and status.',
      labelNames: ['method', 'status'],
      registers,
    });
    new Gauge({
      name: 'mailferry_event_streams',
      help: 'Pages that follow a migration now, in this process.',
      registers,
      collect() {
        this.set(streams.count());
      },
    });
    this.table(
      'mailferry_jobs',
      'Migrations by state.',
      ['state'],
      `SELECT state, count(*)::int AS n FROM mailferry.jobs GROUP BY state`,
    );
    this.table(
      'mailferry_items',
      'Items of all migrations that are kept, by outcome.',
      ['outcome'],
      `SELECT outcome, n::float8 AS n FROM (SELECT sum(copied) AS copied, sum(already_there) AS already, sum(skipped) AS skipped,
         sum(failed) AS failed FROM mailferry.jobs) s,
       LATERAL (VALUES ('copied', copied), ('already_there', already), ('skipped', skipped), ('failed', failed)) v (outcome, n)`,
    );
    this.table(
      'mailferry_bytes_copied',
      'Bytes of all migrations that are kept.',
      [],
      `SELECT coalesce(sum(bytes), 0)::float8 AS n FROM mailferry.jobs`,
    );
    this.table(
      'mailferry_copy_bytes_per_second',
      'What all migrations that run copy, lately.',
      [],
      `SELECT coalesce(sum(rate), 0)::float8 AS n FROM mailferry.jobs WHERE state = 'running'`,
    );
    this.table(
      'mailferry_reasons',
      'Migrations that stand still, by the code of the reason.',
      ['state', 'code'],
      `SELECT state, reason->>'code' AS code, count(*)::int AS n FROM mailferry.jobs
       WHERE reason IS NOT NULL AND state IN ('failed', 'needs-action', 'waiting') GROUP BY 1, 2`,
    );
    this.table(
      'mailferry_queue_oldest_seconds',
      'How long the migration waits that has waited longest for its turn.',
      [],
      `SELECT coalesce(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)::float8 AS n
       FROM mailferry.jobs WHERE state = 'queued'`,
    );
    this.table(
      'mailferry_runs_silent',
      'Runs whose worker gave no sign of life for a minute.',
      [],
      `SELECT count(*)::int AS n FROM mailferry.runs WHERE state = 'running' AND beat_at < now() - interval '1 minute'`,
    );
    this.table(
      'mailferry_ledger_seconds',
      'Time of a write of the ledger, of the slowest worker in its last beats.',
      [],
      `SELECT coalesce(max(ledger_ms), 0)::float8 / 1000 AS n FROM mailferry.workers WHERE beat_at > now() - interval '1 minute'`,
    );
    this.table(
      'mailferry_worker_memory_bytes',
      'Memory of each worker.',
      ['host', 'pid'],
      `SELECT host, pid, max(rss_bytes)::float8 AS n FROM mailferry.workers
       WHERE beat_at > now() - interval '1 minute' GROUP BY host, pid`,
    );
    this.table(
      'mailferry_notices',
      'Messages to people and programs that wait to be sent, and those of the last days that were given up.',
      ['state'],
      `SELECT state, n::int AS n FROM (SELECT
         (SELECT count(*) FROM mailferry.outbox WHERE sent_at IS NULL AND failed_at IS NULL) AS waiting,
         (SELECT count(*) FROM mailferry.outbox WHERE failed_at IS NOT NULL) AS failed) o,
       LATERAL (VALUES ('waiting', waiting), ('failed', failed)) v (state, n)`,
    );
    this.table(
      'mailferry_workers',
      'Workers that gave a sign of life in the last minute, by whether they take new work.',
      ['draining'],
      `SELECT draining::text AS draining, count(*)::int AS n FROM mailferry.workers
       WHERE beat_at > now() - interval '1 minute' GROUP BY draining`,
    );
    new Gauge({
      name: 'mailferry_queue_waiting',
      help: 'Rings that wait for a worker, by queue.',
      labelNames: ['queue'],
      registers,
      async collect() {
        const waiting = await within(queue.waiting(), COLLECT_MS);
        this.reset();
        if (waiting === null) return;
        this.set({ queue: 'runs' }, waiting.runs);
        this.set({ queue: 'tests' }, waiting.tests);
      },
    });
  }

  private table(name: string, help: string, labelNames: string[], sql: string): void {
    const { db } = this;
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        const rows = (await within(db.query(sql), COLLECT_MS)) as Record<string, unknown>[] | null;
        // Old numbers would look like true ones.
        this.reset();
        for (const row of rows ?? [])
          this.set(Object.fromEntries(labelNames.map((label) => [label, String(row[label])])), Number(row['n'] ?? 0));
      },
    });
  }
}
