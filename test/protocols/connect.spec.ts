import { once } from 'node:events';
import { lookup } from 'node:dns/promises';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Resolve } from '../../src/mailbox/target.js';
import { connect, type ConnectPolicy, type ConnectTarget, failWhenStuck } from '../../src/protocols/connect.js';
import { ConnectError, toTransferError } from '../../src/protocols/connect-error.js';
import { dial } from '../../src/protocols/dial.js';
import { certificateAuthority, selfSigned } from '../fixtures/certificates.js';
import { Listeners } from '../fixtures/listeners.js';

const NAME = 'mail.example.test';
const ca = certificateAuthority();
const good = ca.issue([NAME]);
const expired = ca.issue([NAME], -1);
const otherName = ca.issue(['other.example.test']);
const ownMade = selfSigned([NAME]);

const listeners = new Listeners();
afterEach(() => listeners.closeAll());

const here: Resolve = async () => ['127.0.0.1'];
const CLOSED_NETWORK: ConnectPolicy = {
  allowPrivate: true,
  allowPlaintext: false,
  ports: 'any',
  deadlineMs: 5_000,
  resolve: here,
};
const INTERNET: ConnectPolicy = { ...CLOSED_NETWORK, allowPrivate: false };
const live = (): AbortSignal => new AbortController().signal;

async function failure(target: ConnectTarget, policy = CLOSED_NETWORK, signal = live()): Promise<ConnectError> {
  const error = await connect(target, policy, signal).then(
    (connected) => {
      connected.socket.destroy();
      return new Error('it connected');
    },
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw error;
  return error;
}

describe('a blocked target', () => {
  it.each(['127.0.0.1', '127.1', '0x7f000001', '2130706433', '0177.0.0.1', 'localhost', '::1', '0'])(
    'gets no packet when it is written %s, and the answer is the same for an open and a closed port',
    async (host) => {
      const listener = await listeners.tcp((socket) => socket.end('* OK'));
      const open = await failure({ host, port: listener.port, security: 'tls' }, INTERNET);
      await listener.close();
      const closed = await failure({ host, port: listener.port, security: 'tls' }, INTERNET);
      expect(open.code).toBe('TARGET_NOT_ALLOWED');
      expect([closed.code, closed.message, closed.why]).toEqual([open.code, open.message, open.why]);
      expect(listener.connections()).toBe(0);
    },
  );

  it.each([
    [['127.0.0.1']],
    [['9.9.9.9', '127.0.0.1']],
    [['::ffff:127.0.0.1']],
    [['fe80::1%lo']],
    [['2606:4700::1111%lo']],
  ])('is not dialled when a public name resolves to %j', async (addresses) => {
    const listener = await listeners.tcp(() => undefined);
    const policy = { ...INTERNET, resolve: async () => addresses };
    const error = await failure({ host: NAME, port: listener.port, security: 'starttls' }, policy);
    expect(error.code).toBe('TARGET_NOT_ALLOWED');
    expect(listener.connections()).toBe(0);
  });

  it('is found out at each connect anew, when a name that was fine points elsewhere a moment later', async () => {
    const listener = await listeners.tcp(() => undefined);
    const answers = [['127.0.0.1'], ['10.0.0.1']];
    const policy = { ...INTERNET, allowedRanges: ['127.0.0.0/8'], resolve: async () => answers.shift() ?? [] };
    const target = { host: NAME, port: listener.port, security: 'starttls' } as const;
    const first = await connect(target, policy, live());
    first.socket.destroy();
    expect((await failure(target, policy)).code).toBe('TARGET_NOT_ALLOWED');
  });

  it('is refused by its port before a name server is asked', async () => {
    const resolve: Resolve = () => Promise.reject(new Error('asked'));
    const policy = { ...INTERNET, ports: [993], resolve };
    expect((await failure({ host: NAME, port: 25, security: 'tls' }, policy)).code).toBe('PORT_NOT_ALLOWED');
  });

  it('needs encryption unless the operator allows none', async () => {
    const listener = await listeners.tcp(() => undefined);
    const target = { host: NAME, port: listener.port, security: 'none' } as const;
    expect((await failure(target)).code).toBe('TLS_REQUIRED');
    expect(listener.connections()).toBe(0);
    const connected = await connect(target, { ...CLOSED_NETWORK, allowPlaintext: true }, live());
    expect(connected.secure).toBe(false);
    connected.socket.destroy();
  });
});

describe('a host that is not there', () => {
  it('is HOST_NOT_FOUND when no name server knows it', async () => {
    const resolve: Resolve = async (name) => (await lookup(name, { all: true })).map(({ address }) => address);
    const error = await failure({ host: 'nothing.invalid', port: 993, security: 'tls' }, { ...INTERNET, resolve });
    expect(error.code).toBe('HOST_NOT_FOUND');
  });

  it('is CONNECT_FAILED when the port is closed', async () => {
    const listener = await listeners.tcp(() => undefined);
    await listener.close();
    const error = await failure({ host: NAME, port: listener.port, security: 'tls' });
    expect([error.code, error.why]).toEqual(['CONNECT_FAILED', 'refused']);
  });

  it('is TIMEOUT when the name server is silent', async () => {
    const resolve: Resolve = () => new Promise(() => undefined);
    const error = await failure({ host: NAME, port: 993, security: 'tls' }, { ...INTERNET, resolve, deadlineMs: 50 });
    expect(error.code).toBe('TIMEOUT');
  });

  it('is reached at its second address when the first is dead', async () => {
    const listener = await listeners.tcp((socket) => socket.write('hello'));
    const policy = { ...CLOSED_NETWORK, resolve: async () => ['127.0.0.9', '::1', '127.0.0.1'] };
    const connected = await connect({ host: NAME, port: listener.port, security: 'starttls' }, policy, live());
    expect(connected.address).toBe('127.0.0.1');
    connected.socket.destroy();
  });
});

describe('a certificate', () => {
  const serve = async (certificate: { cert: string; key: string }): Promise<{ port: number; heard: Buffer[] }> => {
    const heard: Buffer[] = [];
    const listener = await listeners.tls(certificate, (socket) =>
      socket.on('data', (data: Buffer) => heard.push(data)),
    );
    return { port: listener.port, heard };
  };

  it('that is in order is accepted, and the name is sent as SNI to the checked address', async () => {
    let sni: unknown;
    const listener = await listeners.tls({
      ...good,
      SNICallback: (name, done) => {
        sni = name;
        done(null, createSecureContext(good));
      },
    });
    const target = { host: NAME, port: listener.port, security: 'tls', ca: ca.cert } as const;
    const connected = await connect(target, CLOSED_NETWORK, live());
    expect(connected.secure).toBe(true);
    expect(sni).toBe(NAME);
    expect(connected.address).toBe('127.0.0.1');
    connected.socket.destroy();
  });

  it.each([
    ['made by the server itself', ownMade, 'self-signed'],
    ['that has expired', expired, 'expired'],
    ['for another name', otherName, 'wrong-name'],
  ])('%s is TLS_UNTRUSTED, with what was shown, and nothing is sent', async (_, certificate, why) => {
    const { port, heard } = await serve(certificate);
    const error = await failure({ host: NAME, port, security: 'tls', ca: ca.cert });
    expect([error.code, error.why]).toEqual(['TLS_UNTRUSTED', why]);
    expect(error.certificate?.fingerprint).toBe(certificate.fingerprint);
    expect(error.certificate?.subject).toContain('CN=');
    expect(error.certificate?.validTo).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(heard).toEqual([]);
  });

  it('of an authority nobody knows is TLS_UNTRUSTED', async () => {
    const { port } = await serve(good);
    const error = await failure({ host: NAME, port, security: 'tls' });
    expect([error.code, error.why]).toEqual(['TLS_UNTRUSTED', 'unknown-issuer']);
  });

  it('must name the address when the host is one', async () => {
    const { port } = await serve(good);
    const named = await serve(ca.issue(['127.0.0.1']));
    const error = await failure({ host: '127.0.0.1', port, security: 'tls', ca: ca.cert });
    expect(error.why).toBe('wrong-name');
    const target = { host: '127.0.0.1', port: named.port, security: 'tls', ca: ca.cert } as const;
    (await connect(target, CLOSED_NETWORK, live())).socket.destroy();
  });

  it('that was pinned is accepted although it cannot be checked, however the fingerprint is written', async () => {
    const { port } = await serve(ownMade);
    const written = ownMade.fingerprint.toUpperCase().replace(/..(?=.)/g, '$&:');
    for (const caFingerprint of [ownMade.fingerprint, written]) {
      const target = { host: 'elsewhere.example.test', port, security: 'tls', caFingerprint } as const;
      const connected = await connect(target, CLOSED_NETWORK, live());
      expect(connected.secure).toBe(true);
      connected.socket.destroy();
    }
  });

  it('that changed since it was pinned stops the connection, even when the new one is in order', async () => {
    const { port, heard } = await serve(good);
    const target = { host: NAME, port, security: 'tls', ca: ca.cert, caFingerprint: ownMade.fingerprint } as const;
    const error = await failure(target);
    expect([error.code, error.why]).toEqual(['TLS_UNTRUSTED', 'changed']);
    expect(error.certificate?.fingerprint).toBe(good.fingerprint);
    expect(heard).toEqual([]);
  });

  it('is not even asked for when the server only knows TLS 1.1', async () => {
    const old = { ...good, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const listener = await listeners.tls(old);
    const error = await failure({ host: NAME, port: listener.port, security: 'tls', ca: ca.cert });
    expect([error.code, error.why]).toEqual(['TLS_UNTRUSTED', 'tls-too-old']);
  });
});

describe('a hostile server', () => {
  const target = (port: number): ConnectTarget => ({ host: NAME, port, security: 'tls', ca: ca.cert });
  const hurried = { ...CLOSED_NETWORK, deadlineMs: 150 };

  it('that never answers the handshake is TIMEOUT', async () => {
    const listener = await listeners.tcp(() => undefined);
    expect((await failure(target(listener.port), hurried)).code).toBe('TIMEOUT');
  });

  it('that drips bytes for ever is TIMEOUT: the deadline is on the whole attempt', async () => {
    const listener = await listeners.tcp((socket) => {
      // The head of a TLS record of 16 KiB, and then its body a byte at a time.
      socket.write(Buffer.from([0x16, 0x03, 0x03, 0x40, 0x00, 0x02, 0x00, 0x3f, 0xfc]));
      const drip = setInterval(() => socket.write(Buffer.from([0])), 10);
      socket.on('close', () => clearInterval(drip));
    });
    expect((await failure(target(listener.port), hurried)).code).toBe('TIMEOUT');
  });

  it.each([
    ['at once', (socket: Socket) => socket.resetAndDestroy()],
    ['after the first bytes of the handshake', (socket: Socket) => socket.once('data', () => socket.resetAndDestroy())],
    ['politely in the middle of the handshake', (socket: Socket) => socket.once('data', () => socket.end())],
  ])('that hangs up %s is CONNECT_FAILED', async (_, hangUp) => {
    const listener = await listeners.tcp((socket) => void hangUp(socket));
    const error = await failure(target(listener.port));
    expect([error.code, error.why]).toEqual(['CONNECT_FAILED', 'closed']);
  });

  it('that greets in clear where TLS was expected is CONNECT_FAILED, and told apart', async () => {
    const listener = await listeners.tcp((socket) => socket.write('* OK IMAP4rev1 ready\r\n'));
    const error = await failure(target(listener.port));
    expect([error.code, error.why]).toEqual(['CONNECT_FAILED', 'not-tls']);
  });

  it('leaves no connection behind when the caller gives up while it is dialled', async () => {
    const arrived = new Map<number | undefined, Promise<unknown>>();
    const listener = await listeners.tcp((socket) => arrived.set(socket.remotePort, once(socket.resume(), 'close')));
    const caller = new AbortController();
    const attempt = dial(['127.0.0.1'], listener.port, caller.signal);
    caller.abort(new Error('cancelled by the owner'));
    await expect(attempt).rejects.toThrow('cancelled by the owner');
    // Connections arrive in the order they were made: once the second is there, so is what is left of the first.
    const second = await dial(['127.0.0.1'], listener.port, live());
    while (!arrived.has(second.localPort)) await new Promise((resolve) => setTimeout(resolve, 5));
    second.destroy();
    await Promise.all(arrived.values());
  });

  it('leaves no connection behind when the caller gives up', async () => {
    const closed: Promise<unknown>[] = [];
    const listener = await listeners.tcp((socket) => closed.push(once(socket.resume(), 'close')));
    const caller = new AbortController();
    const attempt = connect(target(listener.port), CLOSED_NETWORK, caller.signal);
    attempt.catch(() => undefined);
    while (listener.connections() === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    caller.abort(new Error('cancelled by the owner'));
    await expect(attempt).rejects.toThrow('cancelled by the owner');
    await Promise.all(closed);
  });
});

describe('STARTTLS', () => {
  /** Answers the first line and then does TLS, as a server would. */
  const server = (answer: string, then: (socket: Socket) => void): Promise<{ port: number }> =>
    listeners.tcp((socket) => {
      socket.write('* OK\r\n');
      socket.once('data', () => {
        socket.write(answer, () => then(socket));
      });
    });
  const secureServer = (socket: Socket): void => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(good) });
    secure.on('error', () => undefined);
    secure.once('secure', () => secure.write('hello inside'));
  };

  const started = async (port: number): Promise<Awaited<ReturnType<typeof connect>>> => {
    const target = { host: NAME, port, security: 'starttls', ca: ca.cert } as const;
    const connected = await connect(target, CLOSED_NETWORK, live());
    await line(connected.socket);
    connected.socket.write('a STARTTLS\r\n');
    return connected;
  };
  const line = async (socket: Socket): Promise<Buffer> => {
    const arrived = once(socket, 'data');
    socket.resume();
    const [data] = (await arrived) as [Buffer];
    socket.pause();
    return data;
  };

  it('gives a checked, encrypted socket', async () => {
    const { port } = await server('a OK\r\n', secureServer);
    const connected = await started(port);
    await line(connected.socket);
    const secure = await connected.upgrade(live());
    expect(String(await line(secure))).toBe('hello inside');
    secure.destroy();
  });

  it('refuses bytes that the reader got together with the agreement', async () => {
    const { port } = await server('a OK\r\n* OK injected\r\n', secureServer);
    const connected = await started(port);
    const data = await line(connected.socket);
    const unread = data.subarray(data.indexOf('\r\n') + 2);
    await expect(connected.upgrade(live(), unread)).rejects.toMatchObject({
      code: 'PROTOCOL_ERROR',
      why: 'plaintext-injected',
    });
    expect(connected.socket.destroyed).toBe(true);
  });

  it('refuses bytes that came after the reader stopped', async () => {
    let sendMore: () => void = () => undefined;
    const { port } = await server('a OK\r\n', (socket) => {
      sendMore = () => socket.write('* OK injected\r\n');
    });
    const connected = await started(port);
    await line(connected.socket);
    sendMore();
    while (connected.socket.readableLength === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(connected.upgrade(live())).rejects.toMatchObject({ code: 'PROTOCOL_ERROR' });
  });

  it('fails when plaintext comes in place of the handshake', async () => {
    const { port } = await server('a OK\r\n', (socket) => socket.once('data', () => socket.write('* OK injected\r\n')));
    const connected = await started(port);
    await line(connected.socket);
    await expect(connected.upgrade(live())).rejects.toMatchObject({ code: 'CONNECT_FAILED', why: 'not-tls' });
    expect(connected.socket.destroyed).toBe(true);
  });

  it('checks the certificate, also for a client that takes its socket at once', async () => {
    const { port } = await server('a OK\r\n', (socket) => {
      const secure = new TLSSocket(socket, { isServer: true, secureContext: createSecureContext(ownMade) });
      secure.on('error', () => undefined);
    });
    const connected = await started(port);
    await line(connected.socket);
    let secured = false;
    const secure = connected.upgradeNow(() => (secured = true));
    const [error] = (await once(secure, 'error')) as [ConnectError];
    expect(error).toMatchObject({ code: 'TLS_UNTRUSTED', why: 'self-signed' });
    expect(secured).toBe(false);
    await once(connected.socket, 'close').catch(() => undefined);
    expect(connected.socket.destroyed).toBe(true);
  });
});

describe('a connection that stands still', () => {
  it('is closed with TIMEOUT, and one that trickles is not', async () => {
    let talk = true;
    const listener = await listeners.tls(good, (socket) => {
      const drip = setInterval(() => talk && socket.write('.'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const target = { host: NAME, port: listener.port, security: 'tls', ca: ca.cert } as const;
    const { socket } = await connect(target, CLOSED_NETWORK, live());
    failWhenStuck(socket, 1_000);
    const ended = new Promise((resolve) => socket.once('close', resolve));
    let heard = 0;
    let error: unknown;
    socket.on('error', (reason) => (error = reason));
    await new Promise<void>((resolve) => socket.on('data', (data: Buffer) => (heard += data.length) > 30 && resolve()));
    expect(socket.destroyed).toBe(false);
    talk = false;
    await ended;
    expect(error).toMatchObject({ code: 'TIMEOUT' });
  });
});

it('as a transfer error it says whether a person must act', () => {
  const pinned = toTransferError(new ConnectError('TLS_UNTRUSTED', 'x'), 'source');
  const slow = toTransferError(new ConnectError('TIMEOUT', 'x'), 'destination');
  expect([pinned.side, pinned.scope, pinned.retry, pinned.code]).toEqual([
    'source',
    'account',
    'user',
    'TLS_UNTRUSTED',
  ]);
  expect([slow.side, slow.scope, slow.retry, slow.code]).toEqual(['destination', 'connection', 'later', 'TIMEOUT']);
});
