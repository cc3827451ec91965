import type { Destination } from '../../src/destinations/destination.js';
import { objectFile } from '../../src/conversion/join.js';
import type { ItemKind } from '../../src/mailbox/kinds.js';
import type { Source } from '../../src/sources/source.js';
import type { RecoveryKeeper, Step, TransferEnd, TransferOptions } from '../../src/transfer/contract.js';
import { runTransfer } from '../../src/transfer/run-transfer.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { destinationOn } from '../destinations/imap-mailbox.js';
import { FakeClock } from '../fakes/fake-clock.js';
import { MemoryLedger, MemoryStore } from '../fakes/memory-ledger.js';
import type { TestAccount } from '../servers/dovecot.js';
import { sourceOn } from '../sources/imap/dovecot-mailbox.js';

const OPTIONS: TransferOptions = {
  kinds: ['mail'],
  existing: 'keep',
  excludeFolders: [],
  includeFolders: [],
  since: null,
  maxItemBytes: null,
  repair: true,
  deepVerify: false,
  recoveryFolder: ['Before migration'],
};

export interface Counts {
  readonly found: number;
  readonly copied: number;
  readonly alreadyThere: number;
  readonly skipped: number;
  readonly failed: number;
}
export interface Told {
  readonly end: TransferEnd;
  readonly counts: Counts;
  /** Items by code. */
  readonly remarks: Readonly<Record<string, number>>;
  readonly details: readonly string[];
  readonly refusals: readonly { readonly code: string; readonly subject: string | null; readonly message: string }[];
  readonly log: readonly string[];
}

export interface Ways {
  readonly retryFailed?: boolean;
  readonly stop?: AbortController;
  /** Cancelled at the first such step. */
  readonly stopAt?: Step;
  readonly recovery?: RecoveryKeeper;
  /** Waits of the engine, in place of the real ones. */
  readonly delay?: (ms: number) => Promise<void>;
}

/** What a crashed run throws. */
export class Crash extends Error {}

/** The product's engine between two real mailboxes, with what it tells of every run. The ledger outlives the runs. */
export class Migration {
  private readonly store = new MemoryStore();
  private readonly clock = new FakeClock();
  private readonly link = this.ledger().link();
  private runs = 0;
  /** What replaces took away. */
  readonly recovered: { readonly kind: ItemKind; readonly folder: string; readonly text: string }[] = [];

  constructor(
    private readonly from: TestAccount | (() => Source),
    private readonly to: TestAccount | (() => Destination),
  ) {}

  private ledger(): MemoryLedger {
    return new MemoryLedger({ store: this.store, clock: this.clock });
  }

  private keeper(): RecoveryKeeper {
    return {
      keep: async ({ kind, folder }, objects) => {
        const file = objectFile(kind === 'contacts' ? 'card' : 'calendar');
        let [text, items] = ['', 0];
        for await (const object of objects) {
          const added = file.add(object);
          if (added === null) continue;
          text += added;
          items++;
        }
        if (items > 0) this.recovered.push({ kind, folder, text: text + file.end() });
        return items;
      },
    };
  }

  /** @param dieAt the engine ends at the first such step, as a crash would end it. */
  async run(
    options: Partial<TransferOptions> = {},
    dieAt?: Step,
    { stop = new AbortController(), ...more }: Ways = {},
  ): Promise<Told> {
    const job = `job ${++this.runs}`;
    const log: string[] = [];
    const parts = {
      source: typeof this.from === 'function' ? this.from() : sourceOn(this.from),
      destination: typeof this.to === 'function' ? this.to() : destinationOn(this.to),
      ledger: this.ledger(),
      staging: new BodyStaging(),
      listener: {
        planned: () => undefined,
        counted: () => undefined,
        moved: () => undefined,
        log: (level: string, message: string, detail?: unknown) =>
          void log.push(`${level} ${message} ${JSON.stringify(detail ?? {})}`),
      },
      link: this.link,
      job,
      run: job,
      holder: 'test',
      retryFailed: more.retryFailed ?? false,
      step: (step: Step) => {
        if (step === dieAt) throw new Crash();
        if (step === more.stopAt) stop.abort('cancel');
      },
      recovery: more.recovery ?? this.keeper(),
      ...(more.delay === undefined ? {} : { delay: more.delay }),
    };
    const end = await runTransfer(parts, { ...OPTIONS, ...options }, stop.signal);
    const sum = { found: 0, copied: 0, alreadyThere: 0, skipped: 0, failed: 0 };
    for (const c of this.store.job(job).counters.values()) {
      sum.found += c.found;
      sum.copied += c.copied;
      sum.alreadyThere += c.existing + c.earlier;
      sum.skipped += c.skipped;
      sum.failed += c.failed;
    }
    const remarks: Record<string, number> = {};
    const told = this.ledger().remarks(job);
    for (const { code, items } of told) remarks[code] = (remarks[code] ?? 0) + items;
    const refusals = this.ledger()
      .refusals(job)
      .map(({ code, subject, message }) => ({ code, subject: subject ?? null, message }));
    return { end, counts: sum, remarks, details: told.map((one) => JSON.stringify(one)), refusals, log };
  }
}
