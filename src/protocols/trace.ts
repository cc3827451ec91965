/** Hears what is said on the wire: commands and answers in short, never a body, a header or a secret. */
export interface ProtocolTrace {
  /** A new connection; what it says goes into the returned function, a line each. */
  connection(): (line: string) => void;
}

/** Bytes of lines that are kept of the beginning, and of the end. */
const HEAD_BYTES = 8 * 1024;
const TAIL_BYTES = 56 * 1024;
const MAX_LINE = 400;

/** Keeps the beginning and the end of a conversation, however long it gets. */
export class TraceRing implements ProtocolTrace {
  private readonly head: string[] = [];
  private readonly tail: string[] = [];
  private headBytes = 0;
  private tailBytes = 0;
  private dropped = 0;
  private connections = 0;

  connection(): (line: string) => void {
    const name = ++this.connections;
    return (line) => this.add(`${new Date().toISOString().slice(11, 23)} #${name} ${line}`);
  }

  /** Null: nothing was said. */
  text(): string | null {
    if (this.head.length === 0) return null;
    const gap = this.dropped === 0 ? [] : [`... ${this.dropped} lines left out ...`];
    return [...this.head, ...gap, ...this.tail].join('\n');
  }

  private add(line: string): void {
    // A copy: a slice would keep the whole answer in memory.
    const kept = Buffer.from(line.slice(0, MAX_LINE), 'utf8').toString('utf8');
    if (this.tail.length === 0 && this.headBytes + kept.length <= HEAD_BYTES) {
      this.head.push(kept);
      this.headBytes += kept.length;
      return;
    }
    this.tail.push(kept);
    this.tailBytes += kept.length;
    while (this.tailBytes > TAIL_BYTES) {
      this.tailBytes -= this.tail.shift()!.length;
      this.dropped++;
    }
  }
}
