import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Destination } from '../destinations/destination.js';
import { Attempts } from '../jobs/attempts.js';
import { JobEntity } from '../jobs/entities.js';
import type { JobRunner } from '../jobs/job.js';
import { JobChanges } from '../jobs/job-changes.js';
import { missingSecret } from '../jobs/job-gate.js';
import { reasonFor } from '../jobs/messages.js';
import { type Ledger, LeaseLost } from '../ledger/ledger.js';
import type { Staging } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { ProgressRecorder } from '../progress/recorder.js';
import type { Source } from '../sources/source.js';
import type { RunTransfer, TransferEnd } from '../transfer/contract.js';
import { type Access, DestinationAccess } from './destination-access.js';
import { ENDPOINTS, type Endpoints, LEDGER, type Links, LINKS, RUN_TRANSFER, STAGING } from './endpoints.js';
import { GuardedSource } from './guarded-source.js';
import { HANDED_BACK, judge, judgeError, unforeseen, type Verdict } from './run-end.js';
import { nextJob } from './next-job.js';
import { ProtocolLog } from './protocol-log.js';
import { RecoveryFiles } from './recovery-files.js';
import { readingOf, transferOptions } from './run-options.js';
import { type Choose, type Claimed, RunRecords } from './run-record.js';
import { RunWatch } from './run-watch.js';
import { SameMailbox } from './same-mailbox.js';
import { Scrubber } from './scrubber.js';
import { wasOpened } from './opened-before.js';
import { SecretOpener } from './secret-opener.js';
import { SignInProof } from './sign-in-proof.js';

/** Everything one run has open. */
interface Bench extends Claimed {
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

/** One run of one job, from the claim to the state after it. Errors of a run end the run and nothing else. */
@Injectable()
export class RunJob {
  private readonly logger = new Logger('mailferry:run');
  private readonly records: RunRecords;
  private readonly proof: SignInProof;

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(JobChanges) changes: JobChanges,
    @Inject(Attempts) private readonly attempts: Attempts,
    @Inject(SecretOpener) private readonly opener: SecretOpener,
    @Inject(DestinationAccess) private readonly accesses: DestinationAccess,
    @Inject(SameMailbox) private readonly sameMailbox: SameMailbox,
    @Inject(ENDPOINTS) private readonly endpoints: Endpoints,
    @Inject(LINKS) private readonly links: Links,
    @Inject(LEDGER) private readonly ledger: Ledger,
    @Inject(STAGING) private readonly staging: Staging,
    @Inject(RecoveryFiles) private readonly recovery: RecoveryFiles,
    @Inject(RUN_TRANSFER) private readonly runTransfer: RunTransfer,
  ) {
    this.records = new RunRecords(db, changes);
    this.proof = new SignInProof(db);
  }

  /**
   * @param worker this process' id.
   * @param shutdown aborted when the process ends: the run stops at a checkpoint and is handed back.
   * @param runner whose jobs are taken: others are not there.
   * @returns false when there was nothing to do: another worker has it, or it is not to be run now.
   */
  async execute(id: string, worker: string, shutdown: AbortSignal, runner: JobRunner = 'workers'): Promise<boolean> {
    if (shutdown.aborted) return false;
    return this.run(await this.records.claim(async () => id, worker, runner), shutdown);
  }

  /** The same for the job whose turn it is (see nextJob). */
  async executeNext(worker: string, shutdown: AbortSignal): Promise<boolean> {
    if (shutdown.aborted) return false;
    const choose: Choose = async (manager) => {
      const id = await nextJob(manager, worker, this.options.worker);
      // It may have waited for its turn behind the run that was just handed back because of the same end.
      return shutdown.aborted ? null : id;
    };
    return this.run(await this.records.claim(choose, worker, 'workers'), shutdown);
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
      await bench.recorder.stop();
      if (!bench.watch.taken) await this.records.finish(bench, verdict);
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
      bench.proven = await this.proof.isThere(job, bench.run.id);
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
    if (Object.keys(secrets.source).length === 0) throw needed(missingSecret(settings), 'source');

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
        await this.proof.remember(job, run.id);
      },
    );
    bench.destination = this.endpoints.destination(bench.access.grant, bench.protocol.destination, job.items);
    const link = await this.links.ensure(mailbox, bench.source.account);
    await this.records.bindLink(job.id, link);
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
        recovery: this.recovery.keeperFor(job.id),
      },
      transferOptions(job),
      watch.stop.signal,
    );
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

function needed(code: string, side: 'source' | 'destination'): TransferError {
  return new TransferError(reasonFor(code).message, { side, scope: 'account', retry: 'user', code });
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
