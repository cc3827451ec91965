import type { Duplex } from 'node:stream';
import { BufferPool } from '../../mailbox/buffer-pool.js';

/** Bytes gathered before they go to the socket, and the most that waits in it. */
const GATHER_BYTES = 256 * 1024;
const buffers = new BufferPool(GATHER_BYTES, 16);

/** The writing half of a connection. Small pieces leave together; a slow server slows the writer down. */
export class CommandWriter {
  private gathered: Buffer[] = [];
  private bytes = 0;
  /** Bodies are copied: whose they are may use their memory for others while these wait in the socket. */
  private gathering: { readonly buffer: Buffer; filled: number } | null = null;
  /** Belong to what was gathered. */
  private used: Buffer[] = [];

  /**
   * @param waiting tells the connection whether the writer waits for the server (true) or for us.
   * @param broken rejects when the connection ends.
   */
  constructor(
    private readonly socket: Duplex,
    private readonly waiting: (forServer: boolean) => void,
    private readonly broken: Promise<never>,
    private readonly nextContinuation: () => Promise<void>,
    private readonly literals: 'synchronising' | 'small' | 'all',
  ) {}

  /** One character a byte. */
  text(text: string): void {
    const { gathering } = this;
    this.bytes += text.length;
    if (gathering !== null && text.length <= GATHER_BYTES - gathering.filled) {
      gathering.filled += gathering.buffer.write(text, gathering.filled, 'latin1');
      return;
    }
    this.closeBuffer();
    this.gathered.push(Buffer.from(text, 'latin1'));
  }

  /**
   * Announces a literal of `size` bytes, which must follow with send(). Resolves when it may be sent: at once with
   * LITERAL+ or LITERAL- (RFC 7888), else when the server asks for it. Rejects with the server's NO, in which case
   * nothing of the command was kept and the connection goes on.
   */
  async announce(size: number): Promise<void> {
    const atOnce = this.literals === 'all' || (this.literals === 'small' && size <= 4096);
    this.text(`{${size}${atOnce ? '+' : ''}}\r\n`);
    if (atOnce) return;
    const go = this.nextContinuation();
    go.catch(() => undefined);
    await this.flush();
    this.waiting(true);
    try {
      await go;
    } finally {
      this.waiting(false);
    }
  }

  async send(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length;) {
      const gathering = (this.gathering ??= { buffer: buffers.take(), filled: 0 });
      const part = piece.subarray(at, at + GATHER_BYTES - gathering.filled);
      gathering.buffer.set(part, gathering.filled);
      gathering.filled += part.length;
      this.bytes += part.length;
      at += part.length;
      if (gathering.filled === GATHER_BYTES) this.closeBuffer();
      if (this.bytes >= GATHER_BYTES) await this.flush();
    }
  }

  private closeBuffer(): void {
    if (this.gathering === null) return;
    const { buffer, filled } = this.gathering;
    this.gathered.push(buffer.subarray(0, filled));
    this.used.push(buffer);
    this.gathering = null;
  }

  /** Sends what was gathered; resolves when the socket can take more. */
  async flush(): Promise<void> {
    if (this.bytes === 0) return;
    this.closeBuffer();
    const { gathered, used } = this;
    this.gathered = [];
    this.used = [];
    this.bytes = 0;
    // Corked they leave by one writev(); so do commands that are given at once.
    let roomy = true;
    this.socket.cork();
    for (const [i, bytes] of gathered.entries()) {
      const isLast = i === gathered.length - 1;
      roomy = isLast ? this.socket.write(bytes, (error) => written(used, error)) : this.socket.write(bytes);
    }
    process.nextTick(() => this.socket.uncork());
    if (!roomy) await this.room();
  }

  /** Sends everything and resolves when our side holds none of it any more. */
  async settle(): Promise<void> {
    await this.flush();
    while (this.socket.writableLength > 0) await this.emptied();
  }

  private async room(): Promise<void> {
    if (!this.socket.writableNeedDrain) return;
    await this.serverTakes(new Promise((resolve) => this.socket.once('drain', resolve)));
  }

  private async emptied(): Promise<void> {
    await this.serverTakes(
      new Promise((resolve) => {
        // An empty write's callback comes after all that was written before.
        this.socket.write('', () => resolve(undefined));
      }),
    );
  }

  private async serverTakes(event: Promise<unknown>): Promise<void> {
    this.waiting(true);
    try {
      await Promise.race([event, this.broken]);
    } finally {
      this.waiting(false);
    }
  }
}

/** After an error the socket may still hold them. */
function written(used: readonly Buffer[], error: Error | null | undefined): void {
  if (error == null) for (const buffer of used) buffers.give(buffer);
}
