import type { SourceFolder } from '../../mailbox/folder.js';
import type { ItemMeta, ScanPage, SyncState } from '../../mailbox/item.js';
import { EwsFailure } from '../../protocols/ews/failure.js';
import { findItems, type ListedItem, syncItems } from '../../protocols/ews/item-list.js';
import { MOST_SYNC_STATE } from '../../protocols/ews/limits.js';
import { inPages } from '../../protocols/imap/mailbox-windows.js';
import { MAX_SCAN_PAGE } from '../source.js';
import type { EwsClient } from './client.js';
import type { FoundFolder } from './folders.js';
import { ItemNames } from './keys.js';

/** PidTagLastVerbExecuted ([MS-OXOMSG] 2.2.1.10): reply, reply to all, forward. */
const REPLIED = [102, 103];
const FORWARDED = 104;
/** PidTagFlagStatus ([MS-OXOFLAG] 2.2.1.1). */
const FLAGGED = 2;

/** Metadata of a folder, oldest first. The server tells the newest first, so a whole listing is held until its end. */
export async function* scanFolder(
  client: EwsClient,
  found: FoundFolder,
  account: string,
  since: SyncState | null,
  signal: AbortSignal,
): AsyncGenerator<ScanPage> {
  const state = typeof since?.['sync'] === 'string' ? since['sync'] : '';
  const news = state !== '' && found.syncs ? await changesSince(client, found, state, signal) : null;
  const listing = news ?? (await everything(client, found, signal));
  const full = news === null;
  const next: SyncState = listing.state.length > MOST_SYNC_STATE ? {} : { sync: listing.state };
  const names = new ItemNames(account);
  const metas = [...listing.items.values()].reverse().map((item) => toMeta(names, found.folder, item));
  for (const items of inPages(metas, MAX_SCAN_PAGE)) yield { items, gone: [], next, full };
  yield { items: [], gone: [], next, full };
}

interface Listing {
  readonly items: ReadonlyMap<string, ListedItem>;
  /** Ids alone were told: of what is gone, or was only read. */
  readonly hasBareIds: boolean;
  readonly state: string;
}

/** Null: the server has forgotten the state, or names items by an id that may be unknown to whoever keeps our keys. */
async function changesSince(
  client: EwsClient,
  { id }: FoundFolder,
  state: string,
  signal: AbortSignal,
): Promise<Listing | null> {
  try {
    const news = await client.repeatable(signal, () => synced(client, id, state, signal));
    return news.hasBareIds ? null : news;
  } catch (error) {
    if (error instanceof Error && error.cause instanceof EwsFailure && error.cause.code === 'ErrorInvalidSyncStateData')
      return null;
    throw error;
  }
}

function everything(client: EwsClient, { id, syncs }: FoundFolder, signal: AbortSignal): Promise<Listing> {
  return client.repeatable(signal, async () => {
    if (syncs) return synced(client, id, '', signal);
    const items = new Map<string, ListedItem>();
    for await (const page of findItems(client.transport, id, signal)) for (const item of page) items.set(item.id, item);
    return { items, hasBareIds: false, state: '' };
  });
}

async function synced(client: EwsClient, id: string, from: string, signal: AbortSignal): Promise<Listing> {
  const items = new Map<string, ListedItem>();
  let state = from;
  let hasBareIds = false;
  for await (const page of syncItems(client.transport, id, from, signal)) {
    // An item may come in two pages where it changed while they were asked for.
    for (const item of page.changed) items.set(item.id, item);
    for (const one of page.gone) items.delete(one);
    hasBareIds ||= page.gone.length > 0 || page.marked.length > 0;
    state = page.state;
  }
  return { items, hasBareIds, state };
}

function toMeta(names: ItemNames, { kind }: SourceFolder, item: ListedItem): ItemMeta {
  const ref = names.of(item);
  if (kind !== 'mail') return { ...ref, size: item.size, date: null, flags: [], version: item.changeKey };
  const date = item.received === null ? null : { seconds: item.received, offset: 0 };
  return { ...ref, size: item.size, date, flags: flagsOf(item) };
}

function flagsOf({ isRead, isDraft, categories, lastVerb, flagStatus }: ListedItem): string[] {
  return [
    ...(isRead === true ? ['\\Seen'] : []),
    ...(REPLIED.includes(lastVerb) ? ['\\Answered'] : []),
    ...(flagStatus === FLAGGED ? ['\\Flagged'] : []),
    ...(isDraft ? ['\\Draft'] : []),
    ...(lastVerb === FORWARDED ? ['$Forwarded'] : []),
    ...categories,
  ];
}
