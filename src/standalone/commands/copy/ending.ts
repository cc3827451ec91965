import type { DataSource } from 'typeorm';
import { displayPath } from '../../../mailbox/folder.js';
import { JobEntity } from '../../../jobs/entities.js';
import { wordsForRefusal } from '../../../reports/words.js';
import type { ReportsService } from '../../../reports/reports.service.js';
import { EXIT } from '../usage.js';
import type { EndEvent, NotArrived } from './events.js';
import { SHELL_TENANT } from './shell-panel.js';

/** Items shown of each reason. */
const EXAMPLES = 5;
export const EVERYTHING = { tenant: SHELL_TENANT, all: true, mailboxes: [], domains: [] } as const;

/** Failures that a person mends, most of them by typing something else. */
const PERSONS: readonly string[] = [
  'AUTH_FAILED',
  'AUTH_NEEDS_APP_PASSWORD',
  'AUTH_NEEDS_OAUTH',
  'IMAP_DISABLED',
  'CREDENTIALS_REQUIRED',
];

/** How it went, and what did not arrive. @param seconds since the command began. */
export async function endOf(db: DataSource, reports: ReportsService, id: string, seconds: number): Promise<EndEvent> {
  const [job, report, notArrived] = await Promise.all([
    db.manager.findOneByOrFail(JobEntity, { id }),
    reports.report(EVERYTHING, id),
    refusalsOf(db, id),
  ]);
  return {
    event: 'end',
    ...verdictOf(job),
    ...(job.reason === null ? {} : { reason: job.reason }),
    found: job.found,
    copied: job.copied,
    alreadyThere: job.alreadyThere,
    skipped: job.skipped,
    failed: job.failed,
    bytes: job.bytes,
    totalBytes: job.totalBytes,
    seconds: Math.round(seconds * 10) / 10,
    notArrived,
    changes: report?.changes ?? [],
  };
}

function verdictOf({ state, outcome, reason }: JobEntity): Pick<EndEvent, 'outcome' | 'exitCode'> {
  switch (state) {
    case 'completed':
      return outcome === 'complete'
        ? { outcome, exitCode: EXIT.complete }
        : { outcome: 'incomplete', exitCode: EXIT.incomplete };
    case 'needs-action':
      return { outcome: 'needs-action', exitCode: EXIT.needsAction };
    case 'failed':
      return reason !== null && PERSONS.includes(reason.code)
        ? { outcome: 'needs-action', exitCode: EXIT.needsAction }
        : { outcome: 'failed', exitCode: EXIT.failed };
    case 'cancelled':
    case 'cancelling':
      return { outcome: 'cancelled', exitCode: EXIT.failed };
    case 'draft':
    case 'queued':
    case 'running':
    case 'waiting':
    case 'paused':
      return { outcome: 'interrupted', exitCode: EXIT.interrupted };
  }
}

interface Row {
  readonly outcome: 'skipped' | 'failed';
  readonly code: string;
  readonly message: string;
  readonly items: string;
  readonly path: string[];
  readonly subject: string | null;
  readonly date: Date | null;
  readonly size: string;
}

async function refusalsOf(db: DataSource, job: string): Promise<NotArrived[]> {
  const rows = await db.query<Row[]>(
    `SELECT * FROM (
       SELECT r.outcome, r.code, r.message, f.path, r.subject, r.date, r.size,
         count(*) OVER (PARTITION BY r.outcome, r.code) AS items,
         row_number() OVER (PARTITION BY r.outcome, r.code ORDER BY r.folder, r.key) AS nth
       FROM mailferry.refusals r JOIN mailferry.folders f ON f.id = r.folder WHERE r.job = $1) all_of_them
     WHERE nth <= $2 ORDER BY outcome, items DESC, code, nth`,
    [job, EXAMPLES],
  );
  const groups = new Map<string, NotArrived>();
  for (const { outcome, code, message, items, path, subject, date, size } of rows) {
    const name = `${outcome} ${code}`;
    const group = groups.get(name) ?? {
      outcome,
      code,
      message: wordsForRefusal(code, message),
      items: Number(items),
      examples: [],
    };
    const example = {
      folder: displayPath(path),
      subject: subject ?? '',
      date: date?.toISOString() ?? null,
      size: Number(size),
    };
    groups.set(name, { ...group, examples: [...group.examples, example] });
  }
  return [...groups.values()];
}
