import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { LedgerListener } from './leased-work.js';
import { LEASE_TIMES, moment, PostgresLease, type LeaseTimes } from './lease.js';
import type { Lease, Ledger, LedgerSession, LinkId, SessionScope } from './ledger.js';
import { PostgresSession } from './postgres-session.js';
import { isPassing, queryOnce } from './queries.js';

/** The ledger in our own schema. One writer for each destination mailbox, whatever dies. */
export class PostgresLedger implements Ledger {
  private readonly times: LeaseTimes;
  private slowest = 0;

  constructor(
    private readonly dataSource: DataSource,
    times: Partial<LeaseTimes> = {},
    private readonly listener: Pick<LedgerListener, 'stepByStep'> = {},
  ) {
    this.times = { ...LEASE_TIMES, ...times };
  }

  async acquire(link: LinkId, holder: string, signal: AbortSignal): Promise<Lease> {
    const mailbox = await this.mailboxOf(link, signal);
    // A taking whose reply was lost is recognised as our own by this.
    const name = `${holder}/${randomUUID()}`;
    for (;;) {
      signal.throwIfAborted();
      const askedAt = moment();
      const epoch = await this.retried(signal, () => this.take(mailbox, name));
      if (epoch !== null) {
        const lease = new PostgresLease(this.dataSource, this.times, link, mailbox, epoch, askedAt);
        if (!signal.aborted) return lease;
        await lease.release();
      }
      await delay(this.times.pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  open(lease: Lease, scope: SessionScope): LedgerSession {
    if (!(lease instanceof PostgresLease)) throw new Error('a lease of another ledger');
    return new PostgresSession(this.dataSource, lease, scope, {
      wrote: (ms) => {
        this.slowest = Math.max(this.slowest, ms);
      },
      ...this.listener,
    });
  }

  /** The longest write since this was asked last (ms); 0: there was none. */
  takeSlowest(): number {
    const slowest = this.slowest;
    this.slowest = 0;
    return slowest;
  }

  private async take(mailbox: string, holder: string): Promise<number | null> {
    const rows = await queryOnce<{ epoch: string }>(
      this.dataSource,
      `UPDATE mailferry.dest_mailboxes
       SET epoch = epoch + 1, holder = $2, lease_until = clock_timestamp() + $3 * interval '1 millisecond'
       WHERE id = $1 AND (lease_until IS NULL OR holder = $2
         OR lease_until + $4 * interval '1 millisecond' <= clock_timestamp())
       RETURNING epoch`,
      [mailbox, holder, this.times.ttlMs, this.times.graceMs],
    );
    return rows[0] ? Number(rows[0].epoch) : null;
  }

  private async mailboxOf(link: LinkId, signal: AbortSignal): Promise<string> {
    const rows = await this.retried(signal, () =>
      queryOnce<{ dest_mailbox: string }>(this.dataSource, `SELECT dest_mailbox FROM mailferry.links WHERE id = $1`, [
        link,
      ]),
    );
    if (!rows[0]) throw new Error(`no link ${link}`);
    return rows[0].dest_mailbox;
  }

  private async retried<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await work();
      } catch (error) {
        if (!isPassing(error)) throw error;
        await delay(this.times.pollMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
