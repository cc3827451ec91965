import type { SourceFolder } from '../../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../../mailbox/item.js';
import { ITEM_KINDS, type ItemKind } from '../../mailbox/kinds.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { Source, SourceAccount, SourceFacts } from '../source.js';

export interface AccountSourceOptions {
  readonly mail: Source;
  readonly dav: Source;
  /** What is to be copied: what one of the two must give for that, it must give; the other one may be missing. */
  readonly kinds: readonly ItemKind[];
}

/**
 * One account over two protocols: mail by one source, the rest by the other. It is known by its mail, so that what was copied
 * before the rest was asked for is not copied again.
 */
export class AccountSource implements Source {
  readonly account: SourceAccount;
  private davMissing = false;

  constructor(private readonly options: AccountSourceOptions) {
    this.account = options.mail.account;
  }

  private get needsDav(): boolean {
    return this.options.kinds.some((kind) => kind !== 'mail');
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    const { mail, dav } = this.options;
    const first = await mail.connect(signal);
    const second = await this.orMissing(signal, () => dav.connect(signal));
    const gives = new Set([...first.gives, ...(second?.gives ?? [])]);
    return {
      gives: ITEM_KINDS.filter((kind) => gives.has(kind)),
      maxConnections: Math.max(first.maxConnections, second?.maxConnections ?? 0),
      quirks: [...first.quirks, ...(second?.quirks ?? [])],
    };
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    const { mail, dav } = this.options;
    const folders = await mail.listFolders(signal);
    if (this.davMissing) return folders;
    return [...folders, ...((await this.orMissing(signal, () => dav.listFolders(signal))) ?? [])];
  }

  /** Calendars that nobody asked for may be out of reach; an account without any is no fault. */
  private async orMissing<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T | null> {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransferError)) throw error;
      if (this.needsDav && error.code !== 'NO_FOLDERS') throw error;
      this.davMissing ||= error.code !== 'NO_FOLDERS';
      return null;
    }
  }

  scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncIterable<ScanPage> {
    return this.of(folder).scan(folder, since, signal);
  }
  read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncIterable<ReadOutcome> {
    return this.of(folder).read(folder, refs, stage, signal);
  }
  describe(folder: SourceFolder, refs: readonly ItemRef[], signal: AbortSignal): AsyncIterable<ItemDescription> {
    return this.of(folder).describe(folder, refs, signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.options.mail.close(), this.options.dav.close()]);
  }

  private of({ kind }: SourceFolder): Source {
    return kind === 'mail' ? this.options.mail : this.options.dav;
  }
}
