import type { Digest } from './digest.js';
import type { SourceFolder } from './folder.js';
import type { TransferError } from './transfer-error.js';

/** Lower-case hex of at most 16 bytes; unique in the folder or, where the folder says so, in the account. */
export type ItemKey = string & { readonly __brand: 'ItemKey' };

/** How an item is known to us (`key`, for ever) and to the server (`locator`: UID, EWS id, href; today). */
export interface ItemRef {
  readonly key: ItemKey;
  readonly locator: Uint8Array;
}

/** A moment with the zone it was written in: INTERNALDATE keeps both (RFC 9051 section 2.3.3). */
export interface ZonedDate {
  /** Whole seconds since 1970-01-01T00:00:00Z. */
  readonly seconds: number;
  /** Minutes east of UTC. */
  readonly offset: number;
}

export interface ItemMeta extends ItemRef {
  /** Bytes as the source announces them: a hint, never an identity. */
  readonly size: number;
  readonly date: ZonedDate | null;
  /** IMAP flags and keywords without \Recent, in the source's spelling. */
  readonly flags: readonly string[];
  /** Changes with the content (DAV ETag, EWS change key); at most 64 characters. Left out where content never changes (IMAP). */
  readonly version?: string;
}

/** Where a scan stopped, opaque to everybody but the source that made it. Small JSON. */
export type SyncState = { readonly [key: string]: string | number | boolean | null };

/** `full`: the pages of this scan together list the whole folder, so what is missing from them is gone. */
export interface ScanPage {
  readonly items: readonly ItemMeta[];
  readonly gone: readonly ItemKey[];
  readonly next: SyncState;
  readonly full: boolean;
  /** The server listed fewer items than it says there are, even when it was asked again. On the last page. */
  readonly short?: true;
}

/** What a person needs to recognise an item in a report. Asked for only about items that did not arrive. */
export interface ItemDescription {
  readonly key: ItemKey;
  readonly subject: string;
  readonly from: string;
  readonly date: Date | null;
}

/** What the engine did to an item besides copying it, e.g. REPAIRED_BARE_LF, DATE_CHANGED, KEYWORD_MAPPED. */
export interface Note {
  readonly code: string;
  readonly detail?: string;
}

/** A complete body, in memory or in an unlinked temp file. May be opened again until released. */
export interface StagedBody {
  /** Bytes that will be sent. */
  readonly size: number;
  readonly digest: Digest;
  /** Digest of the header block alone, normalised as servers rewrite it: see digest.ts. */
  readonly headerDigest: Digest;
  readonly messageId: string | null;
  /** Each piece counts until the next one is asked for: whoever keeps it longer than the body copies it. */
  open(): AsyncIterable<Uint8Array>;
  release(): Promise<void>;
}

export interface Staging {
  /**
   * Takes a whole body in; waits for the memory or disk budget.
   * @param expected the length the server announced; a body of another length is a TransferError LENGTH_MISMATCH.
   */
  put(ref: ItemRef, bytes: AsyncIterable<Uint8Array>, expected?: number): Promise<StagedBody>;
}

export interface StagedItem {
  readonly ref: ItemRef;
  readonly body: StagedBody;
  readonly date: ZonedDate | null;
  readonly flags: readonly string[];
  readonly notes: readonly Note[];
  /** Of exactly these bytes: see ItemMeta. */
  readonly version?: string;
  /** It becomes several objects at the destination, of which the digest tells only the first. */
  readonly several?: true;
}

export type ReadOutcome = { readonly ref: ItemRef } & (
  | { readonly is: 'staged'; readonly item: StagedItem }
  | { readonly is: 'vanished' }
  | { readonly is: 'unreadable'; readonly error: TransferError }
);

/** The scan of one folder, for the engine's lanes. */
export interface FolderItems {
  readonly folder: SourceFolder;
  readonly items: readonly ItemMeta[];
}
