/** A stream of IMAP cut into whole lines and pieces of literals. */
export type Piece =
  | {
      readonly is: 'line';
      /** One character a byte, its end included. */
      readonly text: string;
      /** Announced at its end; `waits`: the sender goes on only after a '+'. */
      readonly literal: { readonly size: number; readonly waits: boolean } | null;
    }
  | { readonly is: 'bytes'; readonly bytes: Buffer };

/** Status lines are prose: what looks like a literal there is none. */
const PROSE = /^(?:\+|\S+ (?:OK|NO|BAD|BYE|PREAUTH)\b)/;

export class Pieces {
  private held: Buffer = Buffer.alloc(0);
  private left = 0;
  /** True: the line to come goes on after a literal. */
  private within = false;

  constructor(private readonly fromClient: boolean) {}

  *take(chunk: Buffer): Generator<Piece> {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    while (this.held.length > 0) {
      if (this.left > 0) {
        const bytes = this.held.subarray(0, this.left);
        this.left -= bytes.length;
        this.held = this.held.subarray(bytes.length);
        yield { is: 'bytes', bytes };
        continue;
      }
      const end = this.held.indexOf(0x0a);
      if (end < 0) return;
      const text = this.held.toString('latin1', 0, end + 1);
      this.held = this.held.subarray(end + 1);
      const prose = !this.fromClient && !this.within && PROSE.test(text);
      const found = prose ? null : /~?\{(\d+)(\+?)\}\r?\n$/.exec(text);
      const literal = found === null ? null : { size: Number(found[1]), waits: this.fromClient && found[2] === '' };
      this.left = literal?.size ?? 0;
      this.within = literal !== null;
      yield { is: 'line', text, literal };
    }
  }
}

/** A line that stands alone: changing its beginning changes nothing that was announced. */
export function endOfSpeech(piece: Piece): boolean {
  return piece.is === 'line' && piece.literal === null && /^(?:\*|\S+ (?:OK|NO|BAD))/.test(piece.text);
}
