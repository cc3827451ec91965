/** Largest file that is taken, and most of them for one migration. */
export const MAX_FILE_BYTES = 64 * 1024 * 1024;
export const MAX_FILES = 10;
/** Bytes of files that are kept at once for all migrations into one mailbox. */
export const MAX_MAILBOX_BYTES = 4 * MAX_FILE_BYTES;
/** Bytes of a file in one row; all but the last have so many. */
export const UPLOAD_PART_BYTES = 256 * 1024;
/** Bytes at the beginning of a file that are looked at. */
export const HEAD_BYTES = 64 * 1024;
const MAX_NAME = 150;

/** Zip, gzip, 7-Zip, RAR, bzip2, xz: how such files begin. */
const ARCHIVES = ['504b0304', '504b0506', '1f8b', '377abcaf271c', '526172211a07', '425a68', 'fd377a585a00'];
/** A file of entries; some programs leave out the calendar around them. */
const ENTRIES = /(?:^|[\r\n])[ \t\ufeff]*BEGIN:V(?:CALENDAR|CARD|EVENT|TODO|JOURNAL)[ \t]*(?:[\r\n]|$)/i;

export type FileRefusal = 'FILE_EMPTY' | 'FILE_IS_ARCHIVE' | 'FILE_NOT_CALENDAR';

/**
 * By what is in it, never by its name: a calendar may be called anything. Only how it begins is looked at; whoever reads it
 * whole finds out the rest.
 * @param head the first HEAD_BYTES, or all where there are fewer. Null: nothing against it.
 */
export function refuseFile(head: Buffer): FileRefusal | null {
  const text = head.toString('latin1').replace(/^\u00ef\u00bb\u00bf/, '');
  if (/^[\s\0]*$/.test(text)) return 'FILE_EMPTY';
  const start = head.subarray(0, 8).toString('hex');
  if (ARCHIVES.some((magic) => start.startsWith(magic))) return 'FILE_IS_ARCHIVE';
  return ENTRIES.test(text) ? null : 'FILE_NOT_CALENDAR';
}

/** UTF-16, by its mark; null: as it is. */
export function wideEncoding(head: Buffer): 'utf-16le' | 'utf-16be' | null {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le';
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : null;
}

/** What a person calls it, fit to be shown and to name a calendar: no path, no control or direction characters. */
export function fileName(sent: string): string {
  const last = sent.split(/[/\\]/).at(-1) ?? '';
  const plain = last
    .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu, '')
    .trim();
  return [...plain].slice(0, MAX_NAME).join('') || 'file';
}
