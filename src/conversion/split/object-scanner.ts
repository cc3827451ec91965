import { createHash } from 'node:crypto';
import { ConversionError } from '../conversion-error.js';
import { MOST_DEPTH, MOST_OBJECTS } from '../limits.js';

export type ObjectKind = 'VEVENT' | 'VTODO' | 'VJOURNAL' | 'VCARD';

/** Bytes [start, end) of a file. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One object of a file: where its parts are. Nothing of its content is kept but the UID. */
export interface FoundObject {
  readonly kind: ObjectKind;
  readonly uid: string | null;
  /** How many other objects with this UID and kind came before it. */
  readonly copy: number;
  /** The item and its exceptions, in the order of the file. */
  readonly parts: readonly ByteRange[];
  /** Index of the VCALENDAR that its first part is in; 0 for cards. */
  readonly calendar: number;
}

/** What of a VCALENDAR belongs to all its objects. */
export interface FoundCalendar {
  /** Its own properties. */
  readonly head: readonly ByteRange[];
  readonly zones: readonly ByteRange[];
}

export interface FileIndex {
  readonly objects: readonly FoundObject[];
  readonly calendars: readonly FoundCalendar[];
  /** Components that are no object, by name, e.g. VFREEBUSY. */
  readonly leftOut: ReadonlyMap<string, number>;
}

interface Growing {
  kind: ObjectKind;
  uid: string | null;
  copy: number;
  parts: ByteRange[];
  calendar: number;
  /** Of the parts that are no exceptions: equal copies are left out. */
  hashes: Set<string>;
}

const KINDS: ReadonlySet<string> = new Set(['VEVENT', 'VTODO', 'VJOURNAL', 'VCARD']);
const CR = 0x0d;
const LF = 0x0a;
/** Bytes of a line that are looked at: names of components, UIDs. */
const MOST_LOOKED_AT = 1024;

/**
 * Finds the objects of an .ics or .vcf file of any size while it streams by. Memory grows with the number of objects, not with
 * their size. Line ends may be CRLF, LF or CR.
 */
export class ObjectScanner {
  private readonly objects: Growing[] = [];
  private readonly latest = new Map<string, Growing>();
  private readonly calendars: { head: ByteRange[]; zones: ByteRange[] }[] = [];
  private readonly leftOut = new Map<string, number>();
  private readonly open: { name: string; start: number }[] = [];
  /** The line that is read: its first bytes, and where it begins in the file. */
  private line: number[] = [];
  private lineStart = 0;
  /** Of the same line, from earlier chunks. */
  private lineBytes: Uint8Array[] = [];
  /** Its beginning is known to be a new line, or a part of the one before. */
  private judged = false;
  private at = 0;
  private afterCr = false;
  private uid: string | null = null;
  private isException = false;
  private pending = { text: '', start: 0 };
  private hash = createHash('sha256');

  /** @throws ConversionError OBJECT_TOO_COMPLEX */
  update(chunk: Uint8Array): void {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.afterCr) {
        this.afterCr = false;
        if (byte === LF) {
          this.endLine(this.at + i + 1, chunk.subarray(from, i + 1));
          from = i + 1;
          continue;
        }
        this.endLine(this.at + i, chunk.subarray(from, i));
        from = i;
      }
      if (byte === LF) {
        this.endLine(this.at + i + 1, chunk.subarray(from, i + 1));
        from = i + 1;
      } else if (byte === CR) this.afterCr = true;
      else if (this.line.length < MOST_LOOKED_AT) this.line.push(byte);
    }
    if (from < chunk.length) this.goOn(chunk.subarray(from));
    this.at += chunk.length;
  }

  /** @throws ConversionError OBJECT_TOO_COMPLEX */
  end(): FileIndex {
    if (this.line.length > 0 || this.afterCr) this.endLine(this.at, new Uint8Array());
    this.take(this.at);
    // What the file breaks off in is kept as far as it goes.
    while (this.open.length > 0) this.close(this.open.at(-1)!.name, this.at);
    return { objects: this.objects, calendars: this.calendars, leftOut: this.leftOut };
  }

  /** A line that is longer than what is looked at of it need not be kept: it may have no end. */
  private goOn(bytes: Uint8Array): void {
    this.lineBytes.push(Buffer.from(bytes));
    if (this.line.length < MOST_LOOKED_AT) return;
    this.judgeLine();
    this.hashLine(new Uint8Array());
  }

  private endLine(end: number, rest: Uint8Array): void {
    this.judgeLine();
    this.hashLine(rest);
    this.line = [];
    this.lineStart = end;
    this.judged = false;
  }

  /** A physical line: it goes on with the one before it, or that one is complete. */
  private judgeLine(): void {
    if (this.judged) return;
    this.judged = true;
    const text = Buffer.from(this.line).toString('latin1');
    const start = this.lineStart;
    if (text.startsWith(' ') || text.startsWith('\t')) {
      if (this.pending.text.length < MOST_LOOKED_AT) this.pending.text += text.slice(1);
      return;
    }
    this.take(start);
    this.pending = { text, start };
  }

  private hashLine(rest: Uint8Array): void {
    if (this.inItem()) for (const part of [...this.lineBytes, rest]) this.hash.update(part);
    this.lineBytes = [];
  }

  /** The logical line that ends before `end`. */
  private take(end: number): void {
    const { text, start } = this.pending;
    const [, name = '', value = ''] = /^([A-Za-z-]+)(?:;[^:]*)?:(.*)$/s.exec(text) ?? [];
    switch (name.toUpperCase()) {
      case 'BEGIN':
        return this.begin(value.trim().toUpperCase(), start);
      case 'END':
        return this.close(value.trim().toUpperCase(), end);
      case 'UID':
        if (this.atItem()) this.uid = value;
        break;
      case 'RECURRENCE-ID':
        if (this.atItem()) this.isException = true;
    }
    if (text !== '' && this.open.length === 1 && this.open[0]!.name === 'VCALENDAR')
      this.calendar().head.push({ start, end });
  }

  private inItem(): boolean {
    return this.open.length > this.depthOfItem();
  }

  private atItem(): boolean {
    return KINDS.has(this.open.at(-1)?.name ?? '') && this.depthOfItem() === this.open.length - 1;
  }

  /** Index in `open` of the outermost component that is no VCALENDAR. */
  private depthOfItem(): number {
    return this.open[0]?.name === 'VCALENDAR' ? 1 : 0;
  }

  private calendar(): { head: ByteRange[]; zones: ByteRange[] } {
    if (this.calendars.length === 0) this.calendars.push({ head: [], zones: [] });
    return this.calendars.at(-1)!;
  }

  private begin(name: string, start: number): void {
    if (name === 'VCALENDAR') {
      // One that was never ended: what comes now is not inside of it.
      while (this.open.length > 0) this.close(this.open.at(-1)!.name, start);
      this.calendars.push({ head: [], zones: [] });
    }
    if (this.open.length > MOST_DEPTH + 1)
      throw new ConversionError('OBJECT_TOO_COMPLEX', 'The file has too many levels.');
    this.open.push({ name, start });
    if (this.open.length - 1 !== this.depthOfItem() || name === 'VCALENDAR') return;
    [this.uid, this.isException, this.hash] = [null, false, createHash('sha256')];
  }

  private close(name: string, end: number): void {
    const index = this.open.findLastIndex((one) => one.name === name);
    if (index < 0) return;
    const { start } = this.open[index]!;
    const isItem = index === this.depthOfItem() && name !== 'VCALENDAR';
    this.open.length = index;
    if (!isItem) return;
    if (KINDS.has(name)) this.found(name as ObjectKind, { start, end });
    else if (name === 'VTIMEZONE') this.calendar().zones.push({ start, end });
    else this.leftOut.set(name, (this.leftOut.get(name) ?? 0) + 1);
  }

  private found(kind: ObjectKind, part: ByteRange): void {
    const uid =
      this.uid === null || this.uid.trim() === '' ? null : Buffer.from(this.uid.trim(), 'latin1').toString('utf8');
    const key = `${kind} ${uid}`;
    const hash = this.hash.digest('base64');
    this.hash = createHash('sha256');
    const before = uid === null ? undefined : this.latest.get(key);
    if (before?.hashes.has(hash)) return;
    if (before && kind !== 'VCARD' && (this.isException || before.hashes.size === 0)) {
      before.parts.push(part);
      if (!this.isException) before.hashes.add(hash);
      return;
    }
    if (this.objects.length >= MOST_OBJECTS)
      throw new ConversionError('OBJECT_TOO_COMPLEX', 'The file has too many entries.');
    const calendar = Math.max(0, this.calendars.length - 1);
    const fresh = {
      kind,
      uid,
      copy: before ? before.copy + 1 : 0,
      parts: [part],
      calendar,
      hashes: new Set(before?.hashes),
    };
    if (!this.isException) fresh.hashes.add(hash);
    this.objects.push(fresh);
    if (uid !== null) this.latest.set(key, fresh);
  }
}
