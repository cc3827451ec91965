import type { JobAction, JobState } from './job.js';

/** Everything that can happen to a job. Actions are a person's; the rest is the worker's. */
export type JobEvent =
  | JobAction
  | 'claim' // a worker starts the run
  | 'requeue' // the run's worker died, or handed it back at shutdown
  | 'wait' // the provider asks us to
  | 'wake' // the waiting time is over
  | 'need-action'
  | 'finish'
  | 'fail'
  | 'stopped'; // the worker has let go of a run that was told to stop

/** The one table of transitions: state -> event -> next state. Drawn in docs/states.md. */
export const TRANSITIONS: Readonly<Record<JobState, Readonly<Partial<Record<JobEvent, JobState>>>>> = {
  draft: { start: 'queued', cancel: 'cancelled' },
  queued: { claim: 'running', pause: 'paused', cancel: 'cancelled' },
  running: {
    wait: 'waiting',
    'need-action': 'needs-action',
    finish: 'completed',
    fail: 'failed',
    requeue: 'queued',
    pause: 'paused',
    cancel: 'cancelling',
  },
  waiting: { wake: 'queued', resume: 'queued', pause: 'paused', cancel: 'cancelled' },
  paused: { resume: 'queued', cancel: 'cancelled' },
  'needs-action': { resume: 'queued', cancel: 'cancelled' },
  cancelling: { stopped: 'cancelled' },
  completed: { retry: 'queued', sync: 'queued' },
  failed: { retry: 'queued', cancel: 'cancelled' },
  cancelled: {},
};

/** States in which nothing happens any more by itself. */
export const FINAL_STATES: readonly JobState[] = ['completed', 'failed', 'cancelled'];

export function isFinal(state: JobState): boolean {
  return FINAL_STATES.includes(state);
}

/** Null: not allowed in this state. */
export function next(state: JobState, event: JobEvent): JobState | null {
  return TRANSITIONS[state][event] ?? null;
}

/** The states in which an action is allowed. */
export function statesFor(action: JobAction): JobState[] {
  return (Object.keys(TRANSITIONS) as JobState[]).filter((state) => next(state, action) !== null);
}

const ACTIONS: readonly JobAction[] = ['start', 'pause', 'resume', 'cancel', 'retry', 'sync'];

export function allowedActions(state: JobState): JobAction[] {
  return ACTIONS.filter((action) => next(state, action) !== null);
}
