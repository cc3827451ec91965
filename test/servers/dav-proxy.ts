/**
 * A CalDAV and CardDAV server of which PUTs go wrong. Everything else passes, unless `rewrite` changes what is answered.
 *
 *     const proxy = await davProxy('http://127.0.0.1:5232/');
 *     proxy.rule = ({ object }) => (object === 1 ? { do: 'answer-after', status: 504 } : null);
 *     proxy.url; proxy.happened; await proxy.landed(); await proxy.close();
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Listeners } from '../fixtures/listeners.js';

export interface SeenPut {
  /** Counts the objects of one kind (`.ics`, `.vcf`), from 1, in the order of their first PUT. */
  readonly object: number;
  /** Of this object's PUTs, from 1. */
  readonly nth: number;
  readonly path: string;
  readonly body: Buffer;
  readonly headers: IncomingHttpHeaders;
}
export type PutFault =
  /** The server has it; a gateway says something else. */
  | { readonly do: 'answer-after'; readonly status: number }
  /** The server has it; the connection ends. @param then what somebody does right after */
  | { readonly do: 'cut-after'; readonly then?: (put: SeenPut) => Promise<void> }
  /** The connection ends; the server never hears of it. */
  | { readonly do: 'cut-before' }
  /** An answer without asking the server. */
  | { readonly do: 'answer'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** The connection ends; the server hears of it later. */
  | { readonly do: 'land-late'; readonly ms: number }
  /** Somebody is faster. */
  | { readonly do: 'first'; readonly act: (put: SeenPut) => Promise<void> };

export interface DavProxy {
  readonly url: string;
  rule: (put: SeenPut) => PutFault | null;
  /** What is answered without asking the server, but for PUTs; null: the server answers. */
  answers: (asked: {
    readonly method: string;
    readonly path: string;
    readonly body: string;
  }) => { readonly status: number; readonly headers?: Readonly<Record<string, string>> } | null;
  /** Other bodies for what is not a PUT; null: as it came. */
  rewrite: (
    asked: { readonly method: string; readonly path: string; readonly body: string },
    came: string,
  ) => string | null;
  readonly happened: string[];
  /** Until nothing is on its way any more. */
  landed(): Promise<void>;
  close(): Promise<void>;
}

export async function davProxy(target: string): Promise<DavProxy> {
  const { hostname, port } = new URL(target);
  const listeners = new Listeners();
  const seen = new Map<string, { object: number; puts: number }>();
  const counts = new Map<string, number>();
  const late = new Set<Promise<unknown>>();
  const happened: string[] = [];

  const ask = (asked: IncomingMessage, body: Buffer): Promise<{ answer: IncomingMessage; body: Buffer }> =>
    new Promise((done, failed) => {
      const { method, url: path, headers } = asked;
      const length = body.length > 0 || method === 'PUT' ? { 'content-length': String(body.length) } : {};
      const { 'transfer-encoding': _, ...plain } = headers;
      const on = request(
        { hostname, port, method, path, headers: { ...plain, ...length, 'accept-encoding': 'identity' }, agent: false },
        (answer) => {
          bodyOf(answer).then((all) => done({ answer, body: all }), failed);
        },
      );
      on.on('error', failed);
      on.end(body);
    });
  const pass = async (asked: IncomingMessage, body: Buffer, answer: ServerResponse): Promise<void> => {
    const came = await ask(asked, body);
    const { 'transfer-encoding': _, connection: __, ...headers } = came.answer.headers;
    const asks = { method: asked.method ?? '', path: asked.url ?? '', body: String(body) };
    const rewritten = asked.method === 'PUT' ? null : proxy.rewrite(asks, String(came.body));
    const bytes = rewritten === null ? came.body : Buffer.from(rewritten);
    if (headers['content-length'] !== undefined) headers['content-length'] = String(bytes.length);
    answer.writeHead(came.answer.statusCode ?? 502, headers);
    answer.end(bytes);
  };

  const server = createServer((asked, answer) => {
    void (async () => {
      const body = await bodyOf(asked);
      const { method = '', url = '' } = asked;
      const instead = method === 'PUT' ? null : proxy.answers({ method, path: url, body: String(body) });
      if (instead !== null) return void answer.writeHead(instead.status, instead.headers).end();
      if (method !== 'PUT') return pass(asked, body, answer);
      const path = asked.url ?? '';
      const ending = path.slice(path.lastIndexOf('.'));
      const known = seen.get(path) ?? { object: (counts.get(ending) ?? 0) + 1, puts: 0 };
      if (known.puts === 0) counts.set(ending, known.object);
      known.puts++;
      seen.set(path, known);
      const put = { object: known.object, nth: known.puts, path, body, headers: asked.headers };
      const fault = proxy.rule(put);
      if (fault === null) return pass(asked, body, answer);
      happened.push(`PUT ${put.object}: ${fault.do}`);
      switch (fault.do) {
        case 'answer-after':
          await ask(asked, body);
          answer.writeHead(fault.status);
          return void answer.end();
        case 'cut-after':
          await ask(asked, body);
          await fault.then?.(put);
          return void asked.socket.destroy();
        case 'cut-before':
          return void asked.socket.destroy();
        case 'answer':
          answer.writeHead(fault.status, fault.headers);
          return void answer.end();
        case 'land-late': {
          asked.socket.destroy();
          const landing = sleep(fault.ms).then(() => ask(asked, body));
          late.add(landing);
          landing.finally(() => late.delete(landing)).catch(() => undefined);
          return;
        }
        case 'first':
          await fault.act(put);
          return pass(asked, body, answer);
      }
    })().catch(() => asked.socket.destroy());
  });
  const listener = await listeners.listen(server);
  const proxy: DavProxy = {
    url: `http://127.0.0.1:${listener.port}/`,
    rule: () => null,
    answers: () => null,
    rewrite: () => null,
    happened,
    landed: async () => void (await Promise.allSettled([...late])),
    close: () => listeners.closeAll(),
  };
  return proxy;
}

async function bodyOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
