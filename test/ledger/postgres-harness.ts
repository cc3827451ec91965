import type { DataSource } from 'typeorm';
import { createDataSource } from '../../src/database/data-source.js';
import { ensureLink } from '../../src/ledger/links.js';
import type { LinkId } from '../../src/ledger/ledger.js';
import { PostgresLedger } from '../../src/ledger/postgres-ledger.js';
import type { FolderId } from '../../src/mailbox/folder.js';
import type { ItemKey } from '../../src/mailbox/item.js';
import type { LedgerHarness } from '../contracts/ledger.contract.js';
import { freshDatabase } from '../servers/database.js';

/** A taker looks often and waits little after an expiry; a hung holder is out soon. */
const QUICK = { pollMs: 20, graceMs: 50 };
const HUNG = { ttlMs: 400, marginMs: 100, renewMs: 2 ** 30 };

export interface PostgresHarness extends LedgerHarness {
  readonly dataSource: DataSource;
  readonly url: string;
}

export async function postgresHarness(): Promise<PostgresHarness> {
  const database = await freshDatabase();
  const dataSource = await createDataSource({ url: database.url }).initialize();
  return {
    dataSource,
    url: database.url,
    ledger: new PostgresLedger(dataSource, QUICK),
    hung: new PostgresLedger(dataSource, { ...QUICK, ...HUNG }),
    elapse: () => new Promise((resolve) => setTimeout(resolve, HUNG.ttlMs + QUICK.graceMs)),
    link: (address, account) =>
      ensureLink(dataSource, { tenant: 't', address, sourceKind: 'imap', accountHash: account }),
    job: (link) => insertJob(dataSource, link),
    refusals: (job) =>
      dataSource.query<{ key: ItemKey; code: string; subject: string | null }[]>(
        `SELECT encode(key, 'hex') AS key, code, subject FROM mailferry.refusals WHERE job = $1 ORDER BY key`,
        [job],
      ),
    remarks: async (job) => {
      const rows = await dataSource.query<{ folder: FolderId | null; code: string; detail: string; items: string }[]>(
        `SELECT folder, code, detail, items FROM mailferry.remarks WHERE job = $1 ORDER BY id`,
        [job],
      );
      return rows.map((row) => ({ ...row, items: Number(row.items) }));
    },
    close: async () => {
      await dataSource.destroy();
      await database.drop();
    },
  };
}

export async function insertJob(dataSource: DataSource, link: LinkId): Promise<string> {
  const rows = await dataSource.query<{ id: string }[]>(
    `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, link) VALUES ('t', 'new.test', 'm', 'me', $1) RETURNING id`,
    [link],
  );
  return rows[0]!.id;
}
