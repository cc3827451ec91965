import type { Permit, TakePermit } from './permit.js';

/** One request's place among those under way. */
export interface Place {
  /** Aborted when somebody else may have the connection now: the request must end. */
  readonly lost: AbortSignal;
  /** When the request has ended. */
  leave(): void;
}

const NEVER = new AbortController().signal;

/**
 * Requests to one server under way at once: no more than allowed here, and none without a permit where connections are counted
 * over several processes. A permit is kept for the next request, as its connection is, until `close`.
 */
export class Places {
  private running = 0;
  private readonly queue: (() => void)[] = [];
  private readonly idle: Permit[] = [];
  /** Permits we have or are asking for. */
  private held = 0;
  private closed = false;

  constructor(
    private width: number,
    private readonly permit: TakePermit | null,
  ) {}

  /** Half as many from now on: the server said that they are too many. */
  narrow(): void {
    this.width = Math.max(1, Math.floor(this.width / 2));
  }

  /** @throws TransferError when waiting for a permit was of no use; the signal's reason. */
  async take(signal: AbortSignal): Promise<Place> {
    for (;;) {
      signal.throwIfAborted();
      if (this.running < this.width) {
        this.running++;
        const place = await this.placed(signal);
        if (place !== null) {
          // Whoever waited for this first permit may ask for one of his own now.
          if (this.running < this.width) this.queue.shift()?.();
          return place;
        }
        this.running--;
        if (this.idle.length > 0 || this.held === 0) continue;
      }
      await this.turn(signal);
    }
  }

  close(): void {
    this.closed = true;
    for (const permit of this.idle.splice(0)) this.giveBack(permit);
  }

  /** Null: there is none to be had beside those we have. */
  private async placed(signal: AbortSignal): Promise<Place | null> {
    if (this.permit === null) return { lost: NEVER, leave: () => this.left() };
    try {
      const permit = this.idle.pop() ?? (await this.another(this.permit, signal));
      if (permit === null) return null;
      return { lost: permit.lost, leave: () => this.left(permit) };
    } catch (error) {
      this.left();
      throw error;
    }
  }

  private async another(take: TakePermit, signal: AbortSignal): Promise<Permit | null> {
    const alone = this.held === 0;
    this.held++;
    try {
      const permit = await take(alone, signal);
      if (permit === null) this.held--;
      else permit.lost.addEventListener('abort', () => this.lose(permit), { once: true });
      return permit;
    } catch (error) {
      this.held--;
      throw error;
    }
  }

  private left(permit?: Permit): void {
    this.running--;
    if (permit !== undefined) {
      if (this.closed || permit.lost.aborted) this.giveBack(permit);
      else this.idle.push(permit);
    }
    this.queue.shift()?.();
  }

  /** One that is in use is given back when its request has ended. */
  private lose(permit: Permit): void {
    const at = this.idle.indexOf(permit);
    if (at < 0) return;
    this.idle.splice(at, 1);
    this.giveBack(permit);
  }

  private giveBack(permit: Permit): void {
    this.held--;
    permit.release();
  }

  /** Until a request has ended. */
  private turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        // Else it would be given a turn that it cannot use.
        this.queue.splice(this.queue.indexOf(go), 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.queue.push(go);
    });
  }
}
