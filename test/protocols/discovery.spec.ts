import { createServer as createSecureServer } from 'node:https';
import type { ConnectPolicy } from '../../src/protocols/connect.js';
import { type Discovery, discover, type DiscoveryTools } from '../../src/protocols/discovery/discover.js';
import type { SrvRecord } from '../../src/protocols/discovery/dns.js';
import { greetsAsImap } from '../../src/protocols/discovery/greeting.js';
import { type HttpPolicy, request } from '../../src/protocols/http/client.js';
import { certificateAuthority } from '../fixtures/certificates.js';
import { Listeners } from '../fixtures/listeners.js';

const INTERNET: ConnectPolicy = {
  allowPrivate: false,
  allowPlaintext: false,
  ports: [143, 993, 443, 8443],
  deadlineMs: 5_000,
  resolve: async (name) => {
    if (name.startsWith('inside.')) return ['10.0.0.1'];
    if (name.startsWith('nowhere.')) throw new Error('ENOTFOUND');
    return ['9.9.9.9'];
  },
};

const server = (host: string, port = 993, socket = 'SSL', type = 'imap', username = '%EMAILADDRESS%'): string =>
  `<incomingServer type="${type}"><hostname>${host}</hostname><port>${port}</port><socketType>${socket}</socketType>
   <username>${username}</username><authentication>password-cleartext</authentication></incomingServer>`;
const config = (...servers: string[]): string =>
  `<?xml version="1.0"?><clientConfig version="1.1"><emailProvider id="x"><domain>x</domain>${servers.join('')}
   <outgoingServer type="smtp"><hostname>smtp.example.test</hostname></outgoingServer></emailProvider></clientConfig>`;

interface World {
  /** Documents by the start of their address. */
  documents?: Record<string, string>;
  srv?: Record<string, SrvRecord[]>;
  mx?: string[];
  greeting?: string[];
}

function tools(world: World, asked: string[] = []): DiscoveryTools {
  return {
    dns: {
      srv: async (name) => world.srv?.[name] ?? Promise.reject(new Error('ENOTFOUND')),
      txt: async () => [],
      mx: async () => world.mx ?? Promise.reject(new Error('ENODATA')),
    },
    get: async (url) => {
      asked.push(url);
      const document = Object.entries(world.documents ?? {}).find(([start]) => url.startsWith(start))?.[1];
      if (document === undefined) throw new Error('no such web server');
      return { status: 200, headers: {}, body: Buffer.from(document), url };
    },
    greets: async ({ host }) => {
      asked.push(host);
      return world.greeting?.includes(host) ?? false;
    },
  };
}

function find(world: World, address = 'Anna.B+x@Example.test', policy = INTERNET): Promise<Discovery> {
  return discover(address, policy, new AbortController().signal, { tools: tools(world) });
}
const record = (name: string, more: Partial<SrvRecord> = {}): SrvRecord => ({
  name,
  port: 993,
  priority: 0,
  weight: 0,
  ...more,
});
const AUTOCONFIG = 'https://autoconfig.example.test/mail/config-v1.1.xml';
const WELL_KNOWN = 'https://example.test/.well-known/autoconfig/mail/config-v1.1.xml';

describe('the settings of an address', () => {
  it('are found in the autoconfig of its domain', async () => {
    const { found, domain } = await find({ documents: { [AUTOCONFIG]: config(server('imap.example.test')) } });
    expect(domain).toBe('example.test');
    expect(found).toEqual({
      host: 'imap.example.test',
      port: 993,
      security: 'tls',
      username: 'Anna.B+x@example.test',
      by: 'autoconfig',
    });
  });

  it('are taken in the order the document wants, encrypted IMAP only', async () => {
    const document = config(
      server('pop.example.test', 995, 'SSL', 'pop3'),
      server('clear.example.test', 143, 'plain'),
      server('imap.example.test', 143, 'STARTTLS', 'imap', '%EMAILLOCALPART%'),
      server('second.example.test'),
    );
    const { found } = await find({ documents: { [WELL_KNOWN]: document } });
    expect(found).toMatchObject({ host: 'imap.example.test', port: 143, security: 'starttls', username: 'Anna.B+x' });
  });

  it('are found by SRV, with TLS from the start before STARTTLS, the lowest priority first', async () => {
    const srv = {
      '_imap._tcp.example.test': [record('starttls.example.test', { port: 143 })],
      '_imaps._tcp.example.test': [record('later.example.test', { priority: 9 }), record('first.example.test.')],
    };
    expect((await find({ srv })).found).toMatchObject({ host: 'first.example.test', security: 'tls', by: 'srv' });
    const none = { ...srv, '_imaps._tcp.example.test': [record('.')] };
    expect((await find({ srv: none })).found).toMatchObject({ host: 'starttls.example.test', security: 'starttls' });
  });

  it('are guessed only where a server greets, and only when nothing else is known', async () => {
    const world = { mx: ['mx.example.test'], greeting: ['mail.example.test', 'mx.example.test'] };
    expect((await find(world)).found).toMatchObject({ host: 'mail.example.test', port: 993, by: 'mx' });
    const asked: string[] = [];
    const known = { ...world, documents: { [AUTOCONFIG]: config(server('imap.example.test')) } };
    await discover('anna@example.test', INTERNET, new AbortController().signal, { tools: tools(known, asked) });
    expect(asked.filter((name) => !name.startsWith('https:'))).toEqual([]);
  });

  it('are not guessed when the MX hosts belong to a provider we know', async () => {
    const asked: string[] = [];
    const world = { mx: ['mx.known.test'], greeting: ['mail.example.test'] };
    const options = { tools: tools(world, asked), isKnownMx: (mx: readonly string[]) => mx.includes('mx.known.test') };
    const { found, mx } = await discover('a@example.test', INTERNET, new AbortController().signal, options);
    expect([found, mx]).toEqual([null, ['mx.known.test']]);
    expect(asked).not.toContain('mail.example.test');
  });

  it('are not found when everything is silent past the deadline, and the MX hosts are told all the same', async () => {
    const silent: Partial<DiscoveryTools> = {
      ...tools({ mx: ['mx.example.net'] }),
      get: () => new Promise(() => undefined),
    };
    const policy = { ...INTERNET, deadlineMs: 50 };
    const result = await discover('a@example.test', policy, new AbortController().signal, { tools: silent });
    expect(result).toEqual({ domain: 'example.test', mx: ['mx.example.net'], found: null });
  });

  it('are no longer looked for when the caller gives up', async () => {
    const caller = new AbortController();
    const silent: Partial<DiscoveryTools> = { ...tools({}), get: () => new Promise(() => undefined) };
    const looking = discover('a@example.test', INTERNET, caller.signal, { tools: silent });
    caller.abort(new Error('cancelled'));
    await expect(looking).rejects.toThrow('cancelled');
  });

  it('are not found where there is nothing, but the MX hosts are told', async () => {
    expect(await find({ mx: ['MX.example.net.', '.'] })).toEqual({
      domain: 'example.test',
      mx: ['mx.example.net'],
      found: null,
    });
  });

  it.each(['anna', '@example.test', 'anna@', 'anna@localhost', 'anna@127.0.0.1', 'anna@[::1]', 'a b@example.test'])(
    'are not looked for when %j is no address',
    async (address) => expect(find({}, address)).rejects.toMatchObject({ code: 'VALIDATION' }),
  );

  it('are looked for over https at the domain alone, with the address and nothing else', async () => {
    const asked: string[] = [];
    await discover('anna@bücher.test', INTERNET, new AbortController().signal, { tools: tools({}, asked) });
    const urls = asked.filter((name) => name.startsWith('https:')).sort();
    expect(urls).toEqual([
      'https://autoconfig.xn--bcher-kva.test/mail/config-v1.1.xml?emailaddress=anna%40xn--bcher-kva.test',
      'https://xn--bcher-kva.test/.well-known/autoconfig/mail/config-v1.1.xml',
    ]);
  });
});

describe('settings that may not be dialled', () => {
  it.each(['127.0.0.1', '0x7f.1', '[::1]', 'localhost', 'inside.example.test', 'nowhere.example.test', 'a b', ''])(
    'are passed over when the host is %j',
    async (host) => {
      const documents = { [AUTOCONFIG]: config(server(host), server('good.example.test')) };
      expect((await find({ documents })).found?.host).toBe('good.example.test');
      const srv = { '_imaps._tcp.example.test': [record(host), record('good.example.test', { priority: 1 })] };
      expect((await find({ srv })).found?.host).toBe('good.example.test');
    },
  );

  it.each([22, 25, 6379, 0, 99_999])('are passed over when the port is %d', async (port) => {
    const documents = { [AUTOCONFIG]: config(server('imap.example.test', port)) };
    expect((await find({ documents })).found).toBeNull();
  });

  it('are not even knocked at', async () => {
    const asked: string[] = [];
    const policy = { ...INTERNET, resolve: async () => ['192.168.0.1'] };
    const world = { mx: ['mx.example.test'], greeting: ['mx.example.test'] };
    const { found } = await discover('a@example.test', policy, new AbortController().signal, {
      tools: tools(world, asked),
    });
    expect(found).toBeNull();
    expect(asked.filter((name) => !name.startsWith('https:'))).toEqual([]);
  });
});

describe('a hostile autoconfig', () => {
  it.each([
    ['a DOCTYPE', config(server('evil.example.test')).replace('<clientConfig', '<!DOCTYPE x><clientConfig')],
    ['no XML', '<html><p>welcome'],
    ['another document', '<feed/>'],
    ['far too many servers', config(...Array.from({ length: 500 }, () => server('evil.example.test')))],
  ])('with %s is passed over', async (_, document) => {
    const srv = { '_imaps._tcp.example.test': [record('good.example.test')] };
    expect((await find({ documents: { [AUTOCONFIG]: document }, srv })).found?.host).toBe('good.example.test');
  });

  it('cannot put control characters or placeholders into the user name', async () => {
    for (const username of ['a\r\nb', '%REALNAME%', 'x'.repeat(400), '']) {
      const documents = { [AUTOCONFIG]: config(server('imap.example.test', 993, 'SSL', 'imap', username)) };
      expect((await find({ documents })).found?.username).toBe('Anna.B+x@example.test');
    }
  });

  it('that never answers does not stop the rest from being found', async () => {
    const world = tools({ srv: { '_imaps._tcp.example.test': [record('good.example.test')] } });
    const slow: DiscoveryTools = {
      ...world,
      get: (_, signal) =>
        new Promise((_resolve, reject) => {
          const late = setTimeout(() => reject(new Error('late')), 100);
          signal.addEventListener('abort', () => clearTimeout(late));
        }),
    };
    const { found } = await discover('a@example.test', INTERNET, new AbortController().signal, { tools: slow });
    expect(found?.host).toBe('good.example.test');
  });
});

describe('over real servers', () => {
  const ca = certificateAuthority();
  const listeners = new Listeners();
  afterEach(() => listeners.closeAll());
  const policy: HttpPolicy = {
    ...INTERNET,
    allowPrivate: true,
    ports: 'any',
    maxBodyBytes: 128 * 1024,
    deadlineMs: 5_000,
    resolve: async () => ['127.0.0.1'],
  };
  const live = (): AbortSignal => new AbortController().signal;

  it.each([
    ['with a certificate for its name', 'autoconfig.example.test', 'imap.example.test'],
    ['with a certificate for another name', 'other.example.test', undefined],
  ])('a document of a web server %s (%s) gives the host %s', async (_, certified, host) => {
    const heard: string[] = [];
    const web = await listeners.listen(
      createSecureServer(ca.issue([certified]), (asked, answer) => {
        heard.push(asked.url ?? '');
        answer.end(config(server('imap.example.test')));
      }),
    );
    const withRealWeb: DiscoveryTools = {
      ...tools({}),
      get: (url, signal) =>
        request({ url: url.replace('.test/', `.test:${web.port}/`), trust: { ca: ca.cert } }, policy, signal),
    };
    const { found } = await discover('a@example.test', policy, live(), { tools: withRealWeb });
    expect(found?.host).toBe(host);
    if (host === undefined) expect(heard).toEqual([]);
  });

  it.each([
    ['an IMAP server', '* OK ready\r\n', true],
    ['an SMTP server', '220 ready\r\n', false],
    ['a signed-in session nobody asked for', '* PREAUTH hello\r\n', false],
    ['an endless line', 'x'.repeat(100_000), false],
  ])('%s is told by its greeting', async (_, greeting, imap) => {
    const listener = await listeners.tls(ca.issue(['mail.example.test']), (socket) => socket.write(greeting));
    const target = { host: 'mail.example.test', port: listener.port, security: 'tls', ca: ca.cert } as const;
    expect(await greetsAsImap(target, policy, live())).toBe(imap);
  });

  it('a server that never greets is TIMEOUT', async () => {
    const listener = await listeners.tls(ca.issue(['mail.example.test']));
    const target = { host: 'mail.example.test', port: listener.port, security: 'tls', ca: ca.cert } as const;
    await expect(greetsAsImap(target, { ...policy, deadlineMs: 150 }, live())).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
  });
});
