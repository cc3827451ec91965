import { createHash } from 'node:crypto';
import type { SourceFolder } from '../../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { MailboxStatus } from '../../protocols/imap/commands/status.js';
import { type ImapLogin, openImap } from '../../protocols/imap/open.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import type { TakePermit } from '../../protocols/permit.js';
import { FolderBurst } from '../../protocols/imap/folder-burst.js';
import { ImapPool } from '../../protocols/imap/pool.js';
import { type ClassifySignIn, toTransferError } from '../../protocols/imap/transfer-errors.js';
import type { ConnectPolicy, ConnectTarget } from '../../protocols/connect.js';
import { MAX_SCAN_PAGE, type Source, type SourceAccount, type SourceFacts } from '../source.js';
import { describeItems } from './describe.js';
import { rawName } from './folder-ids.js';
import { findFolders, type FolderRules, type FoundFolder } from './list-folders.js';
import { readBodies } from './read.js';
import { scanFolder } from './scan.js';
import { ImapSession } from '../../protocols/imap/session.js';

/** Connections at once, unless the provider's limit is lower. */
const DEFAULT_CONNECTIONS = 4;
/** Larger than any provider lets through; a server that announces more is not believed. */
const DEFAULT_MAX_MESSAGE_BYTES = 512 * 1024 * 1024;
/** STATUS is trusted for the scan that follows at once, not later (ms). */
const STATUS_FRESH_MS = 30_000;

export interface ImapSourceOptions extends FolderRules {
  readonly target: ConnectTarget;
  /** Asked for every connection: tokens end. */
  readonly login: () => Promise<ImapLogin>;
  readonly policy: ConnectPolicy;
  /** Whose mailbox it is. Default: the user name. Needed where an administrator's name is part of the login. */
  readonly owner: string;
  readonly maxConnections?: number;
  /** Asked before each connection is opened. */
  readonly permit?: TakePermit;
  readonly maxMessageBytes?: number;
  readonly classifySignIn?: ClassifySignIn;
  /** For everything up to a signed-in session (ms). */
  readonly openDeadlineMs?: number;
}

/** A mailbox read over IMAP, by EXAMINE and BODY.PEEK only: it is left bit for bit as it was. */
export class ImapSource implements Source {
  readonly account: SourceAccount;
  private readonly session: ImapSession;
  private readonly maxConnections: number;
  private listed = new Map<string, { found: FoundFolder; at: number }>();
  private burst: FolderBurst | null = null;

  constructor(private readonly options: ImapSourceOptions) {
    const names = `imap\0${options.target.host.toLowerCase()}\0${options.owner.toLowerCase()}`;
    this.account = { kind: 'imap', stableId: createHash('sha256').update(names).digest('hex') };
    this.maxConnections = Math.max(1, options.maxConnections ?? DEFAULT_CONNECTIONS);
    const pool = new ImapPool((signal) => this.open(signal), this.maxConnections, options.permit);
    this.session = new ImapSession(pool, this.errors);
  }

  private get errors(): { side: 'source'; classifySignIn?: ClassifySignIn } {
    return { side: 'source', classifySignIn: this.options.classifySignIn };
  }

  private async open(signal: AbortSignal): Promise<ImapConnection> {
    const { target, policy, openDeadlineMs: deadlineMs } = this.options;
    try {
      const { traits } = this.session;
      return await openImap(target, await this.options.login(), { policy, deadlineMs, traits }, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : toTransferError(error, this.errors);
    }
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    await this.session.pool.use(signal, async () => undefined);
    return { gives: ['mail'], maxConnections: this.maxConnections, quirks: [] };
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    const found = await this.session.repeatable(signal, undefined, (connection) =>
      findFolders(connection, this.options, this.session, signal),
    );
    if (!found.some(({ folder }) => folder.selectable)) {
      // An empty listing is a fault of the server, never "nothing to copy" (pitfall 44).
      throw new TransferError('The old server shows no folders at all.', {
        side: 'source',
        scope: 'account',
        retry: 'later',
        code: 'NO_FOLDERS',
      });
    }
    const at = performance.now();
    this.listed = new Map(found.map((one) => [one.folder.id, { found: one, at }]));
    return found.map(({ folder }) => folder);
  }

  expect(folders: readonly SourceFolder[], signal: AbortSignal): void {
    const known = folders.flatMap((folder) => this.listed.get(folder.id)?.found ?? []);
    const small = known.filter(
      ({ status }) => status?.uidNext != null && (status.messages ?? Infinity) <= MAX_SCAN_PAGE,
    );
    const wanted = small.map(({ raw, status }) => ({ raw, messages: status!.messages! }));
    this.burst = new FolderBurst(this.session, wanted, signal);
  }

  async *scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    signal.throwIfAborted();
    const ahead = { fresh: this.takeFreshStatus(folder), burst: this.burst };
    yield* scanFolder(this.session, folder, this.rawOf(folder), since, ahead, signal);
  }

  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    signal.throwIfAborted();
    const maxMessageBytes = this.options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
    yield* readBodies(this.session, this.rawOf(folder), refs, stage, { maxMessageBytes }, signal);
  }

  async *describe(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): AsyncGenerator<ItemDescription> {
    signal.throwIfAborted();
    yield* describeItems(this.session, this.rawOf(folder), refs, signal);
  }

  async close(): Promise<void> {
    await this.session.pool.close();
  }

  /** For what only IMAP can tell, e.g. the connection test. */
  use<T>(signal: AbortSignal, work: (connection: ImapConnection) => Promise<T>): Promise<T> {
    return this.session.repeatable(signal, undefined, work);
  }

  /** The server's own spelling. */
  rawOf(folder: SourceFolder): string {
    const raw = this.listed.get(folder.id)?.found.raw ?? rawName(folder.id);
    if (raw !== null) return raw;
    throw new TransferError('The folder is not in the listing of the old server.', {
      side: 'source',
      scope: 'folder',
      retry: 'never',
      code: 'FOLDER_GONE',
    });
  }

  /** Once: what came after it must be seen by the next scan. */
  private takeFreshStatus(folder: SourceFolder): MailboxStatus | null {
    const entry = this.listed.get(folder.id);
    if (entry === undefined || performance.now() - entry.at > STATUS_FRESH_MS) return null;
    const { status } = entry.found;
    this.listed.set(folder.id, { ...entry, at: -Infinity });
    return status;
  }
}
