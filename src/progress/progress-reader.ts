import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { from, Observable, type OperatorFunction, type Subscriber, throttle } from 'rxjs';
import type { DataSource } from 'typeorm';
import type { Visibility } from '../jobs/contract.js';
import type { JobView } from '../jobs/job.js';
import { isFinal } from '../jobs/job-state.js';
import { JobReader } from '../jobs/job-view.js';
import type { JobEventMessage, ProgressApi } from './contract.js';

const POLL_MS = 1_000;

interface Watcher {
  readonly id: string;
  readonly visibility: Visibility;
  readonly subscriber: Subscriber<JobEventMessage>;
  last: JobView;
}

/**
 * One question a second to the database for all jobs that somebody in this process watches; only those whose version
 * rose are read. What a watcher may see is asked anew with each reading.
 */
@Injectable()
export class ProgressReader implements ProgressApi, OnModuleDestroy {
  private readonly logger = new Logger('mailferry:progress');
  private readonly watchers = new Set<Watcher>();
  private timer: NodeJS.Timeout | null = null;
  private polling = false;

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(JobReader) private readonly reader: JobReader,
  ) {}

  async watch(visibility: Visibility, id: string): Promise<Observable<JobEventMessage> | null> {
    if ((await this.reader.get(visibility, id)) === null) return null;
    return new Observable<JobEventMessage>((subscriber) => {
      let watcher: Watcher | null = null;
      // Read again: time may have passed between the question and the subscription.
      this.reader.get(visibility, id).then(
        (job) => {
          if (subscriber.closed) return;
          if (job === null) return subscriber.complete();
          subscriber.next({ type: 'snapshot', job });
          if (finish(subscriber, job)) return;
          watcher = { id, visibility, subscriber, last: job };
          this.watchers.add(watcher);
          this.awake();
        },
        (error: unknown) => subscriber.error(error),
      );
      return () => {
        if (watcher !== null) this.watchers.delete(watcher);
        if (this.watchers.size === 0) this.sleep();
      };
    });
  }

  onModuleDestroy(): void {
    this.sleep();
    for (const { subscriber } of [...this.watchers]) subscriber.complete();
  }

  private awake(): void {
    this.timer ??= setInterval(() => void this.poll(), POLL_MS).unref();
  }

  private sleep(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  private async poll(): Promise<void> {
    if (this.polling) return;
    this.polling = true;
    try {
      const ids = [...new Set([...this.watchers].map(({ id }) => id))];
      const rows = await this.db.query<{ id: string; version: string }[]>(
        `SELECT id, version FROM mailferry.jobs WHERE id = ANY($1)`,
        [ids],
      );
      const versions = new Map(rows.map(({ id, version }) => [id, Number(version)]));
      for (const watcher of [...this.watchers])
        if (versions.get(watcher.id) !== watcher.last.version) await this.tell(watcher);
    } catch (error) {
      // The database is away: the streams stay open and go on when it is back.
      this.logger.warn(`progress cannot be read: ${(error as Error).message}`);
    } finally {
      this.polling = false;
    }
  }

  private async tell(watcher: Watcher): Promise<void> {
    const job = await this.reader.get(watcher.visibility, watcher.id);
    if (job === null) return watcher.subscriber.complete();
    const type = job.state === watcher.last.state ? 'progress' : 'state';
    watcher.last = job;
    watcher.subscriber.next({ type, job });
    finish(watcher.subscriber, job);
  }
}

function finish(subscriber: Subscriber<JobEventMessage>, job: JobView): boolean {
  if (!isFinal(job.state)) return false;
  subscriber.next({ type: 'end', job });
  subscriber.complete();
  return true;
}

/**
 * For a reader that is slower than the changes: after each value it gets the newest one only, once `drained` has
 * resolved. Nothing piles up.
 */
export function newestOnly<T>(drained: () => Promise<void>): OperatorFunction<T, T> {
  return throttle(() => from(drained()), { leading: true, trailing: true });
}
