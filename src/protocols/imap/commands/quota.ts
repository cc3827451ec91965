import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';
import { asList, asNumber, asString } from '../values.js';

export interface Quota {
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** The tightest STORAGE quota over a mailbox (RFC 9208); null: none told. */
export async function quota(connection: ImapConnection, raw: string): Promise<Quota | null> {
  let tightest: Quota | null = null;
  await connection.run(
    'GETQUOTAROOT',
    async (out) => {
      out.text('GETQUOTAROOT ');
      await writeName(out, raw);
      out.text('\r\n');
    },
    {
      onUntagged(response) {
        if (response.is !== 'data') return false;
        if (response.name === 'QUOTAROOT') return true;
        if (response.name !== 'QUOTA') return false;
        const triples = asList(response.values.at(-1));
        for (let i = 0; i + 2 < triples.length; i += 3) {
          if (asString(triples[i])?.toUpperCase() !== 'STORAGE') continue;
          const used = asNumber(triples[i + 1]);
          const limit = asNumber(triples[i + 2]);
          if (used === null || limit === null) continue;
          const found = { usedBytes: used * 1024, limitBytes: limit * 1024 };
          if (tightest === null || room(found) < room(tightest)) tightest = found;
        }
        return true;
      },
    },
  );
  return tightest;
}

function room(quota: Quota): number {
  return quota.limitBytes - quota.usedBytes;
}
