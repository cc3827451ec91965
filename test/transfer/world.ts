import type { LinkId } from '../../src/ledger/ledger.js';
import type { ZonedDate } from '../../src/mailbox/item.js';
import type {
  Step,
  TransferEnd,
  TransferListener,
  TransferOptions,
  TransferParts,
} from '../../src/transfer/contract.js';
import { runTransfer } from '../../src/transfer/run-transfer.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { FakeClock } from '../fakes/fake-clock.js';
import { AppendCounter, FakeDestination, type FakeDestinationQuirks } from '../fakes/fake-destination.js';
import { FakeMailbox, type FakeMessage } from '../fakes/fake-mailbox.js';
import { FakeSource, type FakeSourceQuirks } from '../fakes/fake-source.js';
import { MemoryLedger, MemoryStore } from '../fakes/memory-ledger.js';
import { Gate, Killed, mortal } from './gate.js';

export const usual: TransferOptions = {
  kinds: ['mail'],
  existing: 'keep',
  excludeFolders: [],
  includeFolders: [],
  since: null,
  maxItemBytes: null,
  repair: true,
  deepVerify: false,
  recoveryFolder: ['Before migration 2026-11-22'],
};

export const someDay: ZonedDate = { seconds: 1_400_000_000, offset: 120 };

export interface RunOptions {
  readonly options?: Partial<TransferOptions>;
  readonly job?: string;
  readonly retryFailed?: boolean;
  /** The engine dies at the nth step of the run, counted from 1. */
  readonly dieAt?: number;
  readonly stop?: AbortSignal;
  readonly onStep?: (step: Step, nth: number) => void;
  /** A database that takes its time: turns of the event loop that pass before a batch is settled. */
  readonly settlesAfter?: number;
}

/** An old provider, a hoster and a database that outlive every engine. */
export class World {
  readonly clock = new FakeClock();
  readonly old = new FakeMailbox();
  readonly hoster = new FakeMailbox();
  readonly store = new MemoryStore();
  readonly appends = new AppendCounter();
  readonly log: string[] = [];
  readonly link: LinkId;
  moved = 0;
  private runs = 0;

  constructor(
    readonly sourceQuirks: FakeSourceQuirks = {},
    readonly quirks: FakeDestinationQuirks = {},
  ) {
    this.old.ensure(['INBOX'], 'inbox');
    this.link = this.ledger().link();
  }

  ledger(): MemoryLedger {
    return new MemoryLedger({ store: this.store, clock: this.clock });
  }

  /** One engine, from its birth to its end. @throws Killed when it died. */
  async run(how: RunOptions = {}): Promise<TransferEnd> {
    const gate = new Gate();
    const ledger = slowed(this.ledger(), how.settlesAfter ?? 0);
    const destination = new FakeDestination(this.hoster, this.clock, this.quirks, this.appends);
    gate.onKill(() => {
      destination.kill();
      for (const mailbox of this.store.mailboxes.values()) mailbox.leases.holder?.die();
    });
    let steps = 0;
    let leased = false;
    const parts: TransferParts = {
      source: mortal(new FakeSource(this.old, this.sourceQuirks), gate),
      destination: mortal(destination, gate),
      ledger: mortal(ledger, gate),
      staging: new BodyStaging(),
      listener: this.listener(),
      link: this.link,
      job: how.job ?? 'job',
      run: `run ${++this.runs}`,
      holder: 'test',
      retryFailed: how.retryFailed ?? false,
      batch: { bytes: 1_000_000, items: 2 },
      step: (step) => {
        leased = true;
        steps++;
        how.onStep?.(step, steps);
        if (steps === how.dieAt) {
          gate.kill();
          throw new Killed();
        }
      },
      now: () => new Date(this.clock.now()),
      delay: async (ms) => {
        gate.check();
        this.clock.advance(ms);
      },
    };
    // Somebody else's lease ends only with time.
    const tick = () => {
      if (leased) return;
      this.clock.advance(5_000);
      setImmediate(tick);
    };
    setImmediate(tick);
    try {
      return await runTransfer(parts, { ...usual, ...how.options }, how.stop ?? new AbortController().signal);
    } catch (error) {
      // Whatever the dying engine made of it: it is dead.
      if (gate.dead) throw new Killed();
      throw error;
    } finally {
      leased = true;
    }
  }

  private listener(): TransferListener {
    return {
      planned: () => {},
      counted: () => {},
      moved: (bytes) => void (this.moved += bytes),
      log: (level, message, detail) => void this.log.push(`${level} ${message} ${JSON.stringify(detail ?? {})}`),
    };
  }

  counts(job = 'job') {
    const sum = { found: 0, copied: 0, alreadyThere: 0, skipped: 0, failed: 0 };
    for (const c of this.store.job(job).counters.values()) {
      sum.found += c.found;
      sum.copied += c.copied;
      sum.alreadyThere += c.existing + c.earlier;
      sum.skipped += c.skipped;
      sum.failed += c.failed;
    }
    return sum;
  }

  remarks(job = 'job'): Record<string, number> {
    const all: Record<string, number> = {};
    for (const { code, items } of this.ledger().remarks(job)) all[code] = (all[code] ?? 0) + items;
    return all;
  }

  refusals(job = 'job') {
    return this.ledger().refusals(job);
  }

  openIntents(): number {
    return [...this.store.mailboxes.values()].reduce((sum, mailbox) => sum + mailbox.intents.size, 0);
  }
}

/** What a message looks like from outside, UID left out: for comparing multisets. */
export function looks(messages: readonly Pick<FakeMessage, 'bytes' | 'flags' | 'date'>[]): string[] {
  return messages
    .map((m) => `${m.bytes.toString('base64')} ${[...m.flags].sort().join(',')} ${m.date.seconds}${m.date.offset}`)
    .sort();
}

export function contents(mailbox: FakeMailbox, ...path: string[]): string[] {
  return looks(mailbox.folder(path)?.messages ?? []);
}

/** The same ledger, whose sessions settle so many turns of the event loop later. */
function slowed(ledger: MemoryLedger, turns: number): MemoryLedger {
  const instead = <T extends object>(thing: T, name: string, method: (...args: unknown[]) => unknown): T =>
    new Proxy(thing, {
      get(target, asked) {
        const value: unknown = asked === name ? method : Reflect.get(target, asked);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  const open = (...args: Parameters<MemoryLedger['open']>) => {
    const session = ledger.open(...args);
    return instead(session, 'settle', async (...outcomes) => {
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      return session.settle(...(outcomes as Parameters<typeof session.settle>));
    });
  };
  return turns === 0 ? ledger : instead(ledger, 'open', open as (...args: unknown[]) => unknown);
}
