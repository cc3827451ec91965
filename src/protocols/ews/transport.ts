import { setTimeout as pause } from 'node:timers/promises';
import type { ConnectPolicy } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { retryAfter } from '../http/retry-after.js';
import { HttpSession, type StreamedResponse } from '../http/session.js';
import type { TakePermit } from '../permit.js';
import { parseXml, XmlError } from '../xml.js';
import { responseMessages } from './answer.js';
import { DEFAULT_BACK_OFF_MS, EwsFailure, PASSING, redirection, TOO_MANY } from './failure.js';
import { FAULT_LIMITS } from './limits.js';
import { authorizationOf, type EwsLogin, type EwsMailbox, offersWindowsOnly } from './login.js';
import { Places } from '../places.js';
import { type Doubt, SecondTry } from './second-try.js';

export interface TransportOptions {
  readonly url: URL;
  /** Asked again when the server refuses: tokens end. */
  readonly login: () => Promise<EwsLogin>;
  readonly mailbox: EwsMailbox;
  readonly policy: ConnectPolicy;
  /** Requests under way at once. */
  readonly maxConnections: number;
  /** Asked before one more of them than there were until now. */
  readonly permit?: TakePermit;
  readonly trust?: { readonly caFingerprint?: string; readonly ca?: string };
  /** A request ends when nothing moved in either direction for so long (ms). */
  readonly quietMs?: number;
  /** A wait that a busy server asks for is waited here up to this; a longer one is the job's (ms). */
  readonly patienceMs?: number;
}

/** Large items make a server think for a while before its first byte (ms). */
const QUIET_MS = 120_000;
const PATIENCE_MS = 20_000;
/** A server that says too many connections: so long none is opened (ms). */
const CROWDED_MS = 1_000;
/** Logins that one request may use up: a token that has just ended, and the next one. */
const MOST_LOGINS = 3;
/** Requests that one question may use up where the server is busy, in a row. */
const TRIES = 6;

/**
 * SOAP over the one connector: the login only to the address that was named, no redirect followed, no more requests at once
 * than allowed, and none before the time a busy server told.
 */
export class EwsTransport {
  private readonly session: HttpSession;
  private authorization: string | null = null;
  private notBefore = 0;
  private readonly places: Places;
  private readonly second = new SecondTry();
  private readonly say: ((line: string) => void) | undefined;

  constructor(private readonly options: TransportOptions) {
    const { policy, maxConnections, trust, url, quietMs = QUIET_MS } = options;
    this.places = new Places(maxConnections, options.permit ?? null);
    this.say = policy.trace?.connection();
    this.session = new HttpSession({
      policy,
      maxConnections,
      quietMs,
      ...(trust === undefined ? {} : { trust: { ...trust, origin: url.origin } }),
    });
  }

  get mailbox(): EwsMailbox {
    return this.options.mailbox;
  }
  get url(): URL {
    return this.options.url;
  }
  private get patienceMs(): number {
    return this.options.patienceMs ?? PATIENCE_MS;
  }
  close(): void {
    this.session.close();
    this.places.close();
  }

  /**
   * One SOAP request. A busy server is waited for and asked again, as long as `read` was not begun or says so by throwing
   * EwsFailure 'busy'.
   * @param read gets an answer with HTTP status 200 and XML
   * @throws EwsFailure; ConnectError; XmlError; the signal's reason; what `read` throws
   */
  async ask<T>(
    operation: string,
    envelope: string,
    outer: AbortSignal,
    read: (response: StreamedResponse) => Promise<T>,
  ): Promise<T> {
    // One of its own for each request: a run has one signal for all of them, and Node counts who listens.
    const signal = AbortSignal.any([outer]);
    let waited = 0;
    for (let tries = 1; ; tries++) {
      const begun = Date.now();
      try {
        const place = await this.places.take(signal);
        try {
          await this.rest(signal);
          return await this.once(operation, envelope, AbortSignal.any([signal, place.lost]), read);
        } catch (error) {
          if (place.lost.aborted && !signal.aborted)
            throw new ConnectError('CONNECT_FAILED', 'The connection was needed elsewhere.');
          throw error;
        } finally {
          place.leave();
        }
      } catch (error) {
        signal.throwIfAborted();
        this.say?.(
          `${operation} failed: ${error instanceof EwsFailure ? `${error.problem} ${error.code}` : (error as Error).name}`,
        );
        const wait = this.waitAfter(error);
        if (wait === null) throw error;
        this.notBefore = Math.max(this.notBefore, Date.now() + wait);
        waited += Date.now() - begun;
        if (tries >= TRIES || waited + wait > this.patienceMs) throw error;
      }
    }
  }

  /** Milliseconds; null: it is no matter of time. */
  private waitAfter(error: unknown): number | null {
    if (!(error instanceof EwsFailure)) return null;
    if (error.problem === 'busy') return error.backOffMs ?? DEFAULT_BACK_OFF_MS;
    if (error.problem === 'refused' && TOO_MANY.has(error.code)) {
      this.places.narrow();
      return CROWDED_MS;
    }
    return error.problem === 'refused' && PASSING.has(error.code) ? DEFAULT_BACK_OFF_MS / 5 : null;
  }

  /** Until the time that the server told. @throws EwsFailure where that is longer than is waited here */
  private async rest(signal: AbortSignal): Promise<void> {
    for (let left = this.notBefore - Date.now(); left > 0; left = this.notBefore - Date.now()) {
      if (left > this.patienceMs) throw new EwsFailure('busy', { backOffMs: left });
      await pause(left + 1, undefined, { signal });
    }
  }

  private async once<T>(
    operation: string,
    envelope: string,
    signal: AbortSignal,
    read: (response: StreamedResponse) => Promise<T>,
  ): Promise<T> {
    const refused = Symbol('refused');
    let own: Doubt | null = null;
    try {
      for (let logins = 1; ; logins++) {
        signal.throwIfAborted();
        if (own === null && !(await this.second.mayAsk(signal))) throw new EwsFailure('sign-in', { status: 401 });
        this.authorization ??= authorizationOf(await this.options.login());
        const used = this.authorization;
        const begun = Date.now();
        let windowsOnly = false;
        const result = await this.session.exchange(
          {
            method: 'POST',
            url: this.options.url.href,
            body: Buffer.from(envelope),
            headers: {
              'content-type': 'text/xml; charset=utf-8',
              accept: 'text/xml',
              authorization: used,
              ...this.mailboxHeaders(),
            },
          },
          signal,
          async (response) => {
            this.say?.(`${operation} ${response.status} ${Date.now() - begun} ms`);
            if (response.status === 401) {
              windowsOnly = offersWindowsOnly(response.headers);
              return refused;
            }
            await this.refuseOthers(operation, response);
            this.second.letIn();
            return read(response);
          },
        );
        if (result !== refused) return result as T;
        if (windowsOnly) throw new EwsFailure('windows-sign-in', { status: 401 });
        const before: Doubt | null = own;
        own = await this.renew(used, own, logins, signal);
        if (own !== null && own !== before) await pause(CROWDED_MS, undefined, { signal });
      }
    } finally {
      this.second.unanswered(own);
    }
  }

  /**
   * Another login after a refusal, or the same one once more: then this request alone tries that, and the others wait.
   * @throws EwsFailure: the same password over and over would only help to lock the account
   */
  private async renew(used: string, own: Doubt | null, logins: number, signal: AbortSignal): Promise<Doubt | null> {
    const again = authorizationOf(await this.options.login());
    const isLast = logins >= MOST_LOGINS;
    if (again !== used && !isLast) {
      this.authorization = again;
      return own;
    }
    const after = await this.second.refused(own, signal);
    if (after === 'no' || isLast) {
      this.authorization = null;
      throw new EwsFailure('sign-in', { status: 401 });
    }
    return after === 'again' ? null : after;
  }

  /** Routes a request to the server that holds the mailbox, which makes impersonation fast and sure. */
  private mailboxHeaders(): Record<string, string> {
    const { mailbox } = this.options;
    return mailbox.by === 'own' ? {} : { 'x-anchormailbox': mailbox.address };
  }

  /** Everything but 200 with XML. */
  private async refuseOthers(operation: string, response: StreamedResponse): Promise<void> {
    const { status, headers } = response;
    const isXml = /^(?:text|application)\/(?:soap\+)?xml\b/i.test(headers['content-type'] ?? '');
    if (status === 200) {
      if (isXml) return;
      throw new EwsFailure('not-ews', { status });
    }
    if (status === 401) throw new EwsFailure(offersWindowsOnly(headers) ? 'windows-sign-in' : 'sign-in', { status });
    if (status >= 300 && status < 400) throw redirection(status, headers.location, response.url);
    if (status === 403 || status === 404 || status === 405 || status === 410 || status === 415)
      throw new EwsFailure('not-ews', { status });
    if (status === 429 || status === 503)
      throw new EwsFailure('busy', { status, backOffMs: retryAfter(headers) ?? DEFAULT_BACK_OFF_MS });
    if (isXml) await faultOf(operation, response);
    throw new EwsFailure(status >= 500 ? 'refused' : 'not-ews', {
      status,
      ...(status >= 500 ? { code: 'ErrorInternalServerError' } : {}),
    });
  }
}

/** Reads what may be a SOAP fault, and throws it. Whatever else it is, it is no answer. */
async function faultOf(operation: string, response: StreamedResponse): Promise<void> {
  const body = await response.body(FAULT_LIMITS.maxBytes, collect).catch(() => null);
  if (body === null) return;
  try {
    responseMessages(parseXml(body, FAULT_LIMITS), operation, 1, response.status);
  } catch (error) {
    if (error instanceof XmlError && error.code === 'XML_FORBIDDEN') throw error;
    if (error instanceof EwsFailure && error.problem !== 'not-ews') throw error;
  }
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
