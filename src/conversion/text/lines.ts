import { ConversionError } from '../conversion-error.js';
import { MOST_LINES, MOST_OBJECT_BYTES } from '../limits.js';

/**
 * What was wrong with the bytes before a single property was understood:
 * `charset` not UTF-8, `control` control characters, `folding` a value that goes on in a line of its own without a blank.
 */
export type TextDefect = 'charset' | 'control' | 'folding';

/** Logical lines, unfolded and decoded; empty lines are left out. */
export interface LogicalLines {
  readonly lines: readonly string[];
  readonly defects: ReadonlySet<TextDefect>;
}

const LINE_END = /\r\n|\n|\r/;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const BASE64_LINE = /^[A-Za-z0-9+/]+={0,2}[ \t]*$/;
const BASE64_HEAD = /^[^:]*;(?:ENCODING=)?"?(?:B|BASE64)"?(?:;[^:]*)?:/i;
const QUOTED_PRINTABLE_HEAD = /^[^:]*;(?:ENCODING=)?"?QUOTED-PRINTABLE"?(?:;[^:]*)?:/i;
const CHARSET = /;CHARSET="?([^":;,]+)"?[^:]*:/i;
/** A name, its group and the sign that ends the name (RFC 6350 section 3.3), loosely: underscores occur. */
const CONTENT_LINE = /^(?:[A-Za-z0-9_-]+\.)?[A-Za-z0-9_-]+[ \t]*[;:]/;

/** A name alone: old Mozilla folds in front of the colon. */
const BARE_NAME = /^[A-Za-z0-9_.-]+$/;

/**
 * Bytes to logical lines. Folds are undone before anything is decoded, since they may fall inside a character
 * (RFC 5545 section 3.1). A line that is not UTF-8 is read in the charset that it names, else as Windows-1252.
 * @throws ConversionError OBJECT_TOO_LARGE, OBJECT_TOO_COMPLEX
 */
export function readLines(bytes: Uint8Array): LogicalLines {
  if (bytes.length > MOST_OBJECT_BYTES) throw new ConversionError('OBJECT_TOO_LARGE', 'The object is too large.');
  const defects = new Set<TextDefect>();
  const lines = unfold(withoutMark(bytes, defects), defects).map((line) => cleaned(decoded(line, defects), defects));
  return { lines: lines.filter((line) => line.trim() !== ''), defects };
}

/** One character a byte, without a byte order mark. UTF-16, as Outlook writes it, becomes UTF-8 first. */
function withoutMark(bytes: Uint8Array, defects: Set<TextDefect>): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const encoding = buffer[0] === 0xff && buffer[1] === 0xfe ? 'utf-16le' : 'utf-16be';
  if (encoding === 'utf-16le' || (buffer[0] === 0xfe && buffer[1] === 0xff)) {
    defects.add('charset');
    return Buffer.from(new TextDecoder(encoding).decode(buffer), 'utf8').toString('latin1');
  }
  const marked = buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf;
  return buffer.toString('latin1', marked ? 3 : 0);
}

function unfold(text: string, defects: Set<TextDefect>): string[] {
  const out: string[][] = [];
  /** Of the line that may go on. */
  let [base64, quoted] = [false, false];
  const physical = text.split(LINE_END);
  if (physical.length > MOST_LINES) throw new ConversionError('OBJECT_TOO_COMPLEX', 'The object has too many lines.');
  for (const [i, line] of physical.entries()) {
    const last = out.at(-1);
    if (last && quoted && last.at(-1)!.endsWith('=')) {
      last[last.length - 1] = last.at(-1)!.slice(0, -1);
      last.push(softly(line, last[0]!));
      continue;
    }
    if (last && (line.startsWith(' ') || line.startsWith('\t'))) {
      last.push(line.slice(1));
      continue;
    }
    if (line === '') {
      base64 = false;
      continue;
    }
    if (last && base64 && BASE64_LINE.test(line)) {
      defects.add('folding');
      last.push(line.trim());
      continue;
    }
    const foldedName = BARE_NAME.test(line) && /^[ \t]/.test(physical[i + 1] ?? '');
    if (last && !CONTENT_LINE.test(line) && !foldedName) {
      // A line feed that nobody escaped: it belongs to the text before it.
      defects.add('folding');
      last.push(base64 ? line.trim() : `\\n${line}`);
      continue;
    }
    out.push([line]);
    base64 = BASE64_HEAD.test(line);
    quoted = QUOTED_PRINTABLE_HEAD.test(line);
  }
  return out.map((parts) => (parts.length === 1 ? parts[0]! : parts.join('')));
}

/** A line after a soft line break (RFC 2045 section 6.7). Who writes blanks as =20 means a fold by a blank in front. */
function softly(line: string, first: string): string {
  return first.includes('=20') ? line.replace(/^[ \t]+/, '') : line;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const windows1252 = new TextDecoder('windows-1252');

function decoded(line: string, defects: Set<TextDefect>): string {
  if (!/[\x80-\xff]/.test(line)) return line;
  const bytes = Buffer.from(line, 'latin1');
  try {
    return utf8.decode(bytes);
  } catch {
    defects.add('charset');
    return decoderFor(CHARSET.exec(line)?.[1]).decode(bytes);
  }
}

/** For a charset's name as people write it; Windows-1252 for one that nobody knows. */
export function decoderFor(charset: string | undefined): InstanceType<typeof TextDecoder> {
  if (charset === undefined || /^utf-?8$/i.test(charset)) return windows1252;
  try {
    return new TextDecoder(charset);
  } catch {
    return windows1252;
  }
}

function cleaned(line: string, defects: Set<TextDefect>): string {
  if (line.search(CONTROL) < 0) return line;
  defects.add('control');
  return line.replace(CONTROL, '');
}
