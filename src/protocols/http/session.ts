import { setMaxListeners } from 'node:events';
import { Agent, type ClientRequestArgs, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { TransferError } from '../../mailbox/transfer-error.js';
import { connect, type ConnectPolicy } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { ACCEPT_ENCODING, useBody } from './body.js';
import { asHttpError, checkedUrl, type HttpRequest, MAX_HEADER_BYTES, notHttp, targetOf } from './client.js';

/** Bytes of an answer's body that are read for nothing so that its connection can be used again. */
const DRAINED_BYTES = 64 * 1024;

export interface SessionOptions {
  readonly policy: ConnectPolicy;
  /** Connections at once to each origin. */
  readonly maxConnections: number;
  /** A request ends when nothing moved in either direction for so long (ms). */
  readonly quietMs: number;
  /** For one origin only. */
  readonly trust?: { readonly origin: string } & NonNullable<HttpRequest['trust']>;
}

/** Headers and a body that can be read once, before the promise of `use` ends. */
export interface StreamedResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly url: URL;
  /** @throws ConnectError PROTOCOL_ERROR when it is larger, packed or unpacked. */
  body<T>(maxBytes: number, read: (chunks: AsyncIterable<Buffer>) => Promise<T>): Promise<T>;
}

/**
 * Connections that are kept and used again, each made by the one connector: every new one is resolved, checked and dialled
 * anew. Follows no redirect and keeps no cookie.
 */
export class HttpSession {
  private readonly agents = new Map<string, GuardedAgent>();
  private closed = false;
  /** The support's log: what was asked and how it was answered, without queries, headers and bodies. */
  private readonly say: ((line: string) => void) | null;

  constructor(private readonly options: SessionOptions) {
    this.say = options.policy.trace?.connection() ?? null;
  }

  /** One request. A status is no error. @throws ConnectError; the signal's reason; what `use` throws. */
  async exchange<T>(
    asked: Omit<HttpRequest, 'trust'>,
    signal: AbortSignal,
    use: (response: StreamedResponse) => Promise<T>,
  ): Promise<T> {
    const url = checkedUrl(asked.url);
    const what = `${asked.method ?? 'GET'} ${url.origin}${url.pathname}`;
    const begun = performance.now();
    for (let tries = 1; ; tries++) {
      signal.throwIfAborted();
      const sent = this.send(asked, url, signal);
      try {
        const response = await sent.response;
        this.say?.(`${what} -> ${response.statusCode ?? 0} after ${Math.round(performance.now() - begun)} ms`);
        return await this.read(response, url, use);
      } catch (error) {
        signal.throwIfAborted();
        // The server closed a kept connection at the moment it was used: most likely it never saw the request.
        if (asked.once !== true && sent.wasReused() && !sent.answered() && tries === 1) continue;
        const told = isForeign(error) ? asHttpError(error) : error;
        if (!sent.answered()) this.say?.(`${what} -> ${told instanceof ConnectError ? told.code : 'no answer'}`);
        throw told;
      } finally {
        sent.end();
      }
    }
  }

  close(): void {
    this.closed = true;
    for (const agent of this.agents.values()) agent.destroy();
    this.agents.clear();
  }

  private agentFor(url: URL): GuardedAgent {
    if (this.closed) throw new Error('the session is closed');
    let agent = this.agents.get(url.origin);
    if (agent === undefined) {
      const { policy, maxConnections, trust } = this.options;
      const trusted = trust?.origin === url.origin ? trust : undefined;
      agent = new GuardedAgent(
        (signal) => connect(targetOf(url, trusted), policy, signal).then(({ socket }) => socket),
        maxConnections,
      );
      this.agents.set(url.origin, agent);
    }
    return agent;
  }

  private send(asked: Omit<HttpRequest, 'trust'>, url: URL, signal: AbortSignal) {
    const sent = request({
      agent: this.agentFor(url),
      host: url.hostname,
      method: asked.method ?? 'GET',
      path: `${url.pathname}${url.search}`,
      headers: { 'accept-encoding': ACCEPT_ENCODING, ...asked.headers, host: url.host },
      maxHeaderSize: MAX_HEADER_BYTES,
      setHost: false,
    });
    const stop = (): void => void sent.destroy(signal.reason instanceof Error ? signal.reason : undefined);
    signal.addEventListener('abort', stop, { once: true });
    let answer: IncomingMessage | null = null;
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('response', (message) => {
        answer = message;
        message.on('error', () => undefined);
        resolve(message);
      });
      sent.on('error', reject);
      sent.on('upgrade', (_, socket: Duplex) => {
        socket.destroy();
        reject(notHttp());
      });
      sent.on('timeout', () => sent.destroy(new ConnectError('TIMEOUT', 'The server stopped answering.')));
    });
    response.catch(() => undefined);
    sent.setTimeout(this.options.quietMs);
    sent.end(asked.body);
    return {
      response,
      wasReused: () => sent.reusedSocket,
      answered: () => answer !== null,
      end: () => signal.removeEventListener('abort', stop),
    };
  }

  private async read<T>(
    response: IncomingMessage,
    url: URL,
    use: (response: StreamedResponse) => Promise<T>,
  ): Promise<T> {
    try {
      const result = await use({
        status: response.statusCode ?? 0,
        headers: response.headers,
        url,
        body: (maxBytes, read) => useBody(response, maxBytes, read),
      });
      await drain(response);
      return result;
    } finally {
      if (!response.complete) response.destroy();
    }
  }
}

/** So that the connection is free for the next request; a long rest costs the connection instead. */
async function drain(response: IncomingMessage): Promise<void> {
  if (response.readableEnded || response.destroyed) return;
  let left = DRAINED_BYTES;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    left -= chunk.length;
    if (left < 0) return;
  }
}

/** Errors of the socket, the parser and zlib; those of a reader stay what they are. */
function isForeign(error: unknown): boolean {
  if (error instanceof ConnectError || error instanceof TransferError) return false;
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(E[A-Z]+|HPE_\w+|Z_\w+|ERR_(STREAM|TLS|SSL|HTTP)_\w+)$/.test(code);
}

/** Node keeps the connections; the connector makes them. */
class GuardedAgent extends Agent {
  private readonly ended = new AbortController();

  constructor(
    private readonly dial: (signal: AbortSignal) => Promise<Duplex>,
    maxSockets: number,
  ) {
    super({ keepAlive: true, maxSockets, maxFreeSockets: maxSockets, scheduling: 'lifo' });
    // One for each connection that is being made.
    setMaxListeners(0, this.ended.signal);
  }

  override createConnection(_: ClientRequestArgs, done: (error: Error | null, socket: Duplex) => void): undefined {
    this.dial(this.ended.signal).then(
      (socket) => done(null, socket),
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), undefined as never),
    );
  }

  override destroy(): void {
    this.ended.abort(new Error('the session is closed'));
    super.destroy();
  }
}
