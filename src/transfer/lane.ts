import type { KnownFolder, Settled } from '../ledger/ledger.js';
import type { ItemKey, ItemMeta, StagedItem, SyncState } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { AlreadyThere } from './already-there.js';
import { inBatches } from './batches.js';
import { bringUpToDate, noteVersions } from './content-changes.js';
import { deliver, EPOCH_CHANGED } from './deliver.js';
import { failed } from './failures.js';
import { filterOf, skipped } from './filters.js';
import { fitted } from './fit.js';
import { FlagChanges } from './flags.js';
import { LaneState } from './lane-state.js';
import { ReadBack } from './read-back.js';
import { recoverFolder } from './recover.js';
import { rematchFolder } from './rematch.js';
import { backOffMs, withRetries, worthRetrying } from './retry.js';
import { release, stage } from './stage.js';
import { RIDES_ALONG_BYTES } from './staging.js';

/**
 * The one coordinator of a destination folder. All source folders that go there pass through it one after the other,
 * so that nobody else writes into the folder while it looks.
 */
export class Lane extends LaneState {
  readonly flagChanges = new FlagChanges();
  private readonly readBack = new ReadBack(this);
  private alreadyThere = new AlreadyThere(this);
  /** Keys of the page at work that have no outcome yet. */
  private open = new Map<ItemKey, ItemMeta>();
  private settledCount = 0;
  /** Of the last batch that was sent; the next one is not settled before it. */
  private settling: Promise<void> = Promise.resolve();
  /** Set when the folder cannot be written as a whole: its items fail with it. */
  private refusing: TransferError | null = null;

  async refuse(error: TransferError): Promise<void> {
    this.refusing = error;
    for (const source of this.sources) await this.giveUp(source, error);
  }

  async copy(only?: ReadonlySet<string>): Promise<void> {
    for (const source of this.sources) if (!only || only.has(source.id)) await this.copyFolder(source);
  }

  /** Goes over the folder again after a lost connection: the ledger knows what is done. */
  private async copyFolder(source: KnownFolder): Promise<void> {
    let refusing = this.refusing;
    for (let tries = 0; ; tries++) {
      this.run.check();
      const before = this.settledCount;
      try {
        // What an earlier try could not look for is looked for before anything of it is sent again.
        if (tries > 0 && !refusing) await recoverFolder(this);
        await this.pass(source, refusing);
        if (refusing) this.run.brokenFolders.add(source.id);
        return;
      } catch (error) {
        if (!(error instanceof TransferError) || this.run.signal.aborted) throw error;
        if (this.settledCount > before) tries = 0;
        this.run.listener.log('warn', error.message, { code: error.code, side: error.side, folder: this.name });
        const mayRetry: boolean = worthRetrying(error, tries);
        if (mayRetry) this.run.width.halve();
        if (error.side === 'destination' && error.code === EPOCH_CHANGED && worthAnotherLook(tries)) {
          await this.follow();
        } else if (mayRetry) {
          await this.run.delay(backOffMs(tries, error));
        } else if (error.scope === 'account' || error.scope === 'job' || error.scope === 'connection') {
          throw error;
        } else if (refusing) {
          await this.giveUp(source, error);
          return;
        } else {
          // Once more, to name every item of the folder in the report.
          refusing = error;
        }
      }
    }
  }

  private async giveUp(source: KnownFolder, error: TransferError): Promise<void> {
    this.run.brokenFolders.add(source.id);
    await this.run.ledger.remark(source.id, [{ code: 'FOLDER_FAILED', detail: `${error.code}: ${error.message}` }]);
  }

  /** The destination folder was made anew: bindings follow their content before anything else is written. */
  async follow(): Promise<void> {
    const { run } = this;
    const fresh = await withRetries(run, 'mark', () => run.destination.mark(this.folder, run.signal));
    await rematchFolder(run, this.id, { ...this.folder, epoch: fresh.epoch }, this.epoch, this.sources);
    this.folder = { ...this.folder, epoch: fresh.epoch };
    this.epoch = fresh.epoch;
    this.mark = fresh.mark;
    this.firstMark = { epoch: fresh.epoch, mark: '0' };
    this.alreadyThere = new AlreadyThere(this);
    await recoverFolder(this);
  }

  /** One walk over the source folder. With `refusing` nothing is read any more: every item fails with that reason. */
  private async pass(source: KnownFolder, refusing: TransferError | null): Promise<void> {
    const { run } = this;
    const earlier = { settledEarlier: 0, bytesEarlier: 0 };
    let items = 0;
    let listed = false;
    let offered = 0;
    let next: SyncState | null = null;
    let whole = true;
    let short = false;
    run.sourceChanges.listing(source);
    // Always the whole folder: a listing since a checkpoint cannot show what an earlier run failed or filtered.
    for await (const page of run.source.scan(source.source, null, run.signal)) {
      run.check();
      short ||= page.short === true;
      // The last page is often only the word that there are no more.
      if (page.items.length === 0 && listed) {
        next = page.next;
        continue;
      }
      if (next !== null) await this.checkpoint(source, next);
      next = page.next;
      listed = true;
      whole &&= page.full;
      run.sourceChanges.page(source.id, page.items);
      items += page.items.length;
      const pending = await run.ledger.unsettled(source.id, page.items);
      const before = await run.ledger.earlier(source.id, page.items);
      earlier.settledEarlier += before.items;
      earlier.bytesEarlier += before.bytes;
      offered += pending.length;
      const pendingBytes = pending.reduce((sum, item) => sum + item.size, 0);
      await run.ledger.listed(source.id, { pending: pending.length, pendingBytes, ...earlier });
      await run.step('scanned-page');
      await run.counted(source.id);
      this.open = new Map(pending.map((item) => [item.key, item]));
      if (refusing) await this.settle(null, failed(source.id, pending, refusing));
      else await this.copyPage(source, page.items, pending);
      await this.accountForAll(source);
    }
    const nothingPending = async () => {
      const left = { pending: 0, pendingBytes: 0, ...earlier };
      if (offered > 0 || !listed) await run.ledger.listed(source.id, left);
    };
    // Given at once they share a transaction.
    await Promise.all([next === null || short ? null : this.checkpoint(source, next), nothingPending()]);
    if (short) await this.giveUp(source, listingShort());
    if (whole && !short) run.sourceChanges.listed(source.id);
    run.listedItems += items;
    if (items > 0) run.shown.add(source.id);
    await run.counted(source.id, true);
  }

  private async checkpoint(source: KnownFolder, next: SyncState): Promise<void> {
    if (!sameState(source.state, next)) await this.run.ledger.checkpoint(source.id, next);
    await this.run.step('checkpointed');
  }

  private async copyPage(
    source: KnownFolder,
    listed: readonly ItemMeta[],
    pending: readonly ItemMeta[],
  ): Promise<void> {
    const { run } = this;
    const bindings = await this.flagChanges.note(run, source.id, listed, this.open);
    await bringUpToDate(this, source, listed, bindings);
    const left: Settled[] = [];
    const wanted: ItemMeta[] = [];
    for (const item of pending) {
      const reason = filterOf(item, run.options, this.limits);
      if (reason) left.push(skipped(source.id, item, reason));
      else wanted.push(item);
    }
    await this.settle(null, left);
    if (wanted.length > 0) run.destination.prepare?.(this.folder, run.signal);
    // The next batches are read while one is sent. A large body is read alone: it waits for the disk, and must not wait for
    // what a later one holds.
    const batches = inBatches(wanted, run.parts.batch?.bytes, run.parts.batch?.items);
    const reading: Promise<readonly StagedItem[]>[] = [];
    const alone = (batch: readonly ItemMeta[] | undefined) => (batch?.[0]?.size ?? 0) > RIDES_ALONG_BYTES;
    let last: readonly ItemMeta[] | undefined;
    const readOn = () => {
      const most = alone(last) || alone(batches[0]) ? 1 : run.width.readAhead(run.sourceFacts.maxConnections);
      const batch = reading.length < most ? batches.shift() : undefined;
      if (!batch) return;
      last = batch;
      const staged = stage(this, source, batch).then((items) => fitted(this, source, items));
      // Awaited below, or by the clearing up; until then an error must not count as unhandled.
      staged.catch(() => {});
      reading.push(staged);
    };
    let sending: Promise<void> = Promise.resolve();
    try {
      for (readOn(); reading.length > 0; readOn()) {
        run.check();
        readOn();
        const staged = await reading[0]!;
        reading.shift();
        if (run.width.readAhead(run.sourceFacts.maxConnections) > 1) readOn();
        try {
          await run.step('staged-batch');
          await sending;
          run.check();
        } catch (error) {
          await release(staged);
          throw error;
        }
        sending = this.send(source, staged);
        sending.catch(() => {});
      }
    } finally {
      await Promise.allSettled(reading.map(async (staged) => release(await staged)));
      try {
        await sending;
      } finally {
        const { settling } = this;
        this.settling = Promise.resolve();
        await settling;
      }
    }
    await this.readBack.done();
  }

  private async send(source: KnownFolder, staged: readonly StagedItem[]): Promise<void> {
    try {
      const rest = await this.alreadyThere.match(source.id, staged);
      const { settling } = await deliver(this, source.id, rest, this.readBack, this.settling);
      this.settling = settling.then(() => noteVersions(this, source, staged));
      // Heard by the next batch, or at the end of the page.
      this.settling.catch(() => {});
      await this.run.counted(source.id);
    } finally {
      await release(staged);
    }
  }

  /** Every listed key has one outcome: one without is our own fault, and it must not go unseen. */
  private async accountForAll(source: KnownFolder): Promise<void> {
    if (this.open.size === 0) return;
    const left = [...this.open.values()];
    this.run.listener.log('error', 'items of a page ended without an outcome', { items: left.length });
    const reason = new TransferError('It was listed and then nothing more was heard of it.', {
      side: 'source',
      scope: 'item',
      retry: 'later',
      code: 'UNACCOUNTED',
    });
    await this.settle(null, failed(source.id, left, reason));
  }

  protected override onSettled({ key }: Settled): void {
    this.open.delete(key);
    this.settledCount++;
  }
}

function listingShort(): TransferError {
  return new TransferError('The old server lists fewer items in this folder than it says there are.', {
    side: 'source',
    scope: 'folder',
    retry: 'later',
    code: 'LISTING_SHORT',
  });
}

function sameState(a: SyncState | null, b: SyncState): boolean {
  const names = Object.keys(b);
  return a !== null && Object.keys(a).length === names.length && names.every((name) => a[name] === b[name]);
}

function worthAnotherLook(tries: number): boolean {
  return tries < 3;
}
