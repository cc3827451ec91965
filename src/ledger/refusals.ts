import type { ItemPlace } from './ledger.js';
import type { Query } from './queries.js';
import { clean, placeColumns, secondsColumn, shortText, sizeColumn } from './rows.js';
import type { CountsDeltas, Refused } from './settlement.js';

interface RefusalRow {
  folder: string;
  key: string;
  outcome: 'skipped' | 'failed';
  size: string;
}

/** What is bound has arrived: the job refuses it no longer. */
export async function dropRefusals(
  query: Query,
  job: string,
  bound: readonly ItemPlace[],
  deltas: CountsDeltas,
): Promise<void> {
  if (bound.length === 0) return;
  const rows = await query<RefusalRow>(
    `DELETE FROM mailferry.refusals r USING unnest($2::bigint[], $3::bytea[]) AS k(folder, key)
     WHERE r.job = $1 AND r.folder = k.folder AND r.key = k.key RETURNING r.folder, r.outcome, r.size`,
    [job, ...placeColumns(bound)],
  );
  for (const row of rows) deltas.add(row.folder, row.outcome, Number(row.size), -1);
}

/** What is not copied, with the reason. An earlier outcome of the same item gives way. */
export async function refuse(
  query: Query,
  job: string,
  outcomes: readonly Refused[],
  deltas: CountsDeltas,
): Promise<void> {
  if (outcomes.length === 0) return;
  const before = await query<RefusalRow>(
    `SELECT r.folder, r.outcome, r.size FROM unnest($2::bigint[], $3::bytea[]) AS k(folder, key)
     JOIN mailferry.refusals r ON r.job = $1 AND r.folder = k.folder AND r.key = k.key`,
    [job, ...placeColumns(outcomes)],
  );
  for (const row of before) deltas.add(row.folder, row.outcome, Number(row.size), -1);
  for (const outcome of outcomes) deltas.add(outcome.folder, outcome.is, sizeColumn(outcome.size), 1);
  await query(
    `INSERT INTO mailferry.refusals AS r (job, folder, key, outcome, code, message, server_text, size, date)
     SELECT $1, k.folder, k.key, k.outcome, k.code, k.message, k.server_text, k.size, to_timestamp(k.seconds)
     FROM unnest($2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[])
       AS k(folder, key, outcome, code, message, server_text, size, seconds)
     ON CONFLICT (job, folder, key) DO UPDATE SET outcome = excluded.outcome, code = excluded.code,
       message = excluded.message, server_text = excluded.server_text, size = excluded.size,
       date = COALESCE(excluded.date, r.date), at = now()`,
    [
      job,
      ...placeColumns(outcomes),
      outcomes.map((o) => o.is),
      outcomes.map((o) => clean(o.code)),
      outcomes.map((o) => shortText(o.message)),
      outcomes.map((o) => (o.serverText === undefined ? null : shortText(o.serverText))),
      outcomes.map((o) => sizeColumn(o.size)),
      outcomes.map((o) => secondsColumn(o.date)),
    ],
  );
}
