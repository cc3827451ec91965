import type { DataSource } from 'typeorm';
import type { FolderId, FolderPlan } from '../mailbox/folder.js';
import type { TransferListener } from '../transfer/contract.js';
import { Pace } from './pace.js';

/** Writes to the database at most this often (ms). */
const WRITE_MS = 1_000;
/** Lines kept in memory until the next write, kept of one run, and kept of one job. */
const MAX_PENDING = 200;
const MAX_RUN_LINES = 5_000;
const MAX_JOB_LINES = 2_000;

/** Takes secrets out, by value. */
export interface Cleaner {
  text(text: string): string;
  value(value: unknown): unknown;
}

type Level = 'info' | 'warn' | 'error';
type Counts = Parameters<TransferListener['counted']>[1];
interface Line {
  readonly at: Date;
  readonly level: Level;
  readonly message: string;
  readonly detail: string | null;
}

/**
 * The engine's listener: rate, time left and the job's log, once a second. The counters themselves are the ledger's. A
 * database that is away costs lines and numbers, never the run.
 */
export class ProgressRecorder implements TransferListener {
  private readonly pace = new Pace();
  private readonly folders = new Map<FolderId, Counts>();
  private announced = 0;
  private bytes = 0;
  private lines: Line[] = [];
  private dropped = 0;
  private written = 0;
  private lastTick = performance.now();
  private timer: NodeJS.Timeout | null = null;
  private writing: Promise<void> | null = null;
  private shown: { rate: number | null; eta: number | null } = { rate: null, eta: null };

  constructor(
    private readonly db: DataSource,
    private readonly job: string,
    private readonly run: string,
    private readonly cleaner: Cleaner,
  ) {}

  start(): this {
    this.timer = setInterval(() => void this.write(), WRITE_MS);
    this.timer.unref();
    return this;
  }

  /** Writes what is left. Never throws. */
  async stop(): Promise<void> {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    await this.writing;
    await this.writeLines();
  }

  planned(plan: FolderPlan): void {
    this.announced = plan.mappings.reduce((sum, { source }) => sum + (source.items ?? 0), 0);
  }

  counted(folder: FolderId, counts: Counts): void {
    this.folders.set(folder, counts);
  }

  moved(bytes: number): void {
    this.bytes += bytes;
  }

  log(level: Level, message: string, detail?: Readonly<Record<string, unknown>>): void {
    if (this.lines.length >= MAX_PENDING || this.written + this.lines.length >= MAX_RUN_LINES) {
      this.dropped++;
      return;
    }
    this.lines.push({
      at: new Date(),
      level,
      message: this.cleaner.text(message),
      detail: detail === undefined ? null : storable(this.cleaner.value(detail)),
    });
  }

  private write(): Promise<void> {
    // A slow database gets one write at a time; what comes meanwhile goes with the next.
    this.writing ??= this.writeNow().finally(() => {
      this.writing = null;
    });
    return this.writing;
  }

  private async writeNow(): Promise<void> {
    this.tick();
    await this.writePace();
    await this.writeLines();
  }

  private tick(): void {
    const now = performance.now();
    this.pace.tick((now - this.lastTick) / 1000, this.bytes, this.sum().done);
    this.lastTick = now;
    this.bytes = 0;
  }

  private sum(): { found: number; done: number; totalBytes: number } {
    let [found, done, totalBytes] = [0, 0, 0];
    for (const counts of this.folders.values()) {
      found += counts.found;
      done += counts.copied + counts.alreadyThere + counts.skipped + counts.failed;
      totalBytes += counts.totalBytes;
    }
    return { found, done, totalBytes };
  }

  private async writePace(): Promise<void> {
    const sum = this.sum();
    const rate = this.pace.rate;
    const eta = this.pace.eta({ ...sum, expected: Math.max(sum.found, this.announced) });
    if (rate === this.shown.rate && eta === this.shown.eta) return;
    try {
      // Only while it runs: a late write must not put a rate on a job that was paused.
      await this.db.query(
        `UPDATE mailferry.jobs SET rate = $2, eta_seconds = $3, version = version + 1, updated_at = now()
         WHERE id = $1 AND state = 'running'`,
        [this.job, rate, eta],
      );
      this.shown = { rate, eta };
    } catch {
      // The next second tries again.
    }
  }

  private async writeLines(): Promise<void> {
    const lines = this.lines;
    if (lines.length === 0 && this.dropped === 0) return;
    this.lines = [];
    if (this.dropped > 0) {
      lines.push({ at: new Date(), level: 'warn', message: `${this.dropped} more lines were left out`, detail: null });
      this.dropped = 0;
    }
    try {
      await this.db.query(
        `INSERT INTO mailferry.job_log (job, run, at, level, message, detail)
         SELECT $1, $2, * FROM unnest($3::timestamptz[], $4::text[], $5::text[], $6::jsonb[])`,
        [
          this.job,
          this.run,
          lines.map(({ at }) => at),
          lines.map(({ level }) => level),
          lines.map(({ message }) => message),
          lines.map(({ detail }) => detail),
        ],
      );
      this.written += lines.length;
      await this.db.query(
        `DELETE FROM mailferry.job_log WHERE job = $1 AND id <=
           (SELECT id FROM mailferry.job_log WHERE job = $1 ORDER BY id DESC OFFSET $2 LIMIT 1)`,
        [this.job, MAX_JOB_LINES],
      );
    } catch {
      // Lines are a help, not a record.
    }
  }
}

/** Postgres' jsonb takes no NUL. */
function storable(value: unknown): string {
  return JSON.stringify(value).replaceAll('\\u0000', '');
}
