import type { Reason } from '../jobs/job.js';
import type { JobEvent } from '../jobs/job-state.js';
import { reasonFor } from '../jobs/messages.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { DestinationGrant } from '../panel/host-panel.js';
import type { TransferEnd } from '../transfer/contract.js';
import type { RunState } from '../jobs/entities.js';
import type { Circumstances } from '../jobs/transition.js';

/** What a run's end does to its job and to its own row. */
export interface Verdict extends Circumstances {
  readonly event: JobEvent;
  readonly run: RunState;
}

/** What is known about the run besides how it ended. */
export interface RunFacts {
  /** True: nobody ever signed in with these settings, neither a test nor this run. */
  readonly unproven: boolean;
  /** Waits in a row, before this run, without anything copied in between. */
  readonly fruitless: number;
  /** True: some run has written folders of this destination mailbox before, so it did exist. */
  readonly openedBefore: boolean;
  /** How the panel let us in. */
  readonly access: DestinationGrant['kind'] | null;
  readonly now: Date;
}

const FIRST_WAIT_MS = 30_000;
const LONGEST_WAIT_MS = 60 * 60_000;
/** A provider that asks for more is asked again earlier. */
const LONGEST_ASKED_MS = 24 * 60 * 60_000;
/** Some ten hours in which nothing at all could be copied. */
const MAX_FRUITLESS = 16;

/** A server that knows the user and does not open the mailbox: some such tries, far apart, and somebody has to look. */
const MAX_UNAVAILABLE = 3;

/** A limit of the provider's, however it was worded: waiting for it is no failure, and it is never given up. */
const LIMITS: readonly string[] = [
  'PROVIDER_LIMIT',
  'RATE_LIMITED',
  'THROTTLED',
  'TOO_MANY_CONNECTIONS',
  'HOST_BUSY',
  'VOLUME_EXHAUSTED',
  'MAILBOX_BUSY',
];

export function judge(end: TransferEnd, facts: RunFacts): Verdict {
  switch (end.is) {
    case 'completed':
      return { event: 'finish', run: 'completed', outcome: end.outcome };
    case 'stopped':
      // Told to pause or cancel, the job is not 'running' any more; still running, it was handed back.
      return { event: 'requeue', run: 'interrupted' };
    case 'broken':
      return judgeError(end.error, facts);
  }
}

/** The lease went to another worker, or the process ends: the next run goes on where this one was. */
export const HANDED_BACK: Verdict = { event: 'requeue', run: 'interrupted', reason: null };

export function judgeError(error: TransferError, facts: RunFacts): Verdict {
  const reason = reasonOf(error, facts);
  const failed: Verdict = { event: 'fail', run: 'failed', reason };
  // Waiting does not make a mailbox: somebody must.
  if (error.code === 'DESTINATION_NOT_OPENED' && !facts.openedBefore)
    return { event: 'need-action', run: 'needs-action', reason };
  const limited = LIMITS.includes(error.code);
  const asksToWait = limited || error.retryAfterMs !== undefined;
  // The first run of settings nobody tested is their test: it says at once what is wrong with them.
  if (error.side === 'source' && facts.unproven && !asksToWait) return failed;
  if (error.code === 'ACCOUNT_UNAVAILABLE' && facts.fruitless >= MAX_UNAVAILABLE)
    return { event: 'need-action', run: 'needs-action', reason };
  switch (error.retry) {
    case 'user':
      if (error.side === 'destination' && isAuth(error) && facts.access !== 'user-secret') break;
      return { event: 'need-action', run: 'needs-action', reason };
    case 'never':
      return failed;
    case 'now':
    case 'later':
      break;
  }
  if (!limited && facts.fruitless >= MAX_FRUITLESS) return failed;
  return {
    event: 'wait',
    run: 'waiting',
    reason,
    until: new Date(facts.now.getTime() + waitMs(error, facts.fruitless, limited)),
  };
}

/** What the server asked for, or what we think of it; a trouble that stays is looked at less and less often. */
function waitMs({ retryAfterMs }: TransferError, fruitless: number, limited: boolean): number {
  const ours = Math.min(FIRST_WAIT_MS * 2 ** Math.min(fruitless, 20), LONGEST_WAIT_MS);
  if (retryAfterMs === undefined) return ours;
  const asked = Math.min(Math.max(retryAfterMs, 0), LONGEST_ASKED_MS);
  return limited || fruitless === 0 ? asked : Math.max(asked, ours);
}

/** In our own words, by code: an error's own message may come from a server. */
function reasonOf(error: TransferError, { access, openedBefore }: RunFacts): Reason {
  if (error.side === 'destination') {
    if (error.code === 'DESTINATION_NOT_OPENED') return reasonFor(notOpened(openedBefore));
    if (isAuth(error))
      return reasonFor(access === 'user-secret' ? 'DESTINATION_AUTH_FAILED' : 'DESTINATION_UNAVAILABLE');
    if (CONNECTION.includes(error.code)) return reasonFor('DESTINATION_UNAVAILABLE');
    if (error.code === 'THROTTLED') return reasonFor('DESTINATION_THROTTLED');
  }
  return reasonFor(error.code);
}

/** A server that will not open a mailbox is out of order if it ever opened it; else there most likely is none. */
export function notOpened(openedBefore: boolean): 'DESTINATION_UNAVAILABLE' | 'DESTINATION_MISSING' {
  return openedBefore ? 'DESTINATION_UNAVAILABLE' : 'DESTINATION_MISSING';
}

const CONNECTION: readonly string[] = [
  'HOST_NOT_FOUND',
  'CONNECT_FAILED',
  'TIMEOUT',
  'TLS_UNTRUSTED',
  'TLS_REQUIRED',
  'PROTOCOL_ERROR',
];

function isAuth(error: TransferError): boolean {
  return error.code.startsWith('AUTH_');
}

/** Something we did not foresee: tried again later, given up in the end. */
export function unforeseen(cause: unknown): TransferError {
  return new TransferError(reasonFor('INTERNAL').message, {
    side: 'destination',
    scope: 'job',
    retry: 'later',
    code: 'INTERNAL',
    cause,
  });
}
