import { createHash, type Hash } from 'node:crypto';

/** Lower-case hex SHA-256. */
export type Digest = string & { readonly __brand: 'Digest' };

export interface Digested {
  /** Bytes as they came. */
  readonly size: number;
  /** Of the whole item in its normalised form: the identity used to recognise it at the destination. */
  readonly digest: Digest;
  /** Of the normalised header block alone. */
  readonly headerDigest: Digest;
  /** Without angle brackets' surroundings trimmed; null when there is none. */
  readonly messageId: string | null;
}

/** Header bytes kept to find Message-ID in; a longer header block is digested all the same. */
const HEADER_KEPT = 64 * 1024;
const CR = 0x0d;
const LF = 0x0a;
const NUL = 0x00;
const QUESTION = 0x3f;
/** What Cyrus stores in place of an 8-bit byte in a header. */
const STORED_EIGHT_BIT = 0x58;
/** What Dovecot stores in place of NUL. */
const STORED_NUL = 0x80;

/**
 * Digests an RFC 5322 message in a form that survives what servers do to one they store: line ends become CRLF,
 * a final line end is added, lone CRs are dropped, NUL is stored as 0x80, header lines are folded anew and 8-bit
 * header bytes are replaced, by Cyrus with an X for each. So: every CR and all trailing LFs are left out, NUL counts as
 * 0x80, and in the header block blanks and folds are left out and a run of 8-bit bytes and Xs counts as one question mark.
 */
export class MessageDigester {
  private readonly whole: Hash = createHash('sha256');
  private readonly header: Hash = createHash('sha256');
  private kept: Buffer[] = [];
  private keptBytes = 0;
  private size = 0;
  private inHeader = true;
  /** LFs seen and not yet hashed: dropped if nothing follows. */
  private pendingLf = 0;
  private wasReplaceable = false;

  update(chunk: Uint8Array): void {
    this.size += chunk.length;
    let at = 0;
    if (this.inHeader) at = this.updateHeader(chunk);
    if (at < chunk.length) this.updateBody(chunk, at);
  }

  private updateHeader(chunk: Uint8Array): number {
    const out = scratch(chunk.length * 2 + this.pendingLf + 2);
    let n = 0;
    let i = 0;
    for (; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === CR) continue;
      if (byte === LF) {
        this.pendingLf++;
        if (this.pendingLf === 2) {
          this.inHeader = false;
          i++;
          break;
        }
        continue;
      }
      const blank = byte === 0x20 || byte === 0x09;
      if (this.pendingLf > 0) {
        // A line that starts with a blank continues the one before it (RFC 5322 section 2.2.3).
        if (!blank) out[n++] = LF;
        this.pendingLf = 0;
        this.wasReplaceable = false;
      }
      if (blank) continue;
      if (byte >= 0x80 || byte === STORED_EIGHT_BIT || byte === NUL) {
        if (!this.wasReplaceable) out[n++] = QUESTION;
        this.wasReplaceable = true;
      } else {
        out[n++] = byte;
        this.wasReplaceable = false;
      }
    }
    const used = out.subarray(0, n);
    this.header.update(used);
    this.whole.update(used);
    if (this.keptBytes < HEADER_KEPT) {
      const part = Buffer.from(chunk.subarray(0, Math.min(i, HEADER_KEPT - this.keptBytes)));
      this.kept.push(part);
      this.keptBytes += part.length;
    }
    return i;
  }

  private updateBody(chunk: Uint8Array, from: number): void {
    const before = this.pendingLf;
    const out = scratch(chunk.length - from + before);
    out.fill(LF, 0, before);
    out.set(from === 0 ? chunk : chunk.subarray(from), before);
    // Every byte of all mail passes here: whole lines are moved at once. NULs are rare and looked for at once, too.
    const all = out.subarray(0, before + chunk.length - from);
    let n = all.indexOf(CR, before);
    if (n < 0) n = all.length;
    for (let at = n + 1; at <= all.length;) {
      const next = all.indexOf(CR, at);
      const lineEnd = next < 0 ? all.length : next;
      all.copyWithin(n, at, lineEnd);
      n += lineEnd - at;
      at = lineEnd + 1;
    }
    let end = n;
    while (end > 0 && out[end - 1] === LF) end--;
    this.pendingLf = n - end;
    const used = out.subarray(0, end);
    for (let at = used.indexOf(NUL); at >= 0; at = used.indexOf(NUL, at + 1)) used[at] = STORED_NUL;
    if (end > 0) this.whole.update(used);
  }

  end(): Digested {
    return {
      size: this.size,
      digest: this.whole.digest('hex') as Digest,
      headerDigest: this.header.digest('hex') as Digest,
      messageId: findMessageId(Buffer.concat(this.kept).toString('latin1')),
    };
  }
}

/** Room for one chunk's normal form: it is hashed before anybody else can want the room. */
const room = Buffer.allocUnsafe(256 * 1024);
function scratch(bytes: number): Buffer {
  return bytes > room.length ? Buffer.allocUnsafe(bytes) : room;
}

export function digestMessage(bytes: Uint8Array): Digested {
  const digester = new MessageDigester();
  digester.update(bytes);
  return digester.end();
}

function findMessageId(header: string): string | null {
  const match = /(?:^|\n)message-id[ \t]*:[ \t]*(?:\r?\n[ \t]+)?([^\r\n]+)/i.exec(header);
  const id = match?.[1]?.trim();
  return id ? id.slice(0, 998) : null;
}
