/** Notices that a connection stands still. One timer that looks again, instead of one that is set anew with every packet. */
export class Standstill {
  private progressAt = performance.now();
  private timer: NodeJS.Timeout | null = null;
  private looksAt = 0;
  private over = false;

  constructor(
    /** How long nothing may happen (ms); 0: nothing is under way. */
    private readonly limit: () => number,
    /** It is us who are slow, not the server. */
    private readonly ours: () => boolean,
    private readonly stands: () => void,
  ) {}

  /** Something moved. */
  touch(): void {
    this.progressAt = performance.now();
  }

  /** Something is under way. @param limit when it looks at the latest (ms) */
  watch(limit: number): void {
    if (this.over || (this.timer !== null && this.looksAt <= performance.now() + limit)) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.lookIn(limit);
  }

  stop(): void {
    this.over = true;
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private look(): void {
    this.timer = null;
    const limit = this.limit();
    if (this.over || limit === 0) return;
    const quiet = this.ours() ? 0 : performance.now() - this.progressAt;
    if (quiet >= limit) return this.stands();
    this.lookIn(Math.max(10, limit - quiet));
  }

  private lookIn(ms: number): void {
    this.looksAt = performance.now() + ms;
    this.timer = setTimeout(() => this.look(), ms);
  }
}
