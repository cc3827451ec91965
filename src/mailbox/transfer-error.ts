export type ErrorSide = 'source' | 'destination';
/** How wide the damage is: one item, its folder, this connection, the whole account, the whole job. */
export type ErrorScope = 'item' | 'folder' | 'connection' | 'account' | 'job';
/** `user` = a person must do something first. */
export type ErrorRetry = 'now' | 'later' | 'never' | 'user';

export interface TransferErrorInit {
  side: ErrorSide;
  scope: ErrorScope;
  retry: ErrorRetry;
  /** Stable, upper case: see the list of codes in docs/operating.md. */
  code: string;
  /** Milliseconds the server asked us to wait. */
  retryAfterMs?: number;
  /** What the server said, for support only: bounded, without secrets. Never shown on a page as HTML. */
  serverText?: string;
  cause?: unknown;
}

/** The only error that crosses a room. Says which side, how wide, and whether to try again. */
export class TransferError extends Error {
  readonly side: ErrorSide;
  readonly scope: ErrorScope;
  readonly retry: ErrorRetry;
  readonly code: string;
  readonly retryAfterMs?: number;
  readonly serverText?: string;

  constructor(message: string, init: TransferErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'TransferError';
    this.side = init.side;
    this.scope = init.scope;
    this.retry = init.retry;
    this.code = init.code;
    this.retryAfterMs = init.retryAfterMs;
    this.serverText = init.serverText?.slice(0, MAX_SERVER_TEXT);
  }
}

/** Characters of a server's answer that are kept: enough to recognise it, too little to smuggle a mail in. */
const MAX_SERVER_TEXT = 500;
