import type { ItemKind } from '../mailbox/kinds.js';
import type { Actor, Visibility } from '../jobs/contract.js';
import type { JobFilters } from '../jobs/job.js';
import type {
  BatchAction,
  BatchSource,
  BatchSummary,
  BatchView,
  RefusedRow,
  RowFilter,
  RowView,
  UsernameRule,
} from './batch.js';
import type { GivenRow } from './csv-rows.js';
import type { Hours } from './hours.js';

/** How the old accounts are opened; an administrator's password is sealed at once. */
export type NewBatchAuth =
  | { readonly kind: 'per-row' }
  | {
      readonly kind: 'admin';
      readonly method: 'authzid' | 'composite' | 'impersonation';
      readonly username: string;
      readonly password: string;
      readonly template?: string;
    }
  | { readonly kind: 'ask-user' };

export interface NewBatchOptions {
  readonly items?: readonly ItemKind[];
  readonly filters?: JobFilters;
  readonly usernames?: UsernameRule;
  readonly atOnce?: number;
  readonly hours?: Hours | null;
  readonly syncEveryHours?: number | null;
  readonly repair?: boolean;
  readonly deepVerify?: boolean;
}
export interface BatchSettings {
  readonly source: BatchSource;
  readonly auth: NewBatchAuth;
  readonly options?: NewBatchOptions;
}
export interface NewBatch extends BatchSettings {
  readonly domain: string;
  readonly name?: string;
}

/** Which mailboxes: as given, a CSV's, or the panel's. */
export type BatchRows =
  | { readonly rows: readonly GivenRow[] }
  | { readonly csv: string | Uint8Array }
  | { readonly panel: 'all' | readonly string[] };

export interface Filled {
  readonly batch: BatchView;
  readonly refused: readonly RefusedRow[];
  /** Taken without asking the panel whether they are there: it will be asked before each starts. */
  readonly notChecked: number;
}

export interface ActOptions {
  /** Jobs; absent: all of the batch. Not with `finish` or `last`: a batch ends as a whole. */
  readonly ids?: readonly string[];
  /** The first `start`: not before (ISO 8601). Those that are started later keep to it. */
  readonly at?: string;
  /** `sync`: the last pass; the batch finishes after it. */
  readonly last?: boolean;
  /** `finish`: although some mailboxes are not done; they are cancelled. */
  readonly anyway?: boolean;
}

export type Schedule = Required<Pick<NewBatchOptions, 'atOnce' | 'hours' | 'syncEveryHours'>>;

/** The way to the old server, whose name and accounts stay. */
export interface Connection {
  readonly port: number;
  readonly security: 'tls' | 'starttls' | 'none';
  /** Lower-case hex SHA-256 of the one certificate that is accepted; absent: one that can be checked. */
  readonly caFingerprint?: string;
  /** The administrator's, typed again. */
  readonly password?: string;
}

export interface RowsQuery {
  readonly show: RowFilter;
  /** Part of a mailbox or user name. */
  readonly q?: string;
  readonly page: number;
  readonly perPage: number;
}

/** One link of a person who is asked for his own password. */
export interface InvitationLink {
  readonly mailbox: string;
  readonly username: string;
  readonly token: string;
  readonly expiresAt: string;
}

/** Implemented by BatchesService. Every method checks whose domain it is. @throws JobError */
export interface BatchesApi {
  /** Without rows yet: a draft that nothing is done with. */
  create(who: Actor, batch: NewBatch): Promise<BatchView>;
  /** Drafts only. Its rows are dropped: they hang on the settings. */
  change(who: Actor, id: string, batch: BatchSettings & { readonly name?: string }): Promise<BatchView>;
  /** Drafts only: the rows, instead of those there were. Nothing is dialled. */
  fill(who: Actor, id: string, rows: BatchRows): Promise<Filled>;
  list(visibility: Visibility, domain: string): Promise<BatchSummary[]>;
  get(visibility: Visibility, id: string): Promise<BatchView | null>;
  rows(visibility: Visibility, id: string, query: RowsQuery): Promise<{ rows: RowView[]; total: number } | null>;
  /** Those that went worst, at most ten. */
  worst(visibility: Visibility, id: string): Promise<RowView[] | null>;
  act(who: Actor, id: string, action: BatchAction, options?: ActOptions): Promise<BatchView>;
  /** How many at once, in which hours, how often: also while it runs. */
  reschedule(who: Actor, id: string, schedule: Schedule): Promise<BatchView>;
  /**
   * Port, encryption and certificate of a started batch in which nothing runs, and with it of its migrations. Passwords
   * that somebody else typed are erased by it.
   */
  reconnect(who: Actor, id: string, connection: Connection): Promise<BatchView>;
  /** The administrator's, anew: it was wrong, or is not kept any more. */
  setPassword(who: Actor, id: string, password: string): Promise<BatchView>;
  /** New links for everybody whose password is not there yet; `send`: the panel tells them. @returns how many. */
  invite(who: Actor, id: string, options: { readonly days: number; readonly send: boolean }): Promise<number>;
  /** The links that still work. */
  links(who: Actor, id: string): Promise<InvitationLink[]>;
  /** Drafts only: as if it had never been. */
  discard(who: Actor, id: string): Promise<void>;
}
