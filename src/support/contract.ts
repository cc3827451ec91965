import type { Actor, LinkState, Visibility } from '../jobs/contract.js';

/** Items of one job that did not arrive for the same reason. */
export interface ItemGroup {
  readonly outcome: 'skipped' | 'failed';
  readonly code: string;
  readonly message: string;
  readonly items: number;
  readonly bytes: number;
  /** Folders they lie in, the fullest first; at most three. */
  readonly folders: readonly string[];
  /** What the server said of one of them. Scrubbed; '' when nothing. */
  readonly serverText: string;
}
export interface Note {
  /** ISO 8601. */
  readonly at: string;
  readonly author: string;
  readonly text: string;
  readonly handled: boolean;
}
/** One thing that happened to a job: a run that began or ended, or a person's action. */
export interface CaseEvent {
  readonly at: string;
  readonly kind: 'run-began' | 'run-ended' | 'action';
  /** Kind of the run, or name of the action (`job.retry`). */
  readonly what: string;
  /** State the run ended in. */
  readonly state?: string;
  readonly code?: string;
  readonly message?: string;
  /** Who did it; the worker's name for a run. */
  readonly by?: string;
}
/** What a run said to both servers: commands and answers in short. */
export interface SavedLog {
  readonly at: string;
  readonly runKind: string;
  /** '' when nothing was said. */
  readonly source: string;
  readonly destination: string;
}
/** What support sees of one job beyond what its owner sees. Holds no secret. */
export interface SupportCase {
  readonly groups: readonly ItemGroup[];
  readonly events: readonly CaseEvent[];
  readonly notes: readonly Note[];
  /** ISO 8601; null: nobody has said that it is dealt with since its last change. */
  readonly handledAt: string | null;
  /** The last link for a password; null: none was made. */
  readonly link: LinkState | null;
  /** Of runs that ended badly or were asked for, newest first. */
  readonly logs: readonly SavedLog[];
  /** Support asked, and no run has answered yet. */
  readonly logWanted: boolean;
  /** Whether a password is sealed with it now. */
  readonly hasPassword: boolean;
}

/** Implemented by SupportService. Only for those who see all: FORBIDDEN otherwise. @throws JobError */
export interface SupportApi {
  /** Null: not there. */
  look(visibility: Visibility, id: string): Promise<SupportCase | null>;
  /** Failed items with this code become skipped ones, with the reason; a retry leaves them. @returns how many. */
  leaveOut(who: Actor, id: string, code: string, reason: string): Promise<number>;
  note(who: Actor, id: string, text: string, handled: boolean): Promise<void>;
  /** The run that is under way, or the next one, keeps what it says to the servers. */
  askLog(who: Actor, id: string): Promise<void>;
}

export interface WorkerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly beatAt: string;
  readonly rssBytes: number;
  /** silent: no sign of life for so long that its runs are taken back. */
  readonly state: 'well' | 'draining' | 'silent';
  /** It was told to take no more. */
  readonly drain: boolean;
  readonly runs: readonly {
    readonly job: string;
    readonly mailbox: string;
    readonly since: string;
    readonly rate: number | null;
  }[];
  /** Runs of other tenants, which are nobody's business here. */
  readonly otherRuns: number;
}
export interface Fleet {
  readonly workers: readonly WorkerRow[];
  /** Of this tenant, but for the rings. `stalled`: says it runs, and its run is silent. */
  readonly jobs: {
    readonly queued: number;
    readonly running: number;
    readonly waiting: number;
    readonly stalled: number;
  };
  /** ISO 8601 of the migration that waits longest for its turn; null: none waits. */
  readonly oldestQueuedAt: string | null;
  /** ISO 8601: the next one that goes on by itself after waiting. */
  readonly nextWakeAt: string | null;
  /** Bells in Redis; null: Redis is away, and the sweeper does its work later. */
  readonly rings: { readonly runs: number; readonly tests: number } | null;
}
/** Implemented by FleetService. @throws JobError */
export interface FleetApi {
  look(visibility: Visibility): Promise<Fleet>;
  /** True: the worker takes no new run and ends those it has; false: it takes runs again. NOT_FOUND: no such worker. */
  drain(who: Actor, worker: string, drain: boolean): Promise<void>;
}

export interface AuditQuery {
  /** Part of whoever did it, exactly as the panel names him. */
  readonly who?: string;
  /** e.g. `job.cancel`, or its beginning: `job`. */
  readonly action?: string;
  readonly mailbox?: string;
  readonly job?: string;
  /** ISO 8601 days, inclusive. */
  readonly from?: string;
  readonly to?: string;
}
export interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly who: string;
  /** Who acted for him. */
  readonly actor: string | null;
  readonly action: string;
  readonly job: string | null;
  readonly mailbox: string | null;
  readonly ip: string | null;
  readonly detail: Readonly<Record<string, string>>;
}
export interface AuditPage {
  /** Newest first. */
  readonly rows: readonly AuditRow[];
  /** Id to go on from; null: the end. */
  readonly next: string | null;
}
/** Implemented by AuditReader. Only for those who see all: FORBIDDEN otherwise. @throws JobError */
export interface AuditApi {
  search(visibility: Visibility, query: AuditQuery, page: { after?: string; limit: number }): Promise<AuditPage>;
  /** at,who,actor,action,job,mailbox,ip,detail; the export itself is a line of the trail. */
  csv(who: Actor, query: AuditQuery): Promise<AsyncIterable<string>>;
}
