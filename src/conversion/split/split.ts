import { ConversionError } from '../conversion-error.js';
import { MOST_OBJECT_BYTES } from '../limits.js';
import { ObjectScanner, type ByteRange, type FileIndex, type FoundObject, type ObjectKind } from './object-scanner.js';

/** One object with all that it needs, as its writer spelled it. */
export interface SplitObject {
  readonly bytes: Uint8Array;
  readonly kind: ObjectKind;
  readonly uid: string | null;
  /** For `CalendarOptions.copy`. */
  readonly copy: number;
}

const TZID = /;TZID="?([^":;,]+)/gi;
const DEFINED = /^TZID[^:\r\n]*:([^\r\n]*)/im;

/**
 * The objects of a calendar or address book: events, tasks and notes by UID with their exceptions and the VTIMEZONEs they name;
 * cards one by one. Bytes are copied, not changed.
 * @throws ConversionError OBJECT_TOO_COMPLEX
 */
export function splitObjects(bytes: Uint8Array): SplitObject[] {
  const scanner = new ObjectScanner();
  scanner.update(bytes);
  const index = scanner.end();
  const at = ({ start, end }: ByteRange): Uint8Array => bytes.subarray(start, end);
  return index.objects.map((one) => ({
    bytes: assemble(one, index, at),
    kind: one.kind,
    uid: one.uid,
    copy: one.copy,
  }));
}

/** Ranges whose bytes `assemble` asks for. */
export function rangesOf(one: FoundObject, index: FileIndex): ByteRange[] {
  const calendar = one.kind === 'VCARD' ? undefined : index.calendars[one.calendar];
  return [...(calendar?.head ?? []), ...(calendar?.zones ?? []), ...one.parts];
}

/** @param at the bytes of each of `rangesOf(one, index)` */
export function assemble(one: FoundObject, index: FileIndex, at: (range: ByteRange) => Uint8Array): Uint8Array {
  const size = one.parts.reduce((sum, { start, end }) => sum + end - start, 0);
  if (size > MOST_OBJECT_BYTES) throw new ConversionError('OBJECT_TOO_LARGE', 'The object is too large.');
  const parts = one.parts.map((range) => lineEnded(at(range)));
  if (one.kind === 'VCARD') return Buffer.concat(parts);
  const calendar = index.calendars[one.calendar];
  const named = new Set(parts.flatMap((part) => [...unfolded(part).matchAll(TZID)].map((match) => match[1]!.trim())));
  const zones = (calendar?.zones ?? [])
    .map((range) => lineEnded(at(range)))
    .filter((zone) => {
      const tzid = DEFINED.exec(unfolded(zone))?.[1]?.trim();
      return tzid !== undefined && named.has(tzid);
    });
  return Buffer.concat([
    Buffer.from('BEGIN:VCALENDAR\r\n'),
    ...(calendar?.head ?? []).map((range) => lineEnded(at(range))),
    ...zones,
    ...parts,
    Buffer.from('END:VCALENDAR\r\n'),
  ]);
}

function unfolded(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/\r?\n[ \t]/g, '');
}

function lineEnded(bytes: Uint8Array): Uint8Array {
  const last = bytes.at(-1);
  return last === 0x0a || last === 0x0d ? bytes : Buffer.concat([bytes, Buffer.from('\r\n')]);
}
