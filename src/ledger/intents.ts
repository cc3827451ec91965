import type { Digest } from '../mailbox/digest.js';
import type { DestinationFolderId, FolderId } from '../mailbox/folder.js';
import type { ItemKey } from '../mailbox/item.js';
import type { Intent, IntentId, IntentItem, ItemPlace, LinkId } from './ledger.js';
import { columnNames, columnValues, Parameters, type Column, type Query } from './queries.js';
import { arrayText, clean, dateOf, hex, offsetColumn, secondsColumn, sizeColumn } from './rows.js';
import { lastOfEach } from './settlement.js';

interface IntentRow {
  intent: string;
  epoch: string;
  mark: string;
  folder: string;
  key: string;
  size: string;
  digest: string;
  header_digest: string;
  message_id: string | null;
  date_seconds: string | null;
  date_offset: number | null;
  flags: string[];
  href: string | null;
  uid: string | null;
}

/** Folders of the mailbox in which intents of any link are open. */
export async function readIntendedFolders(query: Query, mailbox: string): Promise<ReadonlySet<DestinationFolderId>> {
  const rows = await query<{ id: DestinationFolderId }>(
    `SELECT d.id FROM mailferry.dest_folders d
     WHERE d.dest_mailbox = $1 AND EXISTS (SELECT 1 FROM mailferry.intents i WHERE i.dest_folder = d.id)`,
    [mailbox],
  );
  return new Set(rows.map(({ id }) => id));
}

export async function readOpenIntents(query: Query, folder: DestinationFolderId): Promise<Intent[]> {
  const rows = await query<IntentRow>(
    `SELECT i.id AS intent, i.epoch, i.mark, k.folder, encode(k.key, 'hex') AS key, k.size,
       encode(k.digest, 'hex') AS digest, encode(k.header_digest, 'hex') AS header_digest, k.message_id,
       k.date_seconds, k.date_offset, k.flags, k.href, k.uid
     FROM mailferry.intents i JOIN mailferry.intent_items k ON k.intent = i.id
     WHERE i.dest_folder = $1 ORDER BY i.id, k.folder, k.key`,
    [folder],
  );
  const intents = new Map<string, Intent & { items: IntentItem[] }>();
  for (const row of rows) {
    let intent = intents.get(row.intent);
    if (!intent) {
      intent = { id: row.intent as IntentId, folder, epoch: row.epoch, mark: row.mark, items: [] };
      intents.set(row.intent, intent);
    }
    intent.items.push(toItem(row));
  }
  return [...intents.values()];
}

function toItem(row: IntentRow): IntentItem {
  return {
    folder: row.folder as FolderId,
    key: row.key as ItemKey,
    size: Number(row.size),
    digest: row.digest as Digest,
    headerDigest: row.header_digest as Digest,
    messageId: row.message_id,
    date: dateOf(row.date_seconds, row.date_offset),
    flags: row.flags,
    ...(row.href !== null && { href: row.href }),
    ...(row.uid !== null && { uid: row.uid }),
  };
}

export async function writeIntent(
  query: Query,
  link: LinkId,
  leaseEpoch: number,
  folder: DestinationFolderId,
  at: { readonly epoch: string; readonly mark: string },
  wanted: readonly IntentItem[],
): Promise<IntentId> {
  if (wanted.length === 0) throw new Error('an intent needs items');
  const items = lastOfEach(wanted);
  const replaced = await takeFromIntents(query, [link], items);
  const older = await query<{ mark: string }>(
    `SELECT mark FROM unnest($1::text[], $2::numeric[]) AS k(epoch, mark) WHERE k.epoch = $3 ORDER BY mark LIMIT 1`,
    [replaced.map((r) => r.epoch), replaced.map((r) => r.mark), at.epoch],
  );
  const [made] = await query<{ id: string }>(
    `INSERT INTO mailferry.intents (dest_folder, link, lease_epoch, epoch, mark)
     VALUES ($1, $2, $3, $4, LEAST($5::numeric, $6::numeric)) RETURNING id`,
    [folder, link, leaseEpoch, at.epoch, at.mark, older[0]?.mark ?? null],
  );
  const given = new Parameters();
  const columns = itemColumns(items);
  await query(
    `INSERT INTO mailferry.intent_items (intent, ${columnNames(columns)})
     SELECT ${given.one(made!.id, 'bigint')}, ${columnValues(columns)} FROM ${given.rows(columns)}`,
    given.values,
  );
  return made!.id as IntentId;
}

export async function amendIntent(query: Query, id: IntentId, items: readonly IntentItem[]): Promise<void> {
  const given = new Parameters();
  await query(
    `UPDATE mailferry.intent_items i SET size = k.size, digest = k.digest, header_digest = k.header_digest,
       message_id = k.message_id, date_seconds = k.date_seconds, date_offset = k.date_offset, flags = k.flags::text[],
       href = k.href, uid = k.uid
     FROM ${given.rows(itemColumns(lastOfEach(items)))}
     WHERE i.intent = ${given.one(id, 'bigint')} AND i.folder = k.folder AND i.key = k.key`,
    given.values,
  );
}

export function itemColumns(items: readonly IntentItem[]): Column[] {
  return [
    { name: 'folder', type: 'bigint', values: items.map((i) => i.folder) },
    { name: 'key', type: 'bytea', values: items.map((i) => hex(i.key)) },
    { name: 'size', type: 'bigint', values: items.map((i) => sizeColumn(i.size)) },
    { name: 'digest', type: 'bytea', values: items.map((i) => hex(i.digest)) },
    { name: 'header_digest', type: 'bytea', values: items.map((i) => hex(i.headerDigest)) },
    { name: 'message_id', type: 'text', values: items.map((i) => (i.messageId === null ? null : clean(i.messageId))) },
    { name: 'date_seconds', type: 'bigint', values: items.map((i) => secondsColumn(i.date)) },
    { name: 'date_offset', type: 'smallint', values: items.map((i) => offsetColumn(i.date)) },
    { name: 'flags', type: 'text', values: items.map((i) => arrayText(i.flags)), as: 'text[]' },
    { name: 'href', type: 'text', values: items.map((i) => (i.href === undefined ? null : clean(i.href))) },
    { name: 'uid', type: 'text', values: items.map((i) => (i.uid === undefined ? null : clean(i.uid))) },
  ];
}

export async function dissolveIntent(query: Query, id: IntentId): Promise<void> {
  await query(`DELETE FROM mailferry.intents WHERE id = $1`, [id]);
}

/** Takes items out of every open intent of the links; an intent without items goes. */
export async function takeFromIntents(
  query: Query,
  links: readonly string[],
  places: readonly ItemPlace[],
): Promise<{ epoch: string; mark: string }[]> {
  const touched = await query<{ id: string; epoch: string; mark: string }>(
    `WITH taken AS (
       DELETE FROM mailferry.intent_items i
       USING mailferry.intents o, unnest($2::bigint[], $3::bytea[]) AS k(folder, key)
       WHERE o.link = ANY($1::uuid[]) AND i.intent = o.id AND i.folder = k.folder AND i.key = k.key
       RETURNING o.id, o.epoch, o.mark)
     SELECT DISTINCT id, epoch, mark FROM taken`,
    [links, places.map((p) => p.folder), places.map((p) => hex(p.key))],
  );
  if (touched.length > 0)
    await query(
      `DELETE FROM mailferry.intents o WHERE o.id = ANY($1::bigint[])
         AND NOT EXISTS (SELECT 1 FROM mailferry.intent_items i WHERE i.intent = o.id)`,
      [touched.map((t) => t.id)],
    );
  return touched;
}
