import type { ItemKind } from '../mailbox/kinds.js';

export const JOB_STATES = [
  'draft',
  'queued',
  'running',
  'waiting',
  'paused',
  'needs-action',
  'cancelling',
  'completed',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];
/** `shell`: the command `mailferry copy`, which alone knows the passwords; no worker touches the job. */
export type JobRunner = 'workers' | 'shell';
export type JobOutcome = 'complete' | 'incomplete';
/** What a person can do to a job. */
export type JobAction = 'start' | 'pause' | 'resume' | 'cancel' | 'retry' | 'sync';
export type RunKind = 'first' | 'resume' | 'retry' | 'sync';

export interface Reason {
  readonly code: string;
  readonly message: string;
  readonly action?: string;
}

/** An administrator opens the old account: the password is his, the mail is `SourceSettings.username`'s. */
export interface SourceLogin {
  /**
   * `authzid`: SASL PLAIN with an authorization identity (RFC 4616). `composite`: one name made of both. `impersonation`, `delegate`:
   * Exchange's role ApplicationImpersonation, and full access to the mailbox.
   */
  readonly method: 'authzid' | 'composite' | 'impersonation' | 'delegate';
  /** The administrator's name. */
  readonly username: string;
  /** Of a composite name, e.g. '{user}*{admin}'. */
  readonly template?: string;
}

/** A calendar or contact file that was uploaded for a migration. */
export interface SourceFile {
  readonly id: string;
  /** As the person's computer named it, without a path. */
  readonly name: string;
  readonly bytes: number;
  /** Lower-case hex, of all bytes. */
  readonly sha256: string;
}

/** The old account without its secret, as it is stored, shown and sent to the API. */
export interface SourceSettings {
  readonly type: string;
  /** Id in the provider registry. */
  readonly provider?: string;
  readonly host: string;
  readonly port: number;
  readonly security: 'tls' | 'starttls' | 'none';
  readonly username: string;
  /** Lower-case hex SHA-256 of the one certificate that is accepted although it cannot be checked. */
  readonly caFingerprint?: string;
  readonly login?: SourceLogin;
  readonly dav?: { readonly url: string };
  readonly ews?: { readonly url: string };
  readonly options?: Readonly<Record<string, unknown>>;
  /** Of type 'files', which has no host ('', port 0) and names the files as its user name. */
  readonly files?: readonly SourceFile[];
}

export interface JobFilters {
  /** Source paths, one array entry a level; children go with them. */
  readonly excludeFolders?: readonly (readonly string[])[];
  /** The same for folders that are left out unless they are asked for (Gmail's spam and trash). */
  readonly includeFolders?: readonly (readonly string[])[];
  /** ISO 8601: only mail from this moment on. */
  readonly since?: string;
  /** Largest item in bytes. */
  readonly maxItemBytes?: number;
}
export interface JobOptions {
  /** Repair malformed messages the destination refuses as they are. Default true. */
  readonly repair?: boolean;
  /** Keep the credentials after completion for later delta passes. Default false. */
  readonly keepForSync?: boolean;
  /** Hash every body on both sides at the end. Default false. */
  readonly deepVerify?: boolean;
  /**
   * Gmail: a message goes into one folder; its other labels are left ('primary', the default) or become keywords of the
   * message ('keywords').
   */
  readonly labels?: 'primary' | 'keywords';
}

export interface Counts {
  readonly found: number;
  readonly copied: number;
  readonly alreadyThere: number;
  readonly skipped: number;
  readonly failed: number;
}
export interface Progress extends Counts {
  /** Copied so far, and listed in all. */
  readonly bytes: number;
  readonly totalBytes: number;
  /** Null: cannot be told yet. */
  readonly etaSeconds: number | null;
  /** Bytes a second, lately. */
  readonly rate: number | null;
}
export interface FolderProgress extends Counts {
  readonly path: string;
  readonly destination: string | null;
  readonly kind: ItemKind;
  readonly bytes: number;
  readonly totalBytes: number;
}
export interface RunView {
  readonly id: string;
  readonly kind: RunKind;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly state:
    'queued' | 'running' | 'completed' | 'failed' | 'interrupted' | 'waiting' | 'needs-action' | 'cancelled' | 'paused';
  readonly reason?: Reason;
}

/** One job as the JSON API, the event stream and the pages show it. Holds no secret. */
export interface JobView {
  readonly id: string;
  readonly mailbox: string;
  readonly domain: string;
  readonly state: JobState;
  readonly outcome: JobOutcome | null;
  readonly reason?: Reason;
  /** ISO 8601: when a waiting job goes on. */
  readonly until?: string;
  readonly source: SourceSettings;
  readonly items: readonly ItemKind[];
  readonly existing: 'keep' | 'replace';
  readonly filters: JobFilters;
  readonly options: JobOptions;
  readonly progress: Progress;
  readonly folders: readonly FolderProgress[];
  readonly runs: readonly RunView[];
  readonly actions: readonly JobAction[];
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** ISO 8601: when the state was last set. */
  readonly changedAt: string;
  /** Rises with every change; the event stream's id. */
  readonly version: number;
}

/** What a connection test found. */
export interface TestFolder {
  readonly path: string;
  /** The same, one entry a level: what JobFilters.excludeFolders takes. `path` must not be split again. */
  readonly levels?: readonly string[];
  readonly kind: ItemKind;
  readonly role?: string;
  /** True: left out unless JobFilters.includeFolders names it. */
  readonly optional?: boolean;
  readonly items: number | null;
  readonly bytes: number | null;
}
export interface TestPlan {
  readonly folders: readonly {
    readonly from: string;
    /** A calendar and a mail folder may have one name. */
    readonly kind: ItemKind;
    readonly to: string;
    readonly exists: boolean;
    readonly changed?: string;
  }[];
  readonly leftOut: readonly { readonly path: string; readonly code: string; readonly message: string }[];
  readonly totalItems: number;
  readonly totalBytes: number;
  /** Null: the destination names no quota. */
  readonly quota: { readonly usedBytes: number; readonly limitBytes: number; readonly fits: boolean } | null;
  readonly maxItemBytes: number | null;
  /** Messages above maxItemBytes, when they could be counted. */
  readonly tooLarge: number | null;
  /** What is there already, for the confirmation of a replace. */
  readonly existingItems: number | null;
  readonly estimate: { readonly seconds: number; readonly basis: string } | null;
}
export interface TestResult {
  readonly ok: boolean;
  readonly code: string;
  readonly message: string;
  readonly action?: string;
  readonly gives?: readonly ItemKind[];
  readonly folders: readonly TestFolder[];
  readonly totals: { readonly folders: number; readonly items: number; readonly bytes: number };
  readonly plan?: TestPlan;
  /** With TLS_UNTRUSTED: what the server showed, so that a person may pin it. */
  readonly certificate?: {
    readonly fingerprint: string;
    readonly subject: string;
    readonly issuer: string;
    readonly validTo: string;
  };
  /** Of an Exchange server: the address of its web service, where it was looked for. */
  readonly ews?: { readonly url: string };
  /** With EWS_REDIRECTED: the other server's address, to be confirmed by a person. It got no password. */
  readonly redirect?: { readonly url: string };
}
/** What kind of server is looked for from an address. */
export type DiscoveredType = 'imap' | 'ews';
export interface TestView extends TestResult {
  readonly id: string;
  readonly state: 'queued' | 'running' | 'done';
}
