import { InjectQueue } from '@nestjs/bull';
import { Injectable, Logger } from '@nestjs/common';
import type Bull from 'bull';
import { type Ring, RUNS_QUEUE, TESTS_QUEUE } from './names.js';

/** Longest a request waits for Redis (ms). */
const RING_MS = 500;
/** How long an orderly end is waited for (ms). */
const CLOSE_MS = 3_000;
/** A Redis that is away is complained about once in this time (ms). */
const COMPLAINT_MS = 60_000;

type Closable = Bull.Queue<Ring> & {
  onApplicationShutdown?: () => Promise<void>;
  readonly bclientInitialized?: boolean;
  readonly bclient: { connect: () => Promise<unknown> };
};

/**
 * Tells the workers that there is something to do. Postgres holds what; a ring that is lost is rung again by the
 * sweeper. So nothing here ever throws, and nothing waits longer than half a second.
 */
@Injectable()
export class Doorbell {
  private readonly logger = new Logger('mailferry:queue');
  private complainedAt = -Infinity;

  constructor(
    @InjectQueue(RUNS_QUEUE) private readonly runs: Bull.Queue<Ring>,
    @InjectQueue(TESTS_QUEUE) private readonly tests: Bull.Queue<Ring>,
  ) {
    for (const queue of [runs, tests]) {
      queue.on('error', (error: Error) => this.complain(error.message));
      // In place of the hook that @nestjs/bull puts on the queue.
      (queue as Closable).onApplicationShutdown = () => closeQueue(queue as Closable);
    }
  }

  /**
   * @param nonce changes each time the job is queued: a ring for what a dead worker still holds is not swallowed, and
   * doubles collapse all the same. @returns false when Redis did not take it.
   */
  ringRun(job: string, nonce: string): Promise<boolean> {
    return this.ring(this.runs, job, `${job}.${nonce}`);
  }

  ringTest(test: string): Promise<boolean> {
    return this.ring(this.tests, test, test);
  }

  /** Whether Redis answers now. */
  async isUp(): Promise<boolean> {
    return (await this.ready(this.runs)) && (await within(RING_MS, this.runs.client.ping())) === 'PONG';
  }

  /** Rings that wait for a worker; null when Redis is away. */
  async waiting(): Promise<{ runs: number; tests: number } | null> {
    if (!(await this.isUp())) return null;
    const counts = await within(RING_MS, Promise.all([this.runs.getWaitingCount(), this.tests.getWaitingCount()]));
    return counts === null ? null : { runs: counts[0], tests: counts[1] };
  }

  private async ring(queue: Bull.Queue<Ring>, id: string, jobId: string): Promise<boolean> {
    // What is sent to a Redis that is away would pile up in the client's memory.
    if (!(await this.ready(queue))) {
      this.complain('Redis is away');
      return false;
    }
    const rung = await within(RING_MS, queue.add({ id }, { jobId }));
    if (rung === null) this.complain('Redis does not take rings');
    return rung !== null;
  }

  private async ready(queue: Bull.Queue<Ring>): Promise<boolean> {
    const { client } = queue;
    if (client.status === 'ready') return true;
    if (client.status === 'end' || client.status === 'reconnecting') return false;
    let settle: (() => void) | undefined;
    const ready = new Promise<true>((resolve) => {
      settle = () => resolve(true);
      client.once('ready', settle);
    });
    const answer = await within(RING_MS, ready);
    if (settle !== undefined) client.removeListener('ready', settle);
    return answer === true;
  }

  private complain(what: string): void {
    const now = performance.now();
    if (now - this.complainedAt < COMPLAINT_MS) return;
    this.complainedAt = now;
    this.logger.warn(`the queue is not reachable, what waits is picked up later: ${what}`);
  }
}

/**
 * Bull's own end waits for Redis to come back: it goes on behind, a process that ends need not wait for it. On its way it
 * connects its blocking client once more and leaves nobody to hear that this failed.
 */
async function closeQueue(queue: Closable): Promise<void> {
  if (queue.bclientInitialized) {
    const { bclient } = queue;
    const connect = bclient.connect.bind(bclient);
    bclient.connect = () => connect().catch(() => undefined);
  }
  await within(CLOSE_MS, queue.close());
}

/** Null when it takes longer or fails. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([work.catch(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
