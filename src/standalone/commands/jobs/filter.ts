import { JOB_AGES, JOB_SORTS, type JobFilterQuery, type JobQuery } from '../../../jobs/contract.js';
import { JOB_STATES } from '../../../jobs/job.js';
import { UsageError } from '../usage.js';

/** The filters of the API, as options. */
export interface FilterOptions {
  readonly state?: string;
  readonly domain?: string;
  readonly mailbox?: string;
  readonly batch?: string;
  readonly q?: string;
  readonly error?: string;
  readonly host?: string;
  readonly age?: string;
}
export interface ListOptions extends FilterOptions {
  readonly sort?: string;
  readonly page?: string;
  readonly perPage?: string;
  readonly tenant: string;
  readonly json?: boolean;
}

/** @throws UsageError */
export function filterOf({ state, domain, mailbox, batch, q, error, host, age }: FilterOptions): JobFilterQuery {
  const states = state?.split(',').map((one) => among(JOB_STATES, one.trim(), '--state'));
  return {
    ...(states === undefined ? {} : { state: states }),
    ...(domain === undefined ? {} : { domain: domain.toLowerCase() }),
    ...(mailbox === undefined ? {} : { mailbox: mailbox.toLowerCase() }),
    ...(batch === undefined ? {} : { batch: batch.toLowerCase() }),
    ...(q === undefined ? {} : { q }),
    ...(error === undefined ? {} : { error: error.toUpperCase() }),
    ...(host === undefined ? {} : { host: host.toLowerCase() }),
    ...(age === undefined ? {} : { age: among(JOB_AGES, age, '--age') }),
  };
}

/** @throws UsageError */
export function queryOf(options: ListOptions): JobQuery {
  return {
    ...filterOf(options),
    ...(options.sort === undefined ? {} : { sort: among(JOB_SORTS, options.sort, '--sort') }),
    page: whole(options.page ?? '1', '--page'),
    perPage: whole(options.perPage ?? '50', '--per-page'),
  };
}

function among<T extends string>(words: readonly T[], word: string, option: string): T {
  const found = words.find((one) => one === word);
  if (found === undefined) throw new UsageError(`${option} must be one of ${words.join(', ')}`);
  return found;
}

function whole(text: string, option: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`${option} must be a whole number from 1`);
  return Number(text);
}
