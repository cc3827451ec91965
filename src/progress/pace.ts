/** Weight of the newest second: about half of what is shown comes from the last ten. */
const WEIGHT = 0.07;
/** A forecast from less is a guess (seconds). */
const LEAST_SECONDS = 3;
/** Nobody plans by more. */
const MAX_ETA = 30 * 24 * 3600;

export interface Standing {
  readonly found: number;
  readonly done: number;
  /** Items that are expected in all: what the folders announced, or what was listed when that is more. */
  readonly expected: number;
  readonly totalBytes: number;
}

/** Bytes and items a second, lately, and what follows from that. Fed once a second. */
export class Pace {
  private seconds = 0;
  private byteRate = 0;
  private itemRate = 0;
  private lastDone: number | null = null;

  tick(seconds: number, bytes: number, done: number): void {
    if (seconds <= 0) return;
    const items = this.lastDone === null ? 0 : Math.max(0, done - this.lastDone);
    this.lastDone = done;
    this.seconds += seconds;
    const keep = (1 - WEIGHT) ** seconds;
    this.byteRate = this.byteRate * keep + (bytes / seconds) * (1 - keep);
    this.itemRate = this.itemRate * keep + (items / seconds) * (1 - keep);
  }

  /** Bytes a second; the early ticks count for more than their weight, so that the first number is not near zero. */
  get rate(): number | null {
    return this.seconds < LEAST_SECONDS ? null : this.byteRate / (1 - (1 - WEIGHT) ** this.seconds);
  }

  /** Null: cannot be told yet. */
  eta({ found, done, expected, totalBytes }: Standing): number | null {
    if (this.seconds < LEAST_SECONDS || expected === 0) return null;
    const left = Math.max(0, expected - done);
    if (left === 0) return 0;
    const grown = 1 - (1 - WEIGHT) ** this.seconds;
    const byItems = this.itemRate > 0 ? left / (this.itemRate / grown) : Infinity;
    const bytesLeft = found > 0 ? (totalBytes / found) * left : Infinity;
    const byBytes = this.byteRate > 0 ? bytesLeft / (this.byteRate / grown) : Infinity;
    // What is there already goes by items and moves no bytes; large items go by bytes. The sooner of both is right.
    const seconds = Math.min(byItems, byBytes);
    return Number.isFinite(seconds) && seconds <= MAX_ETA ? Math.ceil(seconds) : null;
  }
}
