import { EXIT } from '../usage.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The first Ctrl-C stops at a checkpoint, the second one ends at once: what is on its way is looked for by the next run. */
export class Interrupt {
  private readonly stop = new AbortController();

  constructor(private readonly say: (line: string) => void) {
    for (const name of SIGNALS) process.on(name, this.onSignal);
  }

  get signal(): AbortSignal {
    return this.stop.signal;
  }

  end(): void {
    for (const name of SIGNALS) process.off(name, this.onSignal);
  }

  private readonly onSignal = (): void => {
    if (this.stop.signal.aborted) process.exit(EXIT.interrupted);
    this.stop.abort('shutdown');
    this.say('stopping at a checkpoint; once more ends at once');
  };
}
