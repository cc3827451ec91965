import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import type { DoneAtOnce } from './at-once.js';
import type { PostgresLease } from './lease.js';
import { LeaseLost, type IntentId } from './ledger.js';
import { areApart, type UsualPart } from './open-intents.js';
import { type DatabaseTrouble, isPassing, queryOf, troubleOf, type Query } from './queries.js';

/** What a piece of work comes to where nothing is in its way. */
export interface Usual<T> {
  readonly part: UsualPart;
  /** What the work would have given. @param id of a fresh intent. */
  done(id: IntentId | null): T;
}

/** Who is told how the work goes. */
export interface LedgerListener {
  /** A transaction was committed; how long it took (ms). */
  wrote?(ms: number): void;
  /** What is usually one statement failed and is done step by step, which comes to the same. Says no more than what may stand in a log. */
  stepByStep?(error: DatabaseTrouble): void;
}

interface Queued {
  readonly work: (query: Query) => Promise<unknown>;
  readonly durable: boolean;
  readonly usual: Usual<unknown> | null;
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
    /** Does the usual parts in one statement. */
    private readonly atOnce: (query: Query, parts: readonly UsualPart[]) => Promise<DoneAtOnce>,
    private readonly listener: LedgerListener = {},
  ) {}

  /**
   * Work in a transaction that holds the lease's row, so nobody takes the mailbox over before it ends. One after the
   * other: counts are read and written, and a session takes one connection at most. What waits while another
   * transaction is under way shares the next one.
   * @param durable false: what a crash of Postgres may take back until the next durable commit.
   * @param usual is tried first, with all others that wait, by one statement and in one round trip: there is no order
   * among those that wait at the same moment.
   * @throws LeaseLost
   */
  write<T>(
    work: (query: Query) => Promise<T>,
    { durable = true, usual = null }: { durable?: boolean; usual?: Usual<T> | null } = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.queue.push({ work, durable, usual, resolve: resolve as (value: unknown) => void, reject });
      void this.drain();
    });
  }

  private async drain(): Promise<void> {
    if (this.draining) return;
    this.draining = true;
    while (this.queue.length > 0) {
      // Whoever is about to give something does it in this turn of the event loop.
      await setImmediate();
      const left = await this.usually(this.queue.splice(0, TOGETHER));
      if (left.length > 0) await this.together(left);
    }
    this.draining = false;
  }

  /** Never rejects. @returns what is still to be done. */
  private async usually(some: readonly Queued[]): Promise<readonly Queued[]> {
    const usual = some.filter((one) => one.usual !== null);
    const parts = usual.map((one) => one.usual!.part);
    if (usual.length === 0 || !areApart(parts)) return some;
    try {
      const began = performance.now();
      const done = await this.read((query) => this.atOnce(query, parts));
      if (done === 'lost') {
        this.lease.lose();
        throw new LeaseLost();
      }
      if (done === 'unusual') return some;
      this.listener.wrote?.(performance.now() - began);
      for (const [i, { usual: what, resolve }] of usual.entries()) resolve(what!.done(done[i]!));
      return some.filter((one) => one.usual === null);
    } catch (error) {
      if (!(error instanceof LeaseLost)) {
        // Step by step it is found out what is in the way, and of whom.
        this.listener.stepByStep?.(troubleOf(error));
        return some;
      }
      for (const { reject } of usual) reject(error);
      return some.filter((one) => one.usual === null);
    }
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
        this.listener.wrote?.(performance.now() - began);
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
