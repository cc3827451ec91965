import type { ImapConnection } from '../connection.js';

/** Removes exactly these UIDs, which must be \Deleted (RFC 4315): the server must offer UIDPLUS. */
export async function uidExpunge(connection: ImapConnection, set: string): Promise<void> {
  await connection.command(`UID EXPUNGE ${set}`);
}
