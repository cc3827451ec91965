import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConsoleLogger, type INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { JobEntity } from '../../../jobs/entities.js';
import { JobChanges } from '../../../jobs/job-changes.js';
import { ReportsService } from '../../../reports/reports.service.js';
import { wasOpened } from '../../../worker/opened-before.js';
import { RunJob } from '../../../worker/run-job.js';
import { loadSettings, type Settings } from '../../settings.js';
import { EXIT, type ExitCode } from '../usage.js';
import { withDatabase } from '../with-database.js';
import type { CopyArguments } from './arguments.js';
import { readyJob } from './copy-job.js';
import { CopyLock } from './copy-lock.js';
import { CopyModule, SHELL_LEASE } from './copy.module.js';
import { endOf, EVERYTHING } from './ending.js';
import type { EndEvent, Output } from './events.js';
import { Interrupt } from './interrupt.js';
import { humanOutput, jsonOutput } from './output.js';
import { passwordOf } from './passwords.js';
import { tellPlan } from './plan.js';
import { SHELL_TENANT } from './shell-panel.js';
import { shellEndpoints, type ShellEndpoints } from './shell-endpoints.js';
import { Watch } from './watch.js';
import { accountOf, type CopyWish, wishOf } from './wish.js';

/** A run that was handed back without a reason is taken up again after this (ms). */
const AGAIN_MS = 1_000;

/**
 * `mailferry copy`: one mailbox to another, by the worker's own engine and ledger, on the database of the data folder.
 * @throws UsageError, SettingsError, or an Error with one line.
 */
export async function copyCommand(args: CopyArguments, lease: typeof SHELL_LEASE = SHELL_LEASE): Promise<ExitCode> {
  const wish = wishOf(args);
  const settings = loadSettings(args.dataDir ? { ...process.env, MAILFERRY_DATA_DIR: args.dataDir } : process.env);
  const from = await passwordOf('--from', accountOf(wish.from));
  const to = from === null ? null : await passwordOf('--to', accountOf(wish.to));
  if (from === null || to === null) return EXIT.interrupted;
  const output = args.json ? jsonOutput((line) => console.log(line)) : humanOutput((line) => console.log(line));
  const interrupt = new Interrupt((line) => {
    output.close();
    process.stderr.write(`mailferry: ${line}\n`);
  });
  process.on('unhandledRejection', (error) => {
    process.stderr.write(`mailferry: a rejection nobody waited for: ${String(error)}\n`);
  });
  const passwords = { from, to };
  const endpoints = shellEndpoints(wish, from, { connections: settings.workerConnections });
  try {
    if (args.dryRun) return await tellPlan(wish, passwords, endpoints, output, interrupt.signal);
    return await withDatabase(settings, (databaseUrl) =>
      new Copy({ settings, databaseUrl, wish, passwords, endpoints, output, lease }, interrupt.signal).run(args.report),
    );
  } finally {
    output.close();
    interrupt.end();
  }
}

interface CopyParts {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly wish: CopyWish;
  readonly passwords: { readonly from: string; readonly to: string };
  readonly endpoints: ShellEndpoints;
  readonly output: Output;
  readonly lease: typeof SHELL_LEASE;
}

/** One command's work, from the lock on the mailbox to the report. */
class Copy {
  private readonly mailbox: string;
  private readonly began = performance.now();

  constructor(
    private readonly parts: CopyParts,
    private readonly stop: AbortSignal,
  ) {
    this.mailbox = accountOf(parts.wish.to);
  }

  async run(reportFile: string | undefined): Promise<ExitCode> {
    const { databaseUrl } = this.parts;
    const lock = await CopyLock.take(databaseUrl, this.mailbox);
    if (lock === null) throw new Error(`another copy into ${this.mailbox} is under way on this data folder`);
    try {
      const app = await NestFactory.createApplicationContext(CopyModule.for({ ...this.parts, mailbox: this.mailbox }), {
        logger: new ConsoleLogger({ logLevels: ['fatal', 'error'] }),
        abortOnError: false,
      });
      try {
        return await this.copy(app, reportFile);
      } finally {
        await app.close();
      }
    } finally {
      await lock.release();
    }
  }

  private async copy(app: INestApplicationContext, reportFile: string | undefined): Promise<ExitCode> {
    const { wish, output, endpoints } = this.parts;
    const db = app.get<DataSource>(getDataSourceToken('mailferry'));
    const { id, resumed } = await readyJob(db, app.get(JobChanges), wish, this.mailbox);
    output.tell({ event: 'start', job: id, from: accountOf(wish.from), to: this.mailbox, resumed });
    const watch = await new Watch(db, id, output, endpoints.announced).start();
    const how = await this.work(app, db, id).finally(() => watch.stop());
    const reports = app.get(ReportsService);
    const end = await endOf(db, reports, id, (performance.now() - this.began) / 1000);
    if (reportFile !== undefined) await this.writeReport(reports, id, reportFile);
    const told: EndEvent = how === 'given-up' ? { ...end, outcome: 'failed', exitCode: EXIT.failed } : end;
    output.tell(told);
    return told.exitCode;
  }

  /** Run after run, until there is nothing more that goes on by itself. */
  private async work(app: INestApplicationContext, db: DataSource, id: string): Promise<'given-up' | 'ended'> {
    const worker = randomUUID();
    const changes = app.get(JobChanges);
    while (!this.stop.aborted) {
      const ran = await app.get(RunJob).execute(id, worker, this.stop, 'shell');
      const job = await db.manager.findOneByOrFail(JobEntity, { id });
      if (job.state === 'queued') {
        if (!ran) throw new Error(`another copy into ${this.mailbox} is under way`);
        await this.pause(AGAIN_MS);
      } else if (job.state === 'waiting') {
        // Never seen so far: most likely a slip in --to, and nobody waits ten hours for that.
        const unseen = !(await wasOpened(db, SHELL_TENANT, this.mailbox));
        if (unseen && job.reason?.code === 'DESTINATION_UNAVAILABLE') return 'given-up';
        this.parts.output.tell({
          event: 'state',
          state: job.state,
          ...(job.reason === null ? {} : { reason: job.reason }),
          ...(job.until === null ? {} : { until: job.until.toISOString() }),
        });
        await this.pause((job.until?.getTime() ?? Date.now()) - Date.now());
        if (this.stop.aborted) break;
        // The sweeper of a service on the same database may have been faster.
        const now = await db.manager.findOneByOrFail(JobEntity, { id });
        if (now.state === 'waiting') await changes.transact((change) => changes.apply(change, id, 'wake', null));
      } else break;
    }
    return 'ended';
  }

  private async pause(ms: number): Promise<void> {
    await sleep(Math.max(0, ms), undefined, { signal: this.stop }).catch(() => undefined);
  }

  private async writeReport(reports: ReportsService, id: string, file: string): Promise<void> {
    const lines = await reports.csv(EVERYTHING, id);
    if (lines !== null) await pipeline(Readable.from(lines), createWriteStream(file, { mode: 0o600 }));
  }
}
