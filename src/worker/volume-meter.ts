import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';

const HOUR_MS = 60 * 60_000;
/** The day a provider counts by is its own affair: any 24 hours stay below the limit. */
const WINDOW_HOURS = 24;

/** What was read from each account, hour by hour, over all jobs of all workers. */
@Injectable()
export class VolumeMeter {
  constructor(@Inject(getDataSourceToken('mailferry')) private readonly db: DataSource) {}

  /**
   * Adds bytes to the hour that is now.
   * @param account any lasting name that holds no secret.
   * @returns the sum of the last 24 hours.
   */
  async add(account: string, bytes: number): Promise<number> {
    const [row] = await this.db.query<{ total: string }[]>(
      `WITH added AS (
         INSERT INTO mailferry.read_volume AS v (account, hour, bytes) VALUES ($1, date_trunc('hour', now()), $2)
         ON CONFLICT (account, hour) DO UPDATE SET bytes = v.bytes + excluded.bytes RETURNING hour, bytes
       )
       SELECT (SELECT bytes FROM added) + COALESCE(sum(v.bytes), 0) AS total FROM mailferry.read_volume v
       WHERE v.account = $1 AND v.hour > now() - interval '${WINDOW_HOURS} hours' AND v.hour < (SELECT hour FROM added)`,
      [account, Math.round(bytes)],
    );
    return Number(row!.total);
  }

  /** When so many hours are over that the sum is below `limit` again (ms from now); at least until the next hour. */
  async freeIn(account: string, limit: number): Promise<number> {
    const hours = await this.db.query<{ bytes: string; ends_in: string }[]>(
      `SELECT bytes, extract(epoch FROM hour + interval '${WINDOW_HOURS} hours' - now()) * 1000 AS ends_in
       FROM mailferry.read_volume WHERE account = $1 AND hour > now() - interval '${WINDOW_HOURS} hours' ORDER BY hour`,
      [account],
    );
    let left = hours.reduce((sum, { bytes }) => sum + Number(bytes), 0);
    for (const { bytes, ends_in } of hours) {
      left -= Number(bytes);
      if (left < limit) return Math.max(0, Math.ceil(Number(ends_in)));
    }
    return HOUR_MS;
  }
}
