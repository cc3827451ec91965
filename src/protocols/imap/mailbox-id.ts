import { select } from './commands/select.js';
import type { MailboxStatus } from './commands/status.js';
import type { ImapConnection } from './connection.js';

/** MAILBOXID (RFC 8474); null: not told. Cyrus tells it only when the folder is opened. */
export async function mailboxIdOf(
  connection: ImapConnection,
  raw: string,
  told: MailboxStatus,
): Promise<string | null> {
  if (told.mailboxId !== null || !connection.has('OBJECTID')) return told.mailboxId;
  return (await select(connection, raw, true)).mailboxId;
}
