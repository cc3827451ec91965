import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { LeaseLost, type Lease, type LinkId } from './ledger.js';
import { isPassing, queryOnce } from './queries.js';

export interface LeaseTimes {
  /** A lease lasts this long after the last renewal. */
  readonly ttlMs: number;
  /** A taker lets this much more time pass: what the old holder sent may still be landing. */
  readonly graceMs: number;
  /** With less than this left, nothing is committed at the destination. */
  readonly marginMs: number;
  readonly renewMs: number;
  /** How often a taker looks whether the mailbox is free. */
  readonly pollMs: number;
}
export const LEASE_TIMES: LeaseTimes = {
  ttlMs: 60_000,
  graceMs: 30_000,
  marginMs: 10_000,
  renewMs: 15_000,
  pollMs: 1_000,
};

/** Pause before a failed renewal is tried again. */
const RENEW_AGAIN_MS = 500;
/** Tries of a release; a taker can wait if all fail. */
const RELEASE_TRIES = 3;

/** A lease on a row of dest_mailboxes. Postgres' clock says when it ends; we count from before we asked. */
export class PostgresLease implements Lease {
  private readonly loss = new AbortController();
  private over = false;
  private renewedAt: Moment;
  private renewal: NodeJS.Timeout | undefined;
  private expiry: NodeJS.Timeout | undefined;

  constructor(
    private readonly dataSource: DataSource,
    private readonly times: LeaseTimes,
    readonly link: LinkId,
    /** Row id of the destination mailbox. */
    readonly mailbox: string,
    readonly epoch: number,
    askedAt: Moment,
  ) {
    this.renewedAt = askedAt;
    // Every statement under way listens.
    setMaxListeners(0, this.loss.signal);
    this.scheduleRenewal(times.renewMs);
    this.watchExpiry();
  }

  get lost(): AbortSignal {
    return this.loss.signal;
  }

  mayCommit(): boolean {
    return !this.over && this.remaining() > this.times.marginMs;
  }

  /** @throws LeaseLost when we know without asking. */
  check(): void {
    if (this.over) throw new LeaseLost();
    if (this.remaining() > 0) return;
    this.lose();
    throw new LeaseLost();
  }

  lose(): void {
    if (this.over) return;
    this.stop();
    this.loss.abort(new LeaseLost());
  }

  async release(): Promise<void> {
    if (this.over) return;
    this.stop();
    for (let attempt = 1; ; attempt++) {
      try {
        await queryOnce(
          this.dataSource,
          `UPDATE mailferry.dest_mailboxes SET lease_until = NULL, holder = NULL WHERE id = $1 AND epoch = $2`,
          [this.mailbox, this.epoch],
        );
        return;
      } catch (error) {
        if (!isPassing(error)) throw error;
        // Not released: the next taker waits until it has expired, and nothing is lost.
        if (attempt === RELEASE_TRIES) return;
        await delay(RENEW_AGAIN_MS);
      }
    }
  }

  private remaining(): number {
    return this.times.ttlMs - elapsedSince(this.renewedAt);
  }

  private stop(): void {
    this.over = true;
    clearTimeout(this.renewal);
    clearTimeout(this.expiry);
  }

  private watchExpiry(): void {
    this.expiry = setTimeout(
      () => {
        if (this.over) return;
        if (this.remaining() <= 0) this.lose();
        else this.watchExpiry();
      },
      Math.max(this.remaining(), 1),
    ).unref();
  }

  private scheduleRenewal(ms: number): void {
    this.renewal = setTimeout(() => void this.renew(), ms).unref();
  }

  private async renew(): Promise<void> {
    const askedAt = moment();
    let next = Math.min(this.times.renewMs, RENEW_AGAIN_MS);
    try {
      const rows = await within(
        this.times.ttlMs / 4,
        queryOnce(
          this.dataSource,
          `UPDATE mailferry.dest_mailboxes SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
           WHERE id = $1 AND epoch = $2 AND lease_until > clock_timestamp() RETURNING 1`,
          [this.mailbox, this.epoch, this.times.ttlMs],
        ),
      );
      if (this.over) return;
      if (rows.length === 0) return this.lose();
      this.renewedAt = askedAt;
      next = this.times.renewMs;
    } catch {
      // Whatever it was, the lease runs out by itself if it does not pass.
      if (this.over) return;
    }
    this.scheduleRenewal(next);
  }
}

/** A suspended machine stops the monotonic clock, a corrected one turns the wall's back: the longer time holds. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}
export function moment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}
function elapsedSince({ monotonic, wall }: Moment): number {
  return Math.max(performance.now() - monotonic, Date.now() - wall);
}

/** A connection that answers nothing must not keep the next try from another one. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), ms).unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
