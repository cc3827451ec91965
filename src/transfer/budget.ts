/** So many bytes may be held at once; first come, first served. */
export class Budget {
  private used = 0;
  private readonly waiting: { bytes: number; go: () => void }[] = [];

  constructor(readonly bytes: number) {}

  get inUse(): number {
    return this.used;
  }

  private fits(bytes: number): boolean {
    // Something larger than the whole budget goes alone, else it would never go.
    return this.used + bytes <= this.bytes || this.used === 0;
  }

  /** Takes the bytes if there is room at this moment and nobody waits. */
  tryTake(bytes: number): boolean {
    if (this.waiting.length > 0 || this.used + bytes > this.bytes) return false;
    this.used += bytes;
    return true;
  }

  /** Takes the bytes whether there is room or not. */
  force(bytes: number): void {
    this.used += bytes;
  }

  /** Waits for room. False: there was none within `ms`, nothing is taken. */
  take(bytes: number, ms: number): Promise<boolean> {
    if (this.waiting.length === 0 && this.fits(bytes)) {
      this.used += bytes;
      return Promise.resolve(true);
    }
    return new Promise((done) => {
      const entry = {
        bytes,
        go: () => {
          clearTimeout(timer);
          done(true);
        },
      };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        this.letIn();
        done(false);
      }, ms);
      timer.unref();
      this.waiting.push(entry);
    });
  }

  free(bytes: number): void {
    this.used -= bytes;
    this.letIn();
  }

  private letIn(): void {
    for (let next = this.waiting[0]; next && this.fits(next.bytes); next = this.waiting[0]) {
      this.waiting.shift();
      this.used += next.bytes;
      next.go();
    }
  }
}
