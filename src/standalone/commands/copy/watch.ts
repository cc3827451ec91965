import type { DataSource } from 'typeorm';
import { JobEntity, JobLogEntity } from '../../../jobs/entities.js';
import { bareView } from '../../../jobs/job-view.js';
import type { Output } from './events.js';

/** How often progress is looked at (ms); the recorder writes once a second, counters with each batch. */
const LOOK_MS = 500;
const MAX_LINES = 200;

/** Tells what the database says of one job while it is worked on: its numbers and its log. */
export class Watch {
  private timer: NodeJS.Timeout | null = null;
  private looking: Promise<void> | null = null;
  private version = -1;
  private line = '0';

  constructor(
    private readonly db: DataSource,
    private readonly job: string,
    private readonly output: Output,
    /** Items the old server announced. */
    private readonly announced: () => number,
  ) {}

  /** What was logged before this command is not told again. */
  async start(): Promise<this> {
    const [last] = await this.db.query<{ id: string | null }[]>(
      `SELECT max(id) AS id FROM mailferry.job_log WHERE job = $1`,
      [this.job],
    );
    this.line = last?.id ?? '0';
    this.timer = setInterval(() => void this.look(), LOOK_MS);
    return this;
  }

  /** Tells the last of it. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    await this.looking;
    await this.look();
  }

  private look(): Promise<void> {
    this.looking ??= this.lookNow()
      // The database is away: the next look finds out more.
      .catch(() => undefined)
      .finally(() => (this.looking = null));
    return this.looking;
  }

  private async lookNow(): Promise<void> {
    const lines = await this.db.manager
      .createQueryBuilder(JobLogEntity, 'l')
      .where('l.job = :job AND l.id > :line', { job: this.job, line: this.line })
      .orderBy('l.id')
      .limit(MAX_LINES)
      .getMany();
    for (const { id, at, level, message, detail } of lines) {
      this.line = String(id);
      this.output.tell({
        event: 'log',
        at: at.toISOString(),
        level: level as 'info' | 'warn' | 'error',
        message,
        ...(detail === null ? {} : { detail }),
      });
    }
    const job = await this.db.manager.findOneBy(JobEntity, { id: this.job });
    if (job === null || job.version === this.version) return;
    this.version = job.version;
    this.output.tell({ event: 'progress', expected: this.announced(), ...bareView(job).progress });
  }
}
