/**
 * `refused`: tagged NO, the session goes on. Everything else ends the connection: `bad` (tagged or untagged BAD),
 * `bye`, `closed`, `quiet` (no progress), `protocol` (the server does not speak IMAP), `too-large` (a line or literal
 * above the limits), `auth` (sign-in refused), `insecure` (no TLS where TLS is a must), `input` (a name or secret that
 * cannot be sent).
 */
export type FailureKind =
  'refused' | 'bad' | 'bye' | 'closed' | 'quiet' | 'protocol' | 'too-large' | 'auth' | 'insecure' | 'input';

/** What went wrong on one IMAP connection. The rooms above turn it into a TransferError. */
export class ImapFailure extends Error {
  /** Response code, upper case, without arguments (RFC 5530), or null. */
  readonly responseCode: string | null;
  /** What the server said, secrets already masked; empty if it said nothing. */
  readonly serverText: string;

  constructor(
    readonly kind: FailureKind,
    message: string,
    details: { responseCode?: string | null; serverText?: string; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ImapFailure';
    this.responseCode = details.responseCode ?? null;
    this.serverText = details.serverText ?? '';
  }

  /** True: the connection is of no more use. */
  get fatal(): boolean {
    return this.kind !== 'refused';
  }
}

export function isRefusal(error: unknown): error is ImapFailure {
  return error instanceof ImapFailure && error.kind === 'refused';
}

/** The mailbox a command named does not exist. Dovecot says so in words only when it is to be opened. */
export function isMissing(error: ImapFailure): boolean {
  if (error.kind !== 'refused') return false;
  if (error.responseCode === 'NONEXISTENT' || error.responseCode === 'TRYCREATE') return true;
  return /(mailbox|folder) (does(n't| not) exist|not found)|no such (mailbox|folder)|unknown mailbox/i.test(
    error.serverText,
  );
}
