import type { DataSource } from 'typeorm';
import type { LinkId } from './ledger.js';
import { queryOnce } from './queries.js';

export interface LinkOf {
  readonly tenant: string;
  /** The destination mailbox; upper and lower case are one mailbox. */
  readonly address: string;
  /** SourceAccount.kind and stableId. */
  readonly sourceKind: string;
  readonly accountHash: string;
}

/** The link's id; makes it, and the destination mailbox's row, when they are not there. May run at the same time. */
export async function ensureLink(dataSource: DataSource, of: LinkOf): Promise<LinkId> {
  const address = of.address.trim().toLowerCase();
  const mailbox = await findOrInsert(
    dataSource,
    `SELECT id FROM mailferry.dest_mailboxes WHERE tenant = $1 AND address = $2`,
    `INSERT INTO mailferry.dest_mailboxes (tenant, address) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
    [of.tenant, address],
  );
  return (await findOrInsert(
    dataSource,
    `SELECT id FROM mailferry.links WHERE dest_mailbox = $1 AND source_kind = $2 AND account_hash = $3`,
    `INSERT INTO mailferry.links (dest_mailbox, source_kind, account_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
    [mailbox, of.sourceKind, of.accountHash],
  )) as LinkId;
}

/** Looks first: an upsert would wait for the row, which a running job's writes hold. */
async function findOrInsert(
  dataSource: DataSource,
  find: string,
  insert: string,
  parameters: readonly string[],
): Promise<string> {
  const found = await queryOnce<{ id: string }>(dataSource, find, parameters);
  if (found[0]) return found[0].id;
  await queryOnce(dataSource, insert, parameters);
  const made = await queryOnce<{ id: string }>(dataSource, find, parameters);
  if (!made[0]) throw new Error('a row that was just made is gone');
  return made[0].id;
}
