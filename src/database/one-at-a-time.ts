import type { DataSource } from 'typeorm';

/**
 * Work that one process of all does at a time. The lock is a transaction's: of a machine that lost its power Postgres takes it
 * back after its idle_in_transaction_session_timeout, and not after the hours a dead connection may last.
 * @param lock a number of its own for each kind of work. @returns false when another process is at it.
 */
export async function oneAtATime(db: DataSource, lock: number, work: () => Promise<void>): Promise<boolean> {
  const runner = db.createQueryRunner();
  await runner.connect();
  try {
    await runner.startTransaction();
    try {
      const [row] = (await runner.query(`SELECT pg_try_advisory_xact_lock($1) AS mine`, [lock])) as { mine: boolean }[];
      if (row!.mine) await work();
      return row!.mine;
    } finally {
      // Lost with the connection when the work took longer than it may: what the work did stays done.
      await runner.rollbackTransaction().catch(() => undefined);
    }
  } finally {
    await runner.release();
  }
}
