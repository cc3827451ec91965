import type { DataSource } from 'typeorm';
import { TraceRing } from '../protocols/trace.js';
import type { Scrubber } from './scrubber.js';

/** Logs that are kept of one job. */
const KEPT = 5;

/** What a run said to both servers, for support: kept when it ends badly, or when support asks for it. */
export class ProtocolLog {
  readonly source = new TraceRing();
  readonly destination = new TraceRing();

  constructor(
    private readonly db: DataSource,
    private readonly job: string,
    private readonly run: string,
    private readonly scrubber: Scrubber,
  ) {}

  /** Replaces what was kept of this run before, and answers the wish for it. Never throws: it is a help, not a record. */
  async keep(): Promise<void> {
    const [source, destination] = [this.clean(this.source), this.clean(this.destination)];
    try {
      await this.db.query(
        `WITH kept AS (
           INSERT INTO mailferry.protocol_logs (run, job, source, destination) VALUES ($1, $2, $3, $4)
           ON CONFLICT (run) DO UPDATE SET at = now(), source = excluded.source, destination = excluded.destination)
         UPDATE mailferry.jobs SET wants_log = false WHERE id = $2 AND wants_log`,
        [this.run, this.job, source, destination],
      );
      await this.db.query(
        `DELETE FROM mailferry.protocol_logs WHERE job = $1 AND run NOT IN (
           SELECT run FROM mailferry.protocol_logs WHERE job = $1 ORDER BY at DESC LIMIT ${KEPT})`,
        [this.job],
      );
    } catch {
      // The database is away: the run's own end has to be written too, and says so.
    }
  }

  /** Line by line, so that what the scrubber cuts is a line. */
  private clean(ring: TraceRing): string | null {
    const text = ring.text();
    if (text === null) return null;
    return text
      .split('\n')
      .map((line) => this.scrubber.text(line))
      .join('\n');
  }
}
