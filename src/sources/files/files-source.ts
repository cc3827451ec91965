import { createHash } from 'node:crypto';
import { prepareForStore } from '../../conversion/prepare.js';
import { isRefused } from '../../conversion/prepared.js';
import { targetProfile } from '../../conversion/target-profiles.js';
import type { SourceFolder, SourceFolderId } from '../../mailbox/folder.js';
import type {
  ItemDescription,
  ItemMeta,
  ItemRef,
  Note,
  ReadOutcome,
  ScanPage,
  Staging,
  SyncState,
} from '../../mailbox/item.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { flagsOf, MAX_SCAN_PAGE, type Source, type SourceAccount, type SourceFacts } from '../source.js';
import { describeObject } from './describe.js';
import { type Entry, FileEntries, fileError, type UploadedFile } from './file-entries.js';

export interface FilesSourceOptions {
  /** At least one. */
  readonly files: readonly UploadedFile[];
}

const EPOCH = '1';

/** The folder of one kind of one file. */
interface Place {
  readonly file: FileEntries;
  readonly kind: ItemKind;
  readonly title: string;
}

/**
 * The entries of .ics and .vcf files: one folder for each kind that is in each of them, named as the file is. A file is gone over
 * once for where its entries are; their bytes are read when they are wanted.
 */
export class FilesSource implements Source {
  readonly account: SourceAccount;
  private readonly files: readonly UploadedFile[];
  private found: Promise<Map<SourceFolderId, Place>> | null = null;

  constructor({ files }: FilesSourceOptions) {
    this.files = files;
    // Files of these names are this account: later editions of them are its news.
    const names = files.map(({ name }) => name.trim().toLowerCase()).sort();
    this.account = {
      kind: 'files',
      stableId: createHash('sha256')
        .update(['files', ...names].join('\0'))
        .digest('hex'),
    };
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    const given = new Set([...(await this.places(signal)).values()].map(({ kind }) => kind));
    return { gives: ITEM_KINDS.filter((kind) => given.has(kind)), maxConnections: 1, quirks: [] };
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    const places = await this.places(signal);
    if (places.size === 0)
      throw fileError('FILE_WITHOUT_ENTRIES', 'There is no calendar entry and no contact in these files.');
    return [...places].map(([id, { file, kind, title }]) => {
      const own = file.ofKind(kind);
      const { leftOut } = file;
      return {
        id,
        path: [title],
        kind,
        epoch: EPOCH,
        keyScope: 'folder',
        selectable: true,
        subscribed: true,
        complete: true,
        ...(leftOut === '' || kind !== file.kinds[0] ? {} : { note: leftOut }),
        items: own.length,
        bytes: own.reduce((sum, { size }) => sum + size, 0),
      };
    });
  }

  async *scan(folder: SourceFolder, _since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    const place = (await this.places(signal)).get(folder.id);
    if (!place) throw gone();
    const items: ItemMeta[] = place.file
      .ofKind(place.kind)
      .map(({ ref, size }) => ({ ...ref, size, date: null, flags: flagsOf(place.kind) }));
    const next = { sha256: place.file.file.sha256 };
    for (let at = 0; at === 0 || at < items.length; at += MAX_SCAN_PAGE) {
      signal.throwIfAborted();
      yield { items: items.slice(at, at + MAX_SCAN_PAGE), gone: [], next, full: true };
    }
  }

  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    const file = (await this.places(signal)).get(folder.id)?.file;
    for (const ref of refs) {
      signal.throwIfAborted();
      const entry = file?.entries.get(ref.key);
      if (!file || !entry) {
        yield { ref, is: 'vanished' };
        continue;
      }
      const spelled = await file.bytesOf(entry, signal);
      if (spelled instanceof TransferError) {
        yield { ref, is: 'unreadable', error: spelled };
        continue;
      }
      const { bytes, notes } = withOwnUid(spelled, entry);
      const body = await stage.put(ref, once(bytes), bytes.length);
      yield { ref, is: 'staged', item: { ref, body, date: null, flags: flagsOf(folder.kind), notes } };
    }
  }

  async *describe(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): AsyncGenerator<ItemDescription> {
    const file = (await this.places(signal)).get(folder.id)?.file;
    for (const ref of refs) {
      const entry = file?.entries.get(ref.key);
      const bytes = entry && (await file!.bytesOf(entry, signal));
      if (bytes && !(bytes instanceof TransferError)) yield { key: ref.key, ...describeObject(bytes) };
    }
  }

  async close(): Promise<void> {
    this.found = null;
  }

  private places(signal: AbortSignal): Promise<Map<SourceFolderId, Place>> {
    signal.throwIfAborted();
    this.found ??= this.goOver(signal).catch((error: unknown) => {
      this.found = null;
      throw error;
    });
    return this.found;
  }

  private async goOver(signal: AbortSignal): Promise<Map<SourceFolderId, Place>> {
    const places = new Map<SourceFolderId, Place>();
    const taken = new Set<string>();
    for (const uploaded of this.files) {
      const file = await FileEntries.of(uploaded, signal);
      for (const kind of file.kinds) {
        const title = freeTitle(uploaded.name, kind, taken);
        // By its name, so that it is the same folder in a later edition, whatever else is uploaded with it.
        places.set(`${kind} ${title.toLowerCase()}` as string as SourceFolderId, { file, kind, title });
      }
    }
    return places;
  }
}

/** The file's name without its ending. Two files of one name and kind are told apart by numbers. */
function freeTitle(name: string, kind: ItemKind, taken: Set<string>): string {
  const plain = name.replace(/\.[^.]*$/, '').trim() || name;
  for (let n = 1; ; n++) {
    const title = n === 1 ? plain : `${plain} (${n})`;
    const key = `${kind} ${title.toLowerCase()}`;
    if (taken.has(key)) continue;
    taken.add(key);
    return title;
  }
}

/** Of several entries with one UID each but the first gets one of its own: one folder cannot hold both. */
function withOwnUid(
  bytes: Uint8Array,
  { object: { kind, copy } }: Entry,
): { bytes: Uint8Array; notes: readonly Note[] } {
  if (copy === 0) return { bytes, notes: [] };
  const prepared = prepareForStore(kind === 'VCARD' ? 'card' : 'calendar', bytes, targetProfile(undefined), copy);
  return isRefused(prepared) ? { bytes, notes: [] } : prepared;
}

function gone(): TransferError {
  return new TransferError('This file is not there any more.', {
    side: 'source',
    scope: 'folder',
    retry: 'never',
    code: 'FOLDER_GONE',
  });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
