import type { DestinationFolder, FolderPlan, SourceFolder } from '../../mailbox/folder.js';
import type { StagedItem } from '../../mailbox/item.js';
import { status } from '../../protocols/imap/commands/status.js';
import { unselect } from '../../protocols/imap/commands/unselect.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { isRefusal } from '../../protocols/imap/failure.js';
import { inPages } from '../../protocols/imap/mailbox-windows.js';
import { ImapPool } from '../../protocols/imap/pool.js';
import { ImapSession } from '../../protocols/imap/session.js';
import type {
  AsideOutcome,
  Destination,
  DestinationFacts,
  DestinationId,
  DestinationMark,
  Fingerprint,
  FlagChange,
  FlagRefusal,
  FoundItem,
  PlacedItem,
  Placement,
  StoreOutcome,
  Whereabouts,
} from '../destination.js';
import { fullAfterAll, missingMailbox } from './append-errors.js';
import { type Directory, readDirectory, withFolders } from './directory.js';
import { ensureFolders } from './ensure.js';
import { fingerprintUids } from './fingerprint.js';
import { FolderMarks } from './folder-marks.js';
import { epochNumber, uidsOf } from './ids.js';
import { appendLimit, quotaOf } from './limits.js';
import { FolderListing } from './listing.js';
import { locate } from './locate.js';
import { planFolders } from './plan.js';
import { fitPath, pathKey } from './names.js';
import { changeFlags } from './change-flags.js';
import { PermanentFlags } from './permanent-flags.js';
import { recoveryPlan, setAside } from './set-aside.js';
import { type ImapAccess, signIn } from './sign-in.js';
import { storeItems } from './store.js';

const DEFAULT_CONNECTIONS = 4;
/** Bodies fingerprinted between two yields. */
const FINGERPRINTS_AT_ONCE = 200;

export interface ImapDestinationOptions extends ImapAccess {
  readonly maxConnections?: number;
}

/** The hoster's mailbox over IMAP. */
export class ImapDestination implements Destination {
  private readonly session: ImapSession;
  private directory: Directory | null = null;
  private maxBytes: number | null = null;
  private readonly marks = new FolderMarks();
  private readonly listing: FolderListing;
  private readonly suspects = new Set<string>();
  private readonly permanentFlags: PermanentFlags;

  constructor(options: ImapDestinationOptions) {
    const pool = new ImapPool(
      (signal) => signIn(options, this.session, signal),
      Math.max(1, options.maxConnections ?? DEFAULT_CONNECTIONS),
    );
    this.session = new ImapSession(pool, { side: 'destination' });
    this.permanentFlags = new PermanentFlags(this.session, (folder, state) => this.marks.notice(folder, state));
    this.listing = new FolderListing(this.session, this.marks);
  }

  async connect(signal: AbortSignal): Promise<DestinationFacts> {
    return this.session.repeatable(signal, undefined, async (connection) => {
      // One burst. The listing does not see INBOX open: what closes a folder is before the EXAMINE on the wire.
      const [directory, opened, quotaTold] = await Promise.all([
        readDirectory(connection),
        this.session.open(connection, 'INBOX').then(
          () => null,
          (error: unknown) => error,
        ),
        quotaOf(connection),
      ]);
      this.directory = directory;
      // An administrator who acts as somebody unknown is let in and sees nothing (Cyrus), or an INBOX that is none.
      if (!this.directory.folders.some((folder) => folder.raw === 'INBOX' && folder.selectable)) throw missingMailbox();
      if (isRefusal(opened)) throw missingMailbox(opened.serverText, opened);
      if (opened !== null) throw opened;
      this.maxBytes = appendLimit(connection);
      return {
        takes: ['mail'],
        maxBytes: this.maxBytes,
        quota: quotaTold,
        atomicBatch: connection.has('MULTIAPPEND'),
        tellsIds: connection.has('UIDPLUS'),
      };
    });
  }

  async planFolders(wanted: readonly SourceFolder[]): Promise<FolderPlan> {
    return planFolders(wanted, this.known());
  }

  async countExisting(plan: FolderPlan, signal: AbortSignal): Promise<number | null> {
    const { byKey } = this.known();
    const existing = plan.mappings.flatMap(({ path }) => byKey.get(pathKey(path)) ?? []);
    const names = [...new Set(existing.filter(({ selectable }) => selectable).map(({ raw }) => raw))];
    return this.session.repeatable(signal, undefined, async (connection) => {
      const counts = await Promise.all(names.map(async (raw) => (await status(connection, raw)).messages));
      return counts.reduce<number | null>((sum, n) => (sum === null || n === null ? null : sum + n), 0);
    });
  }

  async locate(known: readonly DestinationFolder[], signal: AbortSignal): Promise<Whereabouts[]> {
    return this.session.repeatable(signal, undefined, async (connection) => {
      await unselect(connection);
      return locate(connection, known, this.known());
    });
  }

  async ensureFolders(plan: FolderPlan, signal: AbortSignal): Promise<DestinationFolder[]> {
    return this.session.repeatable(signal, undefined, async (connection) => {
      this.session.pool.warm(plan.mappings.length, signal);
      const before = this.known();
      // What was there before we came is decided by the listing of connect(), also when this is tried again.
      const ensured = await ensureFolders(connection, plan, before);
      const folders = ensured.map(({ folder }) => folder);
      this.directory = withFolders(before, folders);
      const at = performance.now();
      // A server without the newer extensions may be one whose numbers last only after a SELECT (pitfall 47).
      if (connection.has('CONDSTORE'))
        for (const { folder, next } of ensured) if (next !== null) this.marks.sawFresh(folder, next, at);
      // Empty ones are about to be filled.
      this.permanentFlags.learn(
        ensured.filter(({ next }) => next === 1).map(({ folder }) => folder),
        signal,
      );
      return folders;
    });
  }

  async mark(folder: DestinationFolder, signal: AbortSignal): Promise<DestinationMark> {
    const fresh = this.marks.takeFresh(folder.name);
    if (fresh !== null) return fresh;
    return this.session.repeatable(signal, folder.name, async (connection) => {
      const state = await this.session.open(connection, folder.name);
      // Courier tells it in STATUS alone. Without it, what was there before us could not be told from what we stored.
      const next = state.uidNext ?? (await status(connection, folder.name)).uidNext ?? 1;
      this.marks.remember(folder.name, String(state.uidValidity), next);
      return { epoch: String(state.uidValidity), mark: String(next) };
    });
  }

  prepare(folder: DestinationFolder, signal: AbortSignal): void {
    this.permanentFlags.of(folder, signal).catch(() => undefined);
  }

  async place(folder: DestinationFolder, items: readonly StagedItem[]): Promise<Placement[]> {
    const mark = String(this.marks.lowestFree(folder));
    return items.map(() => ({ is: 'append', epoch: folder.epoch, mark }));
  }

  async *store(
    folder: DestinationFolder,
    items: readonly PlacedItem[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<StoreOutcome> {
    signal.throwIfAborted();
    const permanentFlags = await this.permanentFlags.of(folder, signal);
    const { connection, release } = await this.session.pool.take(signal);
    const { maxBytes, suspects } = this;
    try {
      await this.makeWritable(connection, folder.name);
      const context = { folder, permanentFlags, maxBytes, mayCommit, signal, suspects };
      for await (const told of storeItems(connection, items, context)) {
        const outcome = await fullAfterAll(connection, folder.name, items, told);
        if (outcome.is === 'stored') {
          suspects.delete(outcome.key);
          if (outcome.id !== null) this.marks.remember(folder.name, outcome.id.epoch, Number(outcome.id.id) + 1);
        }
        yield outcome;
      }
    } finally {
      release();
    }
  }

  /** Courier refuses to APPEND to a folder that the same connection has open by EXAMINE. */
  private async makeWritable(connection: ImapConnection, name: string): Promise<void> {
    const { selected } = connection;
    if (selected === null || selected.raw !== name || !selected.readOnly) return;
    try {
      if (connection.has('UNSELECT')) await unselect(connection);
      else await this.session.open(connection, name, false);
    } catch (error) {
      throw this.session.toError(error);
    }
  }

  list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncGenerator<FoundItem[]> {
    return this.listing.list(folder, from, signal);
  }

  expectListing(folders: readonly DestinationFolder[], signal: AbortSignal): void {
    this.listing.expect(folders, signal);
  }

  async *fingerprint(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    depth: 'header' | 'body',
    signal: AbortSignal,
  ): AsyncGenerator<Fingerprint> {
    signal.throwIfAborted();
    for (const some of inPages(ids, FINGERPRINTS_AT_ONCE)) {
      const { epoch } = some[0]!;
      yield* await this.session.repeatable(signal, folder.name, async (connection) => {
        await this.session.at(connection, folder.name, epochNumber(epoch));
        return fingerprintUids(connection, epoch, uidsOf(some, epoch), depth);
      });
    }
  }

  async setFlags(
    folder: DestinationFolder,
    changes: readonly FlagChange[],
    signal: AbortSignal,
  ): Promise<readonly FlagRefusal[]> {
    const [first] = changes;
    if (first === undefined) return [];
    const permanent = await this.permanentFlags.of(folder, signal);
    return this.session.repeatable(signal, folder.name, async (connection) => {
      await this.session.at(connection, folder.name, epochNumber(first.id.epoch), false);
      return changeFlags(connection, changes, permanent);
    });
  }

  async setAside(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    into: readonly string[],
    signal: AbortSignal,
  ): Promise<AsideOutcome> {
    const [first] = ids;
    if (first === undefined) return { folder: into, moved: 0, missing: [] };
    const recovery = await this.recoveryFolder(into, signal);
    const uids = uidsOf(ids, first.epoch);
    // Not repeated by itself: what a broken move has moved is found by looking.
    const moved = await this.session.pool
      .use(
        signal,
        async (connection) => {
          await this.session.at(connection, folder.name, epochNumber(first.epoch), false);
          return setAside(connection, folder, uids, recovery.name);
        },
        folder.name,
      )
      .catch((error: unknown) => {
        throw signal.aborted ? signal.reason : this.session.toError(error);
      });
    const there = new Set(moved.map(String));
    return { folder: recovery.path, moved: moved.length, missing: ids.filter(({ id }) => !there.has(id)) };
  }

  private async recoveryFolder(into: readonly string[], signal: AbortSignal): Promise<DestinationFolder> {
    const { path } = fitPath(into, this.known().rules);
    const [made] = await this.ensureFolders(recoveryPlan(path), signal);
    return made!;
  }

  async close(): Promise<void> {
    await this.session.pool.close();
  }

  private known(): Directory {
    if (this.directory === null) throw new Error('connect() comes first');
    return this.directory;
  }
}
