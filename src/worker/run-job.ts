import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { Destination } from '../destinations/destination.js';
import { Attempts } from '../jobs/attempts.js';
import { JobError } from '../jobs/contract.js';
import { JobEntity, RunEntity } from '../jobs/entities.js';
import type { JobRunner, RunKind, SourceSettings } from '../jobs/job.js';
import { JobChanges } from '../jobs/job-changes.js';
import { hasSource } from '../jobs/job-view.js';
import { reasonFor } from '../jobs/messages.js';
import { TEST_VALID_MS } from '../jobs/source-hash.js';
import { lockJob } from '../jobs/transition.js';
import { type Ledger, LeaseLost } from '../ledger/ledger.js';
import type { Staging } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { ProgressRecorder } from '../progress/recorder.js';
import type { Source } from '../sources/source.js';
import type { RunTransfer, TransferEnd, TransferOptions } from '../transfer/contract.js';
import { type Access, DestinationAccess } from './destination-access.js';
import {
  ENDPOINTS,
  type Endpoints,
  LEDGER,
  type Links,
  LINKS,
  type Reading,
  RUN_TRANSFER,
  STAGING,
} from './endpoints.js';
import { GuardedSource } from './guarded-source.js';
import { HANDED_BACK, judge, judgeError, unforeseen, type Verdict } from './run-end.js';
import { nextJob } from './next-job.js';
import { ProtocolLog } from './protocol-log.js';
import { RunWatch } from './run-watch.js';
import { SameMailbox } from './same-mailbox.js';
import { Scrubber } from './scrubber.js';
import { wasOpened } from './opened-before.js';
import { SecretOpener } from './secret-opener.js';

/** Everything one run has open. */
interface Bench {
  readonly job: JobEntity & { source: SourceSettings };
  readonly run: RunEntity;
  readonly watch: RunWatch;
  readonly recorder: ProgressRecorder;
  readonly scrubber: Scrubber;
  readonly protocol: ProtocolLog;
  source: Source | null;
  destination: Destination | null;
  access: Access | null;
  /** True once the source let us in, in this run or in a test. */
  proven: boolean;
}

type Claimed = Pick<Bench, 'job' | 'run'>;
/** Which job, in the transaction that claims it; null: none. */
type Choose = (manager: EntityManager) => Promise<string | null>;

/** Postgres: unique_violation (runs_one_at_a_time, jobs_one_per_link). */
const UNIQUE_VIOLATION = '23505';

/** One run of one job, from the claim to the state after it. Errors of a run end the run and nothing else. */
@Injectable()
export class RunJob {
  private readonly logger = new Logger('mailferry:run');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(JobChanges) private readonly changes: JobChanges,
    @Inject(Attempts) private readonly attempts: Attempts,
    @Inject(SecretOpener) private readonly opener: SecretOpener,
    @Inject(DestinationAccess) private readonly accesses: DestinationAccess,
    @Inject(SameMailbox) private readonly sameMailbox: SameMailbox,
    @Inject(ENDPOINTS) private readonly endpoints: Endpoints,
    @Inject(LINKS) private readonly links: Links,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(STAGING) private readonly staging: Staging,
    @Inject(RUN_TRANSFER) private readonly runTransfer: RunTransfer,
  ) {}

  /**
   * @param worker this process' id.
   * @param shutdown aborted when the process ends: the run stops at a checkpoint and is handed back.
   * @param runner whose jobs are taken: others are not there.
   * @returns false when there was nothing to do: another worker has it, or it is not to be run now.
   */
  async execute(id: string, worker: string, shutdown: AbortSignal, runner: JobRunner = 'workers'): Promise<boolean> {
    if (shutdown.aborted) return false;
    return this.run(await this.claim(async () => id, worker, runner), shutdown);
  }

  /** The same for the job whose turn it is (see nextJob). */
  async executeNext(worker: string, shutdown: AbortSignal): Promise<boolean> {
    if (shutdown.aborted) return false;
    const choose: Choose = (manager) => nextJob(manager, worker, this.options.worker);
    return this.run(await this.claim(choose, worker, 'workers'), shutdown);
  }

  private async run(claimed: Claimed | null, shutdown: AbortSignal): Promise<boolean> {
    if (claimed === null) return false;
    const { job, run } = claimed;
    const scrubber = new Scrubber();
    const protocol = new ProtocolLog(this.db, job.id, run.id, scrubber);
    const bench: Bench = {
      job,
      run,
      scrubber,
      protocol,
      watch: new RunWatch(this.db, run.id, shutdown, () => protocol.keep()).start(),
      recorder: new ProgressRecorder(this.db, job.id, run.id, scrubber).start(),
      source: null,
      destination: null,
      access: null,
      proven: false,
    };
    const began = performance.now();
    this.logger.log({ event: 'run-began', job: job.id, run: run.id, kind: run.kind });
    try {
      const verdict = await this.carryOut(bench);
      await this.close(bench);
      await this.finish(bench, verdict);
      this.logger.log({
        event: 'run-ended',
        job: job.id,
        run: run.id,
        state: verdict.run,
        outcome: verdict.outcome ?? null,
        code: verdict.reason?.code ?? null,
        seconds: Math.round((performance.now() - began) / 1000),
      });
      if (endedBadly(verdict) || (await this.logWanted(job.id))) await protocol.keep();
    } catch (error) {
      // The end could not be written: without a beat the run is taken back, and the job goes on later.
      this.logger.error(scrubber.text(`run ${run.id} ended unrecorded: ${stackOf(error)}`));
    } finally {
      bench.watch.end();
      await this.close(bench);
      await bench.recorder.stop();
    }
    return true;
  }

  /** Both or neither: the job is running, and there is a run that beats. */
  private async claim(choose: Choose, worker: string, runner: JobRunner): Promise<Claimed | null> {
    try {
      return await this.changes.transact(async (change) => {
        const { manager } = change;
        const id = await choose(manager);
        if (id === null) return null;
        const waiting = await lockJob(manager, id);
        if (waiting === null || waiting.state !== 'queued' || waiting.runner !== runner) return null;
        // Another migration writes into this mailbox: its lease would keep this worker waiting.
        const busy: unknown[] = await manager.query(
          `SELECT 1 FROM mailferry.jobs j JOIN mailferry.runs r ON r.job = j.id AND r.state = 'running'
           WHERE j.tenant = $1 AND j.mailbox = $2 LIMIT 1`,
          [waiting.tenant, waiting.mailbox],
        );
        if (busy.length > 0) return null;
        const job = await this.changes.apply(change, id, 'claim', null);
        if (!hasSource(job)) throw new Error(`the queued job ${id} has no source`);
        const kind: RunKind = job.nextRun;
        const [row]: { id: string }[] = await manager.query(
          `INSERT INTO mailferry.runs (job, kind, worker, started_at) VALUES ($1, $2, $3, clock_timestamp()) RETURNING id`,
          [id, kind, worker],
        );
        return { job, run: await manager.findOneByOrFail(RunEntity, { id: row!.id }) };
      });
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === UNIQUE_VIOLATION || (error instanceof JobError && error.code === 'INVALID_STATE')) return null;
      throw error;
    }
  }

  private async carryOut(bench: Bench): Promise<Verdict> {
    const { job, recorder, scrubber, watch } = bench;
    const facts = async () => ({
      unproven: !bench.proven,
      fruitless: (await this.copiedMeanwhile(bench)) ? 0 : job.attempts,
      openedBefore: await wasOpened(this.db, job.tenant, job.mailbox),
      access: bench.access?.kind() ?? null,
      now: new Date(),
    });
    try {
      bench.proven = job.startedAt !== null && (await this.ranBefore(job.id, bench.run.id));
      bench.proven ||= await this.testPassed(job);
      const end = await this.transfer(bench);
      if (end.is === 'broken') this.tell(bench, end.error);
      else recorder.log('info', end.is === 'completed' ? `completed, ${end.outcome}` : `stopped: ${end.why}`);
      return judge(end, await facts());
    } catch (error) {
      if (error instanceof LeaseLost || watch.stop.signal.aborted) {
        recorder.log('warn', 'stopped in the middle', { why: (error as Error).message });
        return HANDED_BACK;
      }
      const known = error instanceof TransferError ? error : unforeseen(error);
      if (known !== error) this.logger.error(scrubber.text(`run ${bench.run.id}: ${stackOf(error)}`));
      this.tell(bench, known);
      return judgeError(known, await facts());
    }
  }

  private async transfer(bench: Bench): Promise<TransferEnd> {
    const { job, run, recorder, scrubber, watch } = bench;
    const { source: settings } = job;
    const secrets = await this.opener.openJob(job.tenant, job.id, settings);
    for (const secret of [secrets.source.password, secrets.source.token])
      if (secret !== undefined) scrubber.add(secret, settings.username);
    if (secrets.source.password === undefined && secrets.source.token === undefined)
      throw needed('CREDENTIALS_REQUIRED', 'source');

    const mailbox = { tenantId: job.tenant, address: job.mailbox };
    bench.access = this.accesses.open({
      mailbox,
      jobId: job.id,
      actor: job.owner,
      kinds: job.items,
      own: secrets.destination,
      scrubber,
    });
    // Asked here once before anything is dialled: a mailbox that is gone must not cost a sign-in at the source.
    const grant = await bench.access.grant();
    if (await this.sameMailbox.suspects(settings, grant, job.mailbox)) throw needed('SAME_MAILBOX', 'source');

    bench.source = new GuardedSource(
      this.endpoints.source(
        settings,
        secrets.source,
        (text) => recorder.log('info', text),
        readingOf(job),
        bench.protocol.source,
      ),
      settings,
      this.attempts,
      this.options.limits.lockMinutes,
      async () => {
        bench.proven = true;
        await this.rememberSignedIn(job, run.id);
      },
    );
    bench.destination = this.endpoints.destination(bench.access.grant, bench.protocol.destination, job.items);
    const link = await this.links.ensure(mailbox, bench.source.account);
    await this.bindLink(job.id, link);
    recorder.log('info', `run ${run.kind} started`, { items: job.items, existing: job.existing });
    return this.runTransfer(
      {
        source: bench.source,
        destination: bench.destination,
        ledger: this.ledger,
        staging: this.staging,
        listener: recorder,
        link,
        job: job.id,
        run: run.id,
        holder: `${run.worker ?? 'worker'}/${run.id}`,
        retryFailed: run.kind === 'retry',
      },
      transferOptions(job),
      watch.stop.signal,
    );
  }

  private async bindLink(job: string, link: string): Promise<void> {
    try {
      await this.db.query(`UPDATE mailferry.jobs SET link = $2 WHERE id = $1 AND link IS DISTINCT FROM $2`, [
        job,
        link,
      ]);
    } catch (error) {
      if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
      // Told apart only by an alias of the same account: the other one goes first.
      throw new TransferError(reasonFor('LINK_BUSY').message, {
        side: 'destination',
        scope: 'job',
        retry: 'later',
        code: 'LINK_BUSY',
      });
    }
  }

  private async finish({ job, run, watch, recorder }: Bench, verdict: Verdict): Promise<void> {
    await recorder.stop();
    if (watch.taken) return;
    await this.changes.transact(async (change) => {
      const { manager } = change;
      // The job first, then the run: the order in which everybody locks.
      const now = await lockJob(manager, job.id);
      if (now === null) return;
      const ours = now.state === 'running';
      const state = ours ? verdict.run : now.state === 'cancelling' ? 'cancelled' : 'paused';
      const ended: [unknown[], number] = await manager.query(
        `UPDATE mailferry.runs SET state = $2, reason = $3, finished_at = clock_timestamp()
         WHERE id = $1 AND state = 'running'`,
        [run.id, state, ours && verdict.reason ? JSON.stringify(verdict.reason) : null],
      );
      if (ended[1] !== 1) return;
      if (now.copied > job.copied)
        await manager.query(`UPDATE mailferry.jobs SET attempts = 0 WHERE id = $1`, [job.id]);
      if (ours) await this.changes.apply(change, job.id, verdict.event, null, verdict);
      else if (now.state === 'cancelling') await this.changes.apply(change, job.id, 'stopped', null);
      // Paused and resumed while the run was ending: nobody could claim it, so it is rung again.
      else if (now.state === 'queued') change.after(() => this.changes.ring(now));
    });
    await this.ringNeighbours(job);
  }

  /** Others that waited for the same mailbox. */
  private async ringNeighbours({ tenant, mailbox, id }: JobEntity): Promise<void> {
    const others = await this.db.manager.findBy(JobEntity, { tenant, mailbox, state: 'queued' });
    for (const other of others) if (other.id !== id) this.changes.ring(other);
  }

  /** May be called again. */
  private async close(bench: Bench): Promise<void> {
    const { source, destination, access } = bench;
    bench.source = bench.destination = bench.access = null;
    await Promise.allSettled([source?.close(), destination?.close()]);
    await access?.release();
  }

  private async copiedMeanwhile({ job }: Bench): Promise<boolean> {
    const now = await this.db.manager.findOneBy(JobEntity, { id: job.id });
    return now !== null && now.copied > job.copied;
  }

  /** Whether an earlier run got in: then what is wrong now changed since. */
  private async ranBefore(job: string, run: string): Promise<boolean> {
    const rows: unknown[] = await this.db.query(
      `SELECT 1 FROM mailferry.runs WHERE job = $1 AND id <> $2 AND state IN ('completed', 'waiting', 'paused', 'interrupted')
         AND EXISTS (SELECT 1 FROM mailferry.job_folders WHERE job = $1) LIMIT 1`,
      [job, run],
    );
    return rows.length > 0;
  }

  private async testPassed({ tenant, sourceHash }: JobEntity): Promise<boolean> {
    if (sourceHash === null) return false;
    const rows: unknown[] = await this.db.query(
      `SELECT 1 FROM mailferry.passed_tests WHERE tenant = $1 AND source_hash = $2 AND at > $3`,
      [tenant, sourceHash, new Date(Date.now() - TEST_VALID_MS)],
    );
    return rows.length > 0;
  }

  private async rememberSignedIn({ tenant, sourceHash }: JobEntity, run: string): Promise<void> {
    await this.db.query(`UPDATE mailferry.runs SET signed_in_at = clock_timestamp() WHERE id = $1`, [run]);
    if (sourceHash === null) return;
    await this.db.query(
      `INSERT INTO mailferry.passed_tests (tenant, source_hash, at) VALUES ($1, $2, now())
       ON CONFLICT (tenant, source_hash) DO UPDATE SET at = EXCLUDED.at`,
      [tenant, sourceHash],
    );
  }

  private async logWanted(job: string): Promise<boolean> {
    const rows: unknown[] = await this.db.query(`SELECT 1 FROM mailferry.jobs WHERE id = $1 AND wants_log`, [job]);
    return rows.length > 0;
  }

  private tell({ recorder }: Bench, error: TransferError): void {
    const { code, side, scope, retry, serverText } = error;
    recorder.log('error', error.message, {
      code,
      side,
      scope,
      retry,
      ...(serverText === undefined ? {} : { serverText }),
    });
  }
}

/** Not what was meant to happen: neither complete nor stopped by somebody. */
function endedBadly({ run, outcome }: Verdict): boolean {
  return ['failed', 'waiting', 'needs-action'].includes(run) || outcome === 'incomplete';
}

function transferOptions(job: JobEntity): TransferOptions {
  const { filters, options } = job;
  const day = (job.startedAt ?? new Date()).toISOString().slice(0, 10);
  return {
    kinds: job.items,
    existing: job.existing,
    excludeFolders: filters.excludeFolders ?? [],
    includeFolders: filters.includeFolders ?? [],
    since: filters.since === undefined ? null : new Date(filters.since),
    maxItemBytes: filters.maxItemBytes ?? null,
    repair: options.repair ?? true,
    deepVerify: options.deepVerify ?? false,
    recoveryFolder: [`Before migration ${day}`],
  };
}

function readingOf({ items, filters: { excludeFolders }, options: { labels } }: JobEntity): Reading {
  return {
    kinds: items,
    ...(excludeFolders === undefined ? {} : { excludeFolders }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function needed(code: string, side: 'source' | 'destination'): TransferError {
  return new TransferError(reasonFor(code).message, { side, scope: 'account', retry: 'user', code });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
