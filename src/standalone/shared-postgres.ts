import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startPostgres, type PostgresServer } from './infra/postgres.js';
import { alive, commandLine, waitUntil } from './infra/process.js';
import { lockDataDir, type DataDirLock } from './lock.js';

/** Names of the processes that use the server of this data folder. */
const USERS = 'postgres.users';
const LOCK = 'postgres.lock';
/** Starting and stopping take seconds; whoever waits longer waits for something broken (ms). */
const LOCK_MS = 60_000;

/**
 * The private PostgreSQL of a data folder, for all processes that work on it at the same time: the first one starts it,
 * the last one that leaves stops it. Who was killed is not counted any more.
 * @throws Error with one line that says what to do.
 */
export function usePostgres(dataDir: string): Promise<PostgresServer> {
  const users = join(dataDir, USERS);
  const mine = join(users, String(process.pid));
  return underLock(dataDir, async () => {
    mkdirSync(users, { recursive: true });
    const server = await startPostgres({ dir: dataDir });
    writeFileSync(mine, '');
    let leaving: Promise<void> | null = null;
    const leave = (): Promise<void> =>
      underLock(dataDir, async () => {
        rmSync(mine, { force: true });
        if (!hasUsers(users)) await server.stop();
      });
    return { ...server, stop: () => (leaving ??= leave()) };
  });
}

function hasUsers(users: string): boolean {
  return readdirSync(users).some((name) => {
    const pid = Number(name);
    if (alive(pid) && commandLine(pid).includes('node')) return true;
    rmSync(join(users, name), { force: true });
    return false;
  });
}

async function underLock<T>(dataDir: string, work: () => Promise<T>): Promise<T> {
  let lock: DataDirLock | null = null;
  await waitUntil(
    () => (lock = lockDataDir(dataDir, LOCK)) !== null,
    `another process keeps ${join(dataDir, LOCK)}`,
    LOCK_MS,
  );
  try {
    return await work();
  } finally {
    (lock as DataDirLock | null)?.release();
  }
}
