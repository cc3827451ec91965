import type { ImapConnection } from '../connection.js';

/** Adds or removes flags of a UID set in the selected mailbox, without an answer for each (RFC 9051 section 6.4.6). */
export async function storeFlags(
  connection: ImapConnection,
  set: string,
  change: '+' | '-',
  flags: readonly string[],
): Promise<void> {
  await connection.command(`UID STORE ${set} ${change}FLAGS.SILENT (${flags.join(' ')})`);
}
