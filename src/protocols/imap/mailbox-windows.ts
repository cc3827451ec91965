import type { ImapConnection } from './connection.js';
import type { MailboxState } from './commands/select.js';
import { fetchMetadata, fetchUidsAt, type MessageMetadata } from './commands/fetch-metadata.js';
import { toSequenceSets } from './sequence-set.js';

/**
 * The messages of the open mailbox with UIDs from `from` on, ascending, in windows of at most `size`. The UIDs at every
 * size-th place cut a huge mailbox into even windows, however far apart its UIDs are.
 */
export async function* metadataWindows(
  connection: ImapConnection,
  state: MailboxState,
  from: number,
  size: number,
): AsyncGenerator<MessageMetadata[]> {
  if (state.exists === 0 || (state.uidNext !== null && from >= state.uidNext)) return;
  const starts = (await windowStarts(connection, state.exists, size)).filter((uid) => uid > from);
  const last = state.uidNext === null ? '*' : String(state.uidNext - 1);
  const ranges = [from, ...starts].map(
    (start, i, all) => `${start}:${all[i + 1] === undefined ? last : all[i + 1]! - 1}`,
  );
  for (const range of ranges) {
    const found = new Map<number, MessageMetadata>();
    await fetchMetadata(connection, range, (item) => {
      // `n:*` names the last message even when its UID is below n (RFC 9051 section 9, seq-range).
      if (item.uid >= from) found.set(item.uid, item);
    });
    const items = [...found.values()].sort((a, b) => a.uid - b.uid);
    for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
  }
}

async function windowStarts(connection: ImapConnection, exists: number, size: number): Promise<number[]> {
  const places: number[] = [];
  for (let place = size + 1; place <= exists; place += size) places.push(place);
  const uids: number[] = [];
  for (const set of toSequenceSets(places)) uids.push(...(await fetchUidsAt(connection, set)));
  return uids;
}
