import { TransferError, type ErrorSide } from '../../mailbox/transfer-error.js';
import { ConnectError, toTransferError as fromConnectError } from '../connect-error.js';
import { ImapFailure, isMissing } from './failure.js';

/** What a provider's own words for a refused sign-in mean: handed in by who knows providers. Null: not known. */
export type ClassifySignIn = (said: {
  readonly responseCode: string | null;
  readonly text: string;
}) => { readonly code: string; readonly message: string; readonly retry: 'user' | 'later' } | null;

export interface ErrorContext {
  readonly side: ErrorSide;
  readonly classifySignIn?: ClassifySignIn;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
/** Waits where the server says "slow down" and not how long. A daily volume is free again hours later. */
const WAIT = { throttled: MINUTE, limit: 5 * MINUTE, connections: MINUTE, busy: 30 * SECOND, volume: 3 * 60 * MINUTE };
/** No server is believed that asks for more. */
const MAX_WAIT = 24 * 60 * MINUTE;

/** Anything an IMAP connection threw, as the error that crosses rooms. TransferErrors stay what they are. */
export function toTransferError(error: unknown, context: ErrorContext): TransferError {
  if (error instanceof TransferError) return error;
  if (error instanceof ConnectError) {
    const wrapped = fromConnectError(error, context.side);
    return context.side === 'source' ? wrapped : asDestination(wrapped);
  }
  if (!(error instanceof ImapFailure)) {
    const text = error instanceof Error ? error.message : 'something unexpected happened';
    return make(context, text, 'connection', 'later', 'PROTOCOL_ERROR', { cause: error });
  }
  const cause = { cause: error, serverText: error.serverText };
  const throttle = throttled(error, context);
  if (throttle !== null) return throttle;
  switch (error.kind) {
    case 'auth':
      return signInError(error, context);
    case 'input':
      return make(context, sentence(error.message), 'account', 'user', 'VALIDATION', cause);
    case 'insecure':
      return make(context, 'The server offers no encryption.', 'account', 'user', 'TLS_REQUIRED', cause);
    case 'quiet':
      return make(
        context,
        'The server stopped answering.',
        'connection',
        'now',
        unavailable(context, 'TIMEOUT'),
        cause,
      );
    case 'closed':
    case 'bye': {
      const code = unavailable(context, 'CONNECT_FAILED');
      return make(context, 'The server closed the connection.', 'connection', 'now', code, cause);
    }
    case 'protocol':
    case 'bad':
      return make(
        context,
        'The server answered with something else than mail servers do.',
        'connection',
        'later',
        'PROTOCOL_ERROR',
        cause,
      );
    case 'too-large':
      return make(
        context,
        'The server sent more than a mail server has to say.',
        'account',
        'never',
        'MESSAGE_TOO_LARGE',
        cause,
      );
    case 'refused':
      return refusedError(error, context);
  }
}

/** Not the source's fault is the hoster's to mend: one code for all that keeps us out for now. */
function asDestination(error: TransferError): TransferError {
  if (error.retry !== 'later') return error;
  return new TransferError(error.message, { ...init(error), code: 'DESTINATION_UNAVAILABLE' });
}

function unavailable(context: ErrorContext, code: string): string {
  return context.side === 'source' ? code : 'DESTINATION_UNAVAILABLE';
}

function init(error: TransferError): ConstructorParameters<typeof TransferError>[1] {
  const { side, scope, retry, code, retryAfterMs, serverText, cause } = error;
  return { side, scope, retry, code, retryAfterMs, serverText, cause };
}

function make(
  context: ErrorContext,
  message: string,
  scope: TransferError['scope'],
  retry: TransferError['retry'],
  code: string,
  more: { cause?: unknown; serverText?: string; retryAfterMs?: number } = {},
): TransferError {
  return new TransferError(message, { side: context.side, scope, retry, code, ...more });
}

/** The server wants less, or later: null if it does not. */
export function throttled(error: ImapFailure, context: ErrorContext): TransferError | null {
  const { serverText: text, responseCode } = error;
  if (text === '' && responseCode === null) return null;
  const later = (code: string, message: string, retryAfterMs: number): TransferError =>
    make(context, message, 'account', 'later', code, { cause: error, serverText: text, retryAfterMs });
  const asked = /Suggested Backoff Time:\s*(\d{1,9})/i.exec(text);
  if (asked !== null) {
    return later('THROTTLED', 'The server asks us to wait.', Math.min(Number(asked[1]), MAX_WAIT));
  }
  if (/exceeded command or bandwidth limits|bandwidth limit/i.test(text)) {
    return later('VOLUME_EXHAUSTED', 'The provider gives no more data for some hours.', WAIT.volume);
  }
  if (/too many (simultaneous )?connections|maximum number of connections|mail_max_userip_connections/i.test(text)) {
    return later('TOO_MANY_CONNECTIONS', 'The server takes no more connections for this mailbox.', WAIT.connections);
  }
  if (responseCode === 'THROTTLED' || /request is throttled|rate limit/i.test(text)) {
    return later('THROTTLED', 'The server asks us to wait.', WAIT.throttled);
  }
  if (responseCode === 'OVERQUOTA' && context.side === 'source') {
    return later('VOLUME_EXHAUSTED', 'The provider gives no more data for some hours.', WAIT.volume);
  }
  if (error.kind === 'refused' && context.side === 'destination' && responseCode === 'LIMIT') return null;
  if (responseCode === 'LIMIT') return later('THROTTLED', 'The server asks us to wait.', WAIT.limit);
  if (responseCode === 'INUSE' || /timeout while waiting for lock|mailbox is locked/i.test(text)) {
    return later('MAILBOX_BUSY', 'The mailbox is in use.', WAIT.busy);
  }
  if (responseCode === 'UNAVAILABLE' || responseCode === 'SERVERBUG' || /try again later|temporar/i.test(text)) {
    return later(unavailable(context, 'SERVER_BUSY'), 'The server cannot do it at the moment.', WAIT.busy);
  }
  if (/not connected\.?$/i.test(text) && /authenticated but/i.test(text)) {
    return later('ACCOUNT_UNAVAILABLE', 'The server knows the user and cannot open the mailbox.', 10 * MINUTE);
  }
  return null;
}

function signInError(error: ImapFailure, context: ErrorContext): TransferError {
  const { serverText: text, responseCode } = error;
  const more = { cause: error, serverText: text };
  const known = context.classifySignIn?.({ responseCode, text }) ?? null;
  if (known !== null) return make(context, known.message, 'account', known.retry, known.code, more);
  const user = (code: string, message: string): TransferError => make(context, message, 'account', 'user', code, more);
  if (/application[- ]specific password|app(lication)?[- ]password/i.test(text)) {
    return user('AUTH_NEEDS_APP_PASSWORD', 'The provider wants an app password instead of the usual one.');
  }
  if (/basic authentication is disabled|oauth|web ?login required|log in via your web browser|WEBALERT/i.test(text)) {
    return user('AUTH_NEEDS_OAUTH', 'The provider does not accept a password here.');
  }
  if (/imap (access )?(is )?(disabled|not (enabled|allowed))|(enable|activate) imap|does not have imap/i.test(text)) {
    return user('IMAP_DISABLED', 'IMAP is switched off for this mailbox at the provider.');
  }
  return user('AUTH_FAILED', 'The server does not accept this user name and password.');
}

/** A tagged NO to a command other than sign-in and APPEND. */
function refusedError(error: ImapFailure, context: ErrorContext): TransferError {
  const more = { cause: error, serverText: error.serverText };
  if (isMissing(error)) {
    const code = context.side === 'source' ? 'FOLDER_GONE' : 'DESTINATION_MISSING';
    return make(context, 'The folder is not there any more.', 'folder', 'never', code, more);
  }
  switch (error.responseCode) {
    case 'NOPERM':
    case 'CANNOT':
      return make(context, 'The server does not allow it.', 'folder', 'never', 'NOT_PERMITTED', more);
    case 'OVERQUOTA':
      return make(context, 'The new mailbox is full.', 'account', 'user', 'QUOTA_EXCEEDED', more);
    default:
      return make(context, 'The server refused it.', 'folder', 'later', 'SERVER_REFUSED', more);
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
