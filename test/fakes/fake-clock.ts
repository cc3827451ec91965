/** Time that stands still until a test, or code that waits, moves it. */
export class FakeClock {
  private readonly alarms: { at: number; ring: () => void }[] = [];

  constructor(private ms = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.ms;
  }

  after(ms: number, ring: () => void): void {
    this.alarms.push({ at: this.ms + ms, ring });
  }

  advance(ms: number): void {
    const until = this.ms + ms;
    for (;;) {
      this.alarms.sort((a, b) => a.at - b.at);
      const next = this.alarms[0];
      if (!next || next.at > until) break;
      this.alarms.shift();
      this.ms = Math.max(this.ms, next.at);
      next.ring();
    }
    this.ms = until;
  }
}
