import { MigrationExecutor, type DataSource, type QueryRunner } from 'typeorm';
import { SCHEMA } from './data-source.js';
import { LOCKS } from './locks.js';

/**
 * Applies what is missing. Any number of processes may call it at once: TypeORM's migrations take no lock of their own.
 * Lock and migrations share one connection, so a lost connection frees the lock and rolls back together.
 * @returns the names of the migrations that this call applied.
 */
export function migrateDatabase(dataSource: DataSource): Promise<string[]> {
  return underLock(dataSource, async (runner) => {
    // TypeORM makes its own table first, and that lies in the schema that the first migration would make.
    await runner.query(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA}`);
    const done = await executor(dataSource, runner).executePendingMigrations();
    return done.map((migration) => migration.name);
  });
}

/** Takes the newest migration back. */
export function undoLastMigration(dataSource: DataSource): Promise<void> {
  return underLock(dataSource, (runner) => executor(dataSource, runner).undoLastMigration());
}

/** Migrations that are not applied yet: none when all is well. */
export async function pendingMigrations(dataSource: DataSource): Promise<string[]> {
  const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
  return pending.map((migration) => migration.name);
}

function executor(dataSource: DataSource, runner: QueryRunner): MigrationExecutor {
  const executor = new MigrationExecutor(dataSource, runner);
  executor.transaction = 'each';
  return executor;
}

async function underLock<T>(dataSource: DataSource, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const runner = dataSource.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [LOCKS.migration]);
    try {
      return await work(runner);
    } finally {
      // Fails only with the connection, which frees the lock as well.
      await runner.query('SELECT pg_advisory_unlock($1)', [LOCKS.migration]).catch(() => undefined);
    }
  } finally {
    await runner.release();
  }
}
