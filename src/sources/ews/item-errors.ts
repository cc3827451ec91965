import { TransferError } from '../../mailbox/transfer-error.js';
import { ConnectError } from '../../protocols/connect-error.js';
import { EwsFailure, PASSING } from '../../protocols/ews/failure.js';

const GONE: ReadonlySet<string> = new Set([
  'ErrorItemNotFound',
  'ErrorInvalidIdMalformed',
  'ErrorInvalidId',
  'ErrorMoveCopyFailed',
]);
/** The server has it and cannot put it into words. */
const NO_FORM: ReadonlySet<string> = new Set([
  'ErrorMimeContentConversionFailed',
  'ErrorContentConversionFailed',
  'ErrorMimeContentInvalid',
  'ErrorItemCorrupt',
  'ErrorCorruptData',
  'ErrorPropertyRequestFailed',
]);

export function isGone(code: string): boolean {
  return GONE.has(code);
}

/** Why one item is not given, in the server's code. Some are asked for again, since it depends on the moment. */
export function itemError(code: string, text: string): TransferError {
  if (NO_FORM.has(code))
    return make('NOT_RENDERED', 'The old server cannot put it into the form of a message.', 'now', code, text);
  if (code === 'ErrorUnsupportedMimeConversion')
    return make('OTHER_KIND', 'It is no message, and stays in the folder of mail it lies in.', 'never', code, text);
  if (code === 'ErrorMessageSizeExceeded' || code === 'ErrorAttachmentSizeLimitExceeded')
    return make('MESSAGE_TOO_LARGE', 'It is larger than what is read at once.', 'never', code, text);
  if (code === 'ErrorAccessDenied')
    return make('NOT_GIVEN', 'The old server does not let us read it.', 'never', code, text);
  return make(
    'NOT_GIVEN',
    'The old server lists it and does not give it out.',
    PASSING.has(code) ? 'now' : 'later',
    code,
    text,
  );
}

export function make(
  code: string,
  message: string,
  retry: TransferError['retry'],
  serverCode = '',
  serverText = '',
): TransferError {
  return new TransferError(message, {
    side: 'source',
    scope: 'item',
    retry,
    code,
    ...(serverCode === '' ? {} : { serverText: `${serverCode} ${serverText}`.trim() }),
  });
}

/** What went wrong with one item alone. Null: it is wider than that. */
export function aboutOne(error: unknown): TransferError | null {
  const cause = error instanceof TransferError ? error.cause : error;
  if (error instanceof TransferError && error.scope === 'item') return error;
  if (cause instanceof ConnectError && cause.why === 'too-large')
    return make('MESSAGE_TOO_LARGE', 'It is larger than what is read at once.', 'never');
  if (cause instanceof EwsFailure && (cause.problem === 'short' || cause.problem === 'not-understood'))
    return make(
      'NOT_GIVEN',
      'The old server lists it and does not give it out.',
      'later',
      cause.code,
      cause.serverText,
    );
  return null;
}
