import { TransferError } from '../mailbox/transfer-error.js';
import type { Run } from './run.js';

/** Tries of one thing without any progress in between. */
export const MAX_TRIES = 6;
/** The first connection of a run: somebody may be waiting for the answer, and the job comes back by itself if need be. */
export const CONNECT_TRIES = 3;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

/** Half fixed, half random, so that workers that lost one server do not come back at the same moment. */
export function backOffMs(tries: number, error?: TransferError): number {
  const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tries);
  return Math.max(error?.retryAfterMs ?? 0, wait / 2 + (Math.random() * wait) / 2);
}

/** True for a wait that is the job's affair: no worker stands still for it. */
export function isLongWait(error: TransferError | null): boolean {
  return (error?.retryAfterMs ?? 0) > LONGEST_WAIT_MS;
}

/** True where the same thing may work in this run; a longer wait is the job's affair, not a connection's. */
export function worthRetrying(error: unknown, tries: number, most = MAX_TRIES): error is TransferError {
  return (
    error instanceof TransferError &&
    error.scope === 'connection' &&
    (error.retry === 'now' || error.retry === 'later') &&
    !isLongWait(error) &&
    tries + 1 < most
  );
}

/** Repeats something that may be repeated after a lost connection. */
export async function withRetries<T>(
  run: Pick<Run, 'delay' | 'listener'>,
  what: string,
  act: () => Promise<T>,
  most = MAX_TRIES,
): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await act();
    } catch (error) {
      if (!worthRetrying(error, tries, most)) throw error;
      run.listener.log('warn', `${what}: ${error.message}`, { code: error.code, side: error.side, tries: tries + 1 });
      await run.delay(backOffMs(tries, error));
    }
  }
}
