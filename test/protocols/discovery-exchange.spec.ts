import type { ConnectPolicy } from '../../src/protocols/connect.js';
import { discoverExchange, type FoundExchange } from '../../src/protocols/discovery/exchange.js';
import type { SrvRecord } from '../../src/protocols/discovery/dns.js';

const POLICY: ConnectPolicy = {
  allowPrivate: false,
  allowPlaintext: false,
  ports: [443, 8443],
  deadlineMs: 5_000,
  resolve: async (name) => (name.startsWith('inside.') ? ['10.0.0.1'] : ['9.9.9.9']),
};
const signal = new AbortController().signal;
const PATH = '/autodiscover/autodiscover.xml';

interface World {
  /** By address: a status, or where it redirects to. */
  readonly answers?: Readonly<Record<string, number | string>>;
  readonly srv?: readonly SrvRecord[];
}

async function find(
  { answers = {}, srv }: World,
  address = 'Anna@Mail.Corp.co.uk',
): Promise<{ found: FoundExchange | null; asked: string[] }> {
  const asked: string[] = [];
  const { found } = await discoverExchange(address, POLICY, signal, {
    dns: {
      mx: async () => [],
      srv: async (name) => {
        asked.push(name);
        return srv ?? Promise.reject(new Error('ENOTFOUND'));
      },
    },
    get: async (url) => {
      asked.push(url);
      const answer = answers[url];
      if (answer === undefined) throw new Error('no such web server');
      return typeof answer === 'number'
        ? { status: answer, headers: {} }
        : { status: 302, headers: { location: answer } };
    },
  });
  return { found, asked };
}

const own = `https://autodiscover.mail.corp.co.uk${PATH}`;
const clear = `http://autodiscover.mail.corp.co.uk${PATH}`;
const hosted = `https://autodiscover.hoster.example${PATH}`;
const record = (name: string, more: Partial<SrvRecord> = {}): SrvRecord => ({
  name,
  port: 443,
  priority: 0,
  weight: 0,
  ...more,
});

describe('the Exchange server of an address', () => {
  it('is the one that asks for a login where Autodiscover is', async () => {
    expect((await find({ answers: { [own]: 401 } })).found).toEqual({
      host: 'autodiscover.mail.corp.co.uk',
      port: 443,
    });
    expect((await find({ answers: { [`https://mail.corp.co.uk${PATH}`]: 401 } })).found).toEqual({
      host: 'mail.corp.co.uk',
      port: 443,
    });
  });

  it('may have nothing but the newer form of it', async () => {
    const answers = { [own]: 404, [own.replace('.xml', '.svc')]: 401 };
    expect((await find({ answers })).found).toEqual({ host: 'autodiscover.mail.corp.co.uk', port: 443 });
  });

  it('is looked for at the domain and nowhere above it, by its name alone', async () => {
    const { found, asked } = await find({});
    expect(found).toBeNull();
    expect(asked.sort()).toEqual(
      [own, clear, `https://mail.corp.co.uk${PATH}`, '_autodiscover._tcp.mail.corp.co.uk'].sort(),
    );
    expect(asked.join(' ')).not.toContain('nna');
  });

  it('may be the hoster’s, where the domain’s web server or name server points', async () => {
    const host = { host: 'autodiscover.hoster.example', port: 443 };
    expect((await find({ answers: { [clear]: hosted, [hosted]: 401 } })).found).toEqual(host);
    expect((await find({ answers: { [own]: hosted, [hosted]: 401 } })).found).toEqual(host);
    const srv = [record('second.hoster.example', { priority: 9 }), record('autodiscover.hoster.example.')];
    const second = `https://second.hoster.example${PATH}`;
    expect((await find({ srv, answers: { [hosted]: 401, [second]: 401 } })).found).toEqual(host);
    const other = { srv: [record('hoster.example', { port: 8443 })] };
    expect((await find({ ...other, answers: { [`https://hoster.example:8443${PATH}`]: 401 } })).found).toEqual({
      host: 'hoster.example',
      port: 8443,
    });
  });

  it.each<[string, World]>([
    ['a web site that answers everything', { answers: { [own]: 200, [`https://mail.corp.co.uk${PATH}`]: 404 } }],
    ['what only asks in clear', { answers: { [clear]: 401 } }],
    [
      'what leads back into the clear',
      { answers: { [own]: `http://hoster.example${PATH}`, [`http://hoster.example${PATH}`]: hosted, [hosted]: 401 } },
    ],
    [
      'another page of another server',
      { answers: { [own]: 'https://hoster.example/login', 'https://hoster.example/login': 401 } },
    ],
    ['a circle', { answers: { [own]: own } }],
    [
      'a network inside',
      { answers: { [own]: `https://inside.example${PATH}`, [`https://inside.example${PATH}`]: 401 } },
    ],
    [
      'a port that is not allowed',
      { srv: [record('hoster.example', { port: 8080 })], answers: { [`https://hoster.example:8080${PATH}`]: 401 } },
    ],
    ['a service that is not offered', { srv: [record('.')] }],
  ])('is not %s', async (_, world) => {
    expect((await find(world)).found).toBeNull();
  });

  it('needs an address', async () => {
    await expect(find({}, 'anna')).rejects.toMatchObject({ code: 'VALIDATION' });
  });
});
