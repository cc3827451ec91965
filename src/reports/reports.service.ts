import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { Visibility } from '../jobs/contract.js';
import type { Counts, FolderProgress } from '../jobs/job.js';
import { JobReader } from '../jobs/job-view.js';
import { displayPath } from '../mailbox/folder.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { Report, ReportChange, ReportItem, ReportsApi } from './contract.js';
import { batchCsv } from './batch-csv.js';
import { csvLine } from './csv.js';
import { recoveryContent, type RecoveryContent, type RecoveryFile, recoveryFiles } from './recovery.js';
import { wordsForChange, wordsForRefusal } from './words.js';

/** Items a report shows; the CSV has all. */
const MAX_ITEMS = 1_000;
const MAX_CHANGES = 1_000;
const MAX_PER_PAGE = 200;
/** Rows the CSV reads at a time. */
const CSV_PAGE = 2_000;
const CSV_HEADER = 'kind,folder,subject,date,size,outcome,code,message\r\n';

interface RefusalRow {
  folder: string;
  key: Buffer;
  kind: ItemKind;
  path: string[];
  subject: string | null;
  sender: string | null;
  date: Date | null;
  size: string;
  outcome: 'skipped' | 'failed';
  code: string;
  message: string;
}
type Place = Pick<RefusalRow, 'folder' | 'key'>;

@Injectable()
export class ReportsService implements ReportsApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(JobReader) private readonly jobs: JobReader,
  ) {}

  async report(visibility: Visibility, id: string): Promise<Report | null> {
    const job = await this.jobs.get(visibility, id);
    if (job === null) return null;
    const [rows, changes] = await Promise.all([this.page(id, null, null, MAX_ITEMS), this.changes(id)]);
    return { job, counts: countsOf(job.folders), folders: job.folders, items: rows.map(itemOf), changes };
  }

  recovery(visibility: Visibility, id: string): Promise<readonly RecoveryFile[]> {
    return recoveryFiles(this.db, visibility, id);
  }

  recoveryContent(visibility: Visibility, id: string, file: string): Promise<RecoveryContent | null> {
    return recoveryContent(this.db, visibility, id, file);
  }

  async items(
    visibility: Visibility,
    id: string,
    query: { outcome?: 'skipped' | 'failed'; page: number; perPage: number },
  ): Promise<{ items: readonly ReportItem[]; total: number } | null> {
    if ((await this.jobs.get(visibility, id)) === null) return null;
    const outcome = query.outcome ?? null;
    const perPage = Math.min(Math.max(1, Math.trunc(query.perPage)), MAX_PER_PAGE);
    const page = Math.min(Math.max(1, Math.trunc(query.page)), 1_000_000);
    const [rows, [count]] = await Promise.all([
      this.db.query<RefusalRow[]>(
        `${SELECT} WHERE r.job = $1 AND ($2::text IS NULL OR r.outcome = $2) ${ORDER} LIMIT $3 OFFSET $4`,
        [id, outcome, perPage, (page - 1) * perPage],
      ),
      this.db.query<{ n: string }[]>(
        `SELECT count(*) AS n FROM mailferry.refusals WHERE job = $1 AND ($2::text IS NULL OR outcome = $2)`,
        [id, outcome],
      ),
    ]);
    return { items: rows.map(itemOf), total: Number(count!.n) };
  }

  async csv(visibility: Visibility, id: string): Promise<AsyncIterable<string> | null> {
    return (await this.jobs.get(visibility, id)) === null ? null : this.lines(id);
  }

  batchCsv(visibility: Visibility, id: string): Promise<AsyncIterable<string> | null> {
    return batchCsv(this.db, visibility, id);
  }

  /** Page after page by key: however long it is, one page is in memory. */
  private async *lines(id: string): AsyncIterable<string> {
    yield CSV_HEADER;
    let after: Place | null = null;
    for (;;) {
      const rows: RefusalRow[] = await this.page(id, null, after, CSV_PAGE);
      if (rows.length > 0) yield rows.map((row) => csvRow(itemOf(row))).join('');
      if (rows.length < CSV_PAGE) return;
      after = rows[rows.length - 1]!;
    }
  }

  private page(id: string, outcome: string | null, after: Place | null, limit: number): Promise<RefusalRow[]> {
    return this.db.query(
      `${SELECT} WHERE r.job = $1 AND ($2::text IS NULL OR r.outcome = $2)
         AND ($3::bigint IS NULL OR (r.folder, r.key) > ($3::bigint, $4::bytea)) ${ORDER} LIMIT $5`,
      [id, outcome, after?.folder ?? null, after?.key ?? null, limit],
    );
  }

  private async changes(id: string): Promise<ReportChange[]> {
    const rows = await this.db.query<{ path: string[] | null; code: string; detail: string; items: string }[]>(
      `SELECT f.path, m.code, m.detail, m.items FROM mailferry.remarks m
       LEFT JOIN mailferry.folders f ON f.id = m.folder
       WHERE m.job = $1 ORDER BY m.folder NULLS FIRST, m.code, m.id LIMIT ${MAX_CHANGES}`,
      [id],
    );
    return rows.map(({ path, code, detail, items }) => ({
      folder: path === null ? null : displayPath(path),
      code,
      message: wordsForChange(code, detail),
      items: Number(items),
    }));
  }
}

const SELECT = `SELECT r.folder, r.key, f.kind, f.path, r.subject, r.sender, r.date, r.size, r.outcome, r.code, r.message
  FROM mailferry.refusals r JOIN mailferry.folders f ON f.id = r.folder`;
const ORDER = 'ORDER BY r.folder, r.key';

function itemOf(row: RefusalRow): ReportItem {
  return {
    kind: row.kind,
    folder: displayPath(row.path),
    subject: row.subject ?? '',
    from: row.sender ?? '',
    date: row.date?.toISOString() ?? null,
    size: Number(row.size),
    outcome: row.outcome,
    code: row.code,
    message: wordsForRefusal(row.code, row.message),
  };
}

function csvRow({ kind, folder, subject, date, size, outcome, code, message }: ReportItem): string {
  return csvLine([kind, folder, subject, date, size, outcome, code, message]);
}

function countsOf(folders: readonly FolderProgress[]): Counts {
  const sum = (of: keyof Counts): number => folders.reduce((total, folder) => total + folder[of], 0);
  return {
    found: sum('found'),
    copied: sum('copied'),
    alreadyThere: sum('alreadyThere'),
    skipped: sum('skipped'),
    failed: sum('failed'),
  };
}
