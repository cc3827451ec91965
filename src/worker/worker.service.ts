import { setMaxListeners } from 'node:events';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InjectQueue } from '@nestjs/bull';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type Bull from 'bull';
import { DataSource } from 'typeorm';
import { BatchRunner } from '../batches/batch-runner.js';
import type { Ledger } from '../ledger/ledger.js';
import { PostgresLedger } from '../ledger/postgres-ledger.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { type Ring, RUNS_QUEUE, TESTS_QUEUE } from '../queue/names.js';
import { ConnectionTester } from './connection-tester.js';
import { LEDGER } from './endpoints.js';
import { OutboxSender } from './notices/outbox-sender.js';
import { Pruner } from './pruner.js';
import { RunJob } from './run-job.js';
import { Sweeper } from './sweeper.js';

/** Connection tests at once: they wait for strangers' servers most of the time. */
const TESTS_AT_ONCE = 8;
/** A test nobody took for so long was not rung for (s). */
const RING_LOST_S = 2;
const BEAT_MS = 2_000;
const PRUNE_MS = 60_000;
/** How soon a batch goes on after one of its migrations has ended. */
const BATCH_MS = 1_000;
const NOTICES_MS = 2_000;
/** How long runs may take to reach a checkpoint when the process is told to end (ms). */
const DRAIN_MS = 25_000;

/** The worker process' life: takes rings, beats, sweeps, and hands everything back when it ends. */
@Injectable()
export class WorkerService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly id = randomUUID();
  private readonly logger = new Logger('mailferry:worker');
  private readonly ending = new AbortController();
  private readonly busy = new Set<Promise<unknown>>();
  private readonly timers: NodeJS.Timeout[] = [];
  private runs = 0;
  private drained = false;

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @InjectQueue(RUNS_QUEUE) private readonly runsQueue: Bull.Queue<Ring>,
    @InjectQueue(TESTS_QUEUE) private readonly testsQueue: Bull.Queue<Ring>,
    @Inject(RunJob) private readonly runJob: RunJob,
    @Inject(ConnectionTester) private readonly tester: ConnectionTester,
    @Inject(Sweeper) private readonly sweeper: Sweeper,
    @Inject(Pruner) private readonly pruner: Pruner,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(BatchRunner) private readonly batches: BatchRunner,
    @Inject(OutboxSender) private readonly notices: OutboxSender,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    catchStrays(this.logger);
    // One for each run and each test.
    setMaxListeners(0, this.ending.signal);
    const { jobs, sweepMs } = this.options.worker;
    this.take(this.runsQueue, jobs, () => this.work());
    this.take(this.testsQueue, TESTS_AT_ONCE, (id) => this.tester.execute(id, this.ending.signal));
    await this.beat();
    this.every(BEAT_MS, 'beat', () => this.beat());
    this.every(sweepMs, 'sweep', () => this.sweeper.sweep());
    // A ring may be lost, or have come when a limit left nothing to take.
    this.every(sweepMs, 'look', async () => void this.track(this.work()));
    this.every(sweepMs, 'tests', () => this.takeTests());
    this.every(BATCH_MS, 'batches', () => this.batches.tick());
    this.every(PRUNE_MS, 'prune', () => this.pruner.prune());
    this.every(NOTICES_MS, 'notices', () => this.notices.send(this.ending.signal));
  }

  async beforeApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.ending.abort('shutdown');
    // Rings that still come are dropped (see take): the sweeper of another worker rings again. Pausing the queue would
    // reconnect its blocking client at the same moment as Bull's own close does, and leave one of the two open.
    await this.beat();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, DRAIN_MS, 'late');
    });
    const drained = await Promise.race([Promise.allSettled([...this.busy]), late]);
    clearTimeout(timer);
    if (drained === 'late') this.logger.warn('runs did not stop in time: they are taken back by another worker');
    await this.db.query(`DELETE FROM mailferry.workers WHERE id = $1`, [this.id]).catch(() => undefined);
  }

  /** A ring says that there is something to do; what it is, Postgres says: whose turn it is, until nothing may run now. */
  private async work(): Promise<void> {
    while (!this.ending.signal.aborted && !this.drained && this.runs < this.options.worker.jobs) {
      this.runs++;
      try {
        if (!(await this.runJob.executeNext(this.id, this.ending.signal))) return;
      } finally {
        this.runs--;
      }
    }
  }

  /** Tests whose ring was lost: somebody waits for them, also where the queue is away. A ring that comes later finds them taken. */
  private async takeTests(): Promise<void> {
    const waiting = await this.db.query<{ id: string }[]>(
      `SELECT id FROM mailferry.connection_tests WHERE state = 'queued' AND expires_at > now()
         AND created_at < clock_timestamp() - make_interval(secs => $1) ORDER BY created_at LIMIT $2`,
      [RING_LOST_S, TESTS_AT_ONCE],
    );
    await Promise.all(waiting.map(({ id }) => this.track(this.tester.execute(id, this.ending.signal))));
  }

  /** A ring never fails in Bull's eyes: what comes of it is in Postgres. */
  private take(queue: Bull.Queue<Ring>, concurrency: number, work: (id: string) => Promise<unknown>): void {
    queue
      .process(concurrency, async ({ data }: Bull.Job<Ring>) => {
        if (this.ending.signal.aborted || typeof data?.id !== 'string') return;
        if (this.drained && queue === this.runsQueue) return;
        await this.track(work(data.id));
      })
      .catch((error: Error) => this.logger.error(`${queue.name} cannot be served: ${error.message}`));
  }

  /** Waited for at the end. Errors are logged. */
  private async track(work: Promise<unknown>): Promise<void> {
    const task = work.catch((error: Error) => this.logger.error(error.stack ?? error.message));
    this.busy.add(task);
    try {
      await task;
    } finally {
      this.busy.delete(task);
    }
  }

  private every(ms: number, what: string, work: () => Promise<unknown>): void {
    let running = false;
    const tick = async (): Promise<void> => {
      if (running || this.ending.signal.aborted) return;
      running = true;
      try {
        await work();
      } catch (error) {
        this.logger.warn(`${what}: ${(error as Error).message}`);
      } finally {
        running = false;
      }
    };
    const timer = setInterval(() => {
      const task = tick();
      this.busy.add(task);
      void task.finally(() => this.busy.delete(task));
    }, ms);
    this.timers.push(timer);
  }

  private async beat(): Promise<void> {
    try {
      const [row] = await this.db.query<{ drain: boolean }[]>(
        `INSERT INTO mailferry.workers (id, host, pid, jobs, rss_bytes, draining, ledger_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp(), jobs = EXCLUDED.jobs,
           rss_bytes = EXCLUDED.rss_bytes, draining = EXCLUDED.draining, ledger_ms = EXCLUDED.ledger_ms RETURNING drain`,
        [
          this.id,
          hostname(),
          process.pid,
          this.runs,
          process.memoryUsage.rss(),
          this.ending.signal.aborted || this.drained,
          this.ledger instanceof PostgresLedger ? this.ledger.takeSlowest() : null,
        ],
      );
      this.drain(row?.drain === true);
      await this.signOfLife();
    } catch (error) {
      this.logger.warn(`beat: ${(error as Error).message}`);
    }
  }

  /** For whatever watches the process from outside: a worker has no port. Its age is that of the last beat. */
  private async signOfLife(): Promise<void> {
    const { dataDir } = this.options.worker;
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await writeFile(join(dataDir, 'alive'), `${this.id}\n`);
  }

  /** Takes no new run, or takes them again. What runs goes on; connection tests are short and go on, too. */
  private drain(wanted: boolean): void {
    if (wanted === this.drained || this.ending.signal.aborted) return;
    this.drained = wanted;
    this.logger.log(wanted ? 'takes no new migrations: it was told so' : 'takes migrations again');
    const told = wanted ? this.runsQueue.pause(true, true) : this.runsQueue.resume(true);
    // A ring that comes all the same is dropped (see take): the sweeper rings again for somebody else.
    told.catch((error: Error) => this.logger.warn(`draining: ${error.message}`));
  }
}

let strayCatcher: ((error: unknown) => void) | null = null;

/**
 * A library's forgotten promise must not end everybody's migrations. Once for the process, which is the worker's own, and
 * until its end: connections that are cut at the end leave strays, too.
 */
function catchStrays(logger: Logger): void {
  if (strayCatcher !== null) return;
  strayCatcher = (error) =>
    logger.error(
      `a rejection nobody waited for: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  process.on('unhandledRejection', strayCatcher);
}
