import { type ErrorSide, TransferError } from '../mailbox/transfer-error.js';
import type { XmlError } from './xml.js';

/** Makes the error that crosses rooms, about one thing that was thrown. */
export type MakeError = (
  message: string,
  scope: TransferError['scope'],
  retry: TransferError['retry'],
  code: string,
  retryAfterMs?: number,
) => TransferError;

/** @param serverText what the server said, for support */
export function errorMaker(side: ErrorSide, cause: unknown, serverText?: string): MakeError {
  return (message, scope, retry, code, retryAfterMs) =>
    new TransferError(message, {
      side,
      scope,
      retry,
      code,
      cause,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(serverText === undefined ? {} : { serverText }),
    });
}

/** What a refused sign-in means at a provider. */
export type ClassifyRefusal = (said: { readonly text: string }) => { readonly code: string; readonly message: string };

export function refusedSignIn(make: MakeError, text: string, classify: ClassifyRefusal | undefined): TransferError {
  const known = classify?.({ text });
  return known
    ? make(known.message, 'account', 'user', known.code)
    : make('The server does not accept this user name and password.', 'account', 'user', 'AUTH_FAILED');
}

export function notUnderstood(make: MakeError): TransferError {
  return make('The server answered with something that is not understood.', 'connection', 'later', 'PROTOCOL_ERROR');
}

/** XML that is no answer: broken on the way, or made to do harm. */
export function wrongXml(make: MakeError, { code }: XmlError): TransferError {
  return code === 'XML_FORBIDDEN'
    ? make('The server sends XML that is not allowed.', 'account', 'never', 'XML_FORBIDDEN')
    : notUnderstood(make);
}
