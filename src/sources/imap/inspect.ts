import type { SourceFolder } from '../../mailbox/folder.js';
import { fetchMetadata } from '../../protocols/imap/commands/fetch-metadata.js';
import { countLarger } from '../../protocols/imap/commands/count-larger.js';
import { quota } from '../../protocols/imap/commands/quota.js';
import { select } from '../../protocols/imap/commands/select.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import type { ImapSource } from './imap-source.js';

/** Messages whose sizes are added up one by one where the server cannot tell a folder's size: some seconds of listing. */
const MAX_SIZED_MESSAGES = 30_000;

export interface InspectOptions {
  /** Count the messages above this size. */
  readonly largerThan?: number;
}

export interface Inspection {
  /** `bytes` is filled in where that was cheap. */
  readonly folders: readonly SourceFolder[];
  readonly totals: { readonly items: number; readonly bytes: number | null };
  readonly quota: { readonly usedBytes: number; readonly limitBytes: number } | null;
  /** Messages above `largerThan`; null: not asked, or the server cannot count. */
  readonly larger: number | null;
  readonly capabilities: readonly string[];
}

/** What a connection test shows: connects, lists, counts. Changes nothing. @throws TransferError */
export async function inspectImap(
  source: ImapSource,
  options: InspectOptions,
  signal: AbortSignal,
): Promise<Inspection> {
  await source.connect(signal);
  const listed = await source.listFolders(signal);
  return source.use(signal, async (connection) => {
    const folders = await sized(connection, source, listed);
    const mail = folders.filter((folder) => folder.selectable);
    const sizes = mail.map((folder) => folder.bytes);
    const bytes = sizes.every((size) => size !== null) ? sizes.reduce((sum, size) => sum + size, 0) : null;
    return {
      folders,
      totals: { items: mail.reduce((sum, folder) => sum + (folder.items ?? 0), 0), bytes },
      quota: connection.has('QUOTA') ? await unlessRefused(() => quota(connection, 'INBOX')) : null,
      larger: options.largerThan === undefined ? null : await larger(connection, source, mail, options.largerThan),
      capabilities: [...connection.capabilities].sort(),
    };
  });
}

async function sized(
  connection: ImapConnection,
  source: ImapSource,
  folders: readonly SourceFolder[],
): Promise<SourceFolder[]> {
  let budget = MAX_SIZED_MESSAGES;
  const all: SourceFolder[] = [];
  for (const folder of folders) {
    const count = folder.items ?? 0;
    if (!folder.selectable || folder.bytes !== null || count > budget) {
      all.push(folder);
      continue;
    }
    budget -= count;
    let bytes = 0;
    const known =
      count === 0 ||
      (await unlessRefused(async () => {
        await select(connection, source.rawOf(folder), true);
        await fetchMetadata(connection, '1:*', (item) => (bytes += item.size));
        return true;
      }));
    all.push(known === true ? { ...folder, bytes } : folder);
  }
  return all;
}

async function larger(
  connection: ImapConnection,
  source: ImapSource,
  folders: readonly SourceFolder[],
  limit: number,
): Promise<number | null> {
  let sum = 0;
  for (const folder of folders) {
    if ((folder.items ?? 0) === 0) continue;
    // A folder that is smaller than the limit as a whole holds no message above it.
    if (folder.bytes !== null && folder.bytes <= limit) continue;
    const count = await unlessRefused(async () => {
      await select(connection, source.rawOf(folder), true);
      return countLarger(connection, limit);
    });
    if (count === null) return null;
    sum += count;
  }
  return sum;
}

async function unlessRefused<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return null;
  }
}
