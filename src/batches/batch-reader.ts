import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { Visibility } from '../jobs/contract.js';
import { JOB_STATES, type JobOutcome, type JobState, type Reason, type TestResult } from '../jobs/job.js';
import { wordsFor } from '../jobs/messages.js';
import { BATCH_ACTIONS } from './batch.js';
import type { BatchAction, BatchCounts, BatchSummary, BatchView, RowFilter, RowTest, RowView } from './batch.js';
import { findBatch, mayUse, NEEDS_SOMEBODY, READY, type BatchRecord } from './batch-record.js';
import { nextBatchState } from './batch-state.js';
import type { RowsQuery } from './contract.js';

const MAX_PER_PAGE = 200;
const MAX_LISTED = 200;
const WORST = 10;

/** A counter of a row's migration, or what is kept of it since that was erased. */
const kept = (column: string): string => `COALESCE(j.${column}, (r.kept->>'${column}')::bigint)`;
const ROWS = `FROM mailferry.batch_rows r JOIN mailferry.batches b ON b.id = r.batch
  LEFT JOIN mailferry.jobs j ON j.id = r.job`;
/** A finished one with items left out, a failed one, one that waits for a person, one that was not let start. */
const ATTENTION = `(j.state IN ('failed', 'needs-action') OR j.outcome = 'incomplete' OR (r.code IS NOT NULL AND j.id IS NOT NULL))`;
const TOO_BIG = `(j.test_result->'plan'->'quota'->>'fits' = 'false')`;
const FILTERS: Readonly<Record<RowFilter, string>> = {
  all: 'true',
  attention: ATTENTION,
  active: `j.state IN ('queued', 'running', 'cancelling')`,
  waiting: `(j.state IN ('draft', 'waiting', 'paused'))`,
  completed: `(j.state = 'completed' AND j.outcome = 'complete')`,
  refused: '(j.id IS NULL AND r.kept IS NULL)',
  'not-ready': `(j.state = 'draft' AND NOT ${READY})`,
  'test-failed': `(j.test_result->>'ok' = 'false')`,
  'too-big': TOO_BIG,
};

/** Reads batches and their rows as everybody sees them. */
@Injectable()
export class BatchReader {
  constructor(@Inject(getDataSourceToken('mailferry')) private readonly db: DataSource) {}

  async get(sees: Visibility, id: string): Promise<BatchView | null> {
    const batch = await findBatch(this.db, sees, id);
    return batch === null ? null : this.view(batch);
  }

  async view(batch: BatchRecord): Promise<BatchView> {
    const numbers = await this.numbers(batch.id);
    const counts = countsOf(numbers);
    const { login } = batch.source;
    return {
      id: batch.id,
      name: batch.name,
      domain: batch.domain,
      state: batch.state,
      ...(batch.reason === null ? {} : { reason: batch.reason }),
      source: batch.source,
      auth: {
        ...batch.auth,
        ...(login !== undefined && {
          method: login.method,
          username: login.username,
          ...(login.template !== undefined && { template: login.template }),
        }),
      },
      options: batch.options,
      counts,
      progress: {
        found: Number(numbers['found']),
        copied: Number(numbers['copied']),
        alreadyThere: Number(numbers['already_there']),
        skipped: Number(numbers['skipped']),
        failed: Number(numbers['failed_items']),
        bytes: Number(numbers['bytes']),
        totalBytes: Number(numbers['total_bytes']),
        rate: Number(numbers['rate']),
      },
      pass: batch.pass,
      finishing: batch.finishing,
      inHours: batch.inHours,
      testing: batch.testing,
      startAt: batch.startAt?.toISOString() ?? null,
      nextSyncAt: batch.nextSyncAt?.toISOString() ?? null,
      actions: allowed(batch, counts),
      createdAt: batch.createdAt.toISOString(),
      startedAt: batch.startedAt?.toISOString() ?? null,
      finishedAt: batch.finishedAt?.toISOString() ?? null,
    };
  }

  async list(sees: Visibility, domain: string): Promise<BatchSummary[]> {
    if (!mayUse(sees, domain)) return [];
    return (
      await this.db.query<(Omit<BatchSummary, 'createdAt'> & { createdAt: Date })[]>(
        `SELECT b.id, b.name, b.state, b.source->>'host' AS host, b.created_at AS "createdAt", n.*
         FROM (SELECT * FROM mailferry.batches WHERE tenant = $1 AND domain = $2
               ORDER BY created_at DESC, id LIMIT ${MAX_LISTED}) b
         CROSS JOIN LATERAL (
           SELECT (count(j.id) + count(r.kept))::int AS accepted,
             (count(*) FILTER (WHERE COALESCE(j.state, r.kept->>'state') = 'completed'))::int AS completed,
             (count(*) FILTER (WHERE ${ATTENTION}))::int AS attention
           FROM mailferry.batch_rows r LEFT JOIN mailferry.jobs j ON j.id = r.job WHERE r.batch = b.id) n
         ORDER BY b.created_at DESC, b.id`,
        [sees.tenant, domain],
      )
    ).map(({ createdAt, ...rest }) => ({ ...rest, createdAt: createdAt.toISOString() }));
  }

  async rows(sees: Visibility, id: string, query: RowsQuery): Promise<{ rows: RowView[]; total: number } | null> {
    if ((await findBatch(this.db, sees, id)) === null) return null;
    const perPage = Math.min(Math.max(1, Math.trunc(query.perPage)), MAX_PER_PAGE);
    const page = Math.min(Math.max(1, Math.trunc(query.page)), 1_000_000);
    const search = query.q?.replace(/\p{Cc}/gu, '') ?? '';
    const q = search === '' ? null : `%${search.replace(/[\\%_]/g, '\\$&')}%`;
    const where = `WHERE r.batch = $1 AND ($2::text IS NULL OR r.mailbox ILIKE $2 OR r.source_username ILIKE $2)
      AND ${FILTERS[query.show]}`;
    const [rows, [count]] = await Promise.all([
      this.db.query<RowRecord[]>(
        `SELECT ${ROW_COLUMNS} ${ROWS} ${where} ORDER BY r.row LIMIT ${perPage} OFFSET ${(page - 1) * perPage}`,
        [id, q],
      ),
      this.db.query<{ n: string }[]>(`SELECT count(*) AS n ${ROWS} ${where}`, [id, q]),
    ]);
    return { rows: rows.map(rowView), total: Number(count!.n) };
  }

  async worst(sees: Visibility, id: string): Promise<RowView[] | null> {
    if ((await findBatch(this.db, sees, id)) === null) return null;
    const rows = await this.db.query<RowRecord[]>(
      `SELECT ${ROW_COLUMNS} ${ROWS} WHERE r.batch = $1 AND ${ATTENTION}
       ORDER BY CASE WHEN j.state = 'failed' THEN 0 WHEN j.state = 'needs-action' THEN 1 WHEN r.code IS NOT NULL THEN 2 ELSE 3 END,
         j.failed DESC, r.row LIMIT ${WORST}`,
      [id],
    );
    return rows.map(rowView);
  }

  /** One look at all rows of a batch. */
  private async numbers(id: string): Promise<Record<string, string>> {
    const states = JOB_STATES.map((state) => `count(*) FILTER (WHERE j.state = '${state}') AS "state ${state}"`).join(
      ', ',
    );
    const [row] = await this.db.query<Record<string, string>[]>(
      `SELECT count(*) AS rows, count(j.id) + count(r.kept) AS accepted, count(r.kept) AS erased, ${states},
         count(*) FILTER (WHERE j.outcome = 'incomplete') AS incomplete,
         count(*) FILTER (WHERE r.want IN ('start', 'resume', 'retry', 'sync')) AS wanted,
         count(*) FILTER (WHERE r.code IS NOT NULL AND j.id IS NOT NULL) AS stuck,
         count(*) FILTER (WHERE ${NEEDS_SOMEBODY}) AS unfinished,
         count(*) FILTER (WHERE j.state = 'draft' AND NOT ${READY}) AS unready,
         count(*) FILTER (WHERE EXISTS (SELECT 1 FROM mailferry.password_links l WHERE l.job = j.id)) AS invited,
         count(j.test_result) AS tested,
         count(*) FILTER (WHERE j.test_result->>'ok' = 'true') AS passed,
         count(*) FILTER (WHERE r.want_test) AS "tests waiting",
         count(*) FILTER (WHERE ${TOO_BIG}) AS "too big",
         COALESCE(sum(${kept('found')}), 0) AS found, COALESCE(sum(${kept('copied')}), 0) AS copied,
         COALESCE(sum(${kept('already_there')}), 0) AS already_there, COALESCE(sum(${kept('skipped')}), 0) AS skipped,
         COALESCE(sum(${kept('failed')}), 0) AS failed_items, COALESCE(sum(${kept('bytes')}), 0) AS bytes,
         COALESCE(sum(${kept('total_bytes')}), 0) AS total_bytes,
         COALESCE(sum(j.rate) FILTER (WHERE j.state = 'running'), 0) AS rate
       ${ROWS} WHERE r.batch = $1`,
      [id],
    );
    return row!;
  }
}

function countsOf(n: Record<string, string>): BatchCounts {
  const number = (name: string): number => Number(n[name]);
  return {
    rows: number('rows'),
    accepted: number('accepted'),
    refused: number('rows') - number('accepted'),
    states: Object.fromEntries(JOB_STATES.map((state) => [state, number(`state ${state}`)])) as Record<
      JobState,
      number
    >,
    incomplete: number('incomplete'),
    erased: number('erased'),
    wanted: number('wanted'),
    stuck: number('stuck'),
    unfinished: number('unfinished'),
    ready: number('accepted') - number('unready'),
    invited: number('invited'),
    tested: number('tested'),
    testsPassed: number('passed'),
    testsWaiting: number('tests waiting'),
    tooBig: number('too big'),
  };
}

/** What helps now: the table of states allows more. */
function allowed({ state, testing }: BatchRecord, counts: BatchCounts): BatchAction[] {
  const { states, accepted, incomplete, stuck, wanted } = counts;
  const moving = states.queued + states.running + states.cancelling;
  const useful: Readonly<Record<BatchAction, boolean>> = {
    test: accepted > 0 && !testing,
    start: accepted > 0 && (state === 'draft' || states.draft > wanted + stuck),
    pause: true,
    resume: state === 'paused' || states.paused > 0,
    cancel: true,
    retry: states.failed + states['needs-action'] + incomplete + stuck > 0,
    sync: states.completed > 0,
    finish: moving + states.waiting === 0,
  };
  return BATCH_ACTIONS.filter((action) => nextBatchState(state, action) !== null && useful[action]);
}

interface RowRecord {
  row: number;
  mailbox: string;
  username: string;
  job: string | null;
  erased: boolean;
  state: JobState | null;
  outcome: JobOutcome | null;
  want: string | null;
  code: string | null;
  message: string | null;
  reason: Reason | null;
  found: string | null;
  copied: string | null;
  alreadyThere: string | null;
  skipped: string | null;
  failed: string | null;
  bytes: string | null;
  ready: boolean;
  test: (TestResult & { id: string }) | null;
  expiresAt: Date | null;
  sentAt: Date | null;
  used: boolean | null;
}
/** Of a test's result only what a table shows: the folders of ten thousand mailboxes stay where they are. */
const ROW_COLUMNS = `r.row, r.mailbox, r.source_username AS username, j.id AS job, r.want, r.code, r.message,
  r.kept IS NOT NULL AS erased, COALESCE(j.state, r.kept->>'state') AS state, COALESCE(j.outcome, r.kept->>'outcome') AS outcome,
  j.reason, ${kept('found')} AS found, ${kept('copied')} AS copied, ${kept('already_there')} AS "alreadyThere",
  ${kept('skipped')} AS skipped, ${kept('failed')} AS failed, ${kept('bytes')} AS bytes,
  (j.id IS NOT NULL AND (j.state <> 'draft' OR ${READY})) AS ready,
  j.test_result - 'folders' #- '{plan,folders}' AS test,
  (SELECT LEAST(l.expires_at, l.revoked_at) FROM mailferry.password_links l WHERE l.job = j.id ORDER BY l.created_at DESC LIMIT 1) AS "expiresAt",
  (SELECT l.sent_at FROM mailferry.password_links l WHERE l.job = j.id ORDER BY l.created_at DESC LIMIT 1) AS "sentAt",
  EXISTS (SELECT 1 FROM mailferry.password_links l WHERE l.job = j.id AND l.used_at IS NOT NULL) AS used`;

function rowView(row: RowRecord): RowView {
  const { code, message } = row;
  const said = code === null ? row.reason : { code, message: message ?? wordsFor(code).message, ...actionOf(code) };
  return {
    row: row.row,
    mailbox: row.mailbox,
    username: row.username,
    job: row.job,
    erased: row.erased,
    state: row.state,
    outcome: row.outcome,
    wanted: row.want !== null && row.want !== 'pause' && row.want !== 'cancel',
    reason: said,
    found: Number(row.found ?? 0),
    copied: Number(row.copied ?? 0),
    alreadyThere: Number(row.alreadyThere ?? 0),
    skipped: Number(row.skipped ?? 0),
    failed: Number(row.failed ?? 0),
    bytes: Number(row.bytes ?? 0),
    ready: row.ready,
    invitation:
      row.expiresAt === null
        ? null
        : {
            expiresAt: row.expiresAt.toISOString(),
            sentAt: row.sentAt?.toISOString() ?? null,
            used: row.used === true,
          },
    test: row.test === null ? null : testView(row.test),
  };
}

function actionOf(code: string): { action?: string } {
  const { action } = wordsFor(code);
  return action === undefined ? {} : { action };
}

function testView({ ok, code, message, totals, plan }: TestResult): RowTest {
  return {
    ok,
    code,
    message,
    items: plan?.totalItems ?? totals.items,
    bytes: plan?.totalBytes ?? totals.bytes,
    fits: plan?.quota?.fits ?? null,
    tooLarge: plan?.tooLarge ?? null,
  };
}
