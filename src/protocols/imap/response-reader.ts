import { ImapFailure } from './failure.js';
import { WIRE_LIMITS } from './limits.js';
import {
  announcesLiteral,
  isStatusLine,
  parsePrefix,
  parseResponse,
  type Piece,
  type Response,
  Streamed,
  type Value,
} from './parse.js';
import { LiteralStream, type Wire } from './wire.js';

/** Takes a literal while it arrives. What it leaves unread is thrown away. Rejecting ends the connection. */
export type LiteralTaker = (bytes: LiteralStream) => Promise<void>;

/** Puts answers together from lines and literals. Each is bounded, and so are all that belong to one command. */
export class ResponseReader {
  /** Bytes since a command was last completed. */
  private talked = 0;

  constructor(
    private readonly wire: Wire,
    /** Who takes a literal that is about to arrive. `prefix` is what the answer said before it. Null: nobody does. */
    private readonly takerFor: (prefix: readonly Value[], size: number) => LiteralTaker | null,
  ) {}

  commandDone(): void {
    this.talked = 0;
  }

  /** @throws ImapFailure too-large; what the wire and the taker throw */
  async next(): Promise<Response> {
    const pieces: Piece[] = [];
    let kept = 0;
    for (;;) {
      const line = this.wire.tryLine() ?? (await this.wire.line());
      kept += line.length;
      this.talked += line.length;
      const endless = this.talked > WIRE_LIMITS.talkBytes || pieces.length > WIRE_LIMITS.pieces;
      if (kept > WIRE_LIMITS.responseBytes || endless) {
        throw new ImapFailure('too-large', 'the server sent too long an answer');
      }
      const literal = pieces.length === 0 && isStatusLine(line) ? null : announcesLiteral(line);
      pieces.push(literal === null ? line : literal.text);
      if (literal === null) return parseResponse(pieces);
      const piece = await this.literal(pieces, literal.size);
      if (!(piece instanceof Streamed)) {
        kept += piece.length;
        this.talked += piece.length;
      }
      pieces.push(piece);
    }
  }

  private async literal(pieces: readonly Piece[], size: number): Promise<Buffer | Streamed> {
    const take = this.takerFor(parsePrefix(pieces), size);
    if (take !== null) {
      const bytes = new LiteralStream(this.wire, size);
      await take(bytes);
      await bytes.drain();
      return new Streamed(size);
    }
    if (size > WIRE_LIMITS.keptLiteralBytes) {
      throw new ImapFailure('too-large', `the server announced ${size} bytes where a few were due`);
    }
    return this.wire.exactly(size);
  }
}
