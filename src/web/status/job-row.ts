import { isFinal } from '../../jobs/job-state.js';
import type { JobView } from '../../jobs/job.js';
import { barKind, settledOf, stateView, type BarKind, type StateView } from './job-page.js';

/** One migration in a list. */
export interface JobRow {
  readonly id: string;
  /** Where its own page is, below our base. */
  readonly path: string;
  readonly mailbox: string;
  /** '' while the old account has not been chosen. */
  readonly host: string;
  readonly username: string;
  readonly state: StateView & { readonly state: string; readonly outcome: string | null };
  readonly draft: boolean;
  readonly started: boolean;
  readonly ended: boolean;
  /** Being listed: there is no number yet. */
  readonly counting: boolean;
  readonly settled: number;
  readonly max: number;
  readonly barKind: BarKind;
  readonly failed: number;
  readonly reasonCode: string | null;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly changedAt: string;
}

export function jobRow(job: JobView): JobRow {
  return {
    id: job.id,
    path: job.state === 'draft' ? `/new/${job.id}` : `/jobs/${job.id}`,
    mailbox: job.mailbox,
    host: job.source.host,
    username: job.source.username,
    state: { ...stateView(job), state: job.state, outcome: job.outcome },
    draft: job.state === 'draft',
    started: job.startedAt !== null,
    ended: isFinal(job.state),
    counting: job.state === 'running' && job.progress.found === 0,
    settled: settledOf(job.progress),
    max: job.progress.found,
    barKind: barKind(job),
    failed: job.progress.failed,
    reasonCode: job.reason?.code ?? null,
    createdAt: job.createdAt,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    changedAt: job.changedAt,
  };
}
