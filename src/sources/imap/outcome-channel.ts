/** Hands values from a producer that runs ahead to a consumer that pulls. */
export class OutcomeChannel<T> implements AsyncIterable<T> {
  private readonly values: T[] = [];
  private end: { error?: unknown } | null = null;
  private wake: (() => void) | null = null;

  push(value: T): void {
    this.values.push(value);
    this.rouse();
  }

  close(): void {
    this.end ??= {};
    this.rouse();
  }

  fail(error: unknown): void {
    this.end ??= { error };
    this.rouse();
  }

  /** What nobody will pull any more. */
  rest(): T[] {
    return this.values.splice(0);
  }

  private rouse(): void {
    this.wake?.();
    this.wake = null;
  }

  /** Values first, the error after them. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const value = this.values.shift();
      if (value !== undefined) yield value;
      else if (this.end === null) await new Promise<void>((resolve) => (this.wake = resolve));
      else if ('error' in this.end) throw this.end.error;
      else return;
    }
  }
}
