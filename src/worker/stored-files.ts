import type { DataSource } from 'typeorm';
import { openPart, OpenError } from '../credentials/open.js';
import type { SourceSecret } from '../jobs/contract.js';
import type { SourceFile, SourceSettings } from '../jobs/job.js';
import { reasonFor } from '../jobs/messages.js';
import { UPLOAD_PART_BYTES } from '../jobs/upload-check.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { UploadedFile } from '../sources/files/file-entries.js';

/** Parts that are kept open: an entry with all it needs mostly lies in two, the time zones in the first. */
const PARTS_KEPT = 8;

/** The files of a migration as its source reads them. @throws TransferError FILES_MISSING, FILES_GONE */
export function storedFiles(db: DataSource, { files = [] }: SourceSettings, secret: SourceSecret): UploadedFile[] {
  if (files.length === 0) throw fileError('FILES_MISSING');
  return files.map((file) => {
    const key = secret.fileKeys?.[file.id];
    if (key === undefined) throw fileError('FILES_GONE');
    return new StoredFile(db, file, key);
  });
}

class StoredFile implements UploadedFile {
  /** The one that was used last is the last. */
  private readonly parts = new Map<number, Promise<Buffer>>();

  constructor(
    private readonly db: DataSource,
    private readonly file: SourceFile,
    private readonly key: string,
  ) {}

  get name(): string {
    return this.file.name;
  }
  get size(): number {
    return this.file.bytes;
  }
  get sha256(): string {
    return this.file.sha256;
  }

  async read(start: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    const pieces: Buffer[] = [];
    for (let at = start; at < end;) {
      signal.throwIfAborted();
      const n = Math.floor(at / UPLOAD_PART_BYTES);
      const part = await this.part(n);
      const from = at - n * UPLOAD_PART_BYTES;
      const piece = part.subarray(from, Math.min(part.length, end - n * UPLOAD_PART_BYTES));
      if (piece.length === 0) throw fileError('FILE_CHANGED');
      pieces.push(piece);
      at += piece.length;
    }
    return Buffer.concat(pieces);
  }

  private part(n: number): Promise<Buffer> {
    const part = this.parts.get(n) ?? this.fetch(n);
    this.parts.delete(n);
    this.parts.set(n, part);
    if (this.parts.size > PARTS_KEPT) this.parts.delete(this.parts.keys().next().value!);
    // Not remembered: the database may be there again the next time.
    part.catch(() => this.parts.delete(n));
    return part;
  }

  private async fetch(n: number): Promise<Buffer> {
    const { id } = this.file;
    const [row] = await this.db.query<{ bytes: Buffer }[]>(
      `SELECT bytes FROM mailferry.uploaded_parts WHERE file = $1 AND n = $2`,
      [id, n],
    );
    // Erased while it was read: somebody cancelled, or its time was over.
    if (row === undefined) throw fileError('FILES_GONE');
    try {
      return openPart(this.key, id, n, row.bytes);
    } catch (error) {
      if (error instanceof OpenError) throw fileError('FILE_CHANGED', error);
      throw error;
    }
  }
}

function fileError(code: string, cause?: unknown): TransferError {
  return new TransferError(reasonFor(code).message, { side: 'source', scope: 'job', retry: 'never', code, cause });
}
