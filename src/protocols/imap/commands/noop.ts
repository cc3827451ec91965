import type { ImapConnection } from '../connection.js';

export async function noop(connection: ImapConnection): Promise<void> {
  await connection.command('NOOP');
}
