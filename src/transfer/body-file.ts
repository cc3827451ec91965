import { randomBytes } from 'node:crypto';
import { mkdir, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { BufferPool } from '../mailbox/buffer-pool.js';

/** A write of a whole file system block costs hardly more than that of a packet, and waits once. */
const CHUNK_BYTES = 256 * 1024;
const buffers = new BufferPool(CHUNK_BYTES, 8);

/** The bytes of one large body in a file that has no name any more. */
export class BodyFile {
  private waiting: { readonly buffer: Buffer; filled: number } | null = null;

  private constructor(private readonly file: FileHandle) {}

  /** Readable by its owner alone. */
  static async create(dir: string): Promise<BodyFile> {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const name = join(dir, `.mailferry-${randomBytes(12).toString('hex')}`);
    const file = await open(name, 'wx+', 0o600);
    await unlink(name);
    return new BodyFile(file);
  }

  async add(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const waiting = (this.waiting ??= { buffer: buffers.take(), filled: 0 });
      const part = chunk.subarray(at, at + CHUNK_BYTES - waiting.filled);
      waiting.buffer.set(part, waiting.filled);
      waiting.filled += part.length;
      at += part.length;
      if (waiting.filled === CHUNK_BYTES) await this.flush();
    }
  }

  /** To be called before it is read. */
  async flush(): Promise<void> {
    if (this.waiting === null) return;
    const { buffer, filled } = this.waiting;
    // FileHandle.write may write less than it was given.
    for (let at = 0; at < filled;) at += (await this.file.write(buffer, at, filled - at)).bytesWritten;
    buffers.give(buffer);
    this.waiting = null;
  }

  async *read(size: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < size;) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, size - at));
      const { bytesRead } = await this.file.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw new Error('the staged body is shorter than it was');
      at += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
