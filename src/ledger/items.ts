/** What the ledger knows of single items: what is intended, how each ended, and what is bound to what. */
import type { Digest } from '../mailbox/digest.js';
import type { DestinationFolderId, FolderId } from '../mailbox/folder.js';
import type { ItemKey, Note, ZonedDate } from '../mailbox/item.js';

export type IntentId = string & { readonly __brand: 'IntentId' };

/** Names one item of the ledger. */
export interface ItemPlace {
  readonly folder: FolderId;
  readonly key: ItemKey;
}

/** What an intent says about one item: enough to recognise it at the destination without reading the source again. */
export interface IntentItem {
  readonly folder: FolderId;
  readonly key: ItemKey;
  /** Bytes that will be sent. */
  readonly size: number;
  readonly digest: Digest;
  readonly headerDigest: Digest;
  readonly messageId: string | null;
  readonly date: ZonedDate | null;
  readonly flags: readonly string[];
  /** DAV only: the href and UID that were chosen. */
  readonly href?: string;
  readonly uid?: string;
}
export interface Intent {
  readonly id: IntentId;
  readonly folder: DestinationFolderId;
  /** UIDVALIDITY and lower bound at the time of the intent. */
  readonly epoch: string;
  readonly mark: string;
  readonly items: readonly IntentItem[];
}

/** How an item ended. Exactly one for each listed key. */
export type Settled = { readonly folder: FolderId; readonly key: ItemKey } & (
  | {
      readonly is: 'copied';
      readonly id: { readonly epoch: string; readonly id: string } | null;
      readonly size: number;
      readonly digest: Digest;
      readonly flags: readonly string[];
      readonly date: ZonedDate | null;
      readonly verified: boolean;
      readonly etag?: string;
      readonly notes: readonly Note[];
    }
  | {
      /** It was at the destination before the first run: `existing` claims one item, `merged` shares one. */
      readonly is: 'existing' | 'merged';
      readonly id: { readonly epoch: string; readonly id: string };
      readonly size: number;
      readonly digest: Digest | null;
      readonly flags: readonly string[];
    }
  | {
      readonly is: 'skipped' | 'failed';
      readonly code: string;
      /** One plain sentence. */
      readonly message: string;
      readonly serverText?: string;
      readonly size: number;
      readonly date: ZonedDate | null;
    }
);

export type BindingState = 'claimed' | 'verified' | 'existing' | 'merged' | 'removed';
export interface Binding {
  readonly folder: FolderId;
  readonly key: ItemKey;
  readonly state: BindingState;
  /** Null: merged, or stored where the server told no id and it was not found yet. */
  readonly id: { readonly epoch: string; readonly id: string } | null;
  readonly size: number;
  readonly digest: Digest | null;
  readonly flags: readonly string[];
  readonly date: ZonedDate | null;
  /** Of what is at the destination, as it was stored; where items may be changed in place. */
  readonly etag: string | null;
  /** ItemMeta.version of what was copied; null: not known. */
  readonly version: string | null;
}

/** What of a bound item is at the destination by now. */
export interface Revision {
  readonly key: ItemKey;
  /** ItemMeta.version that has been dealt with. */
  readonly version: string;
  /** Left out: what was stored is what it was. */
  readonly stored?: { readonly etag: string | null; readonly size: number; readonly digest: Digest };
}

export interface FolderCounts {
  readonly found: number;
  readonly copied: number;
  readonly alreadyThere: number;
  readonly skipped: number;
  readonly failed: number;
  /** Bytes copied, and bytes listed. */
  readonly bytes: number;
  readonly totalBytes: number;
}
