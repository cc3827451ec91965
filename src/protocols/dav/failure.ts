import type { IncomingHttpHeaders } from 'node:http';
import { type ErrorSide, TransferError } from '../../mailbox/transfer-error.js';
import { ConnectError, toTransferError as fromConnectError } from '../connect-error.js';
import { type ClassifyRefusal, errorMaker, refusedSignIn, wrongXml } from '../error-maker.js';
import { retryAfter } from '../http/retry-after.js';
import { parseXml, type XmlElement, XmlError } from '../xml.js';
import { DAV } from './names.js';
import { ERROR_LIMITS } from './limits.js';

/** A status that is not what was asked for, with what the body says of it. */
export class DavFailure extends Error {
  constructor(
    readonly status: number,
    /** Local names of the preconditions in the body (RFC 4918 section 16), e.g. 'no-uid-conflict'. */
    readonly conditions: readonly string[],
    /** hrefs named in the conditions: the other object of a UID conflict (RFC 4791 section 5.3.2.1). */
    readonly hrefs: readonly string[],
    readonly serverText: string,
    readonly retryAfterMs: number | undefined,
  ) {
    super(`the server answered ${status}`);
    this.name = 'DavFailure';
  }
}

/** Statuses that speak of the login, a proxy on the way or the moment, never of what was asked about. */
const NOT_OF_ONE = [401, 407, 408, 425, 429, 502, 503, 504, 507, 511];

/**
 * True where the object that was asked about may be the only reason: a server that trips over one answers 500, and what stands in front of it
 * has statuses of its own. Whether anything else works is to be asked.
 */
export function mayBeOfOne({ status, retryAfterMs }: DavFailure): boolean {
  return status >= 400 && !NOT_OF_ONE.includes(status) && (status < 500 || retryAfterMs === undefined);
}

const SECOND = 1_000;
const DEFAULT_WAIT = 60 * SECOND;

export function failureOf(status: number, headers: IncomingHttpHeaders, body: Buffer): DavFailure {
  const conditions: string[] = [];
  const hrefs: string[] = [];
  try {
    const walk = (element: XmlElement): void => {
      if (element.namespace === DAV && element.name === 'href') hrefs.push(element.text.trim());
      for (const one of element.children) {
        if (element.namespace === DAV && element.name === 'error') conditions.push(one.name);
        walk(one);
      }
    };
    walk(parseXml(body, ERROR_LIMITS));
  } catch (error) {
    if (!(error instanceof XmlError)) throw error;
  }
  return new DavFailure(status, conditions, hrefs, said(status, body), retryAfter(headers));
}

/** What helps support to recognise it: without markup. */
function said(status: number, body: Buffer): string {
  const words = body
    .toString('utf8')
    .replace(/<style[\s\S]*?<\/style>/gi, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return `${status} ${words}`.trim();
}

export interface DavErrorContext {
  readonly side: ErrorSide;
  /** What a refused sign-in means at this provider. */
  readonly classifySignIn?: ClassifyRefusal;
}

/** Anything a DAV exchange threw, as the error that crosses rooms. What was asked about was a collection, or the account. */
export function toTransferError(error: unknown, context: DavErrorContext): TransferError {
  if (error instanceof TransferError) return error;
  const { side } = context;
  const theirs = side === 'destination';
  const make = errorMaker(side, error, error instanceof DavFailure ? error.serverText : undefined);
  const unavailable = (code: string): string => (theirs ? 'DESTINATION_UNAVAILABLE' : code);
  if (error instanceof ConnectError) {
    const told = fromConnectError(error, side);
    return told.retry === 'later' ? make(told.message, told.scope, 'later', unavailable(told.code)) : told;
  }
  if (error instanceof XmlError) return wrongXml(make, error);
  if (!(error instanceof DavFailure)) {
    const text = error instanceof Error ? error.message : 'something unexpected happened';
    return make(text, 'connection', 'later', unavailable('PROTOCOL_ERROR'));
  }
  switch (error.status) {
    case 401:
      return refusedSignIn(make, error.serverText, context.classifySignIn);
    case 403:
    case 405:
      return make('The server does not allow it.', 'folder', 'never', 'NOT_PERMITTED');
    case 404:
    case 410:
      return theirs
        ? make('The folder is not there any more.', 'folder', 'never', 'DESTINATION_MISSING')
        : make('The folder is not there any more.', 'folder', 'never', 'FOLDER_GONE');
    case 408:
    case 425:
      return make('The server cannot do it at the moment.', 'connection', 'later', unavailable('SERVER_BUSY'));
    case 429:
      return make('The server asks us to wait.', 'account', 'later', 'THROTTLED', error.retryAfterMs ?? DEFAULT_WAIT);
    case 507:
      return theirs
        ? make('The new mailbox is full.', 'account', 'user', 'QUOTA_EXCEEDED')
        : make('The server cannot do it at the moment.', 'connection', 'later', 'SERVER_BUSY');
    default:
      if (error.status >= 500)
        return make(
          'The server cannot do it at the moment.',
          'connection',
          'later',
          unavailable('SERVER_BUSY'),
          error.retryAfterMs,
        );
      return make('The server refused it.', 'folder', 'later', 'SERVER_REFUSED');
  }
}
