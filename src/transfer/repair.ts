import type { Note, StagedItem, Staging } from '../mailbox/item.js';
import type { TransferError } from '../mailbox/transfer-error.js';
import { encodeEightBit } from './encoded-words.js';

/**
 * What servers refuse and the smallest change that makes them take it. A refusal whose words name a defect gets that
 * repair alone; one that only says "no" gets the repairs of all the defects the message really has.
 *
 * | words of the refusal            | repair                                                         | note                      |
 * | ------------------------------- | -------------------------------------------------------------- | ------------------------- |
 * | NUL, null character             | NUL becomes 0x80 in the body and ? in the header, as servers do | REPAIRED_NUL              |
 * | bare newline, bare LF, bare CR  | every line end becomes CRLF                                    | REPAIRED_LINE_ENDS        |
 * | non-ASCII, 8-bit in header      | RFC 2047 encoded words                                         | REPAIRED_EIGHT_BIT_HEADER |
 * | mbox "From " line               | the line goes                                                  | REPAIRED_MBOX_LINE        |
 * | invalid header, no separator    | the stray line is folded, or a blank line is put before it     | REPAIRED_HEADER           |
 * | keyword, flag                   | the message comes without keywords                             | KEYWORDS_DROPPED          |
 */
const DEFECTS = ['nul', 'line-ends', 'eight-bit-header', 'mbox-line', 'header'] as const;
type Defect = (typeof DEFECTS)[number];

const NOTES: Readonly<Record<Defect, string>> = {
  nul: 'REPAIRED_NUL',
  'line-ends': 'REPAIRED_LINE_ENDS',
  'eight-bit-header': 'REPAIRED_EIGHT_BIT_HEADER',
  'mbox-line': 'REPAIRED_MBOX_LINE',
  header: 'REPAIRED_HEADER',
};

/** More than one defect may be meant by the same words. */
const WORDS: readonly (readonly [RegExp, readonly Defect[]])[] = [
  [/\bNULs?\b|null (?:char|byte|octet)/i, ['nul']],
  [/bare (?:newline|lf|cr|line ?feed)|line ?end/i, ['line-ends']],
  [/non-?ascii|8-?bit|eight-?bit/i, ['eight-bit-header']],
  [/mbox|"?From "? line/i, ['mbox-line']],
  [
    /invalid header|separator|header (?:line|field|name)|malformed header/i,
    ['mbox-line', 'header', 'eight-bit-header'],
  ],
];
const KEYWORD_WORDS = /keyword|too many (?:user )?flags|invalid flag|flag name/i;

/** Codes of refusals that say the message is not to the server's liking, rather than too large or unwelcome. */
const MALFORMED_CODES = /^(?:SERVER_REFUSED|KEYWORDS_REFUSED|.*MALFORMED.*|MESSAGE_REFUSED)$/;
const UNWELCOME = /virus|malware|spam|infected|policy|quota|too (?:big|large)|identical/i;

/** Header bytes that are looked at; a longer header is not repaired. */
const MOST_HEADER_BYTES = 512 * 1024;

/** The item in the form that may be taken, or null: nothing is wrong with it that we could mend. */
export async function repaired(item: StagedItem, refused: TransferError, staging: Staging): Promise<StagedItem | null> {
  const text = refused.serverText ?? '';
  if (refused.scope !== 'item' || !MALFORMED_CODES.test(refused.code) || UNWELCOME.test(text)) return null;
  const keywords = item.flags.filter((flag) => !flag.startsWith('\\'));
  if (refused.code === 'KEYWORDS_REFUSED' || KEYWORD_WORDS.test(text)) {
    if (keywords.length === 0) return null;
    const flags = item.flags.filter((flag) => flag.startsWith('\\'));
    return { ...item, flags, notes: [...item.notes, { code: 'KEYWORDS_DROPPED', detail: keywords.join(' ') }] };
  }
  const named = WORDS.find(([words]) => words.test(text))?.[1];
  const found = await defectsOf(item);
  const mend = new Set(DEFECTS.filter((defect) => found.has(defect) && (named?.includes(defect) ?? true)));
  if (mend.size === 0) return null;
  const body = await staging.put(item.ref, mended(item, mend));
  const notes: Note[] = [...mend].map((defect) => ({ code: NOTES[defect] }));
  return { ...item, body, notes: [...item.notes, ...notes] };
}

/** Header block (with its separator, if it has one) and the rest, as a stream. */
async function split(item: StagedItem): Promise<{ header: Buffer | null; rest: () => AsyncIterable<Buffer> }> {
  let kept = Buffer.alloc(0);
  for await (const chunk of item.body.open()) {
    kept = Buffer.concat([kept, chunk]);
    if (separator(kept) !== null || kept.length > MOST_HEADER_BYTES) break;
  }
  const end = separator(kept) ?? kept.length;
  if (end > MOST_HEADER_BYTES) return { header: null, rest: () => from(item, 0) };
  return { header: kept.subarray(0, end), rest: () => from(item, end) };
}

async function* from(item: StagedItem, start: number): AsyncIterable<Buffer> {
  let at = 0;
  for await (const chunk of item.body.open()) {
    const skip = Math.min(chunk.length, Math.max(0, start - at));
    at += chunk.length;
    if (skip < chunk.length) yield Buffer.from(chunk.buffer, chunk.byteOffset + skip, chunk.length - skip);
  }
}

/** Where the body starts: after the first empty line, however its end is written. */
function separator(bytes: Buffer): number | null {
  if (bytes[0] === LF) return 1;
  if (bytes[0] === CR && bytes[1] === LF) return 2;
  for (let at = bytes.indexOf(LF); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return null;
}

const CR = 0x0d;
const LF = 0x0a;
const NUL = 0x00;
const STORED_NUL = 0x80;
const QUESTION = 0x3f;

const HEADER_LINE = /^[!-9;-~]+[ \t]*:/;
const MBOX_LINE = /^>?From [^\r\n]*\r?\n/;

async function defectsOf(item: StagedItem): Promise<Set<Defect>> {
  const found = new Set<Defect>();
  const { header } = await split(item);
  if (header) {
    const text = header.toString('latin1');
    if (MBOX_LINE.test(text)) found.add('mbox-line');
    if (/[\x80-\xff]/.test(text)) found.add('eight-bit-header');
    if (mendHeaderLines(text.replace(MBOX_LINE, '')) !== text.replace(MBOX_LINE, '')) found.add('header');
  }
  let previous = -1;
  for await (const chunk of item.body.open())
    for (const byte of chunk) {
      if (byte === NUL) found.add('nul');
      if ((byte === LF) !== (previous === CR)) found.add('line-ends');
      previous = byte;
    }
  if (previous === CR) found.add('line-ends');
  return found;
}

async function* mended(item: StagedItem, defects: ReadonlySet<Defect>): AsyncIterable<Uint8Array> {
  const { header, rest } = await split(item);
  const ends = new LineEnds(defects.has('line-ends'));
  if (header) {
    let text = header.toString('latin1');
    if (defects.has('mbox-line')) text = text.replace(MBOX_LINE, '');
    if (defects.has('nul')) text = text.replaceAll('\0', String.fromCharCode(QUESTION));
    if (defects.has('header')) text = mendHeaderLines(text);
    if (defects.has('eight-bit-header')) text = encodeEightBit(text);
    yield ends.mend(Buffer.from(text, 'latin1'));
  }
  for await (const chunk of rest()) {
    const bytes = Buffer.from(chunk);
    if (defects.has('nul')) for (let i = 0; i < bytes.length; i++) if (bytes[i] === NUL) bytes[i] = STORED_NUL;
    yield ends.mend(bytes);
  }
  yield ends.end();
}

/**
 * A line that is no header field and no continuation: folded into the field before it when more fields follow, else
 * the body starts there. A header without an empty line after it gets one.
 */
function mendHeaderLines(text: string): string {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const bare = (line: string) => line.replace(/\r?\n$/, '');
  const isEnd = (line: string) => bare(line) === '';
  const fits = (line: string, i: number) => isEnd(line) || HEADER_LINE.test(line) || (i > 0 && /^[ \t]/.test(line));
  let out = '';
  for (const [i, line] of lines.entries()) {
    if (fits(line, i)) {
      out += line;
      continue;
    }
    const spaced = /^([!-9;-~]+(?:[ \t]+[!-9;-~]+){1,3})[ \t]*:/.exec(line);
    const more = lines.slice(i + 1).some((later) => HEADER_LINE.test(later));
    if (spaced && (more || isEnd(lines[i + 1] ?? '')))
      out += spaced[1]!.replace(/[ \t]+/g, '-') + line.slice(spaced[1]!.length);
    else if (more && i > 0) out += ` ${line}`;
    else return `${out}\r\n${lines.slice(i).join('')}`;
  }
  const last = lines.at(-1);
  if (last !== undefined && isEnd(last)) return out;
  return last?.endsWith('\n') === false ? `${out}\r\n\r\n` : `${out}\r\n`;
}

/** Makes every line end CRLF. CRs right before a line end are left out; any other lone CR is a line end. */
class LineEnds {
  private crs = 0;

  constructor(private readonly on: boolean) {}

  mend(bytes: Buffer): Buffer {
    if (!this.on) return bytes;
    const out = Buffer.allocUnsafe(bytes.length * 2 + this.crs * 2 + 2);
    let n = 0;
    const lineEnd = () => {
      out[n++] = CR;
      out[n++] = LF;
    };
    for (const byte of bytes) {
      if (byte === CR) {
        this.crs++;
        continue;
      }
      if (byte === LF) {
        this.crs = 0;
        lineEnd();
        continue;
      }
      if (this.crs > 0) {
        this.crs = 0;
        lineEnd();
      }
      out[n++] = byte;
    }
    return out.subarray(0, n);
  }

  end(): Buffer {
    return this.on && this.crs > 0 ? Buffer.from('\r\n') : Buffer.alloc(0);
  }
}
