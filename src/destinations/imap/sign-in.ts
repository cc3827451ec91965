import { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../../protocols/connect.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { ImapFailure } from '../../protocols/imap/failure.js';
import { type ImapLogin, openImap } from '../../protocols/imap/open.js';
import type { ImapSession } from '../../protocols/imap/session.js';
import type { ResolvedGrant } from '../grant.js';

export interface ImapAccess {
  /** Asked again for every connection. @throws TransferError, e.g. CREDENTIALS_REQUIRED */
  readonly grant: () => Promise<ResolvedGrant>;
  /** The hoster's own server: usually private addresses are allowed. */
  readonly policy: ConnectPolicy;
  readonly openDeadlineMs?: number;
}

/** One more connection for the session, signed in as the panel lets us. @throws TransferError */
export async function signIn(access: ImapAccess, session: ImapSession, signal: AbortSignal): Promise<ImapConnection> {
  const { policy, openDeadlineMs: deadlineMs } = access;
  let byOwner = true;
  try {
    const grant = await access.grant();
    byOwner = grant.kind === 'user-secret';
    const { traits } = session;
    return await openImap(grant.endpoint, loginOf(grant), { policy, deadlineMs, traits }, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const told = session.toError(error);
    throw !byOwner && told.code === 'DESTINATION_UNAVAILABLE' && isUnavailable(error) ? perhapsMissing(told) : told;
  }
}

function loginOf(grant: ResolvedGrant): ImapLogin {
  if (grant.kind !== 'imap-authzid') return { kind: 'password', user: grant.login, password: grant.password };
  return { kind: 'authzid', user: grant.authcid, password: grant.password, authzid: grant.authzid };
}

/** Refused as unavailable, or cut off, while signing in. */
function isUnavailable(error: unknown): boolean {
  if (!(error instanceof ImapFailure)) return false;
  return error.kind === 'closed' || error.kind === 'bye' || error.responseCode === 'UNAVAILABLE';
}

/**
 * So does Dovecot answer when its back end is down, and just the same when an administrator acts as somebody unknown. Who
 * knows whether the mailbox was ever opened says which of the two it is.
 */
function perhapsMissing({ retryAfterMs, serverText, cause }: TransferError): TransferError {
  return new TransferError(
    'The new mail server cannot open the mailbox at the moment, or the mailbox does not exist.',
    {
      side: 'destination',
      code: 'DESTINATION_NOT_OPENED',
      // Knocking again at once does not help in either case.
      scope: 'account',
      retry: 'later',
      retryAfterMs,
      serverText,
      cause,
    },
  );
}
