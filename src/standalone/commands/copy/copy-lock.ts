import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

/** A command that was killed a moment ago is gone from the database when its socket is (ms). */
const PATIENCE_MS = 5_000;
const LOOK_MS = 250;

/** One copy into a mailbox at a time, as long as its process lives: the lock ends with its database session. */
export class CopyLock {
  private constructor(private readonly client: pg.Client) {}

  /** Null: another process copies into this mailbox right now. */
  static async take(databaseUrl: string, mailbox: string): Promise<CopyLock | null> {
    const client = new pg.Client({ connectionString: databaseUrl, keepAlive: true });
    client.on('error', () => undefined);
    await client.connect();
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const { rows } = await client.query<{ mine: boolean }>(
        `SELECT pg_try_advisory_lock(hashtextextended($1, 17)) AS mine`,
        [mailbox],
      );
      if (rows[0]?.mine) return new CopyLock(client);
      if (performance.now() > end) break;
      await pause(LOOK_MS);
    }
    await client.end();
    return null;
  }

  async release(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}
