import type { FolderMap, KnownFolder, Settled } from '../ledger/ledger.js';
import type { DestinationFolderId, SourceFolder, SourceFolderId } from '../mailbox/folder.js';
import type { Place } from './destination-renames.js';
import { filterOf, skipped } from './filters.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';

/**
 * Folders that the person removed in the new mailbox and for which nothing new has come: they are not made again, and
 * what was in them stays copied.
 * @returns the ids of their source folders.
 */
export async function restRemoved(
  run: Run,
  before: FolderMap,
  places: ReadonlyMap<DestinationFolderId, Place>,
  listed: readonly SourceFolder[],
): Promise<Set<SourceFolderId>> {
  const resting = new Set<SourceFolderId>();
  for (const [id, { is }] of places) {
    if (is !== 'gone') continue;
    const folders = before.folders.filter(({ destination }) => destination?.id === id);
    if (await isWanted(run, id, folders, listed)) continue;
    for (const folder of folders) resting.add(folder.source.id);
    await markRemoved(run, folders);
  }
  return resting;
}

/** New mail wants it, or something whose fate is not known. What filters keep out is settled on the way. */
async function isWanted(
  run: Run,
  id: DestinationFolderId,
  folders: readonly KnownFolder[],
  listed: readonly SourceFolder[],
): Promise<boolean> {
  if ((await run.ledger.openIntents(id)).length > 0) return true;
  for (const known of folders) {
    for await (const window of run.ledger.bindings(known.id))
      if (window.some(({ state }) => state === 'claimed')) return true;
    const source = listed.find((folder) => folder.id === known.source.id);
    if (!source?.selectable) continue;
    if (source.epoch !== known.source.epoch) return true;
    if (await withRetries(run, 'list', () => hasNews(run, known, source))) return true;
  }
  return false;
}

async function hasNews(run: Run, { id }: KnownFolder, source: SourceFolder): Promise<boolean> {
  const earlier = { settledEarlier: 0, bytesEarlier: 0 };
  for await (const page of run.source.scan(source, null, run.signal)) {
    run.check();
    const left: Settled[] = [];
    for (const item of await run.ledger.unsettled(id, page.items)) {
      const reason = filterOf(item, run.options, run.destinationFacts);
      if (!reason) return true;
      left.push(skipped(id, item, reason));
    }
    if (left.length > 0) await run.ledger.settle(null, left);
    const before = await run.ledger.earlier(id, page.items);
    earlier.settledEarlier += before.items;
    earlier.bytesEarlier += before.bytes;
    run.listedItems += page.items.length;
  }
  await run.ledger.listed(id, { pending: 0, pendingBytes: 0, ...earlier });
  await run.counted(id, true);
  return false;
}

async function markRemoved(run: Run, folders: readonly KnownFolder[]): Promise<void> {
  const destination = folders[0]?.destination;
  if (!destination) return;
  for await (const window of run.ledger.claims(destination.id, destination.folder.epoch))
    await run.ledger.verify(destination.id, { verified: [], removed: window, placed: [] });
  for (const { id, source, path } of folders) {
    run.listener.log('info', 'the folder was removed in the new mailbox and is not made again', {
      folder: source.path.join('/'),
    });
    await run.ledger.remarkState(id, 'FOLDER_NOT_REMADE', 1, (path ?? source.path).join('/'));
  }
}
