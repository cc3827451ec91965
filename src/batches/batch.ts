import type { ItemKind } from '../mailbox/kinds.js';
import type { Counts, JobFilters, JobOptions, JobOutcome, JobState, Reason, SourceSettings } from '../jobs/job.js';
import type { Hours } from './hours.js';

export const BATCH_STATES = ['draft', 'active', 'paused', 'finished', 'cancelled'] as const;
/** What its admin wants of it; how far its migrations are is in their own states. */
export type BatchState = (typeof BATCH_STATES)[number];
export const BATCH_ACTIONS = ['test', 'start', 'pause', 'resume', 'cancel', 'retry', 'sync', 'finish'] as const;
export type BatchAction = (typeof BATCH_ACTIONS)[number];

/** The one source of all, without a user name. */
export type BatchSource = Omit<SourceSettings, 'username'>;

/** How the old accounts are opened, without secrets. An administrator's name and method are in `source.login`. */
export interface BatchAuth {
  readonly kind: 'per-row' | 'admin' | 'ask-user';
}

export const USERNAME_RULES = ['address', 'local-part', 'old-domain', 'template'] as const;
/** How the user name at the old server follows from the new mailbox's address, where a row names none. */
export interface UsernameRule {
  readonly rule: (typeof USERNAME_RULES)[number];
  /** `old-domain`: what stands after the @ there. */
  readonly domain?: string;
  /** `template`: with `{local}`, `{domain}` or `{address}`. */
  readonly template?: string;
}

export interface BatchOptions {
  readonly items: readonly ItemKind[];
  readonly filters: JobFilters;
  readonly usernames: UsernameRule;
  /** Migrations of the batch at once. */
  readonly atOnce: number;
  /** Null: at any time. */
  readonly hours: Hours | null;
  /** Hours between delta passes; null: only when somebody asks for one. */
  readonly syncEveryHours: number | null;
  readonly repair?: boolean;
  readonly deepVerify?: boolean;
}

/** A row that was not taken, and why. `row` counts data rows from 1. */
export interface RefusedRow {
  readonly row: number;
  readonly code: string;
  readonly message: string;
}

export interface BatchCounts {
  /** All rows: accepted and refused. */
  readonly rows: number;
  readonly accepted: number;
  readonly refused: number;
  /** By the state of the migration; `completed` holds both outcomes. */
  readonly states: Readonly<Record<JobState, number>>;
  readonly incomplete: number;
  /** Taken, and erased since: only their numbers are left. */
  readonly erased: number;
  /** Wait for their turn within the batch. */
  readonly wanted: number;
  /** Could not be started: the row says why. */
  readonly stuck: number;
  /** Paused, failed, waiting for a person or not let start: the batch does not finish over them by itself. */
  readonly unfinished: number;
  /** The old account's password is there, or is not needed. */
  readonly ready: number;
  readonly invited: number;
  readonly tested: number;
  readonly testsPassed: number;
  readonly testsWaiting: number;
  readonly tooBig: number;
}

/** One batch as the API and the pages show it. Holds no secret. */
export interface BatchView {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly state: BatchState;
  readonly reason?: Reason;
  readonly source: BatchSource;
  readonly auth: BatchAuth & { readonly method?: string; readonly username?: string; readonly template?: string };
  readonly options: BatchOptions;
  readonly counts: BatchCounts;
  readonly progress: Counts & { readonly bytes: number; readonly totalBytes: number; readonly rate: number };
  /** 0: not begun; 1: the first pass; from 2: delta passes. */
  readonly pass: number;
  /** The last pass is under way; then it finishes. */
  readonly finishing: boolean;
  /** Inside the allowed hours. */
  readonly inHours: boolean;
  readonly testing: boolean;
  readonly startAt: string | null;
  readonly nextSyncAt: string | null;
  readonly actions: readonly BatchAction[];
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
}

export interface BatchSummary {
  readonly id: string;
  readonly name: string;
  readonly state: BatchState;
  readonly host: string;
  readonly accepted: number;
  readonly completed: number;
  readonly attention: number;
  readonly createdAt: string;
}

/** What the row's connection test found. */
export interface RowTest {
  readonly ok: boolean;
  readonly code: string;
  readonly message: string;
  readonly items: number;
  readonly bytes: number;
  /** Null: the new mailbox names no quota. */
  readonly fits: boolean | null;
  /** Messages above what the new server takes. */
  readonly tooLarge: number | null;
}
export interface RowView extends Counts {
  readonly row: number;
  readonly mailbox: string;
  readonly username: string;
  readonly job: string | null;
  readonly state: JobState | null;
  readonly outcome: JobOutcome | null;
  readonly wanted: boolean;
  /** Its migration was erased since; `state` and the numbers are the last ones. */
  readonly erased: boolean;
  /** Why it was not taken, could not be started, waits or failed. */
  readonly reason: Reason | null;
  readonly bytes: number;
  readonly ready: boolean;
  readonly invitation: { readonly expiresAt: string; readonly sentAt: string | null; readonly used: boolean } | null;
  readonly test: RowTest | null;
}

export const ROW_FILTERS = [
  'all',
  'attention',
  'active',
  'waiting',
  'completed',
  'refused',
  'not-ready',
  'test-failed',
  'too-big',
] as const;
export type RowFilter = (typeof ROW_FILTERS)[number];

export type { JobOptions };
