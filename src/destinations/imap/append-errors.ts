import { TransferError } from '../../mailbox/transfer-error.js';
import { quota } from '../../protocols/imap/commands/quota.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { type ImapFailure, isMissing } from '../../protocols/imap/failure.js';
import { throttled } from '../../protocols/imap/transfer-errors.js';
import type { PlacedItem, StoreOutcome } from '../destination.js';

const FULL = /quota|mailbox is full|out of disk space|not enough (disk )?space|no space left/i;
const TOO_LARGE = /too (big|large)|maximum (message )?size|size of appendable message|exceeds .*(size|limit)/i;
const KEYWORDS = /keyword|too many (user )?flags|invalid flag|flag name/i;
const IDENTICAL = /identical (emails|messages)/i;
const UNWELCOME = /virus|malware|infected|spam/i;

/**
 * A tagged NO to APPEND: nothing was stored. Codes the engine acts on: KEYWORDS_REFUSED and SERVER_REFUSED may be
 * repaired, QUOTA_EXCEEDED stops the job until somebody makes room, DESTINATION_MISSING the folder.
 */
export function appendRefusal(failure: ImapFailure, isInbox: boolean): TransferError {
  const { responseCode, serverText: text } = failure;
  const make = (
    code: string,
    message: string,
    scope: TransferError['scope'] = 'item',
    retry: TransferError['retry'] = 'never',
  ): TransferError =>
    new TransferError(message, { side: 'destination', scope, retry, code, serverText: text, cause: failure });

  if (responseCode === 'OVERQUOTA' || FULL.test(text)) {
    return mailboxFull(text, failure);
  }
  // Cyrus and Fastmail keep only so many equal messages in a folder and in all: the others are there already (pitfall 29).
  if (IDENTICAL.test(text)) {
    return make('TOO_MANY_IDENTICAL', 'The new mail server takes no more copies of this message; it holds several.');
  }
  if (responseCode === 'TOOBIG' || TOO_LARGE.test(text)) {
    return make('MESSAGE_TOO_LARGE', 'The message is larger than the new mail server takes.');
  }
  if (isMissing(failure)) {
    if (isInbox) return missingMailbox(text, failure);
    return make('DESTINATION_MISSING', 'The folder in the new mailbox is gone.', 'folder', 'later');
  }
  if (responseCode === 'NOPERM' || /permission denied|^(\[\w+\] )?access denied/i.test(text)) {
    return make('NOT_PERMITTED', 'The new mail server does not let us write into this folder.', 'folder', 'user');
  }
  const wait = throttled(failure, { side: 'destination' });
  if (wait !== null) return wait;
  if (KEYWORDS.test(text)) return make('KEYWORDS_REFUSED', 'The new mail server does not take the keywords.');
  if (UNWELCOME.test(text)) return make('CONTENT_REFUSED', 'The new mail server does not want this message.');
  return make('SERVER_REFUSED', 'The new mail server refused the message.');
}

/** Some servers only say that it failed (Zimbra, Exchange; pitfalls 30 and 74): whether there is room they tell when asked. */
export async function fullAfterAll(
  connection: ImapConnection,
  folder: string,
  items: readonly PlacedItem[],
  outcome: StoreOutcome,
): Promise<StoreOutcome> {
  if (outcome.is !== 'refused' || outcome.error.code !== 'SERVER_REFUSED' || !connection.has('QUOTA')) return outcome;
  const size = items.find(({ ref }) => ref.key === outcome.key)?.body.size ?? 0;
  const room = await quota(connection, folder).catch(() => null);
  if (room === null || room.usedBytes + size <= room.limitBytes) return outcome;
  return { ...outcome, error: mailboxFull(outcome.error.serverText, outcome.error) };
}

function mailboxFull(serverText: string | undefined, cause: unknown): TransferError {
  return new TransferError('The new mailbox is full.', {
    side: 'destination',
    scope: 'account',
    retry: 'user',
    code: 'QUOTA_EXCEEDED',
    serverText,
    cause,
  });
}

export function missingMailbox(serverText = '', cause?: unknown): TransferError {
  return new TransferError('The new mailbox does not exist, or we may not open it.', {
    side: 'destination',
    scope: 'job',
    retry: 'user',
    code: 'DESTINATION_MISSING',
    serverText,
    cause,
  });
}
