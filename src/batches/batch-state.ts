import type { BatchAction, BatchState } from './batch.js';

/** What an admin may do in which state, and what becomes of it; `test` changes nothing. */
const TRANSITIONS: Readonly<Record<BatchState, Readonly<Partial<Record<BatchAction, BatchState>>>>> = {
  draft: { test: 'draft', start: 'active', cancel: 'cancelled' },
  active: {
    test: 'active',
    start: 'active',
    pause: 'paused',
    resume: 'active',
    cancel: 'cancelled',
    retry: 'active',
    sync: 'active',
    finish: 'finished',
  },
  paused: { test: 'paused', resume: 'active', cancel: 'cancelled', finish: 'finished' },
  finished: {},
  cancelled: {},
};

/** Null: not allowed in this state. */
export function nextBatchState(state: BatchState, action: BatchAction): BatchState | null {
  return TRANSITIONS[state][action] ?? null;
}
