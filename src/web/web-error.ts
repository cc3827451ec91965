/** Something the person or the script should know: a stable code and plain words. Never holds a secret. */
export class WebError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details?: Readonly<Record<string, unknown>>,
  ) {
    super(message);
    this.name = 'WebError';
  }
}

/** HTTP status of every code; what is not named is a refusal of what was sent: 422. */
const STATUS: Readonly<Record<string, number>> = {
  MALFORMED: 400,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  CSRF: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  INVALID_STATE: 409,
  CONFLICT: 409,
  BATCH_BUSY: 409,
  BATCH_LOGIN: 409,
  BATCH_NOT_OVER: 409,
  FINISH_NEEDS_YOU: 409,
  IDEMPOTENCY_MISMATCH: 409,
  TOO_LARGE: 413,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DESTINATION_UNAVAILABLE: 503,
};
const REFUSED = 422;

export function statusOf(code: string): number {
  return STATUS[code] ?? REFUSED;
}

/** Not there, or not his. */
export function notFound(): WebError {
  return new WebError('NOT_FOUND', 'There is nothing here.');
}
