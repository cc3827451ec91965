import type { Duplex } from 'node:stream';
import { ImapFailure } from './failure.js';
import { WIRE_LIMITS } from './limits.js';

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);

/** Bytes that wait for the reader before the server is slowed down. */
const HELD_BYTES = 256 * 1024;

/** The reading half of a connection: lines and counted bytes, pulled, so that a slow reader slows the server down. */
export class Wire {
  private chunk: Buffer = EMPTY;
  private at = 0;
  private readonly held: Buffer[] = [];
  private heldBytes = 0;
  private paused = false;
  private failure: ImapFailure | null = null;
  private wake: (() => void) | null = null;

  /** @param onBytes called whenever the server sent something. */
  constructor(
    private readonly socket: Duplex,
    private readonly onBytes: () => void,
  ) {
    const rouse = (): void => {
      this.wake?.();
      this.wake = null;
    };
    const stop = (cause?: unknown): void => {
      this.failure ??= new ImapFailure('closed', 'the server closed the connection', { cause });
      rouse();
    };
    // Not by 'readable': the stream would join what it holds, and stop the socket after every packet.
    socket.on('data', (bytes: Buffer) => {
      this.held.push(bytes);
      this.heldBytes += bytes.length;
      if (!this.paused && this.heldBytes >= HELD_BYTES) {
        this.paused = true;
        socket.pause();
      }
      rouse();
    });
    socket.resume();
    socket.on('end', () => stop());
    socket.on('close', () => stop());
    socket.on('error', stop);
    if (socket.destroyed) stop();
  }

  /** True while the reader waits for the server, and not for us. */
  get waiting(): boolean {
    return this.wake !== null;
  }

  private async more(): Promise<void> {
    for (;;) {
      const next = this.held.shift();
      if (next !== undefined) {
        this.heldBytes -= next.length;
        if (this.paused && this.heldBytes < HELD_BYTES / 2) {
          this.paused = false;
          this.socket.resume();
        }
        this.chunk = next;
        this.at = 0;
        this.onBytes();
        return;
      }
      if (this.failure !== null) throw this.failure;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  /** A whole line if it has already arrived, without its end. Null: wait for line(). */
  tryLine(): string | null {
    const end = this.chunk.indexOf(LF, this.at);
    if (end < 0) return null;
    return this.cut(end);
  }

  /** The next line, one character a byte, without its end. A bare LF ends a line too: some servers send it. */
  async line(): Promise<string> {
    const parts: Buffer[] = [];
    let length = 0;
    for (;;) {
      const end = this.chunk.indexOf(LF, this.at);
      const part = this.chunk.subarray(this.at, end < 0 ? this.chunk.length : end + 1);
      length += part.length;
      if (length > WIRE_LIMITS.lineBytes) {
        throw new ImapFailure('too-large', 'the server sent a line without end');
      }
      if (end >= 0) {
        if (parts.length === 0) return this.cut(end);
        this.at = end + 1;
        parts.push(part);
        return withoutEnd(Buffer.concat(parts, length));
      }
      if (part.length > 0) parts.push(part);
      this.chunk = EMPTY;
      this.at = 0;
      await this.more();
    }
  }

  private cut(end: number): string {
    const line = withoutEnd(this.chunk.subarray(this.at, end + 1));
    this.at = end + 1;
    return line;
  }

  /** At most `max` bytes, at least one. */
  async some(max: number): Promise<Buffer> {
    if (this.at >= this.chunk.length) await this.more();
    const piece = this.chunk.subarray(this.at, Math.min(this.chunk.length, this.at + max));
    this.at += piece.length;
    return piece;
  }

  async exactly(size: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = size; left > 0;) {
      const piece = await this.some(left);
      parts.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(parts, size);
  }
}

function withoutEnd(line: Buffer): string {
  let end = line.length - 1;
  if (end > 0 && line[end - 1] === CR) end--;
  return line.toString('latin1', 0, end);
}

/** The bytes of one literal, to be read once, by one reader. */
export class LiteralStream implements AsyncIterable<Uint8Array> {
  private left: number;

  constructor(
    private readonly wire: Wire,
    readonly size: number,
  ) {
    this.left = size;
  }

  /** Not yet read. */
  get unread(): number {
    return this.left;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.left > 0) {
      const piece = await this.wire.some(this.left);
      this.left -= piece.length;
      yield piece;
    }
  }

  /** Throws the rest away. */
  async drain(): Promise<void> {
    for await (const _ of this);
  }
}
