/** Whether the login is still good: one request tries it once more, until then nobody knows. */
export interface Doubt {
  readonly over: Promise<void>;
  readonly end: () => void;
}

/**
 * One refusal of a login that was let in before may be a moment's (pitfall 54): then one request tries it once more, and all
 * others wait for what it is told. So however many were under way, a password that is wrong by now is tried once more in all:
 * each try helps to lock the account.
 */
export class SecondTry {
  private wasLetIn = false;
  private open: Doubt | null = null;

  /** The server let somebody in. */
  letIn(): void {
    this.wasLetIn = true;
    this.end();
  }

  /** Before a request: not while the login is in doubt. False: it is refused for good. @throws the signal's reason */
  async mayAsk(signal: AbortSignal): Promise<boolean> {
    if (this.open === null) return true;
    await until(this.open.over, signal);
    return this.wasLetIn;
  }

  /**
   * A request was refused.
   * @param own of the request that tries once more
   * @returns a doubt: this request tries the same login once more; 'again': somebody was let in meanwhile; 'no': for good
   * @throws the signal's reason
   */
  async refused(own: Doubt | null, signal: AbortSignal): Promise<Doubt | 'again' | 'no'> {
    if (this.open !== null && this.open === own) {
      this.wasLetIn = false;
      this.end();
      return 'no';
    }
    if (this.open !== null) return (await this.mayAsk(signal)) ? 'again' : 'no';
    if (!this.wasLetIn) return 'no';
    this.wasLetIn = false;
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => (end = resolve));
    this.open = { over, end };
    return this.open;
  }

  /** Whoever had the try is through with it. Where it got no answer, the next one who is refused has it. */
  unanswered(own: Doubt | null): void {
    if (this.open !== null && this.open === own) this.letIn();
  }

  private end(): void {
    this.open?.end();
    this.open = null;
  }
}

async function until(over: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stop = (): void => undefined;
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener('abort', stop, { once: true });
  });
  await Promise.race([over, aborted]);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
}
