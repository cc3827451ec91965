import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

const ATTEMPT_MS = 3_000;
const PAUSE_MS = 250;

/** SQLSTATE classes and codes that waiting does not change: wrong password or role, no such database. */
const FINAL = /^(28|3D|42501)/;

/**
 * Waits until the database answers a query.
 * @throws Error with one line that names the server and the reason, without the password: when `ms` have passed, or at
 * once where waiting cannot help. The signal's reason when it aborts.
 */
export async function waitForDatabase(url: string, ms: number, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + ms;
  for (;;) {
    signal?.throwIfAborted();
    try {
      await tryOnce(url);
      return;
    } catch (error) {
      const final = FINAL.test(String((error as { code?: unknown }).code ?? ''));
      if (final || performance.now() + PAUSE_MS >= deadline) throw new Error(describe(url, error), { cause: error });
    }
    await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function tryOnce(url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: ATTEMPT_MS,
    query_timeout: ATTEMPT_MS,
  });
  // A server that goes down between two queries says so by an event.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}

function describe(url: string, error: unknown): string {
  return `The database ${withoutPassword(url)} cannot be used: ${reason(error)}.`;
}

function reason(error: unknown): string {
  // Node tries every address of a name and then throws them all together, with an empty message.
  const all = (error as { errors?: unknown }).errors;
  const first: unknown = Array.isArray(all) && all.length > 0 ? all[0] : error;
  const { message, code } = first as { message?: unknown; code?: unknown };
  const text = String(message || code || first);
  return text.replace(/\s+/g, ' ').trim();
}

function withoutPassword(url: string): string {
  try {
    const { hostname, port, pathname, searchParams } = new URL(url);
    const host = hostname || searchParams.get('host') || 'localhost';
    return `${pathname.slice(1) || 'postgres'} at ${host}:${port || '5432'}`;
  } catch {
    return 'of the setting';
  }
}
