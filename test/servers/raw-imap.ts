/**
 * The smallest IMAP client that can look into a mailbox: it shares no line with the product, so that a fault of the product's
 * client cannot hide in the comparison.
 */
import { connect, type Socket } from 'node:net';

/** One response: text and literals as they came, CRLFs taken away. */
export type Response = readonly (string | Buffer)[];

export class RawImap {
  private buffer: Buffer = Buffer.alloc(0);
  private parts: (string | Buffer)[] = [];
  private literal = -1;
  private count = 0;
  private failed: Error | null = null;
  private responses: Response[] = [];
  private wake: (() => void) | null = null;

  private constructor(private readonly socket: Socket) {
    // Commands leave in pieces: without this each waits for the server's delayed ACK.
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.take(bytes));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the server closed the connection')));
  }

  /** In the clear: loopback only. */
  static async open(port: number, user: string, password: string): Promise<RawImap> {
    const client = new RawImap(connect({ host: '127.0.0.1', port }));
    try {
      await client.next();
      await client.command(`LOGIN ${quoted(user)} ${quoted(password)}`);
      return client;
    } catch (error) {
      client.socket.destroy();
      throw error;
    }
  }

  /**
   * Sends one command and returns its untagged responses. A Buffer among the parts goes as a literal.
   * @throws Error with the server's words when the answer is not OK.
   */
  async command(...parts: readonly (string | Buffer)[]): Promise<Response[]> {
    const tag = `T${++this.count}`;
    this.socket.write(`${tag} `);
    const untagged: Response[] = [];
    for (const part of parts) {
      if (typeof part === 'string') {
        this.socket.write(Buffer.from(part, 'latin1'));
        continue;
      }
      this.socket.write(`{${part.length}}\r\n`);
      for (;;) {
        const response = await this.next();
        const text = String(response[0]);
        if (text.startsWith('+')) break;
        if (text.startsWith(`${tag} `)) throw new Error(text);
        untagged.push(response);
      }
      this.socket.write(part);
    }
    this.socket.write('\r\n');
    for (;;) {
      const response = await this.next();
      const text = String(response[0]);
      if (!text.startsWith(`${tag} `)) {
        untagged.push(response);
        continue;
      }
      if (!text.startsWith(`${tag} OK`)) throw new Error(text.slice(tag.length + 1));
      return [...untagged, [text.slice(tag.length + 1)]];
    }
  }

  async close(): Promise<void> {
    if (this.failed) return;
    await this.command('LOGOUT').catch(() => undefined);
    this.socket.destroy();
  }

  private async next(): Promise<Response> {
    for (;;) {
      const response = this.responses.shift();
      if (response) return response;
      if (this.failed) throw this.failed;
      await new Promise<void>((done) => (this.wake = done));
    }
  }

  private take(bytes: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, bytes]);
    for (;;) {
      if (this.literal >= 0) {
        if (this.buffer.length < this.literal) break;
        this.parts.push(Buffer.from(this.buffer.subarray(0, this.literal)));
        this.buffer = this.buffer.subarray(this.literal);
        this.literal = -1;
      }
      const end = this.buffer.indexOf('\r\n');
      if (end < 0) break;
      const line = this.buffer.toString('latin1', 0, end);
      this.buffer = this.buffer.subarray(end + 2);
      this.parts.push(line);
      const size = /\{(\d+)\}$/.exec(line);
      if (size) this.literal = Number(size[1]);
      else {
        this.responses.push(this.parts);
        this.parts = [];
      }
    }
    this.wake?.();
  }

  private fail(error: Error): void {
    this.failed ??= error;
    this.wake?.();
  }
}

export function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** Modified UTF-7 (RFC 3501 section 5.1.3). */
export function decodeName(wire: string): string {
  return wire.replace(/&([^-]*)-/g, (_, base64: string) => {
    if (base64 === '') return '&';
    const utf16 = Buffer.from(base64.replaceAll(',', '/'), 'base64');
    return utf16
      .subarray(0, utf16.length & ~1)
      .swap16()
      .toString('utf16le');
  });
}

export function encodeName(name: string): string {
  return name.replace(/&|[^\x20-\x7e]+/g, (part) => {
    if (part === '&') return '&-';
    const base64 = Buffer.from(part, 'utf16le').swap16().toString('base64');
    return `&${base64.replace(/=+$/, '').replaceAll('/', ',')}-`;
  });
}
