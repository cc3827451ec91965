import type { ErrorSide } from '../mailbox/transfer-error.js';
import { TransferError } from '../mailbox/transfer-error.js';

export type ConnectCode =
  | 'TARGET_NOT_ALLOWED'
  | 'PORT_NOT_ALLOWED'
  | 'VALIDATION'
  | 'HOST_NOT_FOUND'
  | 'CONNECT_FAILED'
  | 'TIMEOUT'
  | 'TLS_UNTRUSTED'
  | 'TLS_REQUIRED'
  | 'PROTOCOL_ERROR';

/** What a server showed, so that a person may decide to pin it. The texts are the server's: never HTML. */
export interface CertificateFacts {
  /** Lower-case hex SHA-256 of the certificate's DER form. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly issuer: string;
  /** ISO 8601. */
  readonly validTo: string;
}

/** What exactly is wrong, for words and for the log. */
export type ConnectWhy =
  | 'self-signed'
  | 'unknown-issuer'
  | 'expired'
  | 'not-yet-valid'
  | 'wrong-name'
  | 'revoked'
  | 'changed'
  | 'unchecked'
  | 'tls-too-old'
  | 'not-tls'
  | 'refused'
  | 'unreachable'
  | 'closed'
  | 'cut'
  | 'plaintext-injected'
  | 'not-http'
  | 'too-large'
  | 'too-many-redirects'
  | 'unknown-encoding';

export interface ConnectDetails {
  readonly why?: ConnectWhy;
  readonly certificate?: CertificateFacts;
  readonly cause?: unknown;
}

/** Why there is no connection. The message is fixed plain words and holds nothing the server said. */
export class ConnectError extends Error {
  readonly why?: ConnectWhy;
  readonly certificate?: CertificateFacts;

  constructor(
    readonly code: ConnectCode,
    message: string,
    details: ConnectDetails = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ConnectError';
    this.why = details.why;
    this.certificate = details.certificate;
  }
}

/** Codes that go away by themselves; of the others, a person must change something. */
const PASSING: readonly ConnectCode[] = ['HOST_NOT_FOUND', 'CONNECT_FAILED', 'TIMEOUT', 'PROTOCOL_ERROR'];

export function toTransferError(error: ConnectError, side: ErrorSide): TransferError {
  const passing = PASSING.includes(error.code);
  return new TransferError(error.message, {
    side,
    scope: passing ? 'connection' : 'account',
    retry: passing ? 'later' : 'user',
    code: error.code,
    cause: error,
  });
}
