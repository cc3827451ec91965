import { TransferError } from '../../mailbox/transfer-error.js';
import { type DavFailure, mayBeOfOne } from '../../protocols/dav/failure.js';

/** RFC 4791 section 5.3.2.1, RFC 6352 section 6.3.2.1; RFC 6638 section 3.2.4.1, which Cyrus says of every calendar of the account. */
const UID_CONDITIONS = ['no-uid-conflict', 'unique-scheduling-object-resource'];

/** True where the server has another object with this UID. Radicale says just 409. */
export function isUidConflict({ status, conditions }: DavFailure): boolean {
  return conditions.some((one) => UID_CONDITIONS.includes(one)) || (status === 409 && conditions.length === 0);
}

/**
 * What a refused PUT means for its object, as long as its collection is there and takes others; null: it is wider than the object, see
 * toTransferError.
 */
export function aboutObject(failure: DavFailure): TransferError | null {
  const { status, conditions, serverText } = failure;
  const item = (message: string, code: string): TransferError =>
    new TransferError(message, {
      side: 'destination',
      scope: 'item',
      retry: 'never',
      code,
      serverText,
      cause: failure,
    });
  if (status === 413 || conditions.includes('max-resource-size'))
    return item('It is larger than the new server accepts.', 'MESSAGE_TOO_LARGE');
  if (conditions.includes('need-privileges') || !mayBeOfOne(failure)) return null;
  return item(
    status < 500 ? 'The new server does not take it.' : 'The new server fails when it is to store it.',
    'CONTENT_REFUSED',
  );
}

export const UID_CONFLICT = 'UID_CONFLICT';

/** Under the name that we gave it lies something else than what comes: an earlier copy, or what somebody made of it. */
export function otherVersion(): TransferError {
  return conflictOf('The new mailbox has another version of it, which was kept.');
}

export function uidConflict(): TransferError {
  return conflictOf('The new mailbox has something else under the same name.');
}

function conflictOf(message: string): TransferError {
  return new TransferError(message, {
    side: 'destination',
    scope: 'item',
    retry: 'never',
    code: UID_CONFLICT,
  });
}

export function leaseEnding(): TransferError {
  return new TransferError('the lease is ending', {
    side: 'destination',
    scope: 'connection',
    retry: 'later',
    code: 'LEASE_ENDING',
  });
}
