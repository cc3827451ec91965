import { reasonFor } from '../jobs/messages.js';
import type { SourceFolder } from '../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { Source, SourceAccount, SourceFacts } from '../sources/source.js';
import type { VolumeMeter } from './volume-meter.js';

/** What listing one message costs on the wire, about. */
const LISTED_BYTES = 250;
/** So much is read between two looks at what all workers together have read. */
const TOLD_EVERY_BYTES = 4 * 1024 * 1024;

/** A source whose provider lets only so much be read in a day: it stops before the provider does. */
export class MeteredSource implements Source {
  readonly account: SourceAccount;
  private readonly name: string;
  private untold = 0;
  private used: number | null = null;

  constructor(
    private readonly inner: Source,
    private readonly meter: VolumeMeter,
    private readonly bytesPerDay: number,
  ) {
    this.account = inner.account;
    const { kind, stableId } = inner.account;
    this.name = `${kind}:${stableId}`;
  }

  connect(signal: AbortSignal): Promise<SourceFacts> {
    return this.inner.connect(signal);
  }
  listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    return this.inner.listFolders(signal);
  }

  async *scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    for await (const page of this.inner.scan(folder, since, signal)) {
      this.untold += page.items.length * LISTED_BYTES;
      yield page;
    }
  }

  /** @throws TransferError VOLUME_EXHAUSTED with the time until it goes on. */
  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    await this.check();
    try {
      for await (const outcome of this.inner.read(folder, refs, stage, signal)) {
        if (outcome.is === 'staged') this.untold += outcome.item.body.size;
        yield outcome;
      }
    } finally {
      if (this.untold >= TOLD_EVERY_BYTES) await this.tell();
    }
  }

  describe(folder: SourceFolder, refs: readonly ItemRef[], signal: AbortSignal): AsyncIterable<ItemDescription> {
    return this.inner.describe(folder, refs, signal);
  }

  async close(): Promise<void> {
    await this.inner.close();
    if (this.untold > 0) await this.tell();
  }

  private async check(): Promise<void> {
    if (this.used === null || this.untold >= TOLD_EVERY_BYTES) await this.tell();
    if (this.used! + this.untold < this.bytesPerDay) return;
    throw new TransferError(reasonFor('VOLUME_EXHAUSTED').message, {
      side: 'source',
      scope: 'account',
      retry: 'later',
      retryAfterMs: await this.meter.freeIn(this.name, this.bytesPerDay),
      code: 'VOLUME_EXHAUSTED',
    });
  }

  private async tell(): Promise<void> {
    const bytes = this.untold;
    this.untold = 0;
    this.used = await this.meter.add(this.name, bytes);
  }
}
