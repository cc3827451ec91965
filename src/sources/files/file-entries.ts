import { createHash } from 'node:crypto';
import { ConversionError } from '../../conversion/conversion-error.js';
import { MOST_OBJECT_BYTES } from '../../conversion/limits.js';
import {
  type ByteRange,
  type FileIndex,
  type FoundObject,
  type ObjectKind,
  ObjectScanner,
} from '../../conversion/split/object-scanner.js';
import { assemble, rangesOf } from '../../conversion/split/split.js';
import type { ItemKey, ItemRef } from '../../mailbox/item.js';
import type { ItemKind } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';

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

export interface Entry {
  readonly ref: ItemRef;
  readonly kind: ItemKind;
  readonly object: FoundObject;
  readonly size: number;
}

/** Bytes that are asked for at once. */
const PIECE_BYTES = 1024 * 1024;
const KINDS: Readonly<Record<ObjectKind, ItemKind>> = {
  VEVENT: 'calendars',
  VTODO: 'tasks',
  VJOURNAL: 'notes',
  VCARD: 'contacts',
};

/** Where the entries of one file are. Keys are made from UIDs, so a later edition of the file has the same for the same entries. */
export class FileEntries {
  private constructor(
    readonly file: UploadedFile,
    private readonly index: FileIndex,
    readonly entries: ReadonlyMap<ItemKey, Entry>,
  ) {}

  /** Goes over the file once. @throws TransferError FILE_WITHOUT_ENTRIES */
  static async of(file: UploadedFile, signal: AbortSignal): Promise<FileEntries> {
    const scanner = new ObjectScanner();
    try {
      for (let at = 0; at < file.size; at += PIECE_BYTES) {
        signal.throwIfAborted();
        scanner.update(await file.read(at, Math.min(at + PIECE_BYTES, file.size), signal));
      }
      const index = scanner.end();
      return new FileEntries(file, index, await entriesOf(file, index, signal));
    } catch (error) {
      if (error instanceof ConversionError) throw fileError('FILE_WITHOUT_ENTRIES', error.message, error);
      throw error;
    }
  }

  get kinds(): ItemKind[] {
    return [...new Set([...this.entries.values()].map(({ kind }) => kind))];
  }

  ofKind(kind: ItemKind): Entry[] {
    return [...this.entries.values()].filter((entry) => entry.kind === kind);
  }

  /** Components that nobody keeps, e.g. `1 VFREEBUSY`; '' where there are none. */
  get leftOut(): string {
    return [...this.index.leftOut].map(([name, n]) => `${n} ${name}`).join(', ');
  }

  /** One entry with all it needs, as its writer spelled it; what is wrong with it otherwise. */
  async bytesOf(entry: Entry, signal: AbortSignal): Promise<Uint8Array | TransferError> {
    const read = new Map<number, Uint8Array>();
    try {
      // Before it is read: assemble would say the same.
      if (entry.size > MOST_OBJECT_BYTES) throw new ConversionError('OBJECT_TOO_LARGE', 'The object is too large.');
      for (const range of rangesOf(entry.object, this.index))
        read.set(range.start, await this.file.read(range.start, range.end, signal));
      return assemble(entry.object, this.index, ({ start }) => read.get(start)!);
    } catch (error) {
      if (!(error instanceof ConversionError)) throw error;
      const { message, code } = error;
      return new TransferError(message, { side: 'source', scope: 'item', retry: 'never', code, cause: error });
    }
  }
}

/** Keys by UID where there is one, else by content. */
async function entriesOf(file: UploadedFile, index: FileIndex, signal: AbortSignal): Promise<Map<ItemKey, Entry>> {
  const entries = new Map<ItemKey, Entry>();
  const equal = new Map<string, number>();
  for (const object of index.objects) {
    const name = object.uid === null ? await hashOf(file, object.parts[0]!, signal) : `uid ${object.uid}`;
    const seed = [object.kind, name, object.copy].join('\0');
    const copies = equal.get(seed) ?? 0;
    equal.set(seed, copies + 1);
    const key = createHash('sha256').update(`${seed}\0${copies}`).digest('hex').slice(0, 32) as ItemKey;
    const size = object.parts.reduce((sum, { start, end }) => sum + end - start, 0);
    entries.set(key, { ref: { key, locator: Buffer.from(key, 'hex') }, kind: KINDS[object.kind], object, size });
  }
  return entries;
}

async function hashOf(file: UploadedFile, { start, end }: ByteRange, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for (let at = start; at < end; at += PIECE_BYTES)
    hash.update(await file.read(at, Math.min(at + PIECE_BYTES, end), signal));
  return hash.digest('hex');
}

export function fileError(code: string, message: string, cause?: unknown): TransferError {
  return new TransferError(message, { side: 'source', scope: 'job', retry: 'user', code, cause });
}
