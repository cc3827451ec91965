import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';

/** @param use a special use such as \Sent, where CREATE-SPECIAL-USE is offered (RFC 6154 section 3). */
export async function create(connection: ImapConnection, raw: string, use?: string): Promise<void> {
  await connection.run('CREATE', async (out) => {
    out.text('CREATE ');
    await writeName(out, raw);
    out.text(use === undefined ? '\r\n' : ` (USE (${use}))\r\n`);
  });
}
