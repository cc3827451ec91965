import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';
import { asString } from '../values.js';

/** The letters of what we may do with a mailbox (RFC 4314 section 3.5); null: the server did not say. */
export async function myRights(connection: ImapConnection, raw: string): Promise<string | null> {
  let rights: string | null = null;
  await connection.run(
    'MYRIGHTS',
    async (out) => {
      out.text('MYRIGHTS ');
      await writeName(out, raw);
      out.text('\r\n');
    },
    {
      onUntagged(response) {
        if (response.is !== 'data' || response.name !== 'MYRIGHTS' || rights !== null) return false;
        rights = asString(response.values.at(-1));
        return true;
      },
    },
  );
  return rights;
}
