import { type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect, type Connected, type ConnectPolicy, type ConnectTarget } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { underDeadline } from '../deadline.js';
import { asConnectError } from '../tls.js';
import { ACCEPT_ENCODING, readBody } from './body.js';

/** Redirects followed; RFC 9110 section 15.4 only asks for some limit. */
const MAX_REDIRECTS = 3;
/** Bytes of a response's headers: Node's own default, fixed here so that no flag of the process widens it. */
export const MAX_HEADER_BYTES = 16 * 1024;

export interface HttpRequest {
  readonly method?: string;
  /** Without user name and password. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Not sent again where a kept connection ends without an answer: whoever asks wants to know that the first may have arrived. */
  readonly once?: boolean;
  /** For the host of `url` only, not for one a redirect leads to. */
  readonly trust?: { readonly caFingerprint?: string; readonly ca?: string };
}

export interface HttpPolicy extends ConnectPolicy {
  /** Of the body, packed and unpacked. */
  readonly maxBodyBytes: number;
  /** Default 3; 0: a redirect is an error; 'told': it is the answer. */
  readonly maxRedirects?: number | 'told';
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** After redirects. */
  readonly url: string;
}

/** Sent to nobody but the origin they were meant for. */
const PRIVATE_HEADERS = ['authorization', 'cookie'];
const REDIRECTS = [301, 302, 303, 307, 308];

/**
 * One request over the one connector: https only (unless the policy allows plaintext), every redirect checked like a
 * target of its own, no cookies, one deadline for everything. A status is no error, whatever it is.
 * @throws ConnectError; the signal's reason when that aborts.
 */
export async function request(first: HttpRequest, policy: HttpPolicy, signal: AbortSignal): Promise<HttpResponse> {
  const late = (): ConnectError => new ConnectError('TIMEOUT', 'The server did not answer in time.');
  return underDeadline(policy.deadlineMs, signal, late, async (deadline) => {
    let current = { ...first, url: checkedUrl(first.url).href };
    for (let redirects = 0; ; redirects++) {
      const response = await exchange(current, policy, deadline);
      const { maxRedirects: most = MAX_REDIRECTS } = policy;
      const next = most === 'told' ? null : redirectOf(current, response);
      if (next === null) return response;
      if (redirects >= Number(most))
        throw new ConnectError('PROTOCOL_ERROR', 'The server redirects, and that is not followed.', {
          why: 'too-many-redirects',
        });
      current = next;
    }
  });
}

/** @throws ConnectError VALIDATION for what is no web address, or has a user name in it. */
export function checkedUrl(text: string, base?: string): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch (cause) {
    throw new ConnectError('VALIDATION', 'This is not a web address.', { cause });
  }
  if ((url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '')
    throw new ConnectError('VALIDATION', 'This is not a web address that may be used.');
  url.hash = '';
  return url;
}

function redirectOf(from: HttpRequest & { url: string }, { status, headers }: HttpResponse): typeof from | null {
  if (!REDIRECTS.includes(status) || headers.location === undefined) return null;
  const url = checkedUrl(headers.location, from.url);
  const sameOrigin = url.origin === new URL(from.url).origin;
  const method = from.method ?? 'GET';
  // RFC 9110 sections 15.4.2 to 15.4.4: only a 303, and by custom a POST, becomes a GET.
  const becomesGet = status === 303 || (method === 'POST' && status < 303);
  return {
    url: url.href,
    method: becomesGet ? 'GET' : method,
    body: becomesGet ? undefined : from.body,
    headers: sameOrigin ? from.headers : withoutPrivate(from.headers),
    trust: sameOrigin ? from.trust : undefined,
  };
}

function withoutPrivate(headers: HttpRequest['headers'] = {}): HttpRequest['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !PRIVATE_HEADERS.includes(name.toLowerCase())));
}

async function exchange(asked: HttpRequest, policy: HttpPolicy, signal: AbortSignal): Promise<HttpResponse> {
  const url = new URL(asked.url);
  const connected = await connect(targetOf(url, asked.trust), policy, signal);
  const stop = (): void => void connected.socket.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const response = await send(asked, url, connected);
    const body = await readBody(response, policy.maxBodyBytes);
    return { status: response.statusCode ?? 0, headers: response.headers, body, url: url.href };
  } catch (error) {
    signal.throwIfAborted();
    throw asHttpError(error);
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

export function targetOf(url: URL, trust: HttpRequest['trust']): ConnectTarget {
  const secure = url.protocol === 'https:';
  return {
    host: url.hostname,
    port: Number(url.port) || (secure ? 443 : 80),
    security: secure ? 'tls' : 'none',
    ...trust,
  };
}

function send(asked: HttpRequest, url: URL, { socket }: Connected): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({
      createConnection: () => socket,
      method: asked.method ?? 'GET',
      path: `${url.pathname}${url.search}`,
      headers: { 'accept-encoding': ACCEPT_ENCODING, ...asked.headers, host: url.host, connection: 'close' },
      maxHeaderSize: MAX_HEADER_BYTES,
      setHost: false,
    });
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.on('upgrade', () => reject(notHttp()));
    sent.end(asked.body);
  });
}

export const notHttp = (cause?: unknown): ConnectError =>
  new ConnectError('PROTOCOL_ERROR', 'The server does not answer as a web server does.', { why: 'not-http', cause });

/** The HTTP parser's and zlib's own complaints, and a cut connection. */
export function asHttpError(error: unknown): ConnectError {
  const code = String((error as NodeJS.ErrnoException | null)?.code ?? '');
  return code.startsWith('HPE_') || code.startsWith('Z_') ? notHttp(error) : asConnectError(error);
}
