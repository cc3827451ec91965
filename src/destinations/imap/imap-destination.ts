import type { DestinationFolder, FolderPlan, SourceFolder } from '../../mailbox/folder.js';
import type { StagedItem } from '../../mailbox/item.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../../protocols/connect.js';
import { quota } from '../../protocols/imap/commands/quota.js';
import type { MessageMetadata } from '../../protocols/imap/commands/fetch-metadata.js';
import type { MailboxState } from '../../protocols/imap/commands/select.js';
import { status } from '../../protocols/imap/commands/status.js';
import { unselect } from '../../protocols/imap/commands/unselect.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { ImapFailure, isRefusal } from '../../protocols/imap/failure.js';
import { FolderBurst, type OpenedWindow, openWindow } from '../../protocols/imap/folder-burst.js';
import { fetchWindow, inPages, uidWindows } from '../../protocols/imap/mailbox-windows.js';
import { type ImapLogin, openImap } from '../../protocols/imap/open.js';
import { ImapPool } from '../../protocols/imap/pool.js';
import { isUid } from '../../protocols/imap/sequence-set.js';
import { ImapSession } from '../../protocols/imap/session.js';
import {
  type AsideOutcome,
  type Destination,
  type DestinationFacts,
  type DestinationId,
  type DestinationMark,
  type Fingerprint,
  type FlagChange,
  type FlagRefusal,
  type FoundItem,
  MAX_LIST_WINDOW,
  type PlacedItem,
  type Placement,
  type StoreOutcome,
  type Whereabouts,
} from '../destination.js';
import type { ResolvedGrant } from '../grant.js';
import { fullAfterAll, missingMailbox } from './append-errors.js';
import { type Directory, readDirectory, withFolders } from './directory.js';
import { ensureFolders } from './ensure.js';
import { fingerprintUids } from './fingerprint.js';
import { locate } from './locate.js';
import { planFolders } from './plan.js';
import { fitPath, pathKey } from './names.js';
import { changeFlags } from './change-flags.js';
import { PermanentFlags } from './permanent-flags.js';
import { setAside } from './set-aside.js';
import { storeItems } from './store.js';

const DEFAULT_CONNECTIONS = 4;
/** What was seen while folders were made is used right after, not later (ms). */
const FRESH_MS = 30_000;
/** Bodies fingerprinted between two yields. */
const FINGERPRINTS_AT_ONCE = 200;

export interface ImapDestinationOptions {
  /** Asked again for every connection. @throws TransferError, e.g. CREDENTIALS_REQUIRED */
  readonly grant: () => Promise<ResolvedGrant>;
  /** The hoster's own server: usually private addresses are allowed. */
  readonly policy: ConnectPolicy;
  readonly maxConnections?: number;
  readonly openDeadlineMs?: number;
}

/** The hoster's mailbox over IMAP. */
export class ImapDestination implements Destination {
  private readonly session: ImapSession;
  private directory: Directory | null = null;
  private maxBytes: number | null = null;
  private readonly marks = new Map<string, { epoch: string; next: number }>();
  /** UIDNEXT as ensureFolders() saw it. */
  private readonly fresh = new Map<string, { epoch: string; next: number; at: number }>();
  private burst: FolderBurst | null = null;
  private readonly suspects = new Set<string>();
  private readonly permanentFlags: PermanentFlags;

  constructor(private readonly options: ImapDestinationOptions) {
    const pool = new ImapPool(
      (signal) => this.open(signal),
      Math.max(1, options.maxConnections ?? DEFAULT_CONNECTIONS),
    );
    this.session = new ImapSession(pool, { side: 'destination' });
    this.permanentFlags = new PermanentFlags(this.session, (folder, state) => this.notice(folder, state));
  }

  private async open(signal: AbortSignal): Promise<ImapConnection> {
    const { policy, openDeadlineMs: deadlineMs } = this.options;
    let byOwner = true;
    try {
      const grant = await this.options.grant();
      byOwner = grant.kind === 'user-secret';
      const { traits } = this.session;
      return await openImap(grant.endpoint, loginOf(grant), { policy, deadlineMs, traits }, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const told = this.session.toError(error);
      throw !byOwner && told.code === 'DESTINATION_UNAVAILABLE' && isUnavailable(error) ? perhapsMissing(told) : told;
    }
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
        connection.has('QUOTA') ? this.quotaOf(connection) : null,
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

  private async quotaOf(connection: ImapConnection): Promise<DestinationFacts['quota']> {
    try {
      return await quota(connection, 'INBOX');
    } catch (error) {
      if (isRefusal(error)) return null;
      throw error;
    }
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
        for (const { folder, next } of ensured)
          if (next !== null) this.fresh.set(folder.name, { epoch: folder.epoch, next, at });
      // Empty ones are about to be filled.
      this.permanentFlags.learn(
        ensured.filter(({ next }) => next === 1).map(({ folder }) => folder),
        signal,
      );
      return folders;
    });
  }

  async mark(folder: DestinationFolder, signal: AbortSignal): Promise<DestinationMark> {
    // What ensureFolders() saw a moment ago is a lower bound as well. Once: whoever asks again wants news.
    const seen = this.fresh.get(folder.name);
    this.fresh.delete(folder.name);
    if (seen !== undefined && performance.now() - seen.at < FRESH_MS) {
      this.remember(folder.name, seen.epoch, seen.next);
      return { epoch: seen.epoch, mark: String(seen.next) };
    }
    return this.session.repeatable(signal, folder.name, async (connection) => {
      const state = await this.session.open(connection, folder.name);
      // Courier tells it in STATUS alone. Without it, what was there before us could not be told from what we stored.
      const next = state.uidNext ?? (await status(connection, folder.name)).uidNext ?? 1;
      this.remember(folder.name, String(state.uidValidity), next);
      return { epoch: String(state.uidValidity), mark: String(next) };
    });
  }

  prepare(folder: DestinationFolder, signal: AbortSignal): void {
    this.permanentFlags.of(folder, signal).catch(() => undefined);
  }

  async place(folder: DestinationFolder, items: readonly StagedItem[]): Promise<Placement[]> {
    const known = this.marks.get(folder.name);
    const mark = known?.epoch === folder.epoch ? String(known.next) : '1';
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
          if (outcome.id !== null) this.remember(folder.name, outcome.id.epoch, Number(outcome.id.id) + 1);
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

  async *list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncGenerator<FoundItem[]> {
    signal.throwIfAborted();
    const { name } = folder;
    const epoch = epochNumber(from.epoch);
    const lowest = Math.max(1, Number(from.mark));
    const atOnce = await this.listAtOnce(folder, lowest, signal);
    if (atOnce !== null) {
      if (atOnce.state.uidValidity !== epoch) throw epochChanged();
      yield* inPages(
        atOnce.items.map((item) => toFound(from.epoch, item)),
        MAX_LIST_WINDOW,
      );
      return;
    }
    const windows = await this.session.repeatable(signal, name, async (connection) => {
      const state = await this.session.open(connection, name);
      if (state.uidValidity !== epoch) throw epochChanged();
      return uidWindows(connection, state, lowest, MAX_LIST_WINDOW);
    });
    for (const window of windows) {
      const items = await this.session.repeatable(signal, name, async (connection) => {
        await this.session.at(connection, name, epoch);
        return fetchWindow(connection, window);
      });
      yield* inPages(
        items.map((item) => toFound(from.epoch, item)),
        MAX_LIST_WINDOW,
      );
    }
  }

  expectListing(folders: readonly DestinationFolder[], signal: AbortSignal): void {
    const small = folders.map((folder) => ({ raw: folder.name, messages: this.mostFrom(folder, 1) }));
    this.burst = new FolderBurst(
      this.session,
      small.filter(({ messages }) => messages <= MAX_LIST_WINDOW),
      signal,
    );
  }

  /** What is known to be little, in one round trip. Null: the folder must be opened and looked at first. */
  private async listAtOnce(
    folder: DestinationFolder,
    lowest: number,
    signal: AbortSignal,
  ): Promise<OpenedWindow | null> {
    const { session } = this;
    if (session.traits.numbersUnderSelectOnly || this.mostFrom(folder, lowest) > MAX_LIST_WINDOW) return null;
    const ahead = lowest === 1 ? ((await this.burst?.take(folder.name)) ?? null) : null;
    const opened =
      ahead ??
      (await session.repeatable(signal, folder.name, (connection) =>
        openWindow(session, connection, folder.name, { from: lowest, to: null }),
      ));
    return session.traits.numbersUnderSelectOnly ? null : opened;
  }

  /** Messages that can be in a folder from a UID on, but for what others put there since we last heard of it. */
  private mostFrom({ name, epoch }: DestinationFolder, lowest: number): number {
    const known = this.marks.get(name);
    return known?.epoch === epoch ? Math.max(0, known.next - lowest) : Infinity;
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
    const source: SourceFolder = {
      id: path.join('/') as SourceFolder['id'],
      path,
      kind: 'mail',
      epoch: null,
      keyScope: 'folder',
      selectable: true,
      subscribed: true,
      complete: true,
      items: null,
      bytes: null,
    };
    const mappings = [{ source, path, exists: false }];
    const [made] = await this.ensureFolders({ mappings, leftOut: [] }, signal);
    return made!;
  }

  async close(): Promise<void> {
    await this.session.pool.close();
  }

  private notice(folder: DestinationFolder, state: MailboxState): void {
    const epoch = String(state.uidValidity);
    if (epoch !== folder.epoch) throw epochChanged();
    if (state.uidNext !== null) this.remember(folder.name, epoch, state.uidNext);
  }

  private remember(name: string, epoch: string, next: number): void {
    const known = this.marks.get(name);
    if (known?.epoch === epoch && known.next >= next) return;
    this.marks.set(name, { epoch, next });
  }

  private known(): Directory {
    if (this.directory === null) throw new Error('connect() comes first');
    return this.directory;
  }
}

/** Refused as unavailable, or cut off, while signing in. */
function isUnavailable(error: unknown): boolean {
  if (!(error instanceof ImapFailure)) return false;
  return error.kind === 'closed' || error.kind === 'bye' || error.responseCode === 'UNAVAILABLE';
}

/**
 * So does Dovecot answer when its back end is down, and just the same when an administrator acts as somebody unknown. Who
 * knows whether the mailbox was ever opened says which of the two it is.
 */
function perhapsMissing({ retryAfterMs, serverText, cause }: TransferError): TransferError {
  return new TransferError(
    'The new mail server cannot open the mailbox at the moment, or the mailbox does not exist.',
    {
      side: 'destination',
      code: 'DESTINATION_NOT_OPENED',
      // Knocking again at once does not help in either case.
      scope: 'account',
      retry: 'later',
      retryAfterMs,
      serverText,
      cause,
    },
  );
}

function loginOf(grant: ResolvedGrant): ImapLogin {
  if (grant.kind !== 'imap-authzid') return { kind: 'password', user: grant.login, password: grant.password };
  return { kind: 'authzid', user: grant.authcid, password: grant.password, authzid: grant.authzid };
}

/** RFC 7889. */
function appendLimit(connection: ImapConnection): number | null {
  for (const capability of connection.capabilities) {
    const match = /^APPENDLIMIT=(\d{1,15})$/.exec(capability);
    if (match !== null) return Number(match[1]);
  }
  return null;
}

function toFound(epoch: string, { uid, size, date, flags }: MessageMetadata): FoundItem {
  return { id: { epoch, id: String(uid) }, size, date, flags };
}

function epochNumber(epoch: string): number {
  return Number(epoch);
}

function uidsOf(ids: readonly DestinationId[], epoch: string): number[] {
  const uids = ids.filter((id) => id.epoch === epoch).map(({ id }) => Number(id));
  return [...new Set(uids.filter(isUid))].sort((a, b) => a - b);
}

function epochChanged(): TransferError {
  return new TransferError('The new mail server has numbered the folder anew.', {
    side: 'destination',
    scope: 'folder',
    retry: 'now',
    code: 'EPOCH_CHANGED',
  });
}
