import type { Digest } from '../mailbox/digest.js';
import type { DestinationFolder, FolderPlan, SourceFolder } from '../mailbox/folder.js';
import type { ItemKey, Note, StagedItem, Staging, ZonedDate } from '../mailbox/item.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { TransferError } from '../mailbox/transfer-error.js';

export interface DestinationFacts {
  readonly takes: readonly ItemKind[];
  /** Largest item in bytes; null: not announced. */
  readonly maxBytes: number | null;
  readonly quota: { readonly usedBytes: number; readonly limitBytes: number } | null;
  /** True: a batch is stored as a whole or not at all (RFC 3502). */
  readonly atomicBatch: boolean;
  /** True: store() tells the id of what it stored (RFC 4315 APPENDUID, DAV href). */
  readonly tellsIds: boolean;
}

/** IMAP: `epoch` is UIDVALIDITY, `id` the UID in decimal. DAV: `epoch` is constant, `id` the href. */
export interface DestinationId {
  readonly epoch: string;
  readonly id: string;
}

/** A lower bound: everything we store from now on has an id at or above it (IMAP: any lower bound of UIDNEXT). */
export interface DestinationMark {
  readonly epoch: string;
  /** IMAP UID in decimal. */
  readonly mark: string;
}

/** Where an item will be, decided before anything is sent. */
export type Placement =
  | { readonly is: 'append'; readonly epoch: string; readonly mark: string }
  | { readonly is: 'put'; readonly href: string; readonly uid: string };
export interface PlacedItem extends StagedItem {
  readonly placement: Placement;
}

/** `stored` with a null id: it is there, but the server did not say where. `unknown`: look before doing it again. */
export type StoreOutcome = { readonly key: ItemKey } & (
  | {
      readonly is: 'stored';
      readonly id: DestinationId | null;
      /** Of the very content that was stored (RFC 9110 section 8.8.3); where items may be changed in place. */
      readonly etag?: string;
      readonly notes: readonly Note[];
    }
  | { readonly is: 'merged'; readonly id: DestinationId }
  | { readonly is: 'refused'; readonly error: TransferError }
  | { readonly is: 'unknown' }
);

/** One item as the destination lists it. Sorted by ascending id. */
export interface FoundItem {
  readonly id: DestinationId;
  readonly size: number;
  readonly date: ZonedDate | null;
  readonly flags: readonly string[];
  /** Changes with the content; where items may be changed in place. */
  readonly etag?: string;
}

/** `body`: digest is of the whole normalised item; `header`: of the normalised header block. */
export interface Fingerprint {
  readonly id: DestinationId;
  readonly size: number;
  readonly messageId: string | null;
  readonly headerDigest: Digest;
  /** Only with depth 'body'. */
  readonly digest: Digest | null;
}

export interface FlagChange {
  readonly id: DestinationId;
  readonly add: readonly string[];
  readonly remove: readonly string[];
}

export interface FlagRefusal {
  readonly id: DestinationId;
  readonly flags: readonly string[];
}

/** A content for an item that was written before. */
export interface ItemUpdate {
  readonly id: DestinationId;
  /** In the form that fit() gives. */
  readonly item: StagedItem;
  /** What was stored then: as long as it is there, nobody has changed it. */
  readonly written: { readonly etag: string | null; readonly digest: Digest | null };
}

/**
 * `updated`: the new content is there, perhaps by an earlier try. `kept`: something else than what was written is there, and stays;
 * `for` guests: it would be ours to change, and people would be told that it is cancelled. `gone`: nothing is. `unknown`: look before doing it again.
 */
export type UpdateOutcome = { readonly key: ItemKey } & (
  | { readonly is: 'updated'; readonly etag: string | null; readonly notes: readonly Note[] }
  | { readonly is: 'kept'; readonly for?: 'guests' }
  | { readonly is: 'gone' }
  | { readonly is: 'unknown' }
  | { readonly is: 'refused'; readonly error: TransferError }
);

/** `folder` is where the items went. Nothing is ever expunged for good by this. */
export interface AsideOutcome {
  readonly folder: readonly string[];
  readonly moved: number;
  readonly missing: readonly DestinationId[];
}

/** Items of a folder that are to go for good where there is no recovery folder for them. */
export interface TakeAwayWish {
  readonly items: readonly FoundItem[];
  /** What came at or after it stays. */
  readonly before: DestinationMark;
  /** Others stay. */
  readonly kinds: readonly ItemKind[];
  /** True of the digest of something that was copied or recognised: it stays, whatever it is called. */
  readonly isKnown: (digest: Digest) => boolean;
  /** Gets the content of each that will go, and says how many it has kept. Nothing goes before it resolves, nor unless it has all of them. */
  readonly keep: (objects: AsyncIterable<Uint8Array>) => Promise<number>;
}
export interface TakenAway {
  readonly removed: number;
  /** `guests`: people would be told; `changed`: it came or changed meanwhile, or may not be removed; `unreadable`: it cannot be kept. */
  readonly stayed: readonly { readonly why: 'guests' | 'changed' | 'unreadable'; readonly items: number }[];
}

/**
 * What became of a folder that was written before. `perhaps`: it is not where it was, and one of these, which have its
 * epoch, may be it: its items tell, and `unlessNone` holds if they tell it of none. `gone`: removed, or thrown into the trash.
 */
export type Whereabouts =
  | { readonly is: 'there' | 'gone' }
  | { readonly is: 'renamed'; readonly to: DestinationFolder }
  | { readonly is: 'perhaps'; readonly among: readonly DestinationFolder[]; readonly unlessNone: 'there' | 'gone' };

/** list() yields windows of at most this many ids. */
export const MAX_LIST_WINDOW = 5_000;

/**
 * The write side: the hoster's server. It never learns where an item came from. One instance serves several folders
 * at once, each written by one caller. After a TransferError of scope 'connection' the next call opens a new
 * connection by itself.
 */
export interface Destination {
  /** @throws TransferError with side 'destination'. */
  connect(signal: AbortSignal): Promise<DestinationFacts>;
  planFolders(wanted: readonly SourceFolder[]): Promise<FolderPlan>;
  /** Items in those folders of the plan that exist already; changes nothing. Null, or left out: cannot be told. */
  countExisting?(plan: FolderPlan, signal: AbortSignal): Promise<number | null>;
  /**
   * Finds folders of earlier runs again, one answer for each in their order; changes nothing. Left out: folders of this
   * destination have no other name than the one they were given.
   */
  locate?(known: readonly DestinationFolder[], signal: AbortSignal): Promise<Whereabouts[]>;
  /**
   * Creates and subscribes what is missing. Idempotent. Folders with the same path come back as one; what the server does not let us make
   * comes back `refused` and keeps the others from nothing.
   */
  ensureFolders(plan: FolderPlan, signal: AbortSignal): Promise<DestinationFolder[]>;
  /** A lower bound of what comes next in the folder. */
  mark(folder: DestinationFolder, signal: AbortSignal): Promise<DestinationMark>;
  /** Items are about to be stored: finds out ahead what that takes. Never fails; what it could not learn is asked again. */
  prepare?(folder: DestinationFolder, signal: AbortSignal): void;
  /**
   * The form in which the destination takes an item, made before anything is intended; its body is the caller's like
   * that of the item itself, which stays. Left out: items are taken as they are.
   * @throws TransferError of scope 'item' for what is no such item at all
   */
  fit?(folder: DestinationFolder, item: StagedItem, staging: Staging): Promise<StagedItem>;
  /** The smallest change to a refused item that it may take then; null: there is none. Left out: mail is mended by the engine. */
  mend?(folder: DestinationFolder, item: StagedItem, staging: Staging): Promise<StagedItem | null>;
  place(folder: DestinationFolder, items: readonly StagedItem[]): Promise<Placement[]>;
  /**
   * Stores a batch. One outcome for each item; after an outcome `unknown` the caller looks before it repeats.
   * Bodies stay the caller's.
   * @param mayCommit asked right before what makes the server keep an item; false stops: outcome `refused` with
   * code LEASE_ENDING for every item that was not committed.
   */
  store(
    folder: DestinationFolder,
    items: readonly PlacedItem[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncIterable<StoreOutcome>;
  /** These folders will be listed whole, in this order: asks for them ahead. Never fails; nobody waits for it. */
  expectListing?(folders: readonly DestinationFolder[], signal: AbortSignal): void;
  /** Everything at or above the mark, in windows. A changed epoch is a TransferError with code EPOCH_CHANGED. */
  list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncIterable<FoundItem[]>;
  /** Ids that are gone are left out. */
  fingerprint(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    depth: 'header' | 'body',
    signal: AbortSignal,
  ): AsyncIterable<Fingerprint>;
  /** @returns what the server did not take; the rest is done. */
  setFlags(
    folder: DestinationFolder,
    changes: readonly FlagChange[],
    signal: AbortSignal,
  ): Promise<readonly FlagRefusal[]>;
  /**
   * Puts new contents in the place of what nobody changed since it was written. Left out: contents do not change here.
   * @param mayCommit as in store(); false: outcome `refused` with code LEASE_ENDING
   */
  update?(
    folder: DestinationFolder,
    updates: readonly ItemUpdate[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncIterable<UpdateOutcome>;
  /** Moves items into another folder (made when missing): the recovery folder of a replace. */
  setAside(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    into: readonly string[],
    signal: AbortSignal,
  ): Promise<AsideOutcome>;
  /** For kinds that have no recovery folder. Left out: items are only set aside. */
  takeAway?(
    folder: DestinationFolder,
    wish: TakeAwayWish,
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): Promise<TakenAway>;
  close(): Promise<void>;
}
