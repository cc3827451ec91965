import { createHash } from 'node:crypto';
import { ConversionError } from '../../conversion/conversion-error.js';
import { prepareForStore } from '../../conversion/prepare.js';
import { isRefused } from '../../conversion/prepared.js';
import { targetProfile } from '../../conversion/target-profiles.js';
import {
  type ByteRange,
  type FileIndex,
  type FoundObject,
  type ObjectKind,
  ObjectScanner,
} from '../../conversion/split/object-scanner.js';
import { assemble, rangesOf } from '../../conversion/split/split.js';
import type { SourceFolder, SourceFolderId } from '../../mailbox/folder.js';
import type {
  ItemDescription,
  ItemKey,
  ItemMeta,
  ItemRef,
  Note,
  ReadOutcome,
  ScanPage,
  Staging,
  SyncState,
} from '../../mailbox/item.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { MAX_SCAN_PAGE, type Source, type SourceAccount, type SourceFacts } from '../source.js';
import { describeObject } from './describe.js';

/** A file that a person uploaded, wherever it is kept. Its bytes never change. */
export interface UploadedFile {
  /** As the person named it, e.g. `calendar.ics`. */
  readonly name: string;
  readonly size: number;
  /** Lower-case hex SHA-256 of all bytes. */
  readonly sha256: string;
  /** Bytes [start, end). @throws TransferError with side 'source' */
  read(start: number, end: number, signal: AbortSignal): Promise<Uint8Array>;
}
export interface FilesSourceOptions {
  readonly file: UploadedFile;
}

/** Bytes that are asked for at once. */
const PIECE_BYTES = 1024 * 1024;
const KINDS: Readonly<Record<ObjectKind, ItemKind>> = {
  VEVENT: 'calendars',
  VTODO: 'tasks',
  VJOURNAL: 'notes',
  VCARD: 'contacts',
};
const EPOCH = '1';

/**
 * The entries of an .ics or .vcf file: one folder for each kind that is in it. The file is gone over once for where its entries are;
 * their bytes are read when they are wanted. Keys are made from UIDs, so a later edition of the file is a delta.
 */
export class FilesSource implements Source {
  readonly account: SourceAccount;
  private readonly file: UploadedFile;
  private found: Promise<Found> | null = null;

  constructor({ file }: FilesSourceOptions) {
    this.file = file;
    const name = file.name.trim().toLowerCase();
    this.account = { kind: 'files', stableId: createHash('sha256').update(`files\0${name}`).digest('hex') };
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    const { entries } = await this.index(signal);
    return { gives: [...new Set([...entries.values()].map(({ kind }) => kind))], maxConnections: 1, quirks: [] };
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    const { entries, leftOut } = await this.index(signal);
    const title = this.file.name.replace(/\.[^.]*$/, '').trim() || this.file.name;
    const kinds = [...new Set([...entries.values()].map(({ kind }) => kind))];
    if (kinds.length === 0)
      throw fileError('FILE_WITHOUT_ENTRIES', 'There is no calendar entry and no contact in this file.');
    return kinds.map((kind) => {
      const own = [...entries.values()].filter((entry) => entry.kind === kind);
      return {
        id: kind as string as SourceFolderId,
        path: [title],
        kind,
        epoch: EPOCH,
        keyScope: 'folder',
        selectable: true,
        subscribed: true,
        complete: true,
        ...(leftOut === '' || kind !== kinds[0] ? {} : { note: leftOut }),
        items: own.length,
        bytes: own.reduce((sum, { size }) => sum + size, 0),
      };
    });
  }

  async *scan(folder: SourceFolder, _since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    const { entries } = await this.index(signal);
    const items: ItemMeta[] = [...entries.values()]
      .filter(({ kind }) => kind === folder.kind)
      .map(({ ref, size }) => ({ ...ref, size, date: null, flags: [] }));
    for (let at = 0; at === 0 || at < items.length; at += MAX_SCAN_PAGE) {
      signal.throwIfAborted();
      yield { items: items.slice(at, at + MAX_SCAN_PAGE), gone: [], next: { sha256: this.file.sha256 }, full: true };
    }
  }

  async *read(
    _folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    const found = await this.index(signal);
    for (const ref of refs) {
      signal.throwIfAborted();
      const entry = found.entries.get(ref.key);
      if (!entry) {
        yield { ref, is: 'vanished' };
        continue;
      }
      const spelled = await this.bytesOf(entry, found, signal);
      if (spelled instanceof TransferError) {
        yield { ref, is: 'unreadable', error: spelled };
        continue;
      }
      const { bytes, notes } = withOwnUid(spelled, entry);
      const body = await stage.put(ref, once(bytes), bytes.length);
      yield { ref, is: 'staged', item: { ref, body, date: null, flags: [], notes } };
    }
  }

  async *describe(
    _folder: SourceFolder,
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): AsyncGenerator<ItemDescription> {
    const found = await this.index(signal);
    for (const ref of refs) {
      const entry = found.entries.get(ref.key);
      const bytes = entry && (await this.bytesOf(entry, found, signal));
      if (bytes && !(bytes instanceof TransferError)) yield { key: ref.key, ...describeObject(bytes) };
    }
  }

  async close(): Promise<void> {
    this.found = null;
  }

  private index(signal: AbortSignal): Promise<Found> {
    signal.throwIfAborted();
    this.found ??= this.goOver(signal).catch((error: unknown) => {
      this.found = null;
      throw error;
    });
    return this.found;
  }

  private async goOver(signal: AbortSignal): Promise<Found> {
    const scanner = new ObjectScanner();
    try {
      for (let at = 0; at < this.file.size; at += PIECE_BYTES) {
        signal.throwIfAborted();
        scanner.update(await this.file.read(at, Math.min(at + PIECE_BYTES, this.file.size), signal));
      }
      const index = scanner.end();
      const entries = await this.entriesOf(index, signal);
      return { index, entries, leftOut: [...index.leftOut].map(([name, n]) => `${n} ${name}`).join(', ') };
    } catch (error) {
      if (error instanceof ConversionError) throw fileError('FILE_WITHOUT_ENTRIES', error.message, error);
      throw error;
    }
  }

  /** Keys by UID where there is one, else by content: a later edition of the file has the same for the same entries. */
  private async entriesOf(index: FileIndex, signal: AbortSignal): Promise<Map<ItemKey, Entry>> {
    const entries = new Map<ItemKey, Entry>();
    const equal = new Map<string, number>();
    for (const object of index.objects) {
      const [part] = object.parts;
      const name = object.uid === null ? await this.hashOf(part!, signal) : `uid ${object.uid}`;
      const seed = [object.kind, name, object.copy].join('\0');
      const copies = equal.get(seed) ?? 0;
      equal.set(seed, copies + 1);
      const key = createHash('sha256').update(`${seed}\0${copies}`).digest('hex').slice(0, 32) as ItemKey;
      const size = object.parts.reduce((sum, { start, end }) => sum + end - start, 0);
      entries.set(key, { ref: { key, locator: Buffer.from(key, 'hex') }, kind: KINDS[object.kind], object, size });
    }
    return entries;
  }

  private async hashOf({ start, end }: ByteRange, signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256');
    for (let at = start; at < end; at += PIECE_BYTES)
      hash.update(await this.file.read(at, Math.min(at + PIECE_BYTES, end), signal));
    return hash.digest('hex');
  }

  private async bytesOf(entry: Entry, { index }: Found, signal: AbortSignal): Promise<Uint8Array | TransferError> {
    const read = new Map<number, Uint8Array>();
    try {
      for (const range of rangesOf(entry.object, index))
        read.set(range.start, await this.file.read(range.start, range.end, signal));
      return assemble(entry.object, index, ({ start }) => read.get(start)!);
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      return new TransferError(error.message, {
        side: 'source',
        scope: 'item',
        retry: 'never',
        code: error.code,
        cause: error,
      });
    }
  }
}

interface Entry {
  readonly ref: ItemRef;
  readonly kind: ItemKind;
  readonly object: FoundObject;
  readonly size: number;
}
interface Found {
  readonly index: FileIndex;
  readonly entries: ReadonlyMap<ItemKey, Entry>;
  readonly leftOut: string;
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

function fileError(code: string, message: string, cause?: unknown): TransferError {
  return new TransferError(message, { side: 'source', scope: 'job', retry: 'user', code, cause });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
