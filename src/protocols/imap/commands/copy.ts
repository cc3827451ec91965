import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';

/** UID COPY; stores all or none (RFC 9051 section 6.4.7). */
export async function copy(connection: ImapConnection, set: string, raw: string): Promise<void> {
  await transfer(connection, 'UID COPY', set, raw);
}

/** UID MOVE (RFC 6851): the server must offer MOVE. */
export async function move(connection: ImapConnection, set: string, raw: string): Promise<void> {
  await transfer(connection, 'UID MOVE', set, raw);
}

async function transfer(connection: ImapConnection, verb: string, set: string, raw: string): Promise<void> {
  await connection.run(verb, async (out) => {
    out.text(`${verb} ${set} `);
    await writeName(out, raw);
    out.text('\r\n');
  });
}
