import { setTimeout as pause } from 'node:timers/promises';
import type { TransferError } from '../../mailbox/transfer-error.js';
import type { ConnectPolicy } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { HttpSession, type StreamedResponse } from '../http/session.js';
import type { Places } from '../places.js';
import type { XmlStreamLimits } from '../xml.js';
import { type DavErrorContext, DavFailure, failureOf, toTransferError } from './failure.js';
import { ERROR_BYTES } from './limits.js';
import { mayReceiveLogin } from '../login-scope.js';
import { type DavResource, type MultistatusEnd, readMultistatus } from './multistatus.js';

export type DavLogin =
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly user: string; readonly token: string };

export interface DavClientOptions {
  /** The address the person, the provider's entry or the panel named: its host and its neighbours get the login. */
  readonly home: URL;
  /** Asked again when the server refuses: tokens end. */
  readonly login: () => Promise<DavLogin>;
  readonly policy: ConnectPolicy;
  readonly maxConnections: number;
  /** Where connections are counted over several processes; shared by all clients of an account. */
  readonly places?: Places;
  readonly trust?: { readonly caFingerprint?: string; readonly ca?: string };
  readonly errors: DavErrorContext;
}

export interface DavRequest {
  readonly method: string;
  readonly url: URL;
  readonly depth?: '0' | '1';
  /** XML, or an object with its type. */
  readonly body?: string | { readonly bytes: Uint8Array; readonly type: string };
  readonly headers?: Readonly<Record<string, string>>;
  readonly once?: boolean;
}

/** Large collections make a server think for a while before its first byte (ms). */
const QUIET_MS = 120_000;
/** Connections that one question may use up. */
const TRIES = 3;
const PAUSE_MS = 250;

/** One account at a DAV server: requests with its login, over kept connections, to the hosts that may have the login. */
export class DavClient {
  private readonly session: HttpSession;
  private authorization: string | null = null;
  private signingIn: Promise<string> | null = null;

  constructor(private readonly options: DavClientOptions) {
    const { policy, maxConnections, trust, home } = options;
    this.session = new HttpSession({
      policy,
      maxConnections,
      quietMs: QUIET_MS,
      ...(trust === undefined ? {} : { trust: { ...trust, origin: home.origin } }),
    });
  }

  get home(): URL {
    return this.options.home;
  }
  get maxConnections(): number {
    return this.options.maxConnections;
  }

  close(): void {
    this.session.close();
  }

  toError(error: unknown): TransferError {
    return toTransferError(error, this.options.errors);
  }

  /** One exchange, with the login. A status is no error, but 401 after a fresh login is. @throws what went wrong, as it is. */
  async exchange<T>(
    request: DavRequest,
    signal: AbortSignal,
    use: (response: StreamedResponse) => Promise<T>,
  ): Promise<T> {
    const { method, url, depth, body, headers, once = false } = request;
    const asked = {
      method,
      url: url.href,
      once,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? Buffer.from(body) : body.bytes }),
    };
    const plain = {
      ...(depth === undefined ? {} : { depth }),
      ...(body === undefined
        ? {}
        : { 'content-type': typeof body === 'string' ? 'application/xml; charset=utf-8' : body.type }),
      ...headers,
    };
    const refused = Symbol('refused');
    for (let fresh = this.authorization === null; ; fresh = true) {
      const authorization = mayReceiveLogin(url, this.options.home) ? await this.signedIn() : null;
      const result = await this.placed(signal, (until) =>
        this.session.exchange(
          { ...asked, headers: authorization === null ? plain : { ...plain, authorization } },
          until,
          async (response) => (response.status === 401 && !fresh && authorization !== null ? refused : use(response)),
        ),
      );
      if (result !== refused) return result as T;
      // A token ends for all requests that are under way: whoever is refused first has asked for the next one already.
      if (this.authorization === authorization) this.authorization = null;
      // The same password once more would only help to lock the account.
      if ((await this.signedIn()) === authorization) throw new DavFailure(401, [], [], '401', undefined);
    }
  }

  /** Without the login: a well-known address may lead anywhere. */
  bare<T>(request: DavRequest, signal: AbortSignal, use: (response: StreamedResponse) => Promise<T>): Promise<T> {
    const { method, url, headers } = request;
    const asked = { method, url: url.href, headers: { ...headers } };
    return this.placed(signal, (until) => this.session.exchange(asked, until, use));
  }

  /** @throws ConnectError where the connection was taken away: the work may be done again. */
  private async placed<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    const { places } = this.options;
    if (places === undefined) return work(signal);
    const place = await places.take(signal);
    try {
      return await work(AbortSignal.any([signal, place.lost]));
    } catch (error) {
      if (place.lost.aborted && !signal.aborted)
        throw new ConnectError('CONNECT_FAILED', 'The connection was needed elsewhere.');
      throw error;
    } finally {
      place.leave();
    }
  }

  /** Does a piece of work that may be repeated. @throws TransferError; the signal's reason. */
  async repeatable<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        signal.throwIfAborted();
        const told = this.toError(error);
        if (told.scope !== 'connection' || told.retryAfterMs !== undefined || tries >= TRIES) throw told;
        await pause(PAUSE_MS * tries, undefined, { signal });
      }
    }
  }

  /**
   * A multistatus as a stream: each resource is handed over as it comes.
   * @throws DavFailure for another status than 207; ConnectError; XmlError.
   */
  multistatus(
    request: DavRequest,
    limits: XmlStreamLimits,
    signal: AbortSignal,
    onResource: (resource: DavResource) => void | Promise<void>,
  ): Promise<MultistatusEnd> {
    return this.exchange(request, signal, async (response) => {
      if (response.status !== 207) throw await failed(response);
      return response.body(limits.maxBytes, async (chunks) => {
        const resources = readMultistatus(chunks, response.url, limits);
        for (;;) {
          const next = await resources.next();
          if (next.done === true) return next.value;
          await onResource(next.value);
        }
      });
    });
  }

  /** What is sent with requests; asked for once, however many want it. */
  private async signedIn(): Promise<string> {
    if (this.authorization !== null) return this.authorization;
    const asking = (this.signingIn ??= this.options
      .login()
      .then(({ user, ...login }) =>
        login.kind === 'token'
          ? `Bearer ${login.token}`
          : `Basic ${Buffer.from(`${user}:${login.password}`, 'utf8').toString('base64')}`,
      ));
    try {
      return (this.authorization = await asking);
    } finally {
      if (this.signingIn === asking) this.signingIn = null;
    }
  }
}

/** What a refusal says, for throwing. */
export async function failed(response: StreamedResponse): Promise<DavFailure> {
  const body = await response
    .body(ERROR_BYTES, async (chunks) => {
      const parts: Buffer[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      return Buffer.concat(parts);
    })
    .catch(() => Buffer.alloc(0));
  return failureOf(response.status, response.headers, body);
}
