import fc from 'fast-check';
import type { Binding, LedgerSession, Settled } from '../../src/ledger/ledger.js';
import type { DestinationFolderId, FolderId } from '../../src/mailbox/folder.js';
import { newMailbox, type LedgerHarness } from '../contracts/ledger.contract.js';
import {
  byName,
  copied,
  destinationFolder,
  EPOCH,
  existing,
  intentItem,
  key,
  meta,
  numberOf,
  planOf,
  refused,
  SIZE,
  sourceFolder,
} from '../contracts/ledger-items.js';
import { memoryHarness } from './memory-harness.js';
import { postgresHarness } from './postgres-harness.js';

/** Two source folders that share a destination, one with its own, and few keys and UIDs: conflicts are frequent. */
const FOLDERS = ['A', 'B', 'C'] as const;
type Name = (typeof FOLDERS)[number];
const item = fc.integer({ min: 1, max: 8 });
const uid = fc.integer({ min: 1, max: 8 });
const folder = fc.constantFrom(...FOLDERS);

/** An outcome without its folder's row id, which differs between the two. */
const outcome = fc.record({
  folder,
  item,
  uid: fc.option(uid),
  is: fc.constantFrom('copied', 'verified', 'existing', 'merged', 'skipped', 'filtered', 'failed'),
});
const place = fc.record({ folder, item });
const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('list' as const), folder, items: fc.uniqueArray(item) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('settle' as const), outcomes: fc.array(outcome) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('intend' as const),
      folder,
      items: fc.array(item, { minLength: 1 }),
      mark: uid,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      // One writer for a folder, as in the engine: between those that are at work at once there is no order.
      batches: fc.uniqueArray(
        fc.record({ folder, items: fc.uniqueArray(item, { minLength: 1 }), mark: uid, at: uid }),
        { minLength: 1, selector: (batch) => batch.folder },
      ),
      noted: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unbind' as const), places: fc.array(place) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('verify' as const),
      folder,
      verified: fc.array(place),
      removed: fc.array(place),
      placed: fc.array(fc.record({ folder, item, uid })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('rebind' as const),
      folder,
      epoch: fc.constantFrom(EPOCH, '8'),
      moved: fc.array(fc.record({ folder, item, uid })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('rekey' as const),
      folder,
      // One to one, as the interface asks.
      moved: fc.uniqueArray(item, { maxLength: 4 }).map((from) => from.map((n, i) => [n, 9 + i] as const)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('job' as const), next: fc.boolean(), retry: fc.boolean() }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** One ledger under the commands; everything it answers is put in names and numbers that both share. */
class Driver {
  private session!: LedgerSession;
  private close: () => Promise<void> = async () => undefined;
  private job = '';
  private readonly ids = new Map<Name, { folder: FolderId; destination: DestinationFolderId }>();

  private constructor(
    private readonly harness: LedgerHarness,
    private readonly mailbox: string,
  ) {}

  static async start(harness: LedgerHarness, mailbox: string): Promise<Driver> {
    const driver = new Driver(harness, mailbox);
    await driver.open(true, false);
    return driver;
  }

  private async open(next: boolean, retryFailed: boolean): Promise<void> {
    await this.close();
    const link = await this.harness.link(this.mailbox, 'old');
    if (next) this.job = await this.harness.job(link);
    const lease = await this.harness.ledger.acquire(link, 'w', new AbortController().signal);
    this.close = () => lease.release();
    this.session = this.harness.ledger.open(lease, { job: this.job, run: this.job, retryFailed });
    const map = await this.session.saveFolders(planOf(...FOLDERS.map((name) => sourceFolder(name))), [
      destinationFolder('AB', ['A', 'B']),
      destinationFolder('C', ['C']),
    ]);
    for (const name of FOLDERS) {
      const known = byName(map, name);
      this.ids.set(name, { folder: known.id, destination: known.destination!.id });
    }
  }

  end(): Promise<void> {
    return this.close();
  }

  async run(command: Command): Promise<unknown> {
    const { session } = this;
    switch (command.do) {
      case 'job':
        return this.open(command.next, command.retry);
      case 'list': {
        const page = command.items.map(meta);
        const items = await session.unsettled(this.folder(command.folder), page);
        const earlier = await session.earlier(this.folder(command.folder), page);
        await session.listed(this.folder(command.folder), {
          pending: items.length,
          pendingBytes: items.length * SIZE,
          settledEarlier: earlier.items,
          bytesEarlier: earlier.bytes,
        });
        return { items: items.map((i) => numberOf(i.key)), earlier };
      }
      case 'settle': {
        const left = await session.settle(
          null,
          command.outcomes.map((o) => this.settled(o)),
        );
        return left.map((p) => [this.name(p.folder), numberOf(p.key)]).sort();
      }
      case 'intend': {
        const items = command.items.map((n) => intentItem(this.folder(command.folder), n));
        const at = { epoch: EPOCH, mark: String(command.mark) };
        await session.intend(this.destination(command.folder), at, items);
        return null;
      }
      case 'deliver': {
        // At once, as several folders do: what waits for one write is written together.
        const ids = await Promise.all(
          command.batches.map(({ folder, items, mark }) =>
            session.intend(
              this.destination(folder),
              { epoch: EPOCH, mark: String(mark) },
              items.map((n) => intentItem(this.folder(folder), n)),
            ),
          ),
        );
        const notes = command.noted ? [{ code: 'DATE_CHANGED' }] : [];
        const left = await Promise.all(
          command.batches.map(({ folder, items, at }, i) =>
            session.settle(
              ids[i]!,
              items.map((n, k) => copied(this.folder(folder), n, at + k, { notes, size: SIZE + n })),
            ),
          ),
        );
        return left.flat();
      }
      case 'unbind':
        return session.unbind(await this.found(command.places));
      case 'verify':
        return session.verify(this.destination(command.folder), {
          verified: await this.found(command.verified),
          removed: await this.found(command.removed),
          placed: (await this.foundAt(command.placed, EPOCH)).map(({ binding, id }) => ({ ...binding, id })),
        });
      case 'rebind':
        return session.rebind(
          this.destination(command.folder),
          command.epoch,
          await this.foundAt(command.moved, command.epoch),
        );
      case 'rekey':
        return session.rekey(
          this.folder(command.folder),
          command.moved.map(([from, to]) => ({ from: key(from), to: key(to) })),
        );
    }
  }

  /** Everything the ledger says now. */
  async state(): Promise<Record<string, unknown>> {
    const { session } = this;
    const state: Record<string, unknown> = {};
    const counts = await session.counts();
    for (const known of (await session.folderMap()).folders) {
      const name = known.source.id;
      const bindings: unknown[] = [];
      for await (const window of session.bindings(known.id))
        bindings.push(...window.map((b) => [numberOf(b.key), b.state, b.id?.epoch, b.id?.id, b.size]));
      const claims: unknown[] = [];
      for await (const window of session.claims(known.destination!.id, EPOCH))
        claims.push(...window.map((b) => [b.id!.id, this.name(b.folder), numberOf(b.key)]));
      const intents = await session.openIntents(known.destination!.id);
      const counted = counts.get(known.id) ?? null;
      state[name] = {
        counts: counted,
        bindings,
        claims,
        intents: intents.map((i) => [i.mark, i.items.map((k) => `${this.name(k.folder)} ${numberOf(k.key)}`).sort()]),
        mark: known.destination!.mark,
        epoch: known.destination!.folder.epoch,
      };
      // The accounting identity: what was found and is neither here nor there is still to do, never less than nothing.
      const pending = counted
        ? counted.found - counted.copied - counted.alreadyThere - counted.skipped - counted.failed
        : 0;
      if (pending < 0) throw new Error(`${name}: ${-pending} more than were found`);
    }
    state['undescribed'] = (await session.undescribed(100))
      .map((p) => `${this.name(p.folder)} ${numberOf(p.key)}`)
      .sort();
    return state;
  }

  private settled(o: { folder: Name; item: number; uid: number | null; is: string }): Settled {
    const at = this.folder(o.folder);
    switch (o.is) {
      case 'copied':
      case 'verified':
        return copied(at, o.item, o.uid, { verified: o.is === 'verified', size: SIZE + o.item });
      case 'existing':
      case 'merged':
        return existing(at, o.item, o.uid ?? 1, o.is);
      case 'skipped':
        return refused(at, o.item, 'skipped', 'VANISHED');
      case 'filtered':
        return refused(at, o.item, 'skipped', 'FILTERED_SINCE');
      default:
        return refused(at, o.item);
    }
  }

  private async found(places: readonly { folder: Name; item: number }[]): Promise<Binding[]> {
    return (
      await this.foundAt(
        places.map((p) => ({ ...p, uid: 1 })),
        EPOCH,
      )
    ).map(({ binding }) => binding);
  }
  private async foundAt(places: readonly { folder: Name; item: number; uid: number }[], epoch: string) {
    const found: { binding: Binding; id: { epoch: string; id: string } }[] = [];
    const seen = new Set<string>();
    for (const { folder, item, uid } of places) {
      if (seen.has(`${folder} ${item}`)) continue;
      seen.add(`${folder} ${item}`);
      const [binding] = await this.session.bound(this.folder(folder), [key(item)]);
      if (binding) found.push({ binding, id: { epoch, id: String(uid) } });
    }
    return found;
  }

  private folder(name: Name): FolderId {
    return this.ids.get(name)!.folder;
  }
  private destination(name: Name): DestinationFolderId {
    return this.ids.get(name)!.destination;
  }
  private name(id: FolderId): string {
    return [...this.ids].find(([, ids]) => ids.folder === id)?.[0] ?? 'another';
  }
}

describe('the ledger in memory and the one in Postgres', () => {
  let postgres: LedgerHarness;
  let memory: LedgerHarness;
  beforeAll(async () => {
    postgres = await postgresHarness();
    memory = await memoryHarness();
  });
  afterAll(() => postgres.close());

  it('say the same after any commands', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 12 }), async (commands) => {
        const mailbox = newMailbox();
        const drivers = [await Driver.start(memory, mailbox), await Driver.start(postgres, mailbox)] as const;
        for (const command of commands) {
          const [said, told] = [await drivers[0].run(command), await drivers[1].run(command)];
          expect(told).toEqual(said);
          expect(await drivers[1].state()).toEqual(await drivers[0].state());
        }
        await Promise.all(drivers.map((driver) => driver.end()));
      }),
      { numRuns: Number(process.env['LEDGER_RUNS'] ?? 40), interruptAfterTimeLimit: 20_000 },
    );
  });
});
