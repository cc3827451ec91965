export const RUNS_QUEUE = 'mailferry-runs';
export const TESTS_QUEUE = 'mailferry-tests';
export const CONFIG_KEY = 'mailferry';
export const QUEUE_PREFIX = '{mailferry}';

/** All that ever lies in Redis: whoever takes it looks the rest up in Postgres. */
export interface Ring {
  readonly id: string;
}
