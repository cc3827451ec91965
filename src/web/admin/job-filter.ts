import { JOB_AGES, JOB_SORTS, type JobAge, type JobFilterQuery, type JobSort } from '../../jobs/contract.js';
import { JOB_STATES, type JobState } from '../../jobs/job.js';
import { queryText } from '../query-text.js';

/** A list's filter as its form shows it; every value '' when it does not filter. */
export interface JobFilter {
  readonly q: string;
  readonly state: JobState | '';
  readonly domain: string;
  readonly mailbox: string;
  readonly error: string;
  readonly host: string;
  readonly age: JobAge | '';
  /** A domain's migrations that were started together. */
  readonly batch: string;
  /** '1': only what waits for somebody who helps. */
  readonly open: '1' | '';
}
/** What a person may choose from; '-created' is how a list comes by itself. */
const CHOSEN_SORTS: readonly JobSort[] = ['-created', 'created', '-changed', 'mailbox', '-failed'];
const DEFAULT_SORT: JobSort = '-created';

const MAX = 200;

/** From an address; what is not one of ours is as if it were not there. */
export function readFilter(query: Readonly<Record<string, unknown>>): JobFilter {
  const text = (name: string): string => queryText(query[name], MAX);
  return {
    q: text('q'),
    state: JOB_STATES.find((state) => state === text('state')) ?? '',
    domain: text('domain').toLowerCase(),
    mailbox: text('mailbox').toLowerCase(),
    error: text('error').toUpperCase(),
    host: text('host').toLowerCase(),
    age: JOB_AGES.find((age) => age === text('age')) ?? '',
    batch: text('batch').toLowerCase(),
    open: text('open') === '1' ? '1' : '',
  };
}

/** '' where the list comes as it does by itself, so that the address stays short. */
export function readSort(query: Readonly<Record<string, unknown>>): JobSort | '' {
  const sort = JOB_SORTS.find((one) => one === query['sort']);
  return sort === undefined || sort === DEFAULT_SORT ? '' : sort;
}

export function isFiltered(filter: JobFilter): boolean {
  return Object.values(filter).some((value) => value !== '');
}

export function toQuery(filter: JobFilter): JobFilterQuery {
  const { state, age, open, ...texts } = filter;
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, value]) => value !== '')),
    ...(state !== '' && { state: [state] }),
    ...(age !== '' && { age }),
    ...(open !== '' && { open: true }),
  };
}

export interface Choice {
  readonly value: string;
  readonly label: string;
  readonly selected: boolean;
}

/** The states as choices of a select, with "any" first. */
export function stateChoices(filter: JobFilter, t: (key: string) => string): Choice[] {
  return choices(JOB_STATES, filter.state, t('admin.anyState'), (state) => t(`states.${state}`));
}

export function ageChoices(filter: JobFilter, t: (key: string) => string): Choice[] {
  return choices(JOB_AGES, filter.age, t('support.anyAge'), (age) => t(`support.ages.${age}`));
}

export function sortChoices(sort: JobSort | '', t: (key: string) => string): Choice[] {
  const chosen = sort === '' ? DEFAULT_SORT : sort;
  return CHOSEN_SORTS.map((value) => ({
    value: value === DEFAULT_SORT ? '' : value,
    label: t(`support.sorts.${value}`),
    selected: value === chosen,
  }));
}

function choices<T extends string>(
  values: readonly T[],
  chosen: T | '',
  any: string,
  label: (value: T) => string,
): Choice[] {
  return [
    { value: '', label: any, selected: chosen === '' },
    ...values.map((value) => ({ value, label: label(value), selected: value === chosen })),
  ];
}
