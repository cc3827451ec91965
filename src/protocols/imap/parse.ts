import { ImapFailure } from './failure.js';
import { WIRE_LIMITS } from './limits.js';

/**
 * One value of an answer: an atom, number or string (one character a byte), NIL, a list, or a literal that was streamed
 * to its taker. Atoms and strings are not told apart: nothing we read depends on it.
 */
export type Value = string | null | Streamed | readonly Value[];

/** Stands where a literal was that went to a taker while it arrived. */
export class Streamed {
  constructor(readonly size: number) {}
}

/** A line in pieces: text, and the literals between. */
export type Piece = string | Buffer | Streamed;

export interface ResponseCode {
  /** Upper case. */
  readonly name: string;
  /** What follows the name inside the brackets. */
  readonly rest: string;
}

export type Response =
  | {
      readonly is: 'tagged';
      readonly tag: string;
      readonly status: 'OK' | 'NO' | 'BAD';
      readonly code: ResponseCode | null;
      readonly text: string;
    }
  | {
      readonly is: 'status';
      readonly status: 'OK' | 'NO' | 'BAD' | 'BYE' | 'PREAUTH';
      readonly code: ResponseCode | null;
      readonly text: string;
    }
  | {
      readonly is: 'data';
      /** The number in `* 12 FETCH`, else null. */
      readonly number: number | null;
      /** Upper case. */
      readonly name: string;
      readonly values: readonly Value[];
    }
  | { readonly is: 'continue'; readonly text: string };

const STATUS_LINE = /^(OK|NO|BAD|BYE|PREAUTH)(?: (.*))?$/is;
const TAGGED = /^([A-Z0-9]{1,20}) (OK|NO|BAD)(?: (.*))?$/is;

/** True: the text ends in a literal's announcement. Status lines are prose and never hold one. */
export function announcesLiteral(line: string): { size: number; text: string } | null {
  if (!line.endsWith('}')) return null;
  const match = /~?\{(\d{1,20})\+?\}$/.exec(line);
  if (match === null) return null;
  return { size: Number(match[1]), text: line.slice(0, match.index) };
}

/** True: a first line that is prose to its end. */
export function isStatusLine(line: string): boolean {
  if (!line.startsWith('* ')) return true;
  return STATUS_LINE.test(line.slice(2));
}

/** @throws ImapFailure 'protocol' for what is no IMAP answer. */
export function parseResponse(pieces: readonly Piece[]): Response {
  const first = pieces[0];
  if (typeof first !== 'string') throw notImap();
  if (first.startsWith('+')) return { is: 'continue', text: first.slice(1).trim() };
  if (first.startsWith('* ')) {
    const status = pieces.length === 1 ? STATUS_LINE.exec(first.slice(2)) : null;
    if (status !== null) {
      const word = status[1]!.toUpperCase() as 'OK' | 'NO' | 'BAD' | 'BYE' | 'PREAUTH';
      return { is: 'status', status: word, ...codeAndText(status[2] ?? '') };
    }
    return parseData(pieces);
  }
  const tagged = pieces.length === 1 ? TAGGED.exec(first) : null;
  if (tagged === null) throw notImap();
  const status = tagged[2]!.toUpperCase() as 'OK' | 'NO' | 'BAD';
  return { is: 'tagged', tag: tagged[1]!, status, ...codeAndText(tagged[3] ?? '') };
}

function parseData(pieces: readonly Piece[]): Response {
  const values = new Tokenizer(pieces, 2).all();
  const [head, second, ...rest] = values;
  if (typeof head !== 'string') throw notImap();
  if (/^\d{1,10}$/.test(head) && typeof second === 'string') {
    return { is: 'data', number: Number(head), name: second.toUpperCase(), values: rest };
  }
  return { is: 'data', number: null, name: head.toUpperCase(), values: values.slice(1) };
}

/** The values of an answer whose end has not arrived: what stands before a literal. Open lists are closed. */
export function parsePrefix(pieces: readonly Piece[]): readonly Value[] {
  return new Tokenizer(pieces, 2).prefix();
}

function codeAndText(text: string): { code: ResponseCode | null; text: string } {
  const match = /^\[([^\s\]]+)(?: ([^\]]*))?\] ?/.exec(text);
  if (match === null) return { code: null, text };
  return { code: { name: match[1]!.toUpperCase(), rest: match[2] ?? '' }, text: text.slice(match[0].length) };
}

function notImap(): ImapFailure {
  return new ImapFailure('protocol', 'the server does not speak IMAP');
}

/** Names whose brackets belong to the atom: BODY[HEADER.FIELDS (DATE)]<0> (RFC 9051 section 9, fetch-att). */
const SECTION = /^(BODY|BODY\.PEEK|BINARY|BINARY\.PEEK|BINARY\.SIZE)$/i;
const ATOM_END = /[\s()"]/;

class Tokenizer {
  private piece = 0;
  private count = 0;

  constructor(
    private readonly pieces: readonly Piece[],
    private at: number,
  ) {}

  all(): Value[] {
    const values = this.list(0, false);
    return values;
  }

  prefix(): Value[] {
    return this.list(0, true);
  }

  private list(depth: number, mayBreak: boolean): Value[] {
    if (depth > WIRE_LIMITS.depth) throw new ImapFailure('too-large', 'the server sent lists inside lists');
    const values: Value[] = [];
    for (;;) {
      const piece = this.pieces[this.piece];
      if (piece === undefined) {
        if (depth > 0 && !mayBreak) throw notImap();
        return values;
      }
      if (++this.count > WIRE_LIMITS.tokens) throw new ImapFailure('too-large', 'the server sent too long an answer');
      if (typeof piece !== 'string') {
        values.push(piece instanceof Streamed ? piece : piece.toString('latin1'));
        this.nextPiece();
        continue;
      }
      if (this.at >= piece.length) {
        this.nextPiece();
        continue;
      }
      const char = piece[this.at]!;
      if (char === ' ') this.at++;
      else if (char === '(') {
        this.at++;
        values.push(this.list(depth + 1, mayBreak));
      } else if (char === ')') {
        if (depth === 0) throw notImap();
        this.at++;
        return values;
      } else if (char === '"') values.push(this.quoted(piece));
      else values.push(this.atom(piece));
    }
  }

  private nextPiece(): void {
    this.piece++;
    this.at = 0;
  }

  private quoted(text: string): string {
    let value = '';
    let from = this.at + 1;
    for (let i = from; i < text.length; i++) {
      const char = text[i];
      if (char === '"') {
        this.at = i + 1;
        return value + text.slice(from, i);
      }
      if (char === '\\') {
        value += text.slice(from, i);
        from = i + 1;
        i++;
      }
    }
    throw notImap();
  }

  private atom(text: string): string | null {
    let end = this.at;
    while (end < text.length && !ATOM_END.test(text[end]!)) {
      if (text[end] === '[' && SECTION.test(text.slice(this.at, end))) {
        const close = text.indexOf(']', end);
        if (close < 0) throw notImap();
        end = close;
      }
      end++;
    }
    if (end === this.at) throw notImap();
    const value = text.slice(this.at, end);
    this.at = end;
    return value.toUpperCase() === 'NIL' ? null : value;
  }
}
