import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import type { PostgresLease } from './lease.js';
import { LeaseLost } from './ledger.js';
import { isPassing, queryOf, type Query } from './queries.js';

interface Queued {
  readonly work: (query: Query) => Promise<unknown>;
  readonly durable: boolean;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** Pieces of work that share one transaction, at most. */
const TOGETHER = 16;

/**
 * Database work under a lease. What fails because the connection or the server went away is done again until the lease
 * ends; so all work given here must bear repetition after a commit whose reply was lost.
 */
export class LeasedWork {
  private readonly queue: Queued[] = [];
  private draining = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly lease: PostgresLease,
    /** Hears how long each transaction took (ms). */
    private readonly onWrite: (ms: number) => void = () => undefined,
  ) {}

  /**
   * Work in a transaction that holds the lease's row, so nobody takes the mailbox over before it ends. One after the
   * other: counts are read and written, and a session takes one connection at most. What waits while another
   * transaction is under way shares the next one.
   * @param durable false: what a crash of Postgres may take back until the next durable commit.
   * @throws LeaseLost
   */
  write<T>(work: (query: Query) => Promise<T>, { durable = true } = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ work, durable, resolve: resolve as (value: unknown) => void, reject });
      void this.drain();
    });
  }

  private async drain(): Promise<void> {
    if (this.draining) return;
    this.draining = true;
    while (this.queue.length > 0) await this.together(this.queue.splice(0, TOGETHER));
    this.draining = false;
  }

  /** Never rejects. Where one of them fails, each is done by itself, so that nobody gets another one's error. */
  private async together(some: readonly Queued[]): Promise<void> {
    const durable = some.some((one) => one.durable);
    try {
      const results = await this.repeat(() =>
        this.transact(durable, async (query) => {
          const done: unknown[] = [];
          for (const { work } of some) done.push(await work(query));
          return done;
        }),
      );
      for (const [i, { resolve }] of some.entries()) resolve(results[i]);
    } catch (error) {
      if (some.length === 1 || error instanceof LeaseLost) for (const { reject } of some) reject(error);
      else for (const one of some) await this.together([one]);
    }
  }

  /** @throws LeaseLost when the database stays away. */
  read<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.repeat(async () => {
      const runner = this.dataSource.createQueryRunner();
      try {
        return await work(queryOf(runner));
      } finally {
        await runner.release();
      }
    });
  }

  private async transact<T>(durable: boolean, work: (query: Query) => Promise<T>): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    const began = performance.now();
    try {
      const query = queryOf(runner);
      try {
        if (!(await this.begin(runner, durable))) {
          this.lease.lose();
          throw new LeaseLost();
        }
        const result = await work(query);
        await query('COMMIT');
        this.onWrite(performance.now() - began);
        return result;
      } catch (error) {
        // Fails where the connection is gone, and then there is nothing to roll back.
        await query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    } finally {
      await runner.release();
    }
  }

  /** Begins and takes the lease's row in one round trip. False: the lease is somebody else's. */
  private async begin(runner: QueryRunner, durable: boolean): Promise<boolean> {
    const { mailbox, epoch } = this.lease;
    // Several statements at once take no parameters, so these two are written out.
    if (!/^\d{1,19}$/.test(mailbox) || !Number.isSafeInteger(epoch)) throw new Error('not a lease');
    const client = (await runner.connect()) as { query(sql: string): Promise<readonly { rows: readonly unknown[] }[]> };
    const results = await client.query(
      `BEGIN; ${durable ? '' : 'SET LOCAL synchronous_commit = off; '}SELECT 1 FROM mailferry.dest_mailboxes
       WHERE id = ${mailbox} AND epoch = ${epoch} AND lease_until IS NOT NULL FOR SHARE`,
    );
    return results.at(-1)!.rows.length > 0;
  }

  private async repeat<T>(work: () => Promise<T>): Promise<T> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      this.lease.check();
      try {
        return await orLost(this.lease.lost, work());
      } catch (error) {
        if (error instanceof LeaseLost || !isPassing(error)) throw error;
      }
      await delay(pause, undefined, { signal: this.lease.lost }).catch(() => undefined);
    }
  }
}

/** A half-dead connection may never answer: the caller need not wait for it longer than for the lease. */
async function orLost<T>(lost: AbortSignal, work: Promise<T>): Promise<T> {
  let stop: () => void = () => undefined;
  const loss = new Promise<never>((_, reject) => {
    stop = () => reject(new LeaseLost());
    lost.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, loss]);
  } finally {
    lost.removeEventListener('abort', stop);
  }
}
