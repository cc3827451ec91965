import { TransferError } from '../../mailbox/transfer-error.js';
import type { ImapConnection } from './connection.js';

/** An idle connection older than this is closed by us: servers drop theirs, some after a minute or two (ms). */
const MAX_IDLE_MS = 90_000;

/** One idle for longer is asked whether it still lives: a command that stores must not be the one to find out (ms). */
const TRUSTED_IDLE_MS = 10_000;

export interface PooledConnection {
  readonly connection: ImapConnection;
  /** Gives it back; closed if it is broken or a command is still under way. */
  release(): void;
}

/**
 * The connections of one account. Each is used by one caller at a time; whoever wants the folder that an idle one has
 * open gets that one. When the server says that it takes no more, the pool stays as small as it is.
 */
export class ImapPool {
  private readonly idle: ImapConnection[] = [];
  private readonly all = new Set<ImapConnection>();
  private readonly waiting: (() => void)[] = [];
  private opening = 0;
  private closed = false;

  /** @param open throws TransferErrors. */
  constructor(
    private readonly open: (signal: AbortSignal) => Promise<ImapConnection>,
    private max: number,
  ) {}

  async take(signal: AbortSignal, prefer?: string): Promise<PooledConnection> {
    for (;;) {
      signal.throwIfAborted();
      if (this.closed) throw new Error('the mailbox was closed');
      this.sweep();
      const at = this.idle.findLastIndex((connection) => connection.selected?.raw === prefer);
      const [found] = this.idle.splice(at < 0 ? this.idle.length - 1 : at, 1);
      const connection = found ?? (this.all.size + this.opening < this.max ? await this.add(signal) : null);
      if (connection !== null && (found === undefined || (await alive(connection))))
        return this.lend(connection, signal);
      if (connection !== null) {
        this.forget(connection);
        continue;
      }
      await this.freed(signal);
    }
  }

  /**
   * Opens connections ahead, up to `wanted` in all, so that those who will need them do not sign in one after the other.
   * What goes wrong is left to whoever takes one.
   */
  warm(wanted: number, signal: AbortSignal): void {
    const missing = Math.min(wanted, this.max) - this.all.size - this.opening;
    for (let n = 0; n < missing; n++) void this.openAhead(signal);
  }

  private async openAhead(signal: AbortSignal): Promise<void> {
    try {
      const connection = await this.add(signal);
      if (connection === null) return;
      if (this.closed || signal.aborted) return this.forget(connection);
      this.idle.push(connection);
      this.wakeOne();
    } catch {
      // Whoever needs a connection tries again and hears why.
    }
  }

  async use<T>(signal: AbortSignal, work: (connection: ImapConnection) => Promise<T>, prefer?: string): Promise<T> {
    const { connection, release } = await this.take(signal, prefer);
    try {
      return await work(connection);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      release();
    }
  }

  /** Null: the server takes no more, and we have others to wait for. */
  private async add(signal: AbortSignal): Promise<ImapConnection | null> {
    this.opening++;
    try {
      const connection = await this.open(signal);
      this.all.add(connection);
      return connection;
    } catch (error) {
      const others = this.all.size + this.opening - 1;
      if (!(error instanceof TransferError && error.code === 'TOO_MANY_CONNECTIONS') || others === 0) throw error;
      this.max = Math.max(1, others);
      return null;
    } finally {
      this.opening--;
      this.wakeOne();
    }
  }

  private lend(connection: ImapConnection, signal: AbortSignal): PooledConnection {
    const onAbort = (): void => connection.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    if (this.closed) connection.destroy();
    let lent = true;
    return {
      connection,
      release: () => {
        if (!lent) return;
        lent = false;
        signal.removeEventListener('abort', onAbort);
        if (connection.busy > 0) connection.destroy();
        if (connection.closed || this.closed) this.forget(connection);
        else this.idle.push(connection);
        this.wakeOne();
      },
    };
  }

  private forget(connection: ImapConnection): void {
    this.all.delete(connection);
    connection.destroy();
  }

  private sweep(): void {
    for (const connection of [...this.idle]) {
      const stale = performance.now() - connection.idleSince > MAX_IDLE_MS;
      if (!connection.closed && !stale) continue;
      this.idle.splice(this.idle.indexOf(connection), 1);
      this.all.delete(connection);
      void connection.logout();
    }
  }

  private freed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done);
        const at = this.waiting.indexOf(done);
        if (at >= 0) this.waiting.splice(at, 1);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
      this.waiting.push(done);
    });
  }

  private wakeOne(): void {
    this.waiting[0]?.();
  }

  /** Signs out of idle connections and cuts the others. */
  async close(): Promise<void> {
    this.closed = true;
    const idle = this.idle.splice(0);
    await Promise.all(idle.map((connection) => connection.logout(1_000)));
    for (const connection of this.all) connection.destroy();
    this.all.clear();
    for (const wake of [...this.waiting]) wake();
  }
}

async function alive(connection: ImapConnection): Promise<boolean> {
  if (performance.now() - connection.idleSince < TRUSTED_IDLE_MS) return !connection.closed;
  try {
    await connection.command('NOOP', { quietMs: TRUSTED_IDLE_MS });
    return true;
  } catch {
    return false;
  }
}
