import type { SourceFolder } from '../mailbox/folder.js';
import type { ItemDescription, ItemRef, ReadOutcome, ScanPage, Staging, SyncState } from '../mailbox/item.js';
import type { ItemKind } from '../mailbox/kinds.js';

/** Whose mailbox this is: the same for every job on it. */
export interface SourceAccount {
  /** 'imap', 'ews', ... */
  readonly kind: string;
  /** Lower-case hex SHA-256 of what names the account at its server (host and user name). Holds no secret. */
  readonly stableId: string;
}

export interface SourceFacts {
  readonly gives: readonly ItemKind[];
  /** Connections that may be open at once, all workers together. */
  readonly maxConnections: number;
  /** Names of quirks that were recognised, for the log. */
  readonly quirks: readonly string[];
  /** The address it is read from, where a web service had to be looked for. */
  readonly serviceUrl?: string;
}

/** Of what is no message. Where notes become messages, nobody wants to be told that they are new. */
export function flagsOf(kind: ItemKind): readonly string[] {
  return kind === 'notes' ? ['\\Seen'] : [];
}

/** ScanPage.items is never longer than this. */
export const MAX_SCAN_PAGE = 5_000;

/**
 * The read side. Nothing in it may change anything at the old provider, \Seen included. One instance serves several
 * folders at once, and bodies are read while a scan of the same folder is still open. After a TransferError of scope
 * 'connection' the next call opens a new connection by itself.
 */
export interface Source {
  readonly account: SourceAccount;
  /** Connects and signs in. @throws TransferError with side 'source'. */
  connect(signal: AbortSignal): Promise<SourceFacts>;
  /** Never empty: a listing that shows nothing is a TransferError. */
  listFolders(signal: AbortSignal): Promise<SourceFolder[]>;
  /** These folders, just listed, will be scanned whole, in this order: asks for them ahead. Never fails; nobody waits for it. */
  expect?(folders: readonly SourceFolder[], signal: AbortSignal): void;
  /** Metadata of one folder, oldest first. `since` is the state of an earlier scan; null lists everything. */
  scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncIterable<ScanPage>;
  /** Bodies, in any order (their bytes are given away: the staging keeps them as they come); one outcome for each ref. Every staged body belongs to the caller, who releases it. */
  read(folder: SourceFolder, refs: readonly ItemRef[], stage: Staging, signal: AbortSignal): AsyncIterable<ReadOutcome>;
  /** Subject, sender and date of items that will be named in the report. Refs that are gone are left out. */
  describe(folder: SourceFolder, refs: readonly ItemRef[], signal: AbortSignal): AsyncIterable<ItemDescription>;
  close(): Promise<void>;
}
