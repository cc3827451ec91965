import type { ItemDescription, ItemRef } from '../../mailbox/item.js';
import { type BodyReceiver, fetchBodies } from '../../protocols/imap/commands/fetch-bodies.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import { headerText } from '../../protocols/imap/header-text.js';
import { itemRef, parseKey } from './keys.js';
import type { ImapSession } from '../../protocols/imap/session.js';

/** Header bytes kept of one message. */
const MAX_HEADER = 16 * 1024;
const AT_ONCE = 100;

/** Subject, sender and date, for people. What the server does not give is left out. */
export async function* describeItems(
  session: ImapSession,
  raw: string,
  refs: readonly ItemRef[],
  signal: AbortSignal,
): AsyncGenerator<ItemDescription> {
  const keys = refs.map((ref) => parseKey(ref.key)).sort((a, b) => a.uid - b.uid);
  for (let i = 0; i < keys.length; i += AT_ONCE) {
    const some = keys.slice(i, i + AT_ONCE);
    const { uidValidity } = some[0]!;
    const uids = some.filter((key) => key.uidValidity === uidValidity).map((key) => key.uid);
    yield* await session.repeatable(signal, raw, async (connection) => {
      await session.at(connection, raw, uidValidity);
      const found: ItemDescription[] = [];
      const receiver: BodyReceiver<Buffer> = {
        take: (_uid, _size, bytes) => head(bytes),
        done: (uid, header) => found.push(describe(uidValidity, uid, header)),
        discard: () => undefined,
      };
      try {
        await fetchBodies(connection, uids, 'HEADER.FIELDS (DATE FROM SUBJECT)', receiver);
      } catch (error) {
        if (!isRefusal(error)) throw error;
      }
      return found;
    });
  }
}

async function head(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of bytes) {
    if (length < MAX_HEADER) parts.push(Uint8Array.from(piece));
    length += piece.length;
  }
  return Buffer.concat(parts).subarray(0, MAX_HEADER);
}

function describe(uidValidity: number, uid: number, header: Buffer): ItemDescription {
  const date = new Date(headerText(header, 'Date').replace(/\([^()]*\)/g, ''));
  return {
    key: itemRef(uidValidity, uid).key,
    subject: headerText(header, 'Subject'),
    from: headerText(header, 'From'),
    date: Number.isNaN(date.getTime()) ? null : date,
  };
}
