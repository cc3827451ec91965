import type { Binding, KnownFolder } from '../ledger/ledger.js';
import type { DestinationId, FoundItem } from '../destinations/destination.js';
import type { DestinationFolder, DestinationFolderId } from '../mailbox/folder.js';
import { fingerprints, match, type Unclaimed } from './look.js';
import type { Run } from './run.js';
import { wantedBinding } from './unplaced.js';

/**
 * The destination folder has another UIDVALIDITY: every id in its bindings is void. They follow their content, one
 * to one, before anything is written. What finds no match was removed by the person if it had been seen before; if
 * it had only been claimed it loses its id and the final listing decides.
 */
export async function rematchFolder(
  run: Run,
  id: DestinationFolderId,
  folder: DestinationFolder,
  oldEpoch: string,
  sources: readonly KnownFolder[],
): Promise<void> {
  const bound: Binding[] = [];
  for await (const window of run.ledger.claims(id, oldEpoch)) bound.push(...window);
  // Stored without an id so far: they compete for the same items.
  for (const source of sources)
    for await (const window of run.ledger.bindings(source.id))
      bound.push(...window.filter((binding) => binding.state === 'claimed' && binding.id === null));
  const found = bound.length > 0 ? await everything(run, folder) : [];
  const wanted = bound.flatMap((binding) => wantedBinding(binding, '0'));
  const matched = match(found, wanted);
  const moved = [...matched].map(([want, item]) => ({ binding: want.binding, id: item.id }));
  await run.ledger.rebind(id, folder.epoch, moved);
  run.listener.log('warn', 'the destination folder has new ids; its items were recognised by content', {
    folder: folder.name,
    bound: bound.length,
    recognised: moved.length,
  });
}

async function everything(run: Run, folder: DestinationFolder): Promise<Unclaimed[]> {
  const listed = new Map<string, FoundItem>();
  const ids: DestinationId[] = [];
  for await (const window of run.destination.list(folder, { epoch: folder.epoch, mark: '1' }, run.signal))
    for (const item of window) {
      listed.set(item.id.id, item);
      ids.push(item.id);
    }
  const found: Unclaimed[] = [];
  for await (const print of fingerprints(run, folder, ids, 'body')) {
    const item = listed.get(print.id.id);
    if (item && print.digest) found.push({ ...item, digest: print.digest });
  }
  return found;
}
