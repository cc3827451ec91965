import type { ImapConnection } from '../connection.js';
import { asNumber } from '../values.js';

/** Messages of the open mailbox above a size; null where the server cannot count without listing them (RFC 4731). */
export async function countLarger(connection: ImapConnection, bytes: number): Promise<number | null> {
  if (!connection.has('ESEARCH')) return null;
  let count: number | null = null;
  await connection.command(`SEARCH RETURN (COUNT) LARGER ${bytes}`, {
    onUntagged(response) {
      if (response.is !== 'data' || response.name !== 'ESEARCH') return false;
      const at = response.values.findIndex((value) => typeof value === 'string' && value.toUpperCase() === 'COUNT');
      count = at < 0 ? 0 : asNumber(response.values[at + 1]);
      return true;
    },
  });
  return count;
}
