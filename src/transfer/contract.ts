import type { LinkId, Ledger, FolderCounts } from '../ledger/ledger.js';
import type { FolderId, FolderPlan } from '../mailbox/folder.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { TransferError } from '../mailbox/transfer-error.js';
import type { Staging } from '../mailbox/item.js';
import type { Destination } from '../destinations/destination.js';
import type { Source } from '../sources/source.js';

/** What to copy and how. */
export interface TransferOptions {
  readonly kinds: readonly ItemKind[];
  readonly existing: 'keep' | 'replace';
  readonly excludeFolders: readonly (readonly string[])[];
  /** Folders that are left out unless they are named here. */
  readonly includeFolders?: readonly (readonly string[])[];
  readonly since: Date | null;
  readonly maxItemBytes: number | null;
  readonly repair: boolean;
  readonly deepVerify: boolean;
  /** Path of the recovery folder of a replace, e.g. ['Before migration 2026-11-22']. */
  readonly recoveryFolder: readonly string[];
}

/** The numbered steps of a run. A test stops the engine at each and starts it again. */
export const STEPS = [
  'leased',
  'connected',
  'listed',
  'folders-ensured',
  'recovered',
  'scanned-page',
  'staged-batch',
  'intended',
  'stored-item',
  'stored-batch',
  'settled',
  'read-back',
  'checkpointed',
  'verified',
  'reconciled',
  'set-aside',
  'finished',
] as const;
export type Step = (typeof STEPS)[number];

/** Implemented by the progress recorder. Must not throw; may be slow only by its own buffering. */
export interface TransferListener {
  planned(plan: FolderPlan): void;
  /** Newest numbers of one folder, after they are committed. */
  counted(folder: FolderId, counts: FolderCounts): void;
  /** Bytes that crossed the wire to the destination since the last call. */
  moved(bytes: number): void;
  /** For the job's log: bounded, no bodies, no secrets. */
  log(level: 'info' | 'warn' | 'error', message: string, detail?: Readonly<Record<string, unknown>>): void;
}

/** Keeps what a replace takes away for good, with the job. */
export interface RecoveryKeeper {
  /**
   * Makes one file of the objects (iCalendar or vCard). Durable when it resolves; without objects there is none. A wish that fails leaves nothing.
   * @returns how many of them are in it, whole
   */
  keep(from: { readonly kind: ItemKind; readonly folder: string }, objects: AsyncIterable<Uint8Array>): Promise<number>;
}

export interface TransferParts {
  readonly source: Source;
  readonly destination: Destination;
  readonly ledger: Ledger;
  readonly staging: Staging;
  readonly listener: TransferListener;
  readonly link: LinkId;
  readonly job: string;
  readonly run: string;
  readonly holder: string;
  readonly retryFailed: boolean;
  /** Left out: what has no recovery folder stays where it is. */
  readonly recovery?: RecoveryKeeper;
  /** Called at every numbered step; throwing there is a crash. */
  readonly step?: (step: Step) => void | Promise<void>;
  readonly now?: () => Date;
  /** Waits; for back-off and for late landings. Resolves early when the signal aborts. */
  readonly delay?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** How much goes into one batch, where the usual is not wanted. */
  readonly batch?: { readonly bytes: number; readonly items: number };
}

/** Why a run stopped before the end, given as the abort signal's reason. */
export type StopReason = 'pause' | 'cancel' | 'shutdown';
export type TransferEnd =
  | { readonly is: 'completed'; readonly outcome: 'complete' | 'incomplete' }
  /** At a checkpoint: everything stored is settled or has an open intent. */
  | { readonly is: 'stopped'; readonly why: StopReason }
  /** `error.retry` says what comes next: 'later' waits, 'user' needs a person, 'never' fails. */
  | { readonly is: 'broken'; readonly error: TransferError };

/** Runs once over the mailbox. Implemented by runTransfer (src/transfer/run-transfer.ts). Never throws but for bugs and LeaseLost. */
export type RunTransfer = (parts: TransferParts, options: TransferOptions, stop: AbortSignal) => Promise<TransferEnd>;
