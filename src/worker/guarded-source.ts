import { accountSubject, type Attempts } from '../jobs/attempts.js';
import type { SourceSettings } from '../jobs/job.js';
import { reasonFor } from '../jobs/messages.js';
import type { SourceFolder } from '../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../mailbox/item.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { Source, SourceAccount, SourceFacts } from '../sources/source.js';

/** A source that signs in only while its account is not locked, and counts wrong passwords. */
export class GuardedSource implements Source {
  readonly account: SourceAccount;

  constructor(
    private readonly inner: Source,
    private readonly settings: SourceSettings,
    private readonly attempts: Attempts,
    private readonly lockMinutes: number,
    /** Told each time it let us in. */
    private readonly onConnected: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.account = inner.account;
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    const reservation = await this.attempts.reserve(accountSubject(this.settings));
    if (reservation === null)
      throw new TransferError(reasonFor('RATE_LIMITED').message, {
        side: 'source',
        scope: 'account',
        retry: 'later',
        retryAfterMs: this.lockMinutes * 60_000,
        code: 'RATE_LIMITED',
      });
    try {
      const facts = await this.inner.connect(signal);
      await this.attempts.release(reservation);
      await this.onConnected();
      return facts;
    } catch (error) {
      if (!isRefusedSignIn(error)) await this.attempts.release(reservation);
      throw error;
    }
  }

  listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    return this.inner.listFolders(signal);
  }
  expect(folders: readonly SourceFolder[], signal: AbortSignal): void {
    this.inner.expect?.(folders, signal);
  }
  scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncIterable<ScanPage> {
    return this.inner.scan(folder, since, signal);
  }
  read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncIterable<ReadOutcome> {
    return this.inner.read(folder, refs, stage, signal);
  }
  describe(folder: SourceFolder, refs: readonly ItemRef[], signal: AbortSignal): AsyncIterable<ItemDescription> {
    return this.inner.describe(folder, refs, signal);
  }
  close(): Promise<void> {
    return this.inner.close();
  }
}

const REFUSED_SIGN_IN: readonly string[] = [
  'AUTH_FAILED',
  'AUTH_NEEDS_APP_PASSWORD',
  'AUTH_NEEDS_OAUTH',
  'IMAP_DISABLED',
];

export function isRefusedSignIn(error: unknown): boolean {
  return error instanceof TransferError && REFUSED_SIGN_IN.includes(error.code);
}
