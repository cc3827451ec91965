import { jobError } from '../jobs/admission.js';
import { isUuid } from '../jobs/job-view.js';
import { invalid } from '../jobs/settings.js';
import type { BatchAction } from './batch.js';
import type { ActOptions } from './contract.js';

/** Chosen rows of one action. */
const MAX_IDS = 1_000;
/** A start may lie ahead by this much, at most (ms): the secrets must last for the copying and for passes after it. */
const MAX_AHEAD_MS = 14 * 24 * 60 * 60 * 1000;

export interface CheckedOptions {
  /** Null: the whole batch. */
  readonly ids: readonly string[] | null;
  /** Of a start. */
  readonly at: Date | null;
  readonly last: boolean;
  readonly anyway: boolean;
}

/** @throws JobError VALIDATION, START_TOO_FAR */
export function checkOptions(action: BatchAction, { ids, at, last, anyway }: ActOptions): CheckedOptions {
  // The end is the whole batch's: it erases the secrets of all.
  if (ids !== undefined && (action === 'finish' || last === true))
    throw invalid({ ids: 'cannot be given: a batch ends as a whole' });
  return {
    ids: checkedIds(ids),
    at: action === 'start' ? startTime(at) : null,
    last: last === true,
    anyway: anyway === true,
  };
}

function checkedIds(ids: readonly string[] | undefined): readonly string[] | null {
  if (ids === undefined) return null;
  if (ids.length === 0 || ids.length > MAX_IDS) throw invalid({ ids: `must be 1 to ${MAX_IDS}` });
  // What is none is nobody's.
  return ids.filter(isUuid);
}

function startTime(at: string | undefined): Date | null {
  if (at === undefined) return null;
  const when = new Date(at);
  if (Number.isNaN(when.getTime())) throw invalid({ at: 'is not a time' });
  if (when.getTime() > Date.now() + MAX_AHEAD_MS) throw jobError('START_TOO_FAR', { at });
  return when;
}
