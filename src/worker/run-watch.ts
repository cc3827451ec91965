import type { DataSource } from 'typeorm';
import type { JobState } from '../jobs/job.js';
import type { StopReason } from '../transfer/contract.js';

/** How soon a run sees that somebody paused or cancelled it (ms); also how often it says that it is alive. */
const WATCH_MS = 1_000;

/** Beats for one run and tells it to stop when its job is no longer to be run, or the run no longer ours. */
export class RunWatch {
  readonly stop = new AbortController();
  /** True: the run's row says that somebody else took it over. Nothing may be written about it any more. */
  taken = false;
  private timer: NodeJS.Timeout | null = null;
  private looking = false;

  constructor(
    private readonly db: DataSource,
    private readonly run: string,
    /** Aborted when the process ends. */
    private readonly shutdown: AbortSignal,
    /** Support wants to read what is said to the servers. */
    private readonly onLogWanted: () => Promise<void> = async () => undefined,
  ) {}

  start(): this {
    if (this.shutdown.aborted) this.halt('shutdown');
    this.shutdown.addEventListener('abort', this.onShutdown);
    this.timer = setInterval(() => void this.look(), WATCH_MS);
    this.timer.unref();
    return this;
  }

  end(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.shutdown.removeEventListener('abort', this.onShutdown);
  }

  private readonly onShutdown = (): void => this.halt('shutdown');

  private halt(why: StopReason): void {
    if (!this.stop.signal.aborted) this.stop.abort(why);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const [rows] = await this.db.query<[{ run: string; job: JobState; wanted: boolean }[], number]>(
        `UPDATE mailferry.runs r SET beat_at = clock_timestamp() FROM mailferry.jobs j
         WHERE r.id = $1 AND j.id = r.job RETURNING r.state AS run, j.state AS job, j.wants_log AS wanted`,
        [this.run],
      );
      const row = rows[0];
      if (row === undefined || row.run !== 'running') {
        this.taken = true;
        this.halt('shutdown');
      } else if (row.job === 'cancelling' || row.job === 'cancelled') this.halt('cancel');
      else if (row.job !== 'running') this.halt('pause');
      if (row?.wanted && !this.taken) await this.onLogWanted();
    } catch {
      // The database is away. Whether we may still write is the lease's affair.
    } finally {
      this.looking = false;
    }
  }
}
