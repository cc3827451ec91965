import { setTimeout as sleep } from 'node:timers/promises';

/**
 * First pause before a command to a server that says it slows us down, and the longest (ms; pitfall 21). Whoever is still
 * slowed down after that had better come back later than hold connections and a worker's place.
 */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 4_000;
/** What is left of the pause after each command that was not slowed down. */
const EASING = 0.9;

/** Slows all connections of an account down when the server says [THROTTLED] at the end of an OK, and up again slowly. */
export class Pace {
  private ms = 0;
  /** True: slowed down even after the longest pause. */
  exhausted = false;

  /** Milliseconds to wait before the next command. */
  get pause(): number {
    return Math.round(this.ms);
  }

  /** @param text of a tagged OK. */
  noticed(text: string, code: string | null): void {
    if (code === 'THROTTLED' || /\[THROTTLED\]\s*$/i.test(text)) {
      this.exhausted ||= this.ms === LONGEST_PAUSE_MS;
      this.ms = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.ms * 2));
    } else if (this.ms > 0) {
      this.ms = this.ms * EASING < FIRST_PAUSE_MS / 2 ? 0 : this.ms * EASING;
    }
  }

  /** Resolves early, never rejects, when `ended` settles. */
  async wait(ended: Promise<unknown>): Promise<void> {
    if (this.ms === 0) return;
    const stop = new AbortController();
    try {
      await Promise.race([sleep(this.pause, undefined, { signal: stop.signal }), ended]).catch(() => undefined);
    } finally {
      stop.abort();
    }
  }
}

/** By an extension of its own: it names itself only to those who name themselves. */
export function isCyrus({ capabilities }: { readonly capabilities: ReadonlySet<string> }): boolean {
  return capabilities.has('X-CREATEDMODSEQ');
}

/** What the connections of one account learn about their server, and the next one need not learn again. */
export class ServerTraits {
  readonly pace = new Pace();
  /** It offers extended LIST and answers BAD to it, which ends the connection (pitfall 44). */
  plainListOnly = false;
  /** It offers to be signed in to by one line and does not take it. */
  signsInStepByStep = false;
  /**
   * It tells no UIDNEXT under EXAMINE. Such a one is Courier, which numbers a folder that was never SELECTed anew at every
   * EXAMINE and STATUS: only after a SELECT do UIDs last (pitfall 47).
   */
  numbersUnderSelectOnly = false;
  /** An opening tells no UIDVALIDITY: STATUS has to be asked, and nothing may stand before it on the wire. Null: not known. */
  numbersByStatusOnly: boolean | null = null;
}
