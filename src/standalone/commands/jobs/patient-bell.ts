import Bull from 'bull';
import type { RedisAddress } from '../../../panel/options.js';
import { Doorbell } from '../../../queue/doorbell.js';
import { type Ring, RUNS_QUEUE, TESTS_QUEUE } from '../../../queue/names.js';
import { queueOptions } from '../../../queue/queue.module.js';

/** Longest that the end of the command waits for Redis (ms). */
const CLOSE_MS = 1_000;

/** Rings like a process that goes on, for one that ends right after. Without Redis the workers' sweeper finds what is queued. */
export class PatientBell {
  private readonly queues: readonly Bull.Queue<Ring>[];
  private readonly doorbell: Doorbell | null;
  private readonly rings: Promise<boolean>[] = [];

  constructor(redis: RedisAddress | null) {
    this.queues =
      redis === null ? [] : [RUNS_QUEUE, TESTS_QUEUE].map((name) => new Bull<Ring>(name, queueOptions(redis)));
    const [runs, tests] = this.queues;
    this.doorbell = runs && tests ? new Doorbell(runs, tests) : null;
  }

  ringRun(job: string, nonce: string): Promise<boolean> {
    return this.rung(this.doorbell?.ringRun(job, nonce));
  }

  ringTest(test: string): Promise<boolean> {
    return this.rung(this.doorbell?.ringTest(test));
  }

  async close(): Promise<void> {
    await Promise.all(this.rings);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => (timer = setTimeout(done, CLOSE_MS)));
    await Promise.race([Promise.allSettled(this.queues.map((queue) => queue.close(true))), late]);
    clearTimeout(timer);
  }

  private rung(ring: Promise<boolean> = Promise.resolve(false)): Promise<boolean> {
    this.rings.push(ring);
    return ring;
  }
}
