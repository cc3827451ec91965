import type { ItemPlace } from './ledger.js';
import { Parameters, type Column, type Query } from './queries.js';
import { hex, hrefColumn, isUid, uidColumn, type ItemId } from './rows.js';
import { placeName } from './settlement.js';

/** A binding that shall claim a destination item. */
export interface NewClaim extends ItemPlace {
  readonly destination: string;
  readonly id: ItemId;
}

/**
 * Those whose destination item no other binding claims; of several that want the same one, the first. Another writer
 * cannot come between this and the update: the mailbox is leased.
 */
export async function freeClaims<T extends NewClaim>(
  query: Query,
  mailbox: string,
  wanted: readonly T[],
): Promise<T[]> {
  const holders = new Map<string, string>();
  const uids = wanted.filter((w) => isUid(w.id.id));
  const hrefs = wanted.filter((w) => !isUid(w.id.id));
  const rows = [
    ...(await query<HolderRow>(
      `SELECT b.folder, encode(b.key, 'hex') AS key, b.dest_folder, b.epoch, b.uid::text AS id
       FROM unnest($2::bigint[], $3::text[], $4::numeric[]) AS k(dest_folder, epoch, uid)
       JOIN mailferry.bindings b ON b.dest_mailbox = $1 AND b.dest_folder = k.dest_folder AND b.epoch = k.epoch
         AND b.uid = k.uid AND b.uid IS NOT NULL AND b.state <> 'merged'`,
      [mailbox, uids.map((w) => w.destination), uids.map((w) => w.id.epoch), uids.map((w) => w.id.id)],
    )),
    ...(await query<HolderRow>(
      `SELECT b.folder, encode(b.key, 'hex') AS key, b.dest_folder, b.epoch, b.href AS id
       FROM unnest($2::bigint[], $3::text[]) AS k(dest_folder, href)
       JOIN mailferry.bindings b ON b.dest_mailbox = $1 AND b.dest_folder = k.dest_folder
         AND b.href = k.href AND b.href IS NOT NULL AND b.state <> 'merged'`,
      [mailbox, hrefs.map((w) => w.destination), hrefs.map((w) => hrefColumn(w.id))],
    )),
  ];
  for (const row of rows)
    holders.set(claimName(row.dest_folder, { epoch: row.epoch ?? '', id: row.id }), `${row.folder}/${row.key}`);
  return wanted.filter((claim) => {
    const name = claimName(claim.destination, claim.id);
    const holder = holders.get(name);
    if (holder !== undefined && holder !== placeName(claim)) return false;
    holders.set(name, placeName(claim));
    return true;
  });
}

interface HolderRow {
  folder: string;
  key: string;
  dest_folder: string;
  epoch: string | null;
  id: string;
}

/** Gives bindings their ids; the ids must be free. A removed one is there after all. */
export async function setIds(query: Query, mailbox: string, claims: readonly NewClaim[]): Promise<void> {
  if (claims.length === 0) return;
  await query(
    `UPDATE mailferry.bindings b SET epoch = k.epoch, uid = k.uid, href = k.href,
       state = CASE WHEN b.state = 'removed' THEN 'verified' ELSE b.state END
     FROM unnest($2::bigint[], $3::bytea[], $4::text[], $5::numeric[], $6::text[]) AS k(folder, key, epoch, uid, href)
     WHERE b.dest_mailbox = $1 AND b.folder = k.folder AND b.key = k.key`,
    [
      mailbox,
      claims.map((c) => c.folder),
      claims.map((c) => hex(c.key)),
      claims.map((c) => c.id.epoch),
      claims.map((c) => uidColumn(c.id)),
      claims.map((c) => hrefColumn(c.id)),
    ],
  );
}

/** The next intent's mark of a folder is above its highest own UID. */
export async function raiseMarks(query: Query, claims: readonly Claimed[]): Promise<void> {
  const columns = markColumns(claims);
  if (columns[0]!.values.length === 0) return;
  const given = new Parameters();
  await query(
    `UPDATE mailferry.dest_folders d SET mark = k.next FROM ${given.rows(columns)}
     WHERE d.id = k.destination AND d.epoch = k.epoch AND d.mark < k.next`,
    given.values,
  );
}

type Claimed = Pick<NewClaim, 'destination' | 'id'>;

/** Where the next UIDs begin, of each destination and epoch. */
export function markColumns(claims: readonly Claimed[]): Column[] {
  const highest = new Map<string, { destination: string; epoch: string; next: bigint }>();
  for (const { destination, id } of claims) {
    if (!isUid(id.id)) continue;
    const next = BigInt(id.id) + 1n;
    const name = `${destination} ${id.epoch}`;
    const known = highest.get(name);
    if (!known || known.next < next) highest.set(name, { destination, epoch: id.epoch, next });
  }
  const rows = [...highest.values()];
  return [
    { name: 'destination', type: 'bigint', values: rows.map((r) => r.destination) },
    { name: 'epoch', type: 'text', values: rows.map((r) => r.epoch) },
    { name: 'next', type: 'numeric', values: rows.map((r) => String(r.next)) },
  ];
}

function claimName(destination: string, { epoch, id }: ItemId): string {
  return isUid(id) ? `${destination} ${epoch} ${BigInt(id)}` : `${destination} ${id}`;
}
