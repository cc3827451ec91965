import type { ImapConnection } from './connection.js';
import { fetchMetadata, fetchUidsAt, type MessageMetadata } from './commands/fetch-metadata.js';
import type { MailboxState } from './commands/select.js';
import { toSequenceSets } from './sequence-set.js';

/** UIDs from `from` to `to`; null: to the end. */
export interface UidWindow {
  readonly from: number;
  readonly to: number | null;
}

/**
 * Windows that hold at most `size` messages each and together all with UIDs from `from` on, ascending. The UIDs at every
 * size-th place cut a huge mailbox into even windows, however far apart its UIDs are. The mailbox must just have been
 * opened: `state` is what that told.
 */
export async function uidWindows(
  connection: ImapConnection,
  state: MailboxState,
  from: number,
  size: number,
): Promise<UidWindow[]> {
  if (state.exists === 0 || (state.uidNext !== null && from >= state.uidNext)) return [];
  const places: number[] = [];
  for (let place = size + 1; place <= state.exists; place += size) places.push(place);
  const cuts: number[] = [];
  for (const set of toSequenceSets(places)) cuts.push(...(await fetchUidsAt(connection, set)));
  const starts = [from, ...cuts.filter((uid) => uid > from)];
  const last = state.uidNext === null ? null : state.uidNext - 1;
  return starts.map((start, i) => {
    const next = starts[i + 1];
    return { from: start, to: next === undefined ? last : next - 1 };
  });
}

/** The messages of one window, ascending. */
export async function fetchWindow(
  connection: ImapConnection,
  window: UidWindow,
  changedSince?: string,
): Promise<MessageMetadata[]> {
  const found = new Map<number, MessageMetadata>();
  const range = `${window.from}:${window.to ?? '*'}`;
  const add = (item: MessageMetadata): void => {
    // `n:*` names the last message even when its UID is below n (RFC 9051 section 9, seq-range).
    if (item.uid >= window.from && (window.to === null || item.uid <= window.to)) found.set(item.uid, item);
  };
  await fetchMetadata(connection, range, add, changedSince);
  return [...found.values()].sort((a, b) => a.uid - b.uid);
}

/** Lists of at most `size`. An empty list gives none. */
export function inPages<T>(items: readonly T[], size: number): T[][] {
  const pages: T[][] = [];
  for (let i = 0; i < items.length; i += size) pages.push(items.slice(i, i + size));
  return pages;
}
