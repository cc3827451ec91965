import { type ErrorSide, TransferError } from '../../mailbox/transfer-error.js';
import { ConnectError, toTransferError as fromConnectError } from '../connect-error.js';
import {
  type ClassifyRefusal,
  errorMaker,
  type MakeError,
  notUnderstood,
  refusedSignIn,
  wrongXml,
} from '../error-maker.js';
import { checkedUrl } from '../http/client.js';
import { XmlError } from '../xml.js';

/** Why an answer is no answer, by our own word. `code`: what the server called it. */
export type EwsProblem =
  /** A SOAP fault, or a response message that is an error. */
  | 'refused'
  /** It says to come back later. */
  | 'busy'
  /** Neither name and password nor token are accepted. */
  | 'sign-in'
  /** It offers Windows sign-in and nothing else. */
  | 'windows-sign-in'
  /** No Exchange web service answers at this address. */
  | 'not-ews'
  | 'redirected'
  /** Fewer or other response messages than were asked for. */
  | 'short'
  | 'not-understood';

/** An answer of the server that is not what was asked for. Whatever goes wrong on the way to it is a ConnectError. */
export class EwsFailure extends Error {
  /** As the server spells it: 'ErrorServerBusy', ... '' where it named none. */
  readonly code: string;
  readonly status: number;
  /** Milliseconds it asked us to wait. */
  readonly backOffMs: number | undefined;
  readonly serverText: string;
  /** Of 'redirected': the other server, where it can be had by https. */
  readonly to: URL | undefined;

  constructor(
    readonly problem: EwsProblem,
    more: { code?: string; status?: number; backOffMs?: number; serverText?: string; to?: URL; cause?: unknown } = {},
  ) {
    super(
      `the server answered: ${problem} ${more.code ?? ''}`.trim(),
      more.cause === undefined ? undefined : { cause: more.cause },
    );
    this.name = 'EwsFailure';
    this.code = more.code ?? '';
    this.status = more.status ?? 0;
    this.backOffMs = more.backOffMs;
    this.serverText = more.serverText ?? '';
    this.to = more.to;
  }
}

/** An answer that points elsewhere. Within the same server it points at a page for people: that is no Exchange web service. */
export function redirection(status: number, location: string | undefined, from: URL): EwsFailure {
  let to: URL;
  try {
    to = checkedUrl(location ?? '', from.href);
  } catch {
    return new EwsFailure('not-ews', { status });
  }
  if (to.origin === from.origin) return new EwsFailure('not-ews', { status });
  return new EwsFailure('redirected', { status, ...(to.protocol === 'https:' ? { to } : {}) });
}

export interface EwsErrorContext {
  readonly side: ErrorSide;
  /** What a refused sign-in means at this provider. */
  readonly classifySignIn?: ClassifyRefusal;
}

/** Codes that pass by themselves ([MS-OXWSCDATA] 2.2.5.24). */
export const PASSING: ReadonlySet<string> = new Set([
  'ErrorServerBusy',
  'ErrorTimeoutExpired',
  'ErrorInternalServerError',
  'ErrorInternalServerTransientError',
  'ErrorMailboxStoreUnavailable',
  'ErrorMailboxMoveInProgress',
  'ErrorConnectionFailed',
  'ErrorConnectionFailedTransientError',
  'ErrorADUnavailable',
  'ErrorADOperation',
  'ErrorNoRespondingCASInDestinationSite',
  'ErrorProxyCallFailed',
  'ErrorBatchProcessingStopped',
  'ErrorInsufficientResources',
  'ErrorNotEnoughMemory',
]);
export const TOO_MANY: ReadonlySet<string> = new Set([
  'ErrorExceededConnectionCount',
  'ErrorExceededSubscriptionCount',
  'ErrorExceededFindCountLimit',
]);
const NO_MAILBOX: ReadonlySet<string> = new Set([
  'ErrorNonExistentMailbox',
  'ErrorMissingEmailAddress',
  'ErrorNonPrimarySmtpAddress',
  'ErrorInvalidSmtpAddress',
  'ErrorUserWithoutFederatedProxyAddress',
  'ErrorAccountDisabled',
  'ErrorMailboxConfiguration',
  'ErrorInvalidUserPrincipalName',
]);
const NO_IMPERSONATION: ReadonlySet<string> = new Set([
  'ErrorImpersonateUserDenied',
  'ErrorImpersonationDenied',
  'ErrorImpersonationFailed',
  'ErrorInvalidExchangeImpersonationHeaderData',
  'ErrorImpersonationRequired',
]);
const NOT_ALLOWED: ReadonlySet<string> = new Set(['ErrorAccessDenied', 'ErrorInsufficientPermissions']);

/** What is waited where a busy server does not say for how long. */
export const DEFAULT_BACK_OFF_MS = 5_000;

/** Anything an exchange threw, as the error that crosses rooms. */
export function toTransferError(error: unknown, context: EwsErrorContext): TransferError {
  if (error instanceof TransferError) return error;
  const { side } = context;
  const told =
    error instanceof EwsFailure ? `${error.status || ''} ${error.code} ${error.serverText}`.trim() : undefined;
  const make = errorMaker(side, error, told);
  if (error instanceof ConnectError) return fromConnectError(error, side);
  if (error instanceof XmlError) return wrongXml(make, error);
  if (!(error instanceof EwsFailure)) return notUnderstood(make);
  switch (error.problem) {
    case 'sign-in':
      return refusedSignIn(make, error.serverText, context.classifySignIn);
    case 'windows-sign-in':
      return make(
        'The Exchange server lets programs sign in by Windows authentication (NTLM) only, and that is not possible here.',
        'account',
        'user',
        'EWS_NEEDS_BASIC',
      );
    case 'not-ews':
      return make('There is no Exchange web service at this address.', 'account', 'user', 'EWS_NOT_FOUND');
    case 'redirected':
      return make(
        'The server sends us to another one, where the password does not go.',
        'account',
        'user',
        'EWS_REDIRECTED',
      );
    case 'busy':
      return make(
        'The server asks us to wait.',
        'account',
        'later',
        'THROTTLED',
        error.backOffMs ?? DEFAULT_BACK_OFF_MS,
      );
    case 'short':
    case 'not-understood':
      return notUnderstood(make);
    case 'refused':
      return refusal(error, make);
  }
}

function refusal({ code }: EwsFailure, make: MakeError): TransferError {
  if (NO_IMPERSONATION.has(code))
    return make('The administrator may not open this mailbox.', 'account', 'user', 'EWS_IMPERSONATION_DENIED');
  if (NO_MAILBOX.has(code))
    return make('The server knows the user and cannot open the mailbox.', 'account', 'user', 'ACCOUNT_UNAVAILABLE');
  if (TOO_MANY.has(code))
    return make(
      'The server takes no more connections for this mailbox.',
      'connection',
      'later',
      'TOO_MANY_CONNECTIONS',
    );
  if (PASSING.has(code)) return make('The server cannot do it at the moment.', 'connection', 'later', 'SERVER_BUSY');
  if (code === 'ErrorFolderNotFound')
    return make('The folder is not there any more.', 'folder', 'never', 'FOLDER_GONE');
  if (NOT_ALLOWED.has(code)) return make('The server does not allow it.', 'folder', 'never', 'NOT_PERMITTED');
  return make('The server refused it.', 'folder', 'later', 'SERVER_REFUSED');
}
