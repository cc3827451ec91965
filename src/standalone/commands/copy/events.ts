import type { JobOutcome, JobState, Progress, Reason, TestPlan } from '../../../jobs/job.js';
import type { ReportChange } from '../../../reports/contract.js';
import type { ExitCode } from '../usage.js';

/** Items that did not arrive for one reason. */
export interface NotArrived {
  readonly outcome: 'skipped' | 'failed';
  readonly code: string;
  readonly message: string;
  readonly items: number;
  /** Some of them. */
  readonly examples: readonly { folder: string; subject: string; date: string | null; size: number }[];
}

/** Everything a copy says, in the order of `--json`: one object a line. Dates are ISO 8601 with Z, sizes in bytes. */
export type CopyEvent =
  | {
      readonly event: 'start';
      readonly job: string;
      readonly from: string;
      readonly to: string;
      readonly resumed: boolean;
    }
  | ({ readonly event: 'progress'; readonly expected: number } & Progress)
  | {
      readonly event: 'log';
      readonly at: string;
      readonly level: 'info' | 'warn' | 'error';
      readonly message: string;
      readonly detail?: unknown;
    }
  | { readonly event: 'state'; readonly state: JobState; readonly reason?: Reason; readonly until?: string }
  | { readonly event: 'plan'; readonly from: string; readonly to: string; readonly plan: TestPlan }
  | ({
      readonly event: 'end';
      /** `interrupted`: run the same command again and it goes on. */
      readonly outcome: JobOutcome | 'failed' | 'needs-action' | 'interrupted' | 'cancelled';
      readonly exitCode: ExitCode;
      readonly reason?: Reason;
      readonly seconds: number;
      readonly notArrived: readonly NotArrived[];
      /** What arrived in another form. */
      readonly changes: readonly ReportChange[];
    } & Omit<Progress, 'rate' | 'etaSeconds'>);

export type EndEvent = Extract<CopyEvent, { event: 'end' }>;
export type PlanEvent = Extract<CopyEvent, { event: 'plan' }>;

/** Where they go. */
export interface Output {
  tell(event: CopyEvent): void;
  /** Takes a bar away, so that what is written next stands on a line of its own. */
  close(): void;
}
