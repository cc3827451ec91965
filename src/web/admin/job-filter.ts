import type { JobQuery } from '../../jobs/contract.js';
import { JOB_STATES, type JobState } from '../../jobs/job.js';

/** A list's filter as its form shows it; every value '' when it does not filter. */
export interface JobFilter {
  readonly q: string;
  readonly state: JobState | '';
  readonly domain: string;
  readonly mailbox: string;
  readonly error: string;
}

const MAX = 200;

/** From an address; what is not one of ours is as if it were not there. */
export function readFilter(query: Readonly<Record<string, unknown>>): JobFilter {
  const text = (name: string): string => {
    const value = query[name];
    return typeof value === 'string' ? value.trim().slice(0, MAX) : '';
  };
  return {
    q: text('q'),
    state: JOB_STATES.find((state) => state === text('state')) ?? '',
    domain: text('domain').toLowerCase(),
    mailbox: text('mailbox').toLowerCase(),
    error: text('error').toUpperCase(),
  };
}

export function isFiltered(filter: JobFilter): boolean {
  return Object.values(filter).some((value) => value !== '');
}

export function toQuery(filter: JobFilter): Omit<JobQuery, 'page' | 'perPage'> {
  const { q, state, domain, mailbox, error } = filter;
  return {
    ...(q !== '' && { q }),
    ...(state !== '' && { state: [state] }),
    ...(domain !== '' && { domain }),
    ...(mailbox !== '' && { mailbox }),
    ...(error !== '' && { error }),
  };
}

/** The states as choices of a select, with "any" first. */
export function stateChoices(filter: JobFilter, t: (key: string) => string) {
  return [
    { value: '', label: t('admin.anyState'), selected: filter.state === '' },
    ...JOB_STATES.map((state) => ({ value: state, label: t(`states.${state}`), selected: filter.state === state })),
  ];
}
