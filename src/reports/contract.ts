import type { ItemKind } from '../mailbox/kinds.js';
import type { Visibility } from '../jobs/contract.js';
import type { RecoveryContent, RecoveryFile } from './recovery.js';
import type { Counts, FolderProgress, JobView } from '../jobs/job.js';

export interface ReportItem {
  readonly kind: ItemKind;
  readonly folder: string;
  readonly subject: string;
  readonly from: string;
  /** ISO 8601. */
  readonly date: string | null;
  readonly size: number;
  readonly outcome: 'copied' | 'alreadyThere' | 'skipped' | 'failed';
  readonly code: string;
  readonly message: string;
}
/** Something that arrived in another form, or a folder that had to be named otherwise. */
export interface ReportChange {
  readonly folder: string | null;
  readonly code: string;
  readonly message: string;
  readonly items: number;
}
export interface Report {
  readonly job: JobView;
  readonly counts: Counts;
  readonly folders: readonly FolderProgress[];
  /** What did not arrive: at most the first 1,000; the CSV has all. */
  readonly items: readonly ReportItem[];
  readonly changes: readonly ReportChange[];
}

/** Implemented by ReportsService. Null: not visible. */
export interface ReportsApi {
  report(visibility: Visibility, id: string): Promise<Report | null>;
  items(
    visibility: Visibility,
    id: string,
    query: { outcome?: 'skipped' | 'failed'; page: number; perPage: number },
  ): Promise<{ items: readonly ReportItem[]; total: number } | null>;
  /** kind,folder,subject,date,size,outcome,code,message; cells that a spreadsheet would run are neutralised. */
  csv(visibility: Visibility, id: string): Promise<AsyncIterable<string> | null>;
  /** What a replace took out of calendars and address books; empty for whoever does not own the mailbox. */
  recovery(visibility: Visibility, id: string): Promise<readonly RecoveryFile[]>;
  recoveryContent(visibility: Visibility, id: string, file: string): Promise<RecoveryContent | null>;
  /** One line for each row of a batch: row,mailbox,source_username,state,outcome,found,copied,... */
  batchCsv(visibility: Visibility, id: string): Promise<AsyncIterable<string> | null>;
}
