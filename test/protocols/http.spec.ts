import { createServer, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { gzipSync } from 'node:zlib';
import { ConnectError } from '../../src/protocols/connect-error.js';
import { type HttpPolicy, type HttpRequest, type HttpResponse, request } from '../../src/protocols/http/client.js';
import { certificateAuthority } from '../fixtures/certificates.js';
import { Listeners } from '../fixtures/listeners.js';

const ca = certificateAuthority();
const certificate = ca.issue(['web.example.test']);
const listeners = new Listeners();
afterEach(() => listeners.closeAll());

const CLOSED_NETWORK: HttpPolicy = {
  allowPrivate: true,
  allowPlaintext: false,
  ports: 'any',
  deadlineMs: 5_000,
  maxBodyBytes: 64 * 1024,
  resolve: async () => ['127.0.0.1'],
};

async function web(answer: RequestListener): Promise<{ port: number; connections(): number; url: string }> {
  const listener = await listeners.listen(createSecureServer(certificate, answer));
  return { ...listener, url: `https://web.example.test:${listener.port}` };
}

function get(url: string, more: Partial<HttpRequest> = {}, policy = CLOSED_NETWORK): Promise<HttpResponse> {
  return request({ url, trust: { ca: ca.cert }, ...more }, policy, new AbortController().signal);
}

async function failure(url: string, more: Partial<HttpRequest> = {}, policy = CLOSED_NETWORK): Promise<ConnectError> {
  const error: unknown = await get(url, more, policy).then(
    () => new Error('it answered'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  return error;
}

describe('a request', () => {
  it('brings status, headers and body, whatever the status', async () => {
    const { url } = await web((asked, answer) => {
      answer.writeHead(404, { 'x-seen': `${asked.method} ${asked.url} ${asked.headers.host}` });
      answer.end('not here');
    });
    const response = await get(`${url}/a?b=c#d`);
    expect([response.status, String(response.body)]).toEqual([404, 'not here']);
    expect(response.headers['x-seen']).toBe(`GET /a?b=c ${new URL(url).host}`);
  });

  it('sends its body', async () => {
    const { url } = await web((asked, answer) => void asked.pipe(answer));
    expect(String((await get(url, { method: 'POST', body: Buffer.from('hello') })).body)).toBe('hello');
  });

  it('unpacks one layer of gzip', async () => {
    const { url } = await web((_, answer) => {
      answer.setHeader('content-encoding', 'gzip');
      answer.end(gzipSync('small'));
    });
    expect(String((await get(url)).body)).toBe('small');
  });

  it('goes over https only, unless the operator allows plaintext', async () => {
    const listener = await listeners.listen(createServer((_, answer) => answer.end('clear')));
    const url = `http://web.example.test:${listener.port}/`;
    expect((await failure(url)).code).toBe('TLS_REQUIRED');
    expect(listener.connections()).toBe(0);
    expect(String((await get(url, {}, { ...CLOSED_NETWORK, allowPlaintext: true })).body)).toBe('clear');
  });

  it('is not made with a certificate that cannot be checked', async () => {
    const { url } = await web((_, answer) => answer.end());
    expect((await failure(url, { trust: {} })).code).toBe('TLS_UNTRUSTED');
  });

  it.each(['ftp://web.example.test/', 'file:///etc/passwd', 'https://user:secret@web.example.test/', 'nonsense'])(
    'to %s is refused',
    async (url) => expect((await failure(url)).code).toBe('VALIDATION'),
  );
});

describe('a redirect', () => {
  const to = (location: string, status = 302): RequestListener => {
    return (_, answer) => void answer.writeHead(status, { location }).end();
  };

  it.each([
    'http://127.0.0.1:6379/',
    'https://127.1/',
    'https://[::ffff:10.0.0.1]/',
    'https://localhost/',
    'https://inside.test/',
  ])('to %s is stopped, and nothing is sent there', async (location) => {
    const listener = await listeners.listen(createSecureServer(certificate, to(location)), '127.0.0.2');
    const policy: HttpPolicy = {
      ...CLOSED_NETWORK,
      allowPrivate: false,
      allowedRanges: ['127.0.0.2/32'],
      resolve: async (name) => [name === 'web.example.test' ? '127.0.0.2' : '10.0.0.9'],
    };
    const error = await failure(`https://web.example.test:${listener.port}/`, {}, policy);
    expect([error.code, listener.connections()]).toEqual(['TARGET_NOT_ALLOWED', 1]);
  });

  it('from https to http is stopped', async () => {
    const { url } = await web(to('http://web.example.test:8080/'));
    expect((await failure(url)).code).toBe('TLS_REQUIRED');
  });

  it.each(['ftp://web.example.test/', 'https://user:secret@web.example.test/', 'https://'])(
    'to %s is stopped',
    async (location) => {
      const { url } = await web(to(location));
      expect((await failure(url)).code).toBe('VALIDATION');
    },
  );

  it('is followed three times and no more', async () => {
    let left = 3;
    const { url } = await web((_, answer) => {
      if (left-- > 0) answer.writeHead(301, { location: '/next' });
      answer.end('there');
    });
    expect(String((await get(url)).body)).toBe('there');
    left = 4;
    expect(await failure(url)).toMatchObject({ code: 'PROTOCOL_ERROR', why: 'too-many-redirects' });
  });

  it('to another origin takes neither the secret nor the trust along', async () => {
    const seen: unknown[] = [];
    const clear = await listeners.listen(
      createServer((asked, answer) => {
        seen.push(asked.headers.authorization);
        answer.end();
      }),
    );
    const headers = { Authorization: 'Basic secret' };
    const first = await web(to(`http://web.example.test:${clear.port}/`));
    await get(first.url, { headers }, { ...CLOSED_NETWORK, allowPlaintext: true });
    expect(seen).toEqual([undefined]);
    const secure = await web((_, answer) => answer.end());
    const second = await web(to(secure.url));
    expect((await failure(second.url)).code).toBe('TLS_UNTRUSTED');
  });

  it('by 303 becomes a GET without a body; by 307 the request is repeated', async () => {
    const seen: string[] = [];
    const { url } = await web((asked, answer) => {
      let body = '';
      asked.on('data', (data) => (body += String(data)));
      asked.on('end', () => {
        seen.push(`${asked.method} ${asked.url} ${body}`);
        if (asked.url === '/303' || asked.url === '/307')
          answer.writeHead(Number(asked.url.slice(1)), { location: '/' });
        answer.end();
      });
    });
    await get(`${url}/303`, { method: 'POST', body: Buffer.from('x') });
    await get(`${url}/307`, { method: 'POST', body: Buffer.from('y') });
    expect(seen).toEqual(['POST /303 x', 'GET / ', 'POST /307 y', 'POST / y']);
  });
});

describe('a hostile web server', () => {
  it('that sends more than allowed is stopped, whether it says so or not', async () => {
    const said = await web((_, answer) => void answer.writeHead(200, { 'content-length': 10 ** 12 }).write('x'));
    const unsaid = await web((_, answer) => {
      const more = (): void => {
        while (answer.write(Buffer.alloc(16_384)));
        answer.once('drain', more);
      };
      more();
    });
    expect(await failure(said.url)).toMatchObject({ code: 'PROTOCOL_ERROR', why: 'too-large' });
    expect(await failure(unsaid.url)).toMatchObject({ code: 'PROTOCOL_ERROR', why: 'too-large' });
  });

  it('that sends a gzip bomb is stopped at the limit, in little memory', async () => {
    const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024));
    const policy = { ...CLOSED_NETWORK, maxBodyBytes: 1024 * 1024 };
    expect(bomb.length).toBeLessThan(policy.maxBodyBytes);
    const { url } = await web((_, answer) => {
      answer.setHeader('content-encoding', 'gzip');
      answer.end(bomb);
    });
    const before = process.memoryUsage.rss();
    expect(await failure(url, {}, policy)).toMatchObject({ code: 'PROTOCOL_ERROR', why: 'too-large' });
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
  });

  it.each([2, 1_000, 5_000])('that packs its answer %d times is stopped', async (layers) => {
    const { url } = await web((_, answer) => {
      answer.setHeader('content-encoding', Array.from({ length: layers }, () => 'gzip').join(','));
      answer.end(gzipSync(gzipSync('x')));
    });
    expect((await failure(url)).code).toBe('PROTOCOL_ERROR');
  });

  it.each([
    [
      'claims gzip and sends something else',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd',
    ],
    ['speaks something else', '* OK IMAP4rev1 ready\r\n'],
    ['sends endless headers', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(100_000)}\r\n`],
    ['switches protocols', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
  ])('that %s is PROTOCOL_ERROR', async (_, words) => {
    const listener = await listeners.tls(certificate, (socket) => socket.once('data', () => socket.end(words)));
    expect((await failure(`https://web.example.test:${listener.port}/`)).code).toBe('PROTOCOL_ERROR');
  });

  it.each([
    ['before it answers', ''],
    ['in the middle of the headers', 'HTTP/1.1 200 OK\r\nConte'],
    ['in the middle of the body', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc'],
  ])('that hangs up %s is CONNECT_FAILED', async (_, words) => {
    const listener = await listeners.tls(certificate, (socket) => socket.once('data', () => socket.end(words)));
    expect((await failure(`https://web.example.test:${listener.port}/`)).code).toBe('CONNECT_FAILED');
  });

  it.each([
    ['never answers', ''],
    ['drips its answer', 'HTTP/1.1 200 OK\r\n\r\n'],
  ])('that %s is TIMEOUT', async (_, words) => {
    const listener = await listeners.tls(certificate, (socket) => {
      socket.write(words);
      const drip = setInterval(() => words !== '' && socket.write('.'), 10);
      socket.on('close', () => clearInterval(drip));
    });
    const policy = { ...CLOSED_NETWORK, deadlineMs: 200 };
    expect((await failure(`https://web.example.test:${listener.port}/`, {}, policy)).code).toBe('TIMEOUT');
  });
});
