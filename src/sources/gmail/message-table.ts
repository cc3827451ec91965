import type { ZonedDate } from '../../mailbox/item.js';

export interface TableRow {
  readonly msgId: bigint;
  /** Which of the server's folders it is read from, and its UID there. */
  readonly origin: number;
  readonly uid: number;
  readonly size: number;
  readonly date: ZonedDate | null;
  readonly flags: readonly string[];
  /** Labels besides the one that decided its folder. */
  readonly extra: readonly string[];
}

const FIRST_ROOM = 1_024;
const NO_DATE = -(2 ** 52);

/** The messages of one folder in some 40 bytes each: a mailbox of a million is listed as a whole. */
export class MessageTable {
  private msgIds = new BigUint64Array(FIRST_ROOM);
  /** uid, size, flags, extra: by number. */
  private words = new Uint32Array(FIRST_ROOM * 4);
  private seconds = new Float64Array(FIRST_ROOM);
  private offsets = new Int16Array(FIRST_ROOM);
  private origins = new Uint16Array(FIRST_ROOM);
  length = 0;
  bytes = 0;

  constructor(private readonly sets: StringSets) {}

  add(row: TableRow): void {
    if (this.length === this.msgIds.length) this.grow();
    const at = this.length++;
    this.msgIds[at] = row.msgId;
    this.words.set([row.uid, row.size, this.sets.number(row.flags), this.sets.number(row.extra)], at * 4);
    this.seconds[at] = row.date?.seconds ?? NO_DATE;
    this.offsets[at] = row.date?.offset ?? 0;
    this.origins[at] = row.origin;
    this.bytes += row.size;
  }

  row(at: number): TableRow {
    const [uid, size, flags, extra] = this.words.subarray(at * 4, at * 4 + 4);
    const seconds = this.seconds[at]!;
    return {
      msgId: this.msgIds[at]!,
      origin: this.origins[at]!,
      uid: uid!,
      size: size!,
      date: seconds === NO_DATE ? null : { seconds, offset: this.offsets[at]! },
      flags: this.sets.get(flags!),
      extra: this.sets.get(extra!),
    };
  }

  ids(): BigUint64Array {
    return this.msgIds.subarray(0, this.length);
  }

  private grow(): void {
    const twice = <T extends { set(from: T): void }>(larger: T, old: T): T => {
      larger.set(old);
      return larger;
    };
    const room = this.msgIds.length * 2;
    this.msgIds = twice(new BigUint64Array(room), this.msgIds);
    this.words = twice(new Uint32Array(room * 4), this.words);
    this.seconds = twice(new Float64Array(room), this.seconds);
    this.offsets = twice(new Int16Array(room), this.offsets);
    this.origins = twice(new Uint16Array(room), this.origins);
  }
}

/** Lists of flags or labels by number: few different ones stand for many messages. */
export class StringSets {
  private readonly all: (readonly string[])[] = [];
  private readonly numbers = new Map<string, number>();

  number(strings: readonly string[]): number {
    const name = strings.join('\0');
    const known = this.numbers.get(name);
    if (known !== undefined) return known;
    this.numbers.set(name, this.all.length);
    return this.all.push(strings) - 1;
  }
  get(number: number): readonly string[] {
    return this.all[number]!;
  }
}
