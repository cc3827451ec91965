/** What a server may answer instead of what was asked: a code and a sentence for each, and no password to strangers. */
import { certificateAuthority, selfSigned } from '../../fixtures/certificates.js';
import { Listeners } from '../../fixtures/listeners.js';
import { wordsFor } from '../../../src/jobs/messages.js';
import { TransferError } from '../../../src/mailbox/transfer-error.js';
import type { EwsSource, EwsSourceOptions } from '../../../src/sources/ews/ews-source.js';
import type { Fault } from '../../servers/ews/faults.js';
import { type EwsServer, startEws } from '../../servers/ews/server.js';
import { ADDRESS, PASSWORD, sourceOn } from './ews-mailbox.js';

const signal = new AbortController().signal;
const UNKNOWN = wordsFor('UNKNOWN').message;

describe('answers that are none', () => {
  const closing: { close(): Promise<void> }[] = [];
  const listeners = new Listeners();
  const start = async (...options: Parameters<typeof startEws>): Promise<EwsServer> => {
    const server = await startEws(...options);
    server.mailbox(ADDRESS, PASSWORD);
    closing.push(server);
    return server;
  };
  const source = (server: EwsServer, more: Partial<EwsSourceOptions> = {}): EwsSource => {
    const one = sourceOn(server, { patienceMs: 0, quietMs: 500, ...more });
    closing.unshift(one);
    return one;
  };
  afterEach(async () => {
    for (const one of closing.splice(0)) await one.close();
    await listeners.closeAll();
  });

  /** The code, once it is known to have words of its own. */
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => null,
      (reason: unknown) => reason,
    );
    if (!(error instanceof TransferError)) throw new Error(`no TransferError: ${String(error)}`);
    expect(error.side).toBe('source');
    expect(wordsFor(error.code).message).not.toBe(UNKNOWN);
    expect(error.message).toMatch(/^[A-Z].*\.$/);
    expect(JSON.stringify(error)).not.toContain(PASSWORD);
    return error.code;
  };

  it.each<[string, Fault, string]>([
    ['status 500 with a page', { is: 'page-500' }, 'SERVER_BUSY'],
    ['XML that ends in the middle', { is: 'truncated-xml' }, 'PROTOCOL_ERROR'],
    ['an answer that is cut off', { is: 'cut' }, 'CONNECT_FAILED'],
    ['a DOCTYPE', { is: 'doctype' }, 'XML_FORBIDDEN'],
    ['another content type', { is: 'wrong-type' }, 'EWS_NOT_FOUND'],
    ['a web page', { is: 'page-200' }, 'EWS_NOT_FOUND'],
    ['a redirect to another host', { is: 'redirect', to: 'https://stranger.test/EWS/Exchange.asmx' }, 'EWS_REDIRECTED'],
    ['silence', { is: 'hang' }, 'TIMEOUT'],
    ['a response code of tomorrow', { is: 'unknown-code' }, 'ACCOUNT_UNAVAILABLE'],
    ['items that nobody asked for', { is: 'one-message', code: 'ErrorInternalServerError' }, 'PROTOCOL_ERROR'],
  ])('%s', async (_, fault, code) => {
    const server = await start();
    server.faults = () => fault;
    expect(await codeOf(source(server).connect(signal))).toBe(code);
  });

  it('refusals in the middle, for good', async () => {
    const server = await start();
    const from = source(server);
    await from.connect(signal);
    server.faults = () => ({ is: 'unauthorized' });
    expect(await codeOf(from.listFolders(signal))).toBe('AUTH_FAILED');
    // Once more for a moment under load, and then no more.
    expect(server.unauthorized).toBe(2);
  });

  it('a certificate nobody vouches for, one of another name, one that has expired: no password is sent', async () => {
    const authority = certificateAuthority();
    for (const [tls, trust, why] of [
      [selfSigned(['localhost']), undefined, 'self-signed'],
      [authority.issue(['other.test']), { ca: authority.cert }, 'wrong-name'],
      [authority.issue(['localhost'], -1), { ca: authority.cert }, 'expired'],
    ] as const) {
      const server = await start({ tls });
      const asked = source(server, trust === undefined ? {} : { trust }).connect(signal);
      expect(await codeOf(asked)).toBe('TLS_UNTRUSTED');
      await expect(asked).rejects.toMatchObject({ cause: { why } });
      expect(server.requests).toEqual([]);
    }
    const good = await start({ tls: authority.issue(['localhost']) });
    await expect(source(good, { trust: { ca: authority.cert } }).connect(signal)).resolves.toBeDefined();
  });

  it('an address where something else answers', async () => {
    const server = await start();
    expect(await codeOf(source(server, { url: new URL('/owa/', server.origin) }).connect(signal))).toBe(
      'EWS_NOT_FOUND',
    );
    const mail = await listeners.tcp((socket) => socket.end('* OK IMAP4rev1\r\n'));
    const imap = source(server, { url: new URL(`http://127.0.0.1:${mail.port}/EWS/Exchange.asmx`) });
    expect(await codeOf(imap.connect(signal))).toBe('PROTOCOL_ERROR');
  });

  it('an address that may not be dialled', async () => {
    const server = await start();
    const policy = { allowPrivate: false, allowPlaintext: true, ports: 'any', deadlineMs: 1_000 } as const;
    expect(await codeOf(source(server, { policy }).connect(signal))).toBe('TARGET_NOT_ALLOWED');
    expect(server.requests).toEqual([]);
  });
});

describe('a server whose web service has to be found', () => {
  const servers: EwsServer[] = [];
  const open: EwsSource[] = [];
  const start = async (path?: string): Promise<EwsServer> => {
    const server = await startEws(path === undefined ? {} : { path });
    server.mailbox(ADDRESS, PASSWORD);
    servers.push(server);
    return server;
  };
  const at = (server: EwsServer): EwsSource => {
    const one = sourceOn(server, { url: new URL(server.origin), patienceMs: 0 });
    open.push(one);
    return one;
  };
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
    for (const one of servers.splice(0)) await one.close();
  });

  it('has it at the usual place', async () => {
    const server = await start();
    await at(server).connect(signal);
    expect(server.asked).toEqual([]);
  });

  it('tells it by Autodiscover, in the old form or the new one', async () => {
    const server = await start('/somewhere/else.asmx');
    await at(server).connect(signal);
    expect(server.asked).toEqual(['/autodiscover/autodiscover.xml']);
    server.autodiscover.pox = false;
    await at(server).connect(signal);
    expect(server.asked.slice(1)).toEqual(['/autodiscover/autodiscover.xml', '/autodiscover/autodiscover.svc']);
  });

  it('may name another address, and no stranger: the password goes to nobody but the server that was named', async () => {
    const server = await start('/somewhere/else.asmx');
    const stranger = await start();
    server.autodiscover.redirectAddress = 'anna@corp.test';
    // It names the same address again and again.
    await expect(at(server).connect(signal)).rejects.toMatchObject({ code: 'EWS_NOT_FOUND' });
    server.autodiscover.redirectAddress = null;
    for (const pox of [true, false]) {
      server.autodiscover.pox = pox;
      server.autodiscover.ewsUrl = stranger.url;
      await expect(at(server).connect(signal)).rejects.toMatchObject({ code: 'EWS_REDIRECTED' });
      server.autodiscover.ewsUrl = null;
      server.autodiscover.redirectUrl = `${stranger.origin}/autodiscover/autodiscover.xml`;
      await expect(at(server).connect(signal)).rejects.toMatchObject({ code: 'EWS_REDIRECTED' });
      server.autodiscover.redirectUrl = null;
    }
    expect(stranger.asked).toEqual([]);
    expect(stranger.requests).toEqual([]);
  });

  it('may not know the address, or the password', async () => {
    const server = await start('/somewhere/else.asmx');
    server.autodiscover.error = '500';
    await expect(at(server).connect(signal)).rejects.toMatchObject({ code: 'EWS_NOT_FOUND' });
    const wrong = sourceOn(server, {
      url: new URL(server.origin),
      login: async () => ({ kind: 'password', user: ADDRESS, password: 'wrong' }),
    });
    open.push(wrong);
    await expect(wrong.connect(signal)).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  });
});
