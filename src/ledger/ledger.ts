import type { Digest } from '../mailbox/digest.js';
import type {
  DestinationFolder,
  DestinationFolderId,
  FolderId,
  FolderPlan,
  SourceFolder,
  SourceFolderId,
} from '../mailbox/folder.js';
import type { ItemDescription, ItemKey, ItemMeta, Note, SyncState } from '../mailbox/item.js';
import type { Binding, FolderCounts, Intent, IntentId, IntentItem, ItemPlace, Revision, Settled } from './items.js';

export type * from './items.js';

/** The pair (source account, destination mailbox) that the ledger belongs to. */
export type LinkId = string & { readonly __brand: 'LinkId' };

/** The right to write into one destination mailbox, for a while. */
export interface Lease {
  readonly link: LinkId;
  /** Rises with every acquire on the destination mailbox; a writer with an older one is refused. */
  readonly epoch: number;
  /** False after release, loss, or when less than the safety margin is left on our own monotonic clock. */
  mayCommit(): boolean;
  /** Aborted when the lease is lost: stop everything. */
  readonly lost: AbortSignal;
  /** Ends it cleanly: the next taker need not wait. */
  release(): Promise<void>;
}

/** Thrown by every write when the lease's epoch is no longer the mailbox's. */
export class LeaseLost extends Error {
  constructor() {
    super('another worker holds this mailbox now');
    this.name = 'LeaseLost';
  }
}

/** Whose work a session's counts are added to. */
export interface SessionScope {
  readonly job: string;
  readonly run: string;
  /**
   * True: items that failed before are offered again by unsettled(). They must be listed for that: a scan since
   * a checkpoint does not show them.
   */
  readonly retryFailed: boolean;
}

export interface Ledger {
  /** Waits (bounded by the signal) until the mailbox is free: an expired lease is taken expiry + grace later. */
  acquire(link: LinkId, holder: string, signal: AbortSignal): Promise<Lease>;
  open(lease: Lease, scope: SessionScope): LedgerSession;
}

/** A source folder as the ledger knows it. */
export interface KnownFolder {
  readonly id: FolderId;
  readonly source: SourceFolder;
  readonly state: SyncState | null;
  readonly destination: KnownDestinationFolder | null;
  /** The destination path it was given the first time: the mapping stays, whatever is renamed later. */
  readonly path: readonly string[] | null;
}
export interface KnownDestinationFolder {
  readonly id: DestinationFolderId;
  readonly folder: DestinationFolder;
  /** UIDs below it were there before the link's first write. */
  readonly firstMark: { readonly epoch: string; readonly mark: string };
  /** Highest own id + 1, or firstMark: the mark of the next intent. */
  readonly mark: string;
}
export interface FolderMap {
  readonly folders: readonly KnownFolder[];
}

/** Codes of skips that other settings would undo, or a later listing: what is shown again is not gone. */
export function isFilterCode(code: string): boolean {
  return code.startsWith('FILTERED_') || code === 'TOO_LARGE' || code === 'VANISHED';
}

/** Every write checks the lease's epoch in its own transaction, else LeaseLost. Every write may be repeated. */
export interface LedgerSession {
  folderMap(): Promise<FolderMap>;
  /**
   * Adds and updates; returns the map with row ids. Never forgets a folder. A known destination folder is found by
   * `follows`, its object id, or its name; its epoch and marks stay as they are: only rebind() moves them, so a
   * changed UIDVALIDITY is still seen after a crash.
   * @param renamed source folders that have another id now: their rows are kept under the new one. All at once: two
   * may swap their ids. An id that another row has must be taken from that row in the same call.
   */
  saveFolders(
    plan: FolderPlan,
    destinations: readonly {
      folder: DestinationFolder;
      mark: { epoch: string; mark: string };
      follows?: DestinationFolderId;
    }[],
    renamed?: readonly { folder: FolderId; source: SourceFolderId }[],
  ): Promise<FolderMap>;
  /**
   * The items of the page to work on: without an outcome; or failed before, in a session with retryFailed; or
   * skipped by a filter or size limit (isFilterCode), which is decided anew whenever they are listed. Items that an
   * earlier job settled count as already there. In a folder with keyScope 'account' a key is settled when any such
   * folder of the link has it.
   */
  unsettled(folder: FolderId, page: readonly ItemMeta[]): Promise<ItemMeta[]>;
  /** How many items of the page an earlier job of this link settled, and their bytes: for listed(). */
  earlier(folder: FolderId, page: readonly ItemMeta[]): Promise<{ items: number; bytes: number }>;
  /**
   * What a scan has shown so far, so that found has no remainder: found = what this job settled in the folder +
   * `pending` (listed and not settled at this moment) + `settledEarlier`. Absolute, may be repeated: the engine
   * calls it for every page before it copies it, and at the end with pending 0. Refusals that were offered again
   * may be part of `pending`: they are not counted twice. What was once listed as settled earlier stays counted,
   * though a later scan since a checkpoint does not list it.
   */
  listed(
    folder: FolderId,
    counts: { pending: number; pendingBytes: number; settledEarlier: number; bytesEarlier: number },
  ): Promise<void>;
  /** Of every link on the mailbox, oldest first. */
  openIntents(folder: DestinationFolderId): Promise<Intent[]>;
  /**
   * A key has one open intent at most: intending it again takes it out of the old one, and the new one keeps the
   * lower mark of the two.
   */
  intend(
    folder: DestinationFolderId,
    at: { epoch: string; mark: string },
    items: readonly IntentItem[],
  ): Promise<IntentId>;
  /** A repaired retry: the items' new size and digest, before they are sent again. */
  amend(id: IntentId, items: readonly IntentItem[]): Promise<void>;
  /** After a look: what is left of the intent was not stored. The intent goes, its items are unsettled again. */
  dissolve(id: IntentId): Promise<void>;
  /**
   * Idempotent, bulk, one transaction: binds or refuses, adds the counters and the notes, removes the items from
   * every open intent. A refusal that is settled again as copied gives way. A binding stays as it is, but for one:
   * `copied` with an id moves a claim that was never verified.
   *
   * Where another binding claims the same destination item: `copied` is bound without an id (to be placed by the
   * final listing), `existing` is not bound. Items of another link (their intents are in openIntents) are bound
   * without counts; refusals of them are ignored.
   * @returns the `existing` items that were not bound: they have no outcome and are still to be copied.
   */
  settle(id: IntentId | null, outcomes: readonly Settled[]): Promise<readonly ItemPlace[]>;
  /** Bindings that claim an item in the destination folder, by ascending id, across links; windows of 5,000. */
  claims(folder: DestinationFolderId, epoch: string): AsyncIterable<Binding[]>;
  /** This link's bindings of one source folder; windows of 5,000. */
  bindings(folder: FolderId): AsyncIterable<Binding[]>;
  /** This link's bindings of one source folder that claim nothing yet: stored, and the server did not say where. */
  unplaced(folder: FolderId): Promise<Binding[]>;
  /** How many bindings each source folder of this link has; folders without any are left out. */
  boundCounts(): Promise<ReadonlyMap<FolderId, number>>;
  /** Those of the digests that a binding of another source folder of this link has. */
  boundElsewhere(folder: FolderId, digests: readonly Digest[]): Promise<ReadonlySet<Digest>>;
  /**
   * This link's bindings of these keys, in any order; keys without one are left out. In a folder with keyScope 'account'
   * those of every such folder.
   */
  bound(folder: FolderId, keys: readonly ItemKey[]): Promise<Binding[]>;
  /** The source gave items new keys (UIDVALIDITY): their bindings move along. One to one; a key that is bound stays. */
  rekey(folder: FolderId, moved: readonly { from: ItemKey; to: ItemKey }[]): Promise<void>;
  /** Flags that were written at the destination later on: what the next delta compares with. */
  reflag(folder: FolderId, changes: readonly { key: ItemKey; flags: readonly string[] }[]): Promise<void>;
  /** Contents that changed at the source: what the next delta compares with. Keys without a binding are left out. */
  revise(folder: FolderId, revisions: readonly Revision[]): Promise<void>;
  /** Bindings that a look proved empty go, the counters go down, the items are unsettled again. */
  unbind(bindings: readonly Binding[]): Promise<void>;
  /**
   * The final listing's verdict on claims. A verdict on an id that the binding no longer has is ignored; `placed`
   * gives an id to bindings without one.
   */
  verify(
    folder: DestinationFolderId,
    verdicts: {
      verified: readonly Binding[];
      removed: readonly Binding[];
      placed: readonly (Binding & { id: { epoch: string; id: string } })[];
    },
  ): Promise<void>;
  /**
   * The folder has a new epoch. All in one call: what matches gets its new id; of the rest, verified and existing
   * items become `removed`, claimed ones lose their id. The folder's epoch and marks become those of the new epoch.
   */
  rebind(
    folder: DestinationFolderId,
    epoch: string,
    moved: readonly { binding: Binding; id: { epoch: string; id: string } }[],
  ): Promise<void>;
  /** Adds subject, sender and date to refusals that lack them. */
  describe(folder: FolderId, items: readonly ItemDescription[]): Promise<void>;
  /** Refusals of this job that lack a description, at most `limit`. */
  undescribed(limit: number): Promise<ItemPlace[]>;
  /** Something about the job or a folder that the report must say (a changed date, a mapped name, a surplus). Adds up. */
  remark(folder: FolderId | null, notes: readonly Note[]): Promise<void>;
  /**
   * The same for what holds at this moment and is told anew by every run: what the job had said of the folder with
   * this code is replaced. No items: it does not hold any more.
   */
  remarkState(folder: FolderId, code: string, items: number, detail?: string): Promise<void>;
  /** Only after all earlier items are settled. */
  checkpoint(folder: FolderId, next: SyncState): Promise<void>;
  counts(): Promise<ReadonlyMap<FolderId, FolderCounts>>;
}
