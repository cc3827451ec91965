import type { ItemKind } from '../mailbox/kinds.js';
import type { Principal } from '../panel/host-panel.js';
import type {
  DiscoveredType,
  JobAction,
  JobFilters,
  JobOptions,
  JobState,
  JobView,
  SourceFile,
  SourceSettings,
  TestView,
} from './job.js';

/**
 * Whose rows a reader may see. What lies outside does not exist for him: the answer is null, and 404 on the wire.
 * Made from the panel's word at every request; never stored.
 */
export interface Visibility {
  readonly tenant: string;
  /** `all`: support. Else the mailboxes, and the domains, that are his. */
  readonly all: boolean;
  readonly mailboxes: readonly string[];
  readonly domains: readonly string[];
}

/** Who acts, for the record and the audit trail. */
export interface Actor {
  readonly sub: string;
  readonly tenant: string;
  readonly actor?: string;
  readonly ip?: string;
  readonly visibility: Visibility;
  /** It is done for him, on a schedule: nobody is at the keyboard, so no secret is kept for longer because of it. */
  readonly scheduled?: boolean;
  /** Whom the panel is asked about at every start and before a replace; without one a replace is FORBIDDEN. */
  readonly principal?: Principal;
}

/** A secret on its way to the sealer. Never logged, never stored as it is. */
export interface SourceSecret {
  readonly password?: string;
  readonly token?: string;
  /** Keys of uploaded files by the files' ids. */
  readonly fileKeys?: Readonly<Record<string, string>>;
}
export interface DestinationSecret {
  readonly username?: string;
  readonly password: string;
}

export interface NewJob {
  readonly mailbox: string;
  readonly source?: SourceSettings;
  readonly secret?: SourceSecret;
  readonly destination?: DestinationSecret;
  readonly items?: readonly ItemKind[];
  readonly existing?: 'keep' | 'replace';
  /** The mailbox's address, typed: needed for 'replace'. */
  readonly confirm?: string;
  readonly filters?: JobFilters;
  readonly options?: JobOptions;
  /** What the wizard remembers between steps, without secrets. */
  readonly form?: Readonly<Record<string, unknown>>;
  readonly idempotencyKey?: string;
  readonly start?: boolean;
}
export type JobPatch = Partial<Omit<NewJob, 'idempotencyKey' | 'start' | 'mailbox'>>;

export interface JobQuery {
  readonly state?: readonly JobState[];
  readonly domain?: string;
  readonly mailbox?: string;
  readonly batch?: string;
  /** Part of a mailbox, source host or source user name. */
  readonly q?: string;
  /** Code of the job's reason or of any of its refusals. */
  readonly error?: string;
  /** Name of the old server. */
  readonly host?: string;
  /** Made in the last day, week (7 days) or month (30 days), or earlier than that. */
  readonly age?: JobAge;
  /** True: failed, incomplete, or needs somebody, and nobody has said that it is dealt with. */
  readonly open?: boolean;
  /** Default: the newest first. */
  readonly sort?: JobSort;
  readonly page: number;
  readonly perPage: number;
  /** `next` of a page before; `page` is then of no account. Any length of list costs the same. */
  readonly after?: string;
  /** `previous` of a page. */
  readonly before?: string;
}
export type JobFilterQuery = Omit<JobQuery, 'page' | 'perPage' | 'after' | 'before' | 'sort'>;
export const JOB_AGES = ['day', 'week', 'month', 'older'] as const;
export type JobAge = (typeof JOB_AGES)[number];
/** A minus: largest or newest first. */
export const JOB_SORTS = [
  '-created',
  'created',
  '-changed',
  'changed',
  'mailbox',
  '-mailbox',
  '-failed',
  'failed',
] as const;
export type JobSort = (typeof JOB_SORTS)[number];
export interface JobPage {
  /** Folders and runs are empty in a list. */
  readonly jobs: readonly JobView[];
  readonly page: number;
  readonly perPage: number;
  /** Counted up to 10,000; above that the database's estimate, and `estimated` is true. */
  readonly total: number;
  readonly estimated: boolean;
  /** Null: there is none. */
  readonly next: string | null;
  readonly previous: string | null;
}
/** What an action on many would do, without doing it. */
export interface BulkPreview {
  /** In a state that allows the action. Counted up to 10,000. */
  readonly touched: number;
  /** The first of them, by address. */
  readonly sample: readonly string[];
  /** Found too, and left as they are, by state. */
  readonly left: readonly { readonly state: JobState; readonly count: number }[];
  /** The most that are touched at a time; the rest needs another go. */
  readonly limit: number;
}
export type BulkTarget = { readonly ids: readonly string[] } | { readonly filter: JobFilterQuery };

/** A draft as the wizard needs it. */
export interface Draft {
  readonly job: JobView;
  readonly form: Readonly<Record<string, unknown>>;
  /** True: a source password is sealed with the draft. The password itself never comes back. */
  readonly hasSecret: boolean;
  readonly hasDestinationSecret: boolean;
  /** The last test of exactly these settings and this password; null: none, or something changed since. */
  readonly test: TestView | null;
  /** ISO 8601; passed and younger than 24 h. Null: the next step is closed. */
  readonly passedAt: string | null;
}

/**
 * A refusal with a stable code. Codes: NOT_FOUND, FORBIDDEN, INVALID_STATE, VALIDATION, SAME_MAILBOX,
 * CREDENTIALS_REQUIRED, RATE_LIMITED, DESTINATION_MISSING, TARGET_NOT_ALLOWED, PORT_NOT_ALLOWED, TLS_REQUIRED, ...
 */
export class JobError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details?: Readonly<Record<string, unknown>>,
  ) {
    super(message);
    this.name = 'JobError';
  }
}

/** Implemented by JobsService (src/jobs/jobs.service.ts). Every method checks the actor's visibility. @throws JobError */
export interface JobsApi {
  create(who: Actor, job: NewJob): Promise<{ job: JobView; replayed: boolean }>;
  /** Drafts only, else INVALID_STATE. */
  patch(who: Actor, id: string, patch: JobPatch): Promise<JobView>;
  draft(who: Actor, id: string): Promise<Draft | null>;
  get(visibility: Visibility, id: string): Promise<JobView | null>;
  list(visibility: Visibility, query: JobQuery): Promise<JobPage>;
  /** Asks the panel again whether the mailbox may be opened. INVALID_STATE when the table says no. */
  act(who: Actor, id: string, action: JobAction): Promise<JobView>;
  bulk(
    who: Actor,
    action: JobAction,
    target: BulkTarget,
  ): Promise<{ done: string[]; refused: { id: string; code: string; message: string }[] }>;
  preview(visibility: Visibility, action: JobAction, target: BulkTarget): Promise<BulkPreview>;
  /** New secrets for a job that asks for them, or before a retry. */
  setCredentials(who: Actor, id: string, secret: SourceSecret, destination?: DestinationSecret): Promise<JobView>;
  /** Final jobs only: the record, the report and the sealed secrets are gone afterwards; the audit line stays. */
  erase(who: Actor, id: string): Promise<void>;
  /** Bounded, newest last, secrets scrubbed: for support. */
  log(
    visibility: Visibility,
    id: string,
  ): Promise<{ at: string; level: string; message: string; detail?: unknown }[] | null>;
}

/** Implemented by Uploads (src/jobs/uploads.ts): files that a draft with a source of type 'files' is read from. @throws JobError */
export interface UploadsApi {
  /**
   * Keeps a file encrypted until the migration's secrets go. One of the same name is replaced.
   * Codes: INVALID_STATE, FILE_EMPTY, FILE_IS_ARCHIVE, FILE_NOT_CALENDAR, FILE_TOO_LARGE, TOO_MANY_FILES, UPLOADS_FULL.
   */
  add(who: Actor, job: string, name: string, content: AsyncIterable<Uint8Array>): Promise<SourceFile>;
  /** NOT_FOUND when there is none of this id. */
  remove(who: Actor, job: string, file: string): Promise<void>;
}

export interface NewTest {
  /** Test the draft's own settings and sealed secret... */
  readonly job?: string;
  /** ...or these. */
  readonly source?: SourceSettings;
  readonly secret?: SourceSecret;
  readonly destination?: DestinationSecret;
  readonly mailbox?: string;
  readonly items?: readonly ItemKind[];
}

/** Settings found for an address, to be confirmed by the person. Nothing was signed in to. */
export interface Discovered {
  readonly found: boolean;
  readonly host?: string;
  readonly port?: number;
  readonly security?: 'tls' | 'starttls';
  readonly username?: string;
  /** Where it was found: 'provider', 'autoconfig', 'srv', 'mx', 'autodiscover'. */
  readonly by?: string;
  readonly provider?: string;
}

/** Implemented by ConnectionTestsService. The worker does the work; the web process waits for the row. @throws JobError */
export interface ConnectionTestsApi {
  /** RATE_LIMITED past the limits per user, target and remote account. */
  request(who: Actor, test: NewTest): Promise<string>;
  get(who: Actor, id: string): Promise<TestView | null>;
  /** Waits up to `ms` for the result; a view with another state than 'done' when it takes longer. */
  wait(who: Actor, id: string, ms: number): Promise<TestView | null>;
  /** Signs in at the destination with the new mailbox's own password; nothing is kept. */
  signIn(tenant: string, address: string, password: string, ip: string): Promise<{ ok: boolean; code: string }>;
  discover(who: Actor, address: string, type?: DiscoveredType): Promise<Discovered>;
}

/** What follows once a password is there. */
export type LinkAction = Extract<JobAction, 'start' | 'resume' | 'retry'>;
/** What the page of a link shows: nothing that its owner does not know. */
export interface LinkView {
  readonly mailbox: string;
  readonly username: string;
  readonly host: string;
  readonly expiresAt: string;
  /** The password of the new mailbox is asked for, too: the panel cannot open it. */
  readonly asksDestination: boolean;
  /** Stands for the server and the account as they are shown; nobody else can make it. */
  readonly seen: string;
}
export type LinkLook =
  | ({ readonly is: 'open' } & LinkView)
  /** No link of ours, or its migration is gone. */
  | { readonly is: 'unknown' }
  | { readonly is: 'used' }
  /** Its time is over, or a newer one was made. */
  | { readonly is: 'expired' }
  /** Nothing waits for a password any more. */
  | { readonly is: 'needless' };
export type LinkOver = Exclude<LinkLook['is'], 'open'>;
export type Redeemed =
  | { readonly is: 'done'; readonly goesOn: boolean }
  | { readonly is: 'refused'; readonly code: string }
  | { readonly is: LinkOver };
/** What is typed behind a link. */
export interface LinkSecrets {
  /** LinkView.seen of the page it was typed on: it goes to no other server, and to no other account, than that page named. */
  readonly seen: string;
  readonly password: string;
  /** Of the new mailbox, where it is asked for. */
  readonly destination?: string;
}

/** How a link stands, for those who made it. */
export interface LinkState {
  readonly madeAt: string;
  readonly madeBy: string;
  readonly expiresAt: string;
  readonly state: 'open' | 'used' | 'expired' | 'revoked';
}

/** Implemented by PasswordLinks. @throws JobError */
export interface LinksApi {
  make(who: Actor, job: string, then: LinkAction | null): Promise<{ token: string; expiresAt: Date }>;
  look(token: string): Promise<LinkLook>;
  redeem(token: string, secrets: LinkSecrets, ip: string): Promise<Redeemed>;
}

/** Whoever steers a job beside its owner, as a batch does. */
export interface Steering {
  /**
   * Its password is there: does what is next, or has it done in its turn.
   * @param action what its state and whoever made the link ask for; null: nothing
   * @returns whether it goes on; null: nobody steers it
   */
  passwordCame(job: string, action: LinkAction | null): Promise<boolean | null>;
}
