import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';
import { isCyrus } from '../traits.js';
import { pairs, asNumber, asList, asString } from '../values.js';
import { modseq } from './select.js';

export interface MailboxStatus {
  readonly messages: number | null;
  readonly uidNext: number | null;
  readonly uidValidity: number | null;
  /** Sum of all sizes, where the server can tell (RFC 8438). */
  readonly size: number | null;
  /** Decimal. */
  readonly highestModseq: string | null;
  /** RFC 8474. */
  readonly mailboxId: string | null;
}

/** Does not open the mailbox. Any number may be asked at once. @throws ImapFailure */
export async function status(connection: ImapConnection, raw: string): Promise<MailboxStatus> {
  const wanted = ['MESSAGES', 'UIDNEXT', 'UIDVALIDITY'];
  if (connection.has('STATUS=SIZE')) wanted.push('SIZE');
  if (connection.has('CONDSTORE')) wanted.push('HIGHESTMODSEQ');
  // Cyrus 3.6 answers with bytes out of its memory; SELECT and EXAMINE tell the true one.
  if (connection.has('OBJECTID') && !isCyrus(connection)) wanted.push('MAILBOXID');
  let told: ReturnType<typeof pairs> = new Map();
  let answered = false;
  await connection.run(
    'STATUS',
    async (out) => {
      out.text('STATUS ');
      await writeName(out, raw);
      out.text(` (${wanted.join(' ')})\r\n`);
    },
    {
      onUntagged(response) {
        // Answers come in the order of the questions, so the first command that still waits takes it.
        if (response.is !== 'data' || response.name !== 'STATUS' || answered) return false;
        answered = true;
        told = pairs(response.values.at(-1));
        return true;
      },
    },
  );
  return {
    messages: asNumber(told.get('MESSAGES')),
    uidNext: asNumber(told.get('UIDNEXT')) || null,
    uidValidity: asNumber(told.get('UIDVALIDITY')) || null,
    size: asNumber(told.get('SIZE')),
    highestModseq: modseq(asString(told.get('HIGHESTMODSEQ')) ?? undefined),
    mailboxId: asString(asList(told.get('MAILBOXID'))[0]),
  };
}
