/**
 * Buffers of one length that are used again and again: what a process allocates outside of V8's heap is freed long after it
 * was needed, and the garbage collector answers to much of it by marking the whole heap.
 */
export class BufferPool {
  private readonly free: Buffer[] = [];

  /** @param keep how many are kept while nobody uses them. */
  constructor(
    readonly bytes: number,
    private readonly keep: number,
  ) {}

  /** With whatever was in it before. */
  take(): Buffer {
    return this.free.pop() ?? Buffer.allocUnsafeSlow(this.bytes);
  }

  /** Only what nobody reads any more. One that is not given back is garbage, as any other. */
  give(buffer: Buffer): void {
    if (this.free.length < this.keep) this.free.push(buffer);
  }
}
