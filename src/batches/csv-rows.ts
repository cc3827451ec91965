import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { JobError } from '../jobs/contract.js';
import { wordsFor } from '../jobs/messages.js';
import type { RefusedRow } from './batch.js';

/** What somebody wants moved, as he wrote it. `row` counts data rows from 1. */
export interface GivenRow {
  readonly row: number;
  readonly mailbox: string;
  /** '': the batch's rule says it. */
  readonly username: string;
  readonly password: string;
}

/** Mailboxes of one batch. */
export const MAX_ROWS = 10_000;
/** Characters of one row; an address, a user name and a password fit many times. */
const MAX_ROW_LENGTH = 16_384;
const COLUMNS = ['mailbox', 'source_username', 'source_password'] as const;
type Column = (typeof COLUMNS)[number];
const DELIMITERS = [',', ';', '\t'] as const;
/** Characters handed to the parser at a time. */
const PIECE = 64 * 1024;

/**
 * Rows of a CSV text (RFC 4180): a header with `mailbox`, and `source_username` and `source_password` where they are
 * wanted, in any order and spelling of case; comma, semicolon or tab; UTF-8. Other columns are left alone. Reading stops
 * at the first row past a limit, however long the rest is.
 * @throws JobError CSV_ENCODING, CSV_HEADER, CSV_EMPTY, CSV_TOO_MANY_ROWS, CSV_ROW_TOO_LONG, CSV_MALFORMED; `details.row`
 *   says which row, where it is one.
 */
export async function readCsv(
  input: string | Uint8Array,
  needs: readonly Column[] = ['mailbox'],
): Promise<{ rows: GivenRow[]; refused: RefusedRow[] }> {
  const text = decode(input);
  const rows: GivenRow[] = [];
  const refused: RefusedRow[] = [];
  let header: (Column | null)[] | null = null;
  let row = 0;
  const parser = parse({
    delimiter: delimiterOf(text),
    record_delimiter: ['\r\n', '\n', '\r'],
    max_record_size: MAX_ROW_LENGTH,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    skip_records_with_empty_values: true,
  });
  const source = Readable.from(pieces(text));
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      if (header === null) {
        header = headerOf(record, needs);
        continue;
      }
      row += 1;
      if (row > MAX_ROWS) throw csvError('CSV_TOO_MANY_ROWS', row);
      if (record.length > header.length) {
        refused.push({ row, ...refusal('ROW_MALFORMED') });
        continue;
      }
      const cell = (name: Column): string => record[header!.indexOf(name)] ?? '';
      rows.push({
        row,
        mailbox: cell('mailbox').trim(),
        username: cell('source_username').trim(),
        password: cell('source_password'),
      });
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    // The parser is ahead of us: it says itself how many records it has given out, the header among them.
    const { records } = error as CsvError & { readonly records: number };
    throw csvError(
      error.code === 'CSV_MAX_RECORD_SIZE' ? 'CSV_ROW_TOO_LONG' : 'CSV_MALFORMED',
      records === 0 ? undefined : records,
    );
  } finally {
    source.destroy();
    parser.destroy();
  }
  if (row === 0) throw csvError(header === null ? 'CSV_HEADER' : 'CSV_EMPTY');
  return { rows, refused };
}

export function refusal(code: string): { code: string; message: string } {
  return { code, message: wordsFor(code).message };
}

function csvError(code: string, row?: number): JobError {
  const { message } = wordsFor(code);
  return row === undefined ? new JobError(code, message) : new JobError(code, `Row ${row}: ${message}`, { row });
}

/** Spreadsheets also write UTF-16 and old code pages: guessing there would spoil passwords. */
function decode(input: string | Uint8Array): string {
  let text: string;
  if (typeof input === 'string') text = input;
  else {
    const wide = (input[0] === 0xff && input[1] === 0xfe) || (input[0] === 0xfe && input[1] === 0xff);
    if (wide) throw csvError('CSV_ENCODING');
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(input);
    } catch {
      throw csvError('CSV_ENCODING');
    }
  }
  if (text.includes('\0')) throw csvError('CSV_ENCODING');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** What separates the header's names. */
function delimiterOf(text: string): string {
  const line = /^[^\r\n]{0,2000}/.exec(text.trimStart())?.[0] ?? '';
  const counts = DELIMITERS.map((delimiter) => line.split(delimiter).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))]!;
}

function headerOf(record: readonly string[], needs: readonly Column[]): (Column | null)[] {
  const header = record.map((name) => {
    const plain = name
      .trim()
      .toLowerCase()
      .replace(/[\s-]+/g, '_');
    return COLUMNS.find((column) => column === plain) ?? null;
  });
  const named = header.filter((name) => name !== null);
  if (needs.some((name) => !named.includes(name)) || new Set(named).size !== named.length) throw csvError('CSV_HEADER');
  return header;
}

function* pieces(text: string): Generator<string> {
  for (let at = 0; at < text.length; at += PIECE) yield text.slice(at, at + PIECE);
}
