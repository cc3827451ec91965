import { LeaseLost, type Lease, type LinkId } from '../../src/ledger/ledger.js';
import type { FakeClock } from './fake-clock.js';

export interface LeaseTimes {
  readonly ttl: number;
  readonly grace: number;
  readonly margin: number;
}

/** One destination mailbox, as far as leases go. */
export class LeasedMailbox {
  epoch = 0;
  holder: MemoryLease | null = null;
  /** When a lost holder's right ended; null: it was released. */
  private ended: number | null = null;
  private waiting: (() => void)[] = [];

  constructor(
    private readonly clock: FakeClock,
    private readonly times: LeaseTimes,
  ) {}

  async acquire(link: LinkId, renews: boolean, signal: AbortSignal): Promise<MemoryLease> {
    for (;;) {
      signal.throwIfAborted();
      if (this.holder === null && (this.ended === null || this.ended + this.times.grace <= this.clock.now())) break;
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.epoch += 1;
    this.ended = null;
    this.holder = new MemoryLease(link, this.epoch, this, this.clock, this.times);
    if (!renews) this.holder.die();
    return this.holder;
  }

  end(lease: MemoryLease, clean: boolean): void {
    if (this.holder !== lease) return;
    this.holder = null;
    this.ended = clean ? null : this.clock.now();
    if (clean) this.wake();
    else this.clock.after(this.times.grace, () => this.wake());
  }

  private wake(): void {
    for (const go of this.waiting.splice(0)) go();
  }
}

export class MemoryLease implements Lease {
  private readonly loss = new AbortController();
  /** Infinity: its process lives and renews it. */
  private diesAt = Infinity;
  private over = false;

  constructor(
    readonly link: LinkId,
    readonly epoch: number,
    private readonly mailbox: LeasedMailbox,
    private readonly clock: FakeClock,
    private readonly times: LeaseTimes,
  ) {}

  get lost(): AbortSignal {
    return this.loss.signal;
  }

  /** Nobody renews it any more, as after a kill -9. */
  die(): void {
    if (this.diesAt !== Infinity) return;
    this.diesAt = this.clock.now() + this.times.ttl;
    this.clock.after(this.times.ttl, () => this.lose());
  }

  mayCommit(): boolean {
    if (this.over) return false;
    return this.diesAt === Infinity || this.diesAt - this.clock.now() > this.times.margin;
  }

  /** @throws LeaseLost */
  check(): void {
    if (this.over) throw new LeaseLost();
  }

  lose(): void {
    if (this.over) return;
    this.over = true;
    this.mailbox.end(this, false);
    this.loss.abort(new LeaseLost());
  }

  async release(): Promise<void> {
    if (this.over) return;
    this.over = true;
    this.mailbox.end(this, true);
  }
}
