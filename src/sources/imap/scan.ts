import type { SourceFolder } from '../../mailbox/folder.js';
import type { ItemMeta, ScanPage, SyncState } from '../../mailbox/item.js';
import type { MessageMetadata } from '../../protocols/imap/commands/fetch-metadata.js';
import { type FolderBurst, openWindow } from '../../protocols/imap/folder-burst.js';
import type { MailboxState } from '../../protocols/imap/commands/select.js';
import type { MailboxStatus } from '../../protocols/imap/commands/status.js';
import { fetchWindow, inPages, type UidWindow, uidWindows } from '../../protocols/imap/mailbox-windows.js';
import { MAX_SCAN_PAGE } from '../source.js';
import { itemRef } from './keys.js';
import type { ImapSession } from '../../protocols/imap/session.js';
import { TransferError } from '../../mailbox/transfer-error.js';

/**
 * Where a scan stopped. `uidnext`: everything below it was listed. `highestmodseq`: flags are known up to there; it is the
 * value from before the listing began, so that nothing that changed meanwhile is missed. `partial`: the scan was not over.
 */
interface State {
  readonly uidvalidity: number;
  readonly uidnext: number;
  readonly highestmodseq: string | null;
  readonly partial: boolean;
}

/** What is known of a folder before it is opened. */
export interface Ahead {
  /** What STATUS said a moment ago, if it did. */
  readonly fresh: MailboxStatus | null;
  /** The folder itself, if it was asked for ahead. */
  readonly burst: FolderBurst | null;
}

/** Metadata of a folder, oldest first. */
export async function* scanFolder(
  session: ImapSession,
  folder: SourceFolder,
  raw: string,
  since: SyncState | null,
  { fresh, burst }: Ahead,
  signal: AbortSignal,
): AsyncGenerator<ScanPage> {
  const atOnce = since === null && fresh !== null ? await scanAtOnce(session, raw, fresh, burst, signal) : null;
  if (atOnce !== null) {
    if (atOnce.items.length > 0) yield atOnce;
    yield { ...atOnce, items: [] };
    return;
  }
  const earlier = parseState(since);
  if (earlier !== null && fresh !== null && unchanged(earlier, fresh)) {
    yield { items: [], gone: [], next: toState(earlier), full: false };
    return;
  }
  const { state, uidValidity, plan } = await session.repeatable(signal, raw, async (connection) => {
    const opened = await session.open(connection, raw);
    const validity = lastingUidValidity(opened, folder);
    const how = planScan(earlier, validity, opened);
    const windows = await uidWindows(connection, opened, how.from, MAX_SCAN_PAGE);
    return { state: opened, uidValidity: validity, plan: { ...how, windows } };
  });

  const fetch = (window: UidWindow, changedSince?: string): Promise<MessageMetadata[]> =>
    session.repeatable(signal, raw, async (connection) => {
      await session.at(connection, raw, uidValidity);
      return fetchWindow(connection, window, changedSince);
    });
  const page = (items: readonly MessageMetadata[], next: State): ScanPage => ({
    items: items.map((item) => toMeta(uidValidity, item)),
    gone: [],
    next: toState(next),
    full: plan.full,
  });
  const modseq = plan.modseq ?? state.highestModseq;
  let uidnext = plan.from;
  const listed = new Set<number>();
  let short: true | undefined;

  if (plan.changedSince !== null && plan.from > 1) {
    const changed = await fetch({ from: 1, to: plan.from - 1 }, plan.changedSince);
    const known: State = { uidvalidity: uidValidity, uidnext, highestmodseq: plan.changedSince, partial: false };
    for (const items of inPages(changed, MAX_SCAN_PAGE)) yield page(items, known);
  }
  for (const window of plan.windows) {
    const items = await fetch(window);
    for (const { uid } of items) listed.add(uid);
    for (const part of inPages(items, MAX_SCAN_PAGE)) {
      uidnext = part.at(-1)!.uid + 1;
      yield page(part, { uidvalidity: uidValidity, uidnext, highestmodseq: modseq, partial: true });
    }
  }
  if (plan.full && listed.size < state.exists) {
    const again = await listAgain(session, raw, uidValidity, signal);
    const missed = again.items.filter(({ uid }) => !listed.has(uid));
    for (const part of inPages(missed, MAX_SCAN_PAGE))
      yield page(part, { uidvalidity: uidValidity, uidnext: plan.from, highestmodseq: modseq, partial: true });
    if (again.items.length < again.exists) short = true;
  }
  uidnext = Math.max(uidnext, state.uidNext ?? uidnext);
  const last = page([], { uidvalidity: uidValidity, uidnext, highestmodseq: modseq, partial: short === true });
  yield short ? { ...last, short } : last;
}

/** A small folder in one round trip, an empty one in none. Null: it must be opened and looked at first. */
async function scanAtOnce(
  session: ImapSession,
  raw: string,
  { messages, uidValidity, uidNext, highestModseq }: MailboxStatus,
  burst: FolderBurst | null,
  signal: AbortSignal,
): Promise<ScanPage | null> {
  if (session.traits.numbersUnderSelectOnly || messages === null || uidValidity === null || uidNext === null)
    return null;
  if (messages > MAX_SCAN_PAGE) return null;
  const state = { uidvalidity: uidValidity, uidnext: uidNext, highestmodseq: highestModseq, partial: false };
  if (messages === 0) return { items: [], gone: [], next: toState(state), full: true };
  const opened =
    (await burst?.take(raw)) ??
    (await session.repeatable(signal, raw, (connection) =>
      openWindow(session, connection, raw, { from: 1, to: null }),
    ));
  const { items, state: now } = opened;
  // Fewer than there are: listed again by the longer way.
  if (items.length < now.exists) return null;
  if (now.uidValidity !== uidValidity || items.length > MAX_SCAN_PAGE || session.traits.numbersUnderSelectOnly)
    return null;
  const uidnext = Math.max(now.uidNext ?? 1, (items.at(-1)?.uid ?? 0) + 1);
  const next = toState({ ...state, uidnext, highestmodseq: now.highestModseq });
  return { items: items.map((item) => toMeta(uidValidity, item)), gone: [], next, full: true };
}

/**
 * The folder listed once more, with how many messages it has: fewer were listed than the opening told. Mostly some were
 * removed meanwhile.
 */
function listAgain(
  session: ImapSession,
  raw: string,
  uidValidity: number,
  signal: AbortSignal,
): Promise<{ readonly exists: number; readonly items: readonly MessageMetadata[] }> {
  return session.repeatable(signal, raw, async (connection) => {
    const opened = await session.open(connection, raw);
    await session.at(connection, raw, uidValidity);
    const items: MessageMetadata[] = [];
    for (const window of await uidWindows(connection, opened, 1, MAX_SCAN_PAGE))
      items.push(...(await fetchWindow(connection, window)));
    return { exists: opened.exists, items };
  });
}

interface Plan {
  readonly from: number;
  /** Look for changes below `from` since this mod-sequence. */
  readonly changedSince: string | null;
  /** The mod-sequence to end with, where an earlier, interrupted scan began. */
  readonly modseq: string | null;
  readonly full: boolean;
}

/** Mod-sequences and UIDNEXT save work only; without them, or after a new UIDVALIDITY, everything is listed. */
function planScan(earlier: State | null, uidValidity: number, now: MailboxState): Plan {
  const everything: Plan = { from: 1, changedSince: null, modseq: null, full: true };
  if (earlier === null || earlier.uidvalidity !== uidValidity) return everything;
  if (earlier.partial) {
    return { from: earlier.uidnext, changedSince: null, modseq: earlier.highestmodseq, full: false };
  }
  if (earlier.highestmodseq === null || now.highestModseq === null) return everything;
  if (BigInt(now.highestModseq) < BigInt(earlier.highestmodseq)) return everything;
  const changed = BigInt(now.highestModseq) > BigInt(earlier.highestmodseq);
  return {
    from: earlier.uidnext,
    changedSince: changed ? earlier.highestmodseq : null,
    modseq: null,
    full: false,
  };
}

function unchanged(earlier: State, now: MailboxStatus): boolean {
  return (
    !earlier.partial &&
    earlier.highestmodseq !== null &&
    earlier.uidvalidity === now.uidValidity &&
    earlier.uidnext === now.uidNext &&
    earlier.highestmodseq === now.highestModseq
  );
}

function toMeta(uidValidity: number, { uid, size, date, flags }: MessageMetadata): ItemMeta {
  return { ...itemRef(uidValidity, uid), size, date, flags };
}

function toState({ uidvalidity, uidnext, highestmodseq, partial }: State): SyncState {
  return { uidvalidity, uidnext, highestmodseq, partial };
}

/** Null for a state that is not ours: then everything is listed. */
function parseState(since: SyncState | null): State | null {
  if (since === null) return null;
  const { uidvalidity, uidnext, highestmodseq, partial } = since;
  if (typeof uidvalidity !== 'number' || typeof uidnext !== 'number') return null;
  const modseq = typeof highestmodseq === 'string' && /^\d{1,19}$/.test(highestmodseq) ? highestmodseq : null;
  return { uidvalidity, uidnext, highestmodseq: modseq, partial: partial === true };
}

/** @throws TransferError for a folder whose ids do not last. */
function lastingUidValidity(state: MailboxState, folder: SourceFolder): number {
  if (state.uidValidity !== null) return state.uidValidity;
  throw new TransferError(`The old server keeps no lasting numbers in this folder.`, {
    side: 'source',
    scope: 'folder',
    retry: 'never',
    code: 'IDS_NOT_LASTING',
    serverText: folder.path.join('/'),
  });
}
