import type { DataSource } from 'typeorm';

/** Whether a run ever got as far as the folders of this new mailbox. */
export async function wasOpened(db: DataSource, tenant: string, address: string): Promise<boolean> {
  const rows: unknown[] = await db.query(
    `SELECT 1 FROM mailferry.dest_folders f JOIN mailferry.dest_mailboxes m ON m.id = f.dest_mailbox
     WHERE m.tenant = $1 AND m.address = $2 LIMIT 1`,
    [tenant, address],
  );
  return rows.length > 0;
}
