import type { KnownFolder } from '../ledger/ledger.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey, ItemRef } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { Run } from './run.js';

const DESCRIBED_AT_ONCE = 1_000;

/**
 * Gives the items of the report subject, sender and date. They are asked for at the end and only for what did not
 * arrive. The report is worth less than the mail: an error here is logged and nothing more.
 */
export async function describeRefusals(run: Run, folders: readonly KnownFolder[]): Promise<void> {
  const byId = new Map(folders.map((folder) => [folder.id, folder]));
  let last = '';
  for (;;) {
    const waiting = await run.ledger.undescribed(DESCRIBED_AT_ONCE);
    const name = waiting.map((place) => `${place.folder}/${place.key}`).join();
    // The same again: what is left cannot be described.
    if (waiting.length === 0 || name === last) return;
    last = name;
    const byFolder = new Map<FolderId, Set<ItemKey>>();
    for (const { folder, key } of waiting) byFolder.set(folder, (byFolder.get(folder) ?? new Set()).add(key));
    for (const [id, keys] of byFolder) {
      const folder = byId.get(id);
      if (!folder) continue;
      try {
        await describeFolder(run, folder, keys);
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        run.listener.log('warn', 'items of the report stay without a subject', { code: error.code });
      }
    }
  }
}

async function describeFolder(run: Run, folder: KnownFolder, keys: ReadonlySet<ItemKey>): Promise<void> {
  // The ledger keeps no locators: they are found in the listing.
  const refs: ItemRef[] = [];
  for await (const page of run.source.scan(folder.source, null, run.signal))
    for (const { key, locator } of page.items) if (keys.has(key)) refs.push({ key, locator });
  const described = new Set<ItemKey>();
  for await (const item of run.source.describe(folder.source, refs, run.signal)) {
    described.add(item.key);
    await run.ledger.describe(folder.id, [item]);
  }
  // What is gone has no subject any more; an empty one says that it was asked for.
  const gone = [...keys].filter((key) => !described.has(key));
  if (gone.length > 0)
    await run.ledger.describe(
      folder.id,
      gone.map((key) => ({ key, subject: '', from: '', date: null })),
    );
}
