import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, In } from 'typeorm';
import { displayPath } from '../mailbox/folder.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { Visibility } from './contract.js';
import { JobEntity, RunEntity } from './entities.js';
import type { FolderProgress, JobView, RunView, SourceSettings } from './job.js';
import { allowedActions } from './job-state.js';
import { isVisible } from './visibility.js';

/** Runs shown with a job, newest last. */
const MAX_RUNS = 100;
const NO_SOURCE: SourceSettings = { type: 'imap', host: '', port: 993, security: 'tls', username: '' };

/** Reads jobs as everybody sees them. */
@Injectable()
export class JobReader {
  constructor(@Inject(getDataSourceToken('mailferry')) private readonly db: DataSource) {}

  /** Null: not there, or not for these eyes. */
  async get(visibility: Visibility, id: string): Promise<JobView | null> {
    if (!isUuid(id)) return null;
    const job = await this.db.manager.findOneBy(JobEntity, { id, tenant: visibility.tenant });
    return job === null || !isVisible(visibility, job) ? null : this.view(job);
  }

  async view(job: JobEntity): Promise<JobView> {
    const [folders, runs] = await Promise.all([
      this.folders(job.id),
      this.db.manager.find(RunEntity, { where: { job: job.id }, order: { startedAt: 'DESC' }, take: MAX_RUNS }),
    ]);
    return { ...bareView(job), folders, runs: runs.reverse().map(runView) };
  }

  /** Without folders and runs, in the order of the ids. */
  async bare(ids: readonly string[]): Promise<JobView[]> {
    const jobs = await this.db.manager.findBy(JobEntity, { id: In([...ids]) });
    const byId = new Map(jobs.map((job) => [job.id, job]));
    return ids.flatMap((id) => byId.get(id) ?? []).map(bareView);
  }

  private async folders(job: string): Promise<FolderProgress[]> {
    const rows: FolderRow[] = await this.db.query(
      `SELECT f.path, f.kind, COALESCE(d.path, f.dest_path) AS destination,
              jf.found, jf.copied, jf.already_there, jf.skipped, jf.failed, jf.bytes, jf.total_bytes
       FROM mailferry.job_folders jf
       JOIN mailferry.folders f ON f.id = jf.folder
       LEFT JOIN mailferry.dest_folders d ON d.id = f.dest_folder
       WHERE jf.job = $1 ORDER BY f.kind, f.role IS DISTINCT FROM 'inbox', lower(array_to_string(f.path, '/')), f.id`,
      [job],
    );
    return rows.map((row) => ({
      path: displayPath(row.path),
      destination: row.destination === null ? null : displayPath(row.destination),
      kind: row.kind,
      found: Number(row.found),
      copied: Number(row.copied),
      alreadyThere: Number(row.already_there),
      skipped: Number(row.skipped),
      failed: Number(row.failed),
      bytes: Number(row.bytes),
      totalBytes: Number(row.total_bytes),
    }));
  }
}

interface FolderRow {
  path: string[];
  kind: ItemKind;
  destination: string[] | null;
  found: string;
  copied: string;
  already_there: string;
  skipped: string;
  failed: string;
  bytes: string;
  total_bytes: string;
}

export function hasSource(job: JobEntity): job is JobEntity & { source: SourceSettings } {
  return 'host' in job.source;
}

export function bareView(job: JobEntity): JobView {
  return {
    id: job.id,
    mailbox: job.mailbox,
    domain: job.domain,
    state: job.state,
    outcome: job.outcome,
    ...(job.reason === null ? {} : { reason: job.reason }),
    ...(job.until === null ? {} : { until: job.until.toISOString() }),
    source: hasSource(job) ? job.source : NO_SOURCE,
    items: job.items,
    existing: job.existing,
    filters: job.filters,
    options: job.options,
    progress: {
      found: job.found,
      copied: job.copied,
      alreadyThere: job.alreadyThere,
      skipped: job.skipped,
      failed: job.failed,
      bytes: job.bytes,
      totalBytes: job.totalBytes,
      etaSeconds: job.etaSeconds,
      rate: job.rate,
    },
    folders: [],
    runs: [],
    actions: allowedActions(job.state),
    createdAt: job.createdAt.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    finishedAt: job.finishedAt?.toISOString() ?? null,
    changedAt: job.changedAt.toISOString(),
    version: job.version,
  };
}

function runView(run: RunEntity): RunView {
  return {
    id: run.id,
    kind: run.kind,
    startedAt: run.startedAt.toISOString(),
    finishedAt: run.finishedAt?.toISOString() ?? null,
    state: run.state,
    ...(run.reason === null ? {} : { reason: run.reason }),
  };
}

/** What is no UUID is in no row: Postgres would answer it with an error. */
export function isUuid(id: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(id);
}
