import type { Duplex } from 'node:stream';

/** Bytes gathered before they go to the socket, and the most that waits in it. */
const GATHER_BYTES = 256 * 1024;

/** The writing half of a connection. Small pieces leave together; a slow server slows the writer down. */
export class CommandWriter {
  private gathered: Buffer[] = [];
  private bytes = 0;

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
    this.put(Buffer.from(text, 'latin1'));
  }

  private put(bytes: Buffer): void {
    this.gathered.push(bytes);
    this.bytes += bytes.length;
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
    this.put(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    if (this.bytes >= GATHER_BYTES) await this.flush();
  }

  /** Sends what was gathered; resolves when the socket can take more. */
  async flush(): Promise<void> {
    if (this.bytes === 0) return;
    const pieces = this.gathered;
    this.gathered = [];
    this.bytes = 0;
    // Corked they leave by one writev(), and nothing is copied together for it; so do commands that are given at once.
    let roomy = true;
    this.socket.cork();
    for (const piece of pieces) roomy = this.socket.write(piece);
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
