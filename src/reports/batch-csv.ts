import type { DataSource } from 'typeorm';
import type { Visibility } from '../jobs/contract.js';
import { isUuid } from '../jobs/job-view.js';
import { csvLine } from './csv.js';

/** Rows read at a time: however large the domain is, one page is in memory. */
const PAGE = 1_000;
const HEADER =
  'row,mailbox,source_username,state,outcome,found,copied,already_there,skipped,failed,bytes,code,message,started,finished\r\n';

interface Row {
  row: number;
  mailbox: string;
  username: string;
  state: string;
  outcome: string | null;
  found: string;
  copied: string;
  alreadyThere: string;
  skipped: string;
  failed: string;
  bytes: string;
  code: string | null;
  message: string | null;
  startedAt: Date | null;
  finishedAt: Date | null;
}

/** What became of each row of a batch, refused ones included. Null: not there, or not for these eyes. */
export async function batchCsv(db: DataSource, sees: Visibility, id: string): Promise<AsyncIterable<string> | null> {
  if (!isUuid(id)) return null;
  const [batch] = await db.query<{ domain: string }[]>(
    `SELECT domain FROM mailferry.batches WHERE id = $1 AND tenant = $2`,
    [id, sees.tenant],
  );
  return batch !== undefined && (sees.all || sees.domains.includes(batch.domain)) ? lines(db, id) : null;
}

async function* lines(db: DataSource, id: string): AsyncIterable<string> {
  yield HEADER;
  for (let after = 0; ;) {
    const rows = await db.query<Row[]>(
      `SELECT r.row, r.mailbox, r.source_username AS username, COALESCE(k.state, 'refused') AS state, k.outcome,
         COALESCE(k.found, 0) AS found, COALESCE(k.copied, 0) AS copied, COALESCE(k.already_there, 0) AS "alreadyThere",
         COALESCE(k.skipped, 0) AS skipped, COALESCE(k.failed, 0) AS failed, COALESCE(k.bytes, 0) AS bytes,
         COALESCE(r.code, j.reason->>'code') AS code, COALESCE(r.message, j.reason->>'message') AS message,
         k.started_at AS "startedAt", k.finished_at AS "finishedAt"
       FROM mailferry.batch_rows r LEFT JOIN mailferry.jobs j ON j.id = r.job,
         LATERAL jsonb_populate_record(j, COALESCE(r.kept, '{}')) k
       WHERE r.batch = $1 AND r.row > $2 ORDER BY r.row LIMIT ${PAGE}`,
      [id, after],
    );
    if (rows.length > 0) yield rows.map(line).join('');
    if (rows.length < PAGE) return;
    after = rows[rows.length - 1]!.row;
  }
}

function line(row: Row): string {
  const counts = [row.found, row.copied, row.alreadyThere, row.skipped, row.failed, row.bytes].map(Number);
  return csvLine([
    row.row,
    row.mailbox,
    row.username,
    row.state,
    row.outcome,
    ...counts,
    row.code,
    row.message,
    row.startedAt?.toISOString() ?? null,
    row.finishedAt?.toISOString() ?? null,
  ]);
}
