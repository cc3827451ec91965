import { TransferError } from '../../mailbox/transfer-error.js';
import type { ImapConnection } from './connection.js';
import type { Permit, TakePermit } from '../permit.js';

/** An idle connection older than this is closed by us: servers drop theirs, some after a minute or two (ms). */
const MAX_IDLE_MS = 90_000;

/** One idle for longer is asked whether it still lives: a command that stores must not be the one to find out (ms). */
const TRUSTED_IDLE_MS = 10_000;

/** A server that answers sooner is on the next machine (ms). */
const NEAR_MS = 4;
/** Connections opened ahead to others. */
const WARM = 4;

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
  private readonly permits = new Map<ImapConnection, Permit>();
  private readonly waiting: (() => void)[] = [];
  private opening = 0;
  private closed = false;

  /** @param open throws TransferErrors. @param permit asked before each connection. */
  constructor(
    private readonly open: (signal: AbortSignal) => Promise<ImapConnection>,
    private max: number,
    private readonly permit: TakePermit | null = null,
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
      // While we were refused one may have been given back, or the last one lost: then there is nothing to wait for.
      if (this.idle.length > 0 || this.all.size + this.opening === 0) continue;
      await this.freed(signal);
    }
  }

  /**
   * Opens connections ahead, up to `wanted` in all, so that those who will need them do not sign in one after the other.
   * Where answers come at once the time goes into work, and two do it as well. Whoever finds none free opens another all
   * the same. What goes wrong is left to whoever takes one.
   */
  warm(wanted: number, signal: AbortSignal): void {
    const near = [...this.all].some((connection) => connection.fastestMs < NEAR_MS);
    const most = Math.min(wanted, near ? 2 : WARM, this.max);
    for (let n = this.all.size + this.opening; n < most; n++) void this.openAhead(signal);
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

  /** Null: the server takes no more, or no more may be open, and we have others to wait for. */
  private async add(signal: AbortSignal): Promise<ImapConnection | null> {
    this.opening++;
    let permit: Permit | null = null;
    let refused = false;
    try {
      permit = await this.permitted(signal);
      refused = this.permit !== null && permit === null;
      if (refused) return null;
      const connection = await this.open(signal);
      this.all.add(connection);
      if (permit !== null) this.hold(connection, permit);
      return connection;
    } catch (error) {
      permit?.release();
      const others = this.all.size + this.opening - 1;
      if (!(error instanceof TransferError && error.code === 'TOO_MANY_CONNECTIONS') || others === 0) throw error;
      this.max = Math.max(1, others);
      return null;
    } finally {
      this.opening--;
      // Another one would be refused as well, and wake the next: all would ask round and round.
      if (!refused) this.wakeOne();
    }
  }

  /** Whoever is the last to be refused while nobody has a connection waits for one: the others wait for his. */
  private async permitted(signal: AbortSignal): Promise<Permit | null> {
    if (this.permit === null) return null;
    const alone = (): boolean => this.all.size + this.opening === 1;
    return (await this.permit(alone(), signal)) ?? (alone() ? this.permit(true, signal) : null);
  }

  private hold(connection: ImapConnection, permit: Permit): void {
    this.permits.set(connection, permit);
    if (permit.lost.aborted) connection.destroy();
    else permit.lost.addEventListener('abort', () => connection.destroy(), { once: true });
  }

  private lend(connection: ImapConnection, signal: AbortSignal): PooledConnection {
    const onAbort = (): void => connection.destroy();
    signal.addEventListener('abort', onAbort, { once: true });
    // A signal that was aborted while the connection was tried out tells nobody any more.
    if (this.closed || signal.aborted) connection.destroy();
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
    connection.destroy();
    this.giveBack(connection);
  }

  /** When it is closed. */
  private giveBack(connection: ImapConnection): void {
    this.all.delete(connection);
    this.permits.get(connection)?.release();
    this.permits.delete(connection);
  }

  private sweep(): void {
    for (const connection of [...this.idle]) {
      const stale = performance.now() - connection.idleSince > MAX_IDLE_MS;
      if (!connection.closed && !stale) continue;
      this.idle.splice(this.idle.indexOf(connection), 1);
      void connection.logout().finally(() => this.giveBack(connection));
      this.all.delete(connection);
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
    for (const connection of [...this.all]) this.forget(connection);
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
