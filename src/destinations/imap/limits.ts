import { quota } from '../../protocols/imap/commands/quota.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import type { DestinationFacts } from '../destination.js';

/** The mailbox' quota. Null: there is none, or it is not told. */
export async function quotaOf(connection: ImapConnection): Promise<DestinationFacts['quota']> {
  if (!connection.has('QUOTA')) return null;
  try {
    return await quota(connection, 'INBOX');
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

/** The largest message that is taken, in bytes (RFC 7889). Null: not told. */
export function appendLimit(connection: ImapConnection): number | null {
  for (const capability of connection.capabilities) {
    const match = /^APPENDLIMIT=(\d{1,15})$/.exec(capability);
    if (match !== null) return Number(match[1]);
  }
  return null;
}
