import { writeName } from '../astring.js';
import type { ImapConnection } from '../connection.js';
import { formatInternalDate } from '../internal-date.js';
import { APPEND_QUIET_MS } from '../limits.js';
import { expandSequenceSet, isUid } from '../sequence-set.js';
import type { ZonedDate } from '../../../mailbox/item.js';

export interface AppendMessage {
  readonly size: number;
  /** Atoms only. */
  readonly flags: readonly string[];
  /** Null: the server takes the time of arrival. */
  readonly date: ZonedDate | null;
  open(): AsyncIterable<Uint8Array>;
}

export interface AppendWatch {
  /** Asked when everything but the final CRLF has left us. False: the connection is closed and nothing is stored. */
  mayCommit(): boolean;
  /** Set before the first byte of a message leaves: from then on only an OK or NO tells what became of it. */
  begun: boolean;
}

export interface Appended {
  /** RFC 4315; null: the server did not tell, or told something that does not fit. */
  readonly at: { readonly uidValidity: number; readonly uids: readonly number[] } | null;
}

/** mayCommit() said no. Nothing of the command was stored. */
export class CommitRefused extends Error {
  constructor() {
    super('the right to write ended before the message was complete');
    this.name = 'CommitRefused';
  }
}

/**
 * Stores one message, or several as a whole or not at all (RFC 3502; the server must offer MULTIAPPEND and LITERAL+).
 * @throws ImapFailure 'refused': nothing was stored. CommitRefused: the same. Any other error: not stored if
 * `watch.begun` is false, else unknown.
 */
export async function append(
  connection: ImapConnection,
  raw: string,
  messages: readonly AppendMessage[],
  watch: AppendWatch,
): Promise<Appended> {
  const done = await connection.run(
    'APPEND',
    async (out) => {
      out.text('APPEND ');
      await writeName(out, raw);
      for (const message of messages) {
        const flags = message.flags.length > 0 ? ` (${message.flags.join(' ')})` : '';
        const date = message.date === null ? '' : ` "${formatInternalDate(message.date)}"`;
        out.text(`${flags}${date} `);
        await out.announce(message.size);
        watch.begun = true;
        let sent = 0;
        for await (const piece of message.open()) {
          sent += piece.length;
          if (sent > message.size) break;
          await out.send(piece);
        }
        if (sent !== message.size) throw new Error('a staged body has another length than it said');
      }
      // What is still with us could otherwise be completed long after the right to write has ended.
      await out.settle();
      if (!watch.mayCommit()) throw new CommitRefused();
      out.text('\r\n');
    },
    { quietMs: APPEND_QUIET_MS },
  );
  if (done.code?.name !== 'APPENDUID') return { at: null };
  const [validity, set] = done.code.rest.split(' ');
  try {
    const uids = expandSequenceSet(set ?? '', messages.length);
    const fits = uids.length === messages.length && uids.every(isUid) && isUid(Number(validity));
    return { at: fits ? { uidValidity: Number(validity), uids } : null };
  } catch {
    return { at: null };
  }
}
