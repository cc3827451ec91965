import type { ImapConnection } from '../connection.js';

/** Leaves the open mailbox, expunging nothing (RFC 3691). Without the extension: only lets the server catch up. */
export async function unselect(connection: ImapConnection): Promise<void> {
  if (connection.selected === null) return;
  if (!connection.has('UNSELECT')) {
    await connection.command('NOOP');
    return;
  }
  connection.selected = null;
  await connection.command('UNSELECT');
}
