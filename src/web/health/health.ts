import { Inject, Injectable, Logger } from '@nestjs/common';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { WEB_DATABASE, WEB_QUEUE, type WebDatabase, type WebQueue } from '../tokens.js';

export type PartState = 'ok' | 'down';
export interface HealthReport {
  readonly status: 'ok' | 'unavailable';
  readonly parts: {
    readonly web: 'ok';
    readonly database: PartState;
    readonly queue: PartState;
    readonly worker: PartState;
  };
}

/** A check that takes longer is a no (ms): a load balancer does not wait. */
const CHECK_MS = 1_500;
/** Asking more often tells nothing new (ms). */
const CACHE_MS = 1_000;

/** Whether a request for a migration would be served: the web half, Postgres, the queue, and at least one worker. */
@Injectable()
export class Health {
  private readonly log = new Logger('mailferry:health');
  private cached: { readonly at: number; readonly report: Promise<HealthReport> } | null = null;
  private lastStatus: HealthReport['status'] = 'ok';

  constructor(
    @Inject(WEB_DATABASE) private readonly db: WebDatabase,
    @Inject(WEB_QUEUE) private readonly queue: WebQueue,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  report(): Promise<HealthReport> {
    const now = performance.now();
    if (this.cached === null || now - this.cached.at > CACHE_MS) this.cached = { at: now, report: this.look() };
    return this.cached.report;
  }

  /** Whether pages and API can be served: a load balancer asks this. Without a worker or Redis they still say how things are. */
  async ready(): Promise<boolean> {
    return (await this.report()).parts.database === 'ok';
  }

  private async look(): Promise<HealthReport> {
    const [worker, queue] = await Promise.all([
      within(this.workers()),
      within(this.queue.isUp().then((up) => (up ? true : null))),
    ]);
    const parts = {
      web: 'ok',
      database: worker === null ? 'down' : 'ok',
      queue: queue === null ? 'down' : 'ok',
      worker: worker === null || worker === 0 ? 'down' : 'ok',
    } as const;
    const status = Object.values(parts).every((part) => part === 'ok') ? 'ok' : 'unavailable';
    if (status !== this.lastStatus) this.log.warn(JSON.stringify({ event: 'health', status, parts }));
    this.lastStatus = status;
    return { status, parts };
  }

  /** Workers that gave a sign of life lately, by Postgres' clock. */
  private async workers(): Promise<number> {
    const [row] = (await this.db.query(
      `SELECT count(*)::int AS n FROM mailferry.workers
       WHERE NOT draining AND beat_at > now() - $1 * interval '1 millisecond'`,
      [this.options.worker.deadAfterMs],
    )) as { n: number }[];
    return row?.n ?? 0;
  }
}

/** Null: failed, or took too long. */
export async function within<T>(work: Promise<T>, ms = CHECK_MS): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([work.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
