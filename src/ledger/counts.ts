import type { FolderId } from '../mailbox/folder.js';
import type { ItemDescription, ItemKey, Note, SyncState } from '../mailbox/item.js';
import type { FolderCounts, ItemPlace } from './ledger.js';
import { Parameters, type Column, type Query } from './queries.js';
import { clean, detailText, hex, shortText, sumColumn, timestampColumn } from './rows.js';
import type { CountsDelta, CountsDeltas } from './settlement.js';

/** Adds what a batch changed. */
export async function addCounts(query: Query, job: string, deltas: CountsDeltas): Promise<void> {
  const columns = countsColumns(deltas);
  if (columns[0]!.values.length === 0) return;
  const given = new Parameters();
  await query(addingCounts(given.one(job, 'uuid'), given.rows(columns)), given.values);
}

/** What changed, folder by folder. */
export function countsColumns(deltas: CountsDeltas): Column[] {
  const changes = [...deltas.byFolder].filter(([, d]) => Object.values(d).some((n) => n !== 0));
  // The same order everywhere, so that two writers of one job's rows never wait for each other.
  changes.sort(([a], [b]) => Number(a) - Number(b));
  const column = (name: string, of: (delta: CountsDelta) => number): Column => ({
    name,
    type: 'bigint',
    values: changes.map(([, delta]) => of(delta)),
  });
  return [
    { name: 'folder', type: 'bigint', values: changes.map(([folder]) => folder) },
    column('copied', (d) => d.copied),
    column('existing', (d) => d.existing),
    column('skipped', (d) => d.skipped),
    column('failed', (d) => d.failed),
    column('bytes', (d) => d.bytes),
    column('settled_bytes', (d) => d.settledBytes),
  ];
}

/** found and total_bytes never fall behind what they are made of. @param rows of countsColumns(). */
export function addingCounts(job: string, rows: string): string {
  return `INSERT INTO mailferry.job_folders AS c
       (job, folder, found, copied, already_there, skipped, failed, bytes, settled_bytes, total_bytes)
     SELECT ${job}, k.folder, k.copied + k.existing + k.skipped + k.failed, k.copied, k.existing, k.skipped, k.failed, k.bytes,
       k.settled_bytes, k.settled_bytes
     FROM ${rows}
     ON CONFLICT (job, folder) DO UPDATE SET
       copied = c.copied + excluded.copied,
       already_there = c.already_there + excluded.already_there,
       skipped = c.skipped + excluded.skipped,
       failed = c.failed + excluded.failed,
       bytes = c.bytes + excluded.bytes,
       settled_bytes = c.settled_bytes + excluded.settled_bytes,
       found = GREATEST(c.found, c.copied + c.already_there + c.skipped + c.failed + excluded.found),
       total_bytes = GREATEST(c.total_bytes, c.settled_bytes + c.earlier_bytes + excluded.settled_bytes)`;
}

export async function writeListed(
  query: Query,
  job: string,
  folder: FolderId,
  counts: { pending: number; pendingBytes: number; settledEarlier: number; bytesEarlier: number },
): Promise<void> {
  await query(
    `INSERT INTO mailferry.job_folders AS c
       (job, folder, found, already_there, earlier, earlier_bytes, total_bytes, listed_at)
     VALUES ($1, $2, $3::bigint + $5::bigint, $5, $5, $6, $4::bigint + $6::bigint, now())
     ON CONFLICT (job, folder) DO UPDATE SET
       earlier = GREATEST(c.earlier, excluded.earlier),
       earlier_bytes = GREATEST(c.earlier_bytes, excluded.earlier_bytes),
       already_there = c.already_there + GREATEST(excluded.earlier - c.earlier, 0),
       found = c.copied + c.already_there + c.skipped + c.failed + GREATEST(excluded.earlier - c.earlier, 0) + $3::bigint,
       total_bytes = c.settled_bytes + GREATEST(c.earlier_bytes, excluded.earlier_bytes) + $4::bigint,
       listed_at = now()`,
    [
      job,
      folder,
      counts.pending,
      sumColumn(counts.pendingBytes),
      counts.settledEarlier,
      sumColumn(counts.bytesEarlier),
    ],
  );
}

/** Items that an earlier job settled are to be copied after all. */
export async function takeFromEarlier(
  query: Query,
  job: string,
  folder: string,
  items: number,
  bytes: number,
): Promise<void> {
  await query(
    `UPDATE mailferry.job_folders SET already_there = already_there - LEAST(earlier, $3::bigint),
       earlier = GREATEST(earlier - $3::bigint, 0), earlier_bytes = GREATEST(earlier_bytes - $4::bigint, 0)
     WHERE job = $1 AND folder = $2`,
    [job, folder, items, bytes],
  );
}

interface CountsRow {
  folder: string;
  found: string;
  copied: string;
  already_there: string;
  skipped: string;
  failed: string;
  bytes: string;
  total_bytes: string;
}
export async function readCounts(query: Query, job: string): Promise<ReadonlyMap<FolderId, FolderCounts>> {
  const rows = await query<CountsRow>(
    `SELECT folder, found, copied, already_there, skipped, failed, bytes, total_bytes
     FROM mailferry.job_folders WHERE job = $1 ORDER BY folder`,
    [job],
  );
  return new Map(
    rows.map((row) => [
      row.folder as FolderId,
      {
        found: Number(row.found),
        copied: Number(row.copied),
        alreadyThere: Number(row.already_there),
        skipped: Number(row.skipped),
        failed: Number(row.failed),
        bytes: Number(row.bytes),
        totalBytes: Number(row.total_bytes),
      },
    ]),
  );
}

export async function describeRefusals(
  query: Query,
  job: string,
  folder: FolderId,
  items: readonly ItemDescription[],
): Promise<void> {
  await query(
    `UPDATE mailferry.refusals r SET described = true, subject = k.subject, sender = k.sender,
       date = COALESCE(r.date, k.date)
     FROM unnest($3::bytea[], $4::text[], $5::text[], $6::timestamptz[]) AS k(key, subject, sender, date)
     WHERE r.job = $1 AND r.folder = $2 AND r.key = k.key AND NOT r.described`,
    [
      job,
      folder,
      items.map((i) => hex(i.key)),
      items.map((i) => shortText(i.subject)),
      items.map((i) => shortText(i.from)),
      items.map((i) => timestampColumn(i.date)),
    ],
  );
}

export async function readUndescribed(query: Query, job: string, limit: number): Promise<ItemPlace[]> {
  const rows = await query<{ folder: string; key: string }>(
    `SELECT folder, encode(key, 'hex') AS key FROM mailferry.refusals WHERE job = $1 AND NOT described
     ORDER BY folder, key LIMIT $2`,
    [job, limit],
  );
  return rows.map((row) => ({ folder: row.folder as FolderId, key: row.key as ItemKey }));
}

export interface PlacedNote extends Note {
  readonly folder: FolderId | null;
}

export async function addRemarks(query: Query, job: string, notes: readonly PlacedNote[]): Promise<void> {
  if (notes.length === 0) return;
  const given = new Parameters();
  await query(addingRemarks(given.one(job, 'uuid'), given.rows(remarkColumns(notes))), given.values);
}

/** Adds up notes of the same folder, code and detail. */
export function remarkColumns(notes: readonly PlacedNote[]): Column[] {
  const sums = new Map<string, { folder: FolderId | null; code: string; detail: string; items: number }>();
  for (const note of notes) {
    const detail = detailText(note.detail ?? '');
    const code = clean(note.code);
    const name = JSON.stringify([note.folder, code, detail]);
    const sum = sums.get(name) ?? { folder: note.folder, code, detail, items: 0 };
    sum.items += 1;
    sums.set(name, sum);
  }
  const rows = [...sums.values()];
  return [
    { name: 'folder', type: 'bigint', values: rows.map((r) => r.folder) },
    { name: 'code', type: 'text', values: rows.map((r) => r.code) },
    { name: 'detail', type: 'text', values: rows.map((r) => r.detail) },
    { name: 'items', type: 'bigint', values: rows.map((r) => r.items) },
  ];
}

/** @param rows of remarkColumns(). */
export function addingRemarks(job: string, rows: string): string {
  return `INSERT INTO mailferry.remarks AS r (job, folder, code, detail, items)
     SELECT ${job}, k.folder, k.code, k.detail, k.items FROM ${rows}
     ON CONFLICT (job, folder, code, detail) DO UPDATE SET items = r.items + excluded.items`;
}

export async function writeStateRemark(
  query: Query,
  job: string,
  { folder, code, detail, items }: { folder: FolderId; code: string; detail: string; items: number },
): Promise<void> {
  await query(`DELETE FROM mailferry.remarks WHERE job = $1 AND folder = $2 AND code = $3`, [job, folder, clean(code)]);
  if (items === 0) return;
  await query(`INSERT INTO mailferry.remarks (job, folder, code, detail, items) VALUES ($1, $2, $3, $4, $5)`, [
    job,
    folder,
    clean(code),
    detailText(detail),
    items,
  ]);
}

export async function writeCheckpoint(query: Query, folder: FolderId, next: SyncState): Promise<void> {
  const values = Object.entries(next).map(([k, v]) => [clean(k), typeof v === 'string' ? clean(v) : v] as const);
  await query(`UPDATE mailferry.folders SET sync_state = $2 WHERE id = $1`, [
    folder,
    JSON.stringify(Object.fromEntries(values)),
  ]);
}
