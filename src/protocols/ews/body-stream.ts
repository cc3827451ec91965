import { ConnectError } from '../connect-error.js';
import { type XmlElement, XmlError } from '../xml.js';

/** Bytes of one tag: ids and a dozen attributes. */
const MOST_TAG = 64 * 1024;
const LESS = 0x3c;
const GREATER = 0x3e;
const AMPERSAND = 0x26;
const SEMICOLON = 0x3b;
const SLASH = 0x2f;

export interface BodyStreamLimits {
  /** Of everything but the bodies. */
  readonly maxAroundBytes: number;
  /** Of one body, decoded. */
  readonly maxBodyBytes: number;
}

/**
 * Reads an XML document whose elements of this name hold base64, without ever holding one of them: each is handed over as
 * decoded bytes while it comes.
 * @param name local name, e.g. 'MimeContent'
 * @param onBody called with the bodies in their order, and with the index of each among the elements of this name, empty
 * ones without a body included; what it leaves unread is read for nothing
 * @returns the document with these elements empty, for a parser
 * @throws XmlError; ConnectError 'too-large'
 */
export async function readAroundBodies(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  limits: BodyStreamLimits,
  onBody: (bytes: AsyncGenerator<Buffer, void>, index: number) => Promise<void>,
): Promise<Buffer> {
  const reader = new ByteReader(chunks);
  const around: Buffer[] = [];
  let size = 0;
  const keep = (bytes: Buffer): void => {
    size += bytes.length;
    if (size > limits.maxAroundBytes) throw new XmlError('XML_TOO_LARGE', 'the document is too large');
    around.push(Buffer.from(bytes));
  };
  for (let index = -1; ;) {
    const text = await reader.upTo(LESS, (bytes) => keep(bytes));
    if (!text) return Buffer.concat(around);
    const tag = await reader.tag();
    keep(tag);
    if (!isStartOf(tag, name)) continue;
    index++;
    if (isEmptyTag(tag)) continue;
    const body = decoded(reader, limits.maxBodyBytes);
    await onBody(body, index);
    for await (const _ of body) {
      // What nobody wanted.
    }
  }
}

/** The elements of a parsed document that `readAroundBodies` counted, in its order. */
export function elementsOf(root: XmlElement, name: string): XmlElement[] {
  const own = root.name === name ? [root] : [];
  return own.concat(root.children.flatMap((child) => elementsOf(child, name)));
}

const isEmptyTag = (tag: Buffer): boolean => tag.at(-2) === SLASH;

/** An opening or empty tag, in any namespace prefix: the parser checks the namespace. */
function isStartOf(tag: Buffer, name: string): boolean {
  const opening = tag.subarray(1, 80).toString('latin1');
  const local = /^(?:[\w.-]+:)?([\w.-]+)/.exec(opening)?.[1];
  return local === name;
}

/** Base64 up to the next tag. Line ends and their entities are no part of it. */
async function* decoded(reader: ByteReader, maxBytes: number): AsyncGenerator<Buffer, void> {
  let rest = '';
  let size = 0;
  const queue: Buffer[] = [];
  const take = (bytes: Buffer): void => {
    const text = rest + bytes.toString('latin1').replace(/[^A-Za-z0-9+/=]+/g, '');
    const usable = text.length - (text.length % 4);
    rest = text.slice(usable);
    if (usable === 0) return;
    const plain = Buffer.from(text.slice(0, usable), 'base64');
    size += plain.length;
    if (size > maxBytes)
      throw new ConnectError('PROTOCOL_ERROR', 'The answer of the server is too large.', { why: 'too-large' });
    queue.push(plain);
  };
  for (;;) {
    const piece = await reader.textPiece();
    if (piece === null) break;
    take(piece);
    yield* queue.splice(0);
  }
  if (rest !== '') yield Buffer.from(rest, 'base64');
}

/** Bytes one after the other, whatever pieces they come in. */
class ByteReader {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private piece: Buffer = Buffer.alloc(0);
  private ended = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.chunks = chunks[Symbol.asyncIterator]();
  }

  private async more(): Promise<boolean> {
    while (this.piece.length === 0) {
      if (this.ended) return false;
      const next = await this.chunks.next();
      if (next.done === true) this.ended = true;
      else this.piece = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    }
    return true;
  }

  /** Gives everything before `byte` away. False: the end came first. */
  async upTo(byte: number, give: (bytes: Buffer) => void): Promise<boolean> {
    while (await this.more()) {
      const at = this.piece.indexOf(byte);
      const text = at < 0 ? this.piece : this.piece.subarray(0, at);
      if (text.length > 0) give(text);
      this.piece = at < 0 ? Buffer.alloc(0) : this.piece.subarray(at);
      if (at >= 0) return true;
    }
    return false;
  }

  /** Some text before the next tag; null: here is one. @throws XmlError at the end of everything */
  async textPiece(): Promise<Buffer | null> {
    if (!(await this.more())) throw cutOff();
    if (this.piece[0] === LESS) return null;
    if (this.piece[0] === AMPERSAND) {
      await this.skipEntity();
      return Buffer.alloc(0);
    }
    const ends = [this.piece.indexOf(LESS), this.piece.indexOf(AMPERSAND)].filter((at) => at > 0);
    const at = ends.length === 0 ? this.piece.length : Math.min(...ends);
    const text = this.piece.subarray(0, at);
    this.piece = this.piece.subarray(at);
    return text;
  }

  private async skipEntity(): Promise<void> {
    for (let skipped = 0; skipped < 16; skipped++) {
      if (!(await this.more())) throw cutOff();
      const byte = this.piece[0];
      this.piece = this.piece.subarray(1);
      if (byte === SEMICOLON) return;
    }
    throw new XmlError('XML_MALFORMED', 'this is not well-formed XML');
  }

  /** From '<' to its '>', comments and CDATA as a whole. @throws XmlError */
  async tag(): Promise<Buffer> {
    let tag = Buffer.alloc(0);
    for (;;) {
      if (!(await this.more())) throw cutOff();
      const before = tag.length;
      tag = Buffer.concat([tag, this.piece]);
      this.piece = Buffer.alloc(0);
      const length = endOf(tag);
      if (length !== null) {
        this.piece = tag.subarray(length);
        return tag.subarray(0, length);
      }
      if (before > MOST_TAG) throw new XmlError('XML_TOO_LARGE', 'the document is too large');
    }
  }
}

/** Length of the tag at the beginning; null: it goes on. @throws XmlError for a DOCTYPE */
function endOf(bytes: Buffer): number | null {
  const starts = (text: string): boolean | null => {
    const shown = bytes.subarray(0, text.length).toString('latin1');
    if (shown === text) return true;
    return text.startsWith(shown) ? null : false;
  };
  const closes = (text: string): number | null => {
    const at = bytes.indexOf(text, 0, 'latin1');
    return at < 0 ? null : at + text.length;
  };
  for (const [opening, closing] of [
    ['<!--', '-->'],
    ['<![CDATA[', ']]>'],
    ['<?', '?>'],
  ] as const) {
    const is = starts(opening);
    if (is === true) return closes(closing);
    if (is === null) return null;
  }
  if (starts('<!') === true) throw new XmlError('XML_FORBIDDEN', 'a DOCTYPE is not allowed');
  let quote = 0;
  for (let i = 1; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (quote !== 0) {
      if (byte === quote) quote = 0;
    } else if (byte === 0x22 || byte === 0x27) quote = byte;
    else if (byte === GREATER) return i + 1;
  }
  return null;
}

const cutOff = (): XmlError => new XmlError('XML_MALFORMED', 'the document ends in the middle');
