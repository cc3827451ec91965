import { performance } from 'node:perf_hooks';

/** Folders worked on at once when a run begins. */
const FIRST = 4;
/** How often it is looked whether more of them would help (ms). */
export const LOOK_EVERY_MS = 100;
/** A process that works for less than this part of the time waits for the network: more at once makes it faster. */
const BUSY = 0.6;
/** After a server slowed us down or broke off, nothing more is begun for so long (ms). */
const CAREFUL_MS = 10_000;

/**
 * How many folders are worked on at once. It begins low, grows while the process has time left, and halves when a server
 * asks for patience or breaks off. Connections follow: each side opens one when somebody finds none free, up to its limit.
 */
export class Width {
  /** Folders at work. */
  working = 0;
  private now = FIRST;
  private carefulUntil = -Infinity;

  /** @param worked the part of the time since it was asked last in which the process worked. */
  constructor(private readonly worked: () => number = meter()) {}

  /** Batches of a folder that are read at once: with few folders at work there are connections to spare. */
  readAhead(connections: number): number {
    return this.working * 2 <= connections ? 2 : 1;
  }

  /** @param most above which it never goes. */
  of(most: number): number {
    return Math.max(1, Math.min(most, this.now));
  }

  /** To be called every LOOK_EVERY_MS. */
  look(most: number): void {
    if (this.worked() < BUSY && performance.now() > this.carefulUntil && this.now < most) this.now++;
  }

  halve(): void {
    this.now = Math.max(1, Math.floor(this.now / 2));
    this.carefulUntil = performance.now() + CAREFUL_MS;
  }
}

function meter(): () => number {
  let seen = performance.eventLoopUtilization();
  return () => {
    const before = seen;
    seen = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(seen, before).utilization;
  };
}
