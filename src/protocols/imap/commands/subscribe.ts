import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';

export async function subscribe(connection: ImapConnection, raw: string): Promise<void> {
  await connection.run('SUBSCRIBE', async (out) => {
    out.text('SUBSCRIBE ');
    await writeName(out, raw);
    out.text('\r\n');
  });
}
