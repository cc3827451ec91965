import type { Digest } from '../mailbox/digest.js';
import type { DestinationFolderId, FolderId } from '../mailbox/folder.js';
import type { ItemKey } from '../mailbox/item.js';
import { freeClaims, setIds } from './claim-ids.js';
import { addCounts, takeFromEarlier } from './counts.js';
import type { Binding, LinkId, Revision } from './ledger.js';
import type { Query } from './queries.js';
import { arrayText, BINDING_COLUMNS, clean, hex, sizeColumn, type BindingRow, type ItemId } from './rows.js';
import { CountsDeltas } from './settlement.js';

/** Bindings that one window of claims() or bindings() holds. */
export const WINDOW = 5_000;

/** The claims above `after`, by ascending UID. */
export function readUidClaims(
  query: Query,
  mailbox: string,
  folder: DestinationFolderId,
  epoch: string,
  after: string | null,
): Promise<BindingRow[]> {
  return query<BindingRow>(
    `SELECT ${BINDING_COLUMNS} FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.dest_folder = $2 AND b.epoch = $3 AND b.uid > $4::numeric
       AND b.uid IS NOT NULL AND b.state <> 'merged' AND b.state <> 'removed'
     ORDER BY b.uid LIMIT ${WINDOW}`,
    [mailbox, folder, epoch, after ?? '-1'],
  );
}

/** The claims after `after`, by ascending href. */
export function readHrefClaims(
  query: Query,
  mailbox: string,
  folder: DestinationFolderId,
  epoch: string,
  after: string | null,
): Promise<BindingRow[]> {
  return query<BindingRow>(
    `SELECT ${BINDING_COLUMNS} FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.dest_folder = $2 AND b.epoch = $3 AND b.href > $4
       AND b.href IS NOT NULL AND b.state <> 'merged' AND b.state <> 'removed'
     ORDER BY b.href LIMIT ${WINDOW}`,
    [mailbox, folder, epoch, after ?? ''],
  );
}

export function readFolderBindings(
  query: Query,
  mailbox: string,
  folder: FolderId,
  after: string | null,
): Promise<BindingRow[]> {
  return query<BindingRow>(
    `SELECT ${BINDING_COLUMNS} FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.folder = $2 AND ($3::bytea IS NULL OR b.key > $3::bytea)
     ORDER BY b.key LIMIT ${WINDOW}`,
    [mailbox, folder, after === null ? null : hex(after)],
  );
}

export function readUnplaced(query: Query, mailbox: string, folder: FolderId): Promise<BindingRow[]> {
  return query<BindingRow>(
    `SELECT ${BINDING_COLUMNS} FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.folder = $2 AND b.state = 'claimed' AND b.uid IS NULL AND b.href IS NULL
     ORDER BY b.key`,
    [mailbox, folder],
  );
}

export async function countBound(query: Query, mailbox: string, link: LinkId): Promise<Map<FolderId, number>> {
  const rows = await query<{ folder: FolderId; n: string }>(
    `SELECT b.folder, count(*) AS n FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.folder IN (SELECT id FROM mailferry.folders WHERE link = $2) GROUP BY b.folder`,
    [mailbox, link],
  );
  return new Map(rows.map(({ folder, n }) => [folder, Number(n)]));
}

export async function readBoundElsewhere(
  query: Query,
  mailbox: string,
  link: LinkId,
  folder: FolderId,
  digests: readonly Digest[],
): Promise<Set<Digest>> {
  if (digests.length === 0) return new Set();
  const rows = await query<{ digest: Digest }>(
    `SELECT DISTINCT encode(b.digest, 'hex') AS digest FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.folder IN (SELECT id FROM mailferry.folders WHERE link = $2 AND id <> $3)
       AND b.digest = ANY($4::bytea[])`,
    [mailbox, link, folder, digests.map(hex)],
  );
  return new Set(rows.map(({ digest }) => digest));
}

/** @param folders the folder itself, or all that share its keys. */
export function readBound(
  query: Query,
  mailbox: string,
  folders: readonly string[],
  keys: readonly ItemKey[],
): Promise<BindingRow[]> {
  return query<BindingRow>(
    `SELECT ${BINDING_COLUMNS} FROM mailferry.bindings b
     WHERE b.dest_mailbox = $1 AND b.folder = ANY($2::bigint[]) AND b.key = ANY($3::bytea[])`,
    [mailbox, folders, keys.map(hex)],
  );
}

export async function writeFlags(
  query: Query,
  mailbox: string,
  folder: FolderId,
  changes: readonly { key: ItemKey; flags: readonly string[] }[],
): Promise<void> {
  await query(
    `UPDATE mailferry.bindings b SET flags = k.flags::text[] FROM unnest($3::bytea[], $4::text[]) AS k(key, flags)
     WHERE b.dest_mailbox = $1 AND b.folder = $2 AND b.key = k.key`,
    [mailbox, folder, changes.map((c) => hex(c.key)), changes.map((c) => arrayText(c.flags))],
  );
}

export async function writeRevisions(
  query: Query,
  mailbox: string,
  folder: FolderId,
  revisions: readonly Revision[],
): Promise<void> {
  if (revisions.length === 0) return;
  await query(
    `UPDATE mailferry.bindings b SET version = k.version,
       etag = CASE WHEN k.stored THEN k.etag ELSE b.etag END,
       size = CASE WHEN k.stored THEN k.size ELSE b.size END,
       digest = CASE WHEN k.stored THEN k.digest ELSE b.digest END
     FROM unnest($3::bytea[], $4::text[], $5::boolean[], $6::text[], $7::bigint[], $8::bytea[])
       AS k(key, version, stored, etag, size, digest)
     WHERE b.dest_mailbox = $1 AND b.folder = $2 AND b.key = k.key`,
    [
      mailbox,
      folder,
      revisions.map(({ key }) => hex(key)),
      revisions.map(({ version }) => clean(version)),
      revisions.map(({ stored }) => stored !== undefined),
      revisions.map(({ stored }) => (stored?.etag == null ? null : clean(stored.etag))),
      revisions.map(({ stored }) => (stored === undefined ? null : sizeColumn(stored.size))),
      revisions.map(({ stored }) => (stored === undefined ? null : hex(stored.digest))),
    ],
  );
}

export async function removeBindings(
  query: Query,
  scope: { readonly mailbox: string; readonly job: string },
  bindings: readonly Binding[],
): Promise<void> {
  const rows = await query<{ folder: string; state: Binding['state']; job: string | null; size: string }>(
    `DELETE FROM mailferry.bindings b USING unnest($2::bigint[], $3::bytea[]) AS k(folder, key)
     WHERE b.dest_mailbox = $1 AND b.folder = k.folder AND b.key = k.key
     RETURNING b.folder, b.state, b.job, b.size`,
    [scope.mailbox, bindings.map((b) => b.folder), bindings.map((b) => hex(b.key))],
  );
  const deltas = new CountsDeltas();
  const earlier = new Map<string, { items: number; bytes: number }>();
  for (const row of rows) {
    if (row.job === scope.job) {
      const counted = row.state === 'existing' || row.state === 'merged' ? row.state : 'copied';
      deltas.add(row.folder, counted, Number(row.size), -1);
      continue;
    }
    const sum = earlier.get(row.folder) ?? { items: 0, bytes: 0 };
    earlier.set(row.folder, { items: sum.items + 1, bytes: sum.bytes + Number(row.size) });
  }
  // A folder of another link has no row of this job, so nothing happens there.
  for (const [folder, { items, bytes }] of earlier) await takeFromEarlier(query, scope.job, folder, items, bytes);
  await addCounts(query, scope.job, deltas);
}

export async function writeVerdicts(
  query: Query,
  mailbox: string,
  folder: DestinationFolderId,
  verdicts: {
    verified: readonly Binding[];
    removed: readonly Binding[];
    placed: readonly (Binding & { id: ItemId })[];
  },
): Promise<void> {
  await setState(query, mailbox, folder, verdicts.verified, 'verified', ['claimed']);
  await setState(query, mailbox, folder, verdicts.removed, 'removed', ['claimed', 'verified', 'existing']);
  if (verdicts.placed.length === 0) return;
  const homeless = await query<{ folder: string; key: string }>(
    `SELECT b.folder, encode(b.key, 'hex') AS key FROM unnest($3::bigint[], $4::bytea[]) AS k(folder, key)
     JOIN mailferry.bindings b ON b.dest_mailbox = $1 AND b.folder = k.folder AND b.key = k.key
     WHERE b.dest_folder = $2 AND b.uid IS NULL AND b.href IS NULL`,
    [mailbox, folder, verdicts.placed.map((v) => v.folder), verdicts.placed.map((v) => hex(v.key))],
  );
  const names = new Set(homeless.map((row) => `${row.folder}/${row.key}`));
  const wanted = verdicts.placed.filter((v) => names.has(`${v.folder}/${v.key}`));
  const placed = await freeClaims(
    query,
    mailbox,
    wanted.map((v) => ({ folder: v.folder, key: v.key, destination: folder, id: v.id, binding: v })),
  );
  await setIds(query, mailbox, placed);
  await setState(
    query,
    mailbox,
    folder,
    placed.map((p) => p.binding),
    'verified',
    ['claimed', 'existing'],
  );
}

/** Only where the binding still has the id that the verdict is about. */
async function setState(
  query: Query,
  mailbox: string,
  folder: DestinationFolderId,
  bindings: readonly Binding[],
  state: Binding['state'],
  from: readonly Binding['state'][],
): Promise<void> {
  if (bindings.length === 0) return;
  await query(
    `UPDATE mailferry.bindings b SET state = $3
     FROM unnest($5::bigint[], $6::bytea[], $7::text[], $8::text[]) AS k(folder, key, epoch, id)
     WHERE b.dest_mailbox = $1 AND b.dest_folder = $2 AND b.state = ANY($4::text[])
       AND b.folder = k.folder AND b.key = k.key AND b.epoch IS NOT DISTINCT FROM k.epoch
       AND COALESCE(b.uid::text, b.href) IS NOT DISTINCT FROM k.id`,
    [
      mailbox,
      folder,
      state,
      from,
      bindings.map((b) => b.folder),
      bindings.map((b) => hex(b.key)),
      bindings.map((b) => b.id?.epoch ?? null),
      bindings.map((b) => b.id?.id ?? null),
    ],
  );
}
