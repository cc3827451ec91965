import { FormError } from './forms.js';

/** Failed sign-ins before somebody has to wait, by address of the machine and by name. */
const MOST_FAILURES = { ip: 20, name: 5 };
const WINDOW_MS = 15 * 60_000;
/** More names than anybody types; beyond it the oldest are forgotten. */
const MOST_KEYS = 10_000;
/** A check of a password hash takes 128 MiB: so many at once, and so many in line. */
const AT_ONCE = 2;
const IN_LINE = 20;

/** Slows down guessing of passwords at this host's own accounts. Of this process; the destination has limits of its own. */
export class SignInLimit {
  private readonly failures = new Map<string, number[]>();
  private running = 0;
  private readonly line: (() => void)[] = [];

  constructor(private readonly now: () => number = Date.now) {}

  /** Runs the check unless there were too many failures. @throws FormError 429 */
  async check(ip: string, name: string, work: () => Promise<boolean>): Promise<boolean> {
    const keys = [`ip ${ip}`, `name ${name.toLowerCase()}`] as const;
    if (this.count(keys[0]) >= MOST_FAILURES.ip || this.count(keys[1]) >= MOST_FAILURES.name) throw tooMany();
    // Counted before the outcome is known, so that many at once do not slip through.
    const at = this.now();
    for (const key of keys) this.add(key, at);
    await this.enter();
    try {
      const right = await work();
      if (right) for (const key of keys) this.forget(key, at);
      return right;
    } finally {
      this.running--;
      this.line.shift()?.();
    }
  }

  private async enter(): Promise<void> {
    if (this.running >= AT_ONCE) {
      if (this.line.length >= IN_LINE) throw tooMany();
      await new Promise<void>((go) => this.line.push(go));
    }
    this.running++;
  }

  private count(key: string): number {
    const since = this.now() - WINDOW_MS;
    const recent = (this.failures.get(key) ?? []).filter((at) => at > since);
    if (recent.length) this.failures.set(key, recent);
    else this.failures.delete(key);
    return recent.length;
  }

  private add(key: string, at: number): void {
    const list = this.failures.get(key) ?? [];
    this.failures.delete(key);
    this.failures.set(key, [...list, at]);
    for (const oldest of this.failures.keys()) {
      if (this.failures.size <= MOST_KEYS) break;
      this.failures.delete(oldest);
    }
  }

  private forget(key: string, at: number): void {
    const list = this.failures.get(key) ?? [];
    const index = list.indexOf(at);
    if (index >= 0) list.splice(index, 1);
  }
}

const tooMany = (): FormError => new FormError(429, 'Too many attempts. Please wait some minutes and try again.');
