import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { TransferError } from '../../../src/mailbox/transfer-error.js';
import { lookUpService } from '../../../src/protocols/dav/discover.js';
import { normalPath } from '../../../src/protocols/dav/hrefs.js';
import { mayReceiveLogin } from '../../../src/protocols/login-scope.js';
import { DavSource, type DavSourceOptions } from '../../../src/sources/dav/dav-source.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { POLICY } from '../../contracts/closed-network.js';
import { collect } from '../../contracts/messages.js';
import { event } from '../../contracts/objects.js';
import { Listeners } from '../../fixtures/listeners.js';

const listeners = new Listeners();
const sources: DavSource[] = [];
const signal = new AbortController().signal;
afterEach(async () => {
  for (const source of sources.splice(0)) await source.close();
  await listeners.closeAll();
});

const NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"';
const multistatus = (inner: string): string => `<?xml version="1.0"?><D:multistatus ${NS}>${inner}</D:multistatus>`;
const response = (href: string, props: string): string =>
  `<D:response><D:href>${href}</D:href><D:propstat><D:prop>${props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`;
const HOME = '<C:calendar-home-set><D:href>/home/</D:href></C:calendar-home-set>';
const CALENDAR =
  '<D:resourcetype><D:collection/><C:calendar/></D:resourcetype><D:displayname>Work</D:displayname><C:supported-calendar-component-set><C:comp name="VEVENT"/></C:supported-calendar-component-set>';
const listed = (name: string, bytes = 400): string =>
  response(name, `<D:getetag>"1"</D:getetag><D:getcontentlength>${bytes}</D:getcontentlength>`);

/** A calendar server with one calendar; `odd` answers first, where it wants to. */
async function server(
  odd: (asked: IncomingMessage, answer: ServerResponse, body: string) => boolean = () => false,
  objects: readonly string[] = ['/home/work/a.ics'],
): Promise<DavSource> {
  const listener: RequestListener = (asked, answer) => {
    const parts: Buffer[] = [];
    asked.on('data', (part: Buffer) => parts.push(part));
    asked.on('end', () => {
      const body = Buffer.concat(parts).toString();
      if (odd(asked, answer, body)) return;
      const xml = (inner: string): void => {
        answer.writeHead(207, { 'content-type': 'application/xml' });
        answer.end(multistatus(inner));
      };
      if (asked.url === '/dav/') return xml(response('/dav/', HOME));
      if (asked.url === '/home/') return xml(response('/home/work/', CALENDAR));
      if (body.includes('calendar-query')) return xml(objects.map((name) => listed(name)).join(''));
      if (body.includes('calendar-multiget'))
        return xml(
          [...body.matchAll(/<D:href>([^<]+)/g)]
            .map(([, href]) =>
              response(href!, `<D:getetag>"1"</D:getetag><C:calendar-data>${event(1)}</C:calendar-data>`),
            )
            .join(''),
        );
      if (asked.method === 'GET') return void answer.end(event(1));
      answer.writeHead(404);
      answer.end();
    });
  };
  const { port } = await listeners.listen(createServer(listener));
  const url = new URL(`http://127.0.0.1:${port}/dav/`);
  const options: DavSourceOptions = {
    urls: { caldav: url },
    login: async () => ({ kind: 'password', user: 'alice', password: 'secret' }),
    policy: POLICY,
    owner: 'alice',
  };
  const source = new DavSource(options);
  made.set(source, options);
  sources.push(source);
  return source;
}

const made = new WeakMap<DavSource, DavSourceOptions>();
const options = (source: DavSource): DavSourceOptions => made.get(source)!;

async function failure(work: Promise<unknown>): Promise<Pick<TransferError, 'code' | 'scope'>> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason as TransferError,
  );
  return { code: error?.code ?? 'none', scope: error?.scope ?? 'item' };
}

async function readAll(source: DavSource): Promise<Record<string, number>> {
  const [folder] = await source.listFolders(signal);
  const items = (await collect(source.scan(folder!, null, signal))).flatMap((page) => page.items);
  const outcomes: Record<string, number> = {};
  for await (const outcome of source.read(folder!, items, new BodyStaging(), signal)) {
    const name = outcome.is === 'unreadable' ? outcome.error.code : outcome.is;
    outcomes[name] = (outcomes[name] ?? 0) + 1;
    if (outcome.is === 'staged') await outcome.item.body.release();
  }
  return outcomes;
}

describe('a calendar server that means harm', () => {
  it.each([
    ['a DOCTYPE', '<!DOCTYPE a><a/>'],
    ['a billion laughs', '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;">]><a>&m;</a>'],
    ['an external entity', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'],
  ])('%s ends it and is not read', async (_, document) => {
    const source = await server((_asked, answer) => {
      answer.writeHead(207);
      answer.end(document);
      return true;
    });
    expect(await failure(source.connect(signal))).toEqual({ code: 'XML_FORBIDDEN', scope: 'account' });
  });

  it('does not send the login after a redirect to a stranger, and asks no such server', async () => {
    const stranger: string[] = [];
    const { port } = await listeners.listen(
      createServer((asked, answer) => {
        stranger.push(`${asked.url} ${asked.headers.authorization}`);
        answer.end();
      }),
    );
    const source = await server((_asked, answer) => {
      answer.writeHead(301, { location: `http://127.0.0.1:${port}/dav/` });
      answer.end();
      return true;
    });
    expect(await failure(source.connect(signal))).toEqual({ code: 'DAV_NOT_FOUND', scope: 'account' });
    expect(stranger).toEqual([]);
  });

  it('does not follow a redirect to a neighbour whose name leads into a private network', async () => {
    const asked: string[] = [];
    const source = await server((request, answer) => {
      asked.push(request.url ?? '');
      answer.writeHead(301, { location: `http://private.example.org:${String(request.socket.localPort)}/dav/` });
      answer.end();
      return true;
    });
    const { port } = options(source).urls.caldav!;
    const guarded = new DavSource({
      ...options(source),
      urls: { caldav: new URL(`http://dav.example.org:${port}/dav/`) },
      policy: {
        ...POLICY,
        allowPrivate: false,
        allowedRanges: ['127.0.0.1/32'],
        resolve: async (name) => (name === 'dav.example.org' ? ['127.0.0.1'] : ['10.0.0.1']),
      },
    });
    sources.push(guarded);
    expect(await failure(guarded.connect(signal))).toMatchObject({ code: 'TARGET_NOT_ALLOWED' });
    expect(asked).toEqual(['/dav/']);
  });

  it('does not believe an href outside the collection, or on another server', async () => {
    const source = await server(undefined, [
      '/home/work/a.ics',
      '/home/other/b.ics',
      '/home/work/../../etc/passwd',
      'http://127.0.0.1:1/home/work/c.ics',
      '/home/work/deeper/d.ics',
    ]);
    expect(await readAll(source)).toEqual({ staged: 1 });
  });

  it('reads again what may have been cut, and names it when it stays so', async () => {
    let [cut, asks] = [1, 0];
    const source = await server((asked, answer, body) => {
      if (body.includes('multiget')) return answer.writeHead(501).end() !== undefined;
      if (asked.method !== 'GET') return false;
      asks++;
      const whole = String(event(1));
      // The end of the connection is the end of the answer, as in HTTP/1.0: nothing tells the one from the other.
      asked.socket.end(
        `HTTP/1.0 200 OK\r\nContent-Type: text/calendar\r\n\r\n${asks <= cut ? whole.slice(0, whole.length / 2) : whole}`,
      );
      return true;
    });
    expect(await readAll(source)).toEqual({ staged: 1 });
    expect(asks).toBe(2);
    [cut, asks] = [100, 0];
    expect(await readAll(source)).toEqual({ NOT_GIVEN: 1 });
    // What says its length is what the server has, however it ends.
    const broken = await server(
      (asked, answer) => asked.method === 'GET' && answer.end('BEGIN:VCALENDAR') !== undefined,
    );
    expect(await readAll(broken)).toEqual({ staged: 1 });
  });

  it('names an event of 100 MB as too large and reads the others', async () => {
    const big = '/home/work/big.ics';
    const source = await server(
      (asked, answer, body) => {
        const wants = body.includes(big) && body.includes('multiget');
        if (!wants && asked.url !== big) return false;
        if (wants) answer.writeHead(207);
        const chunk = Buffer.alloc(1024 * 1024, 'x');
        let left = 100;
        const more = (): void => {
          while (left-- > 0) if (!answer.write(chunk)) return void answer.once('drain', more);
          answer.end();
        };
        if (wants) answer.write(`<D:multistatus ${NS}><D:response><D:href>${big}</D:href>`);
        more();
        return true;
      },
      ['/home/work/a.ics', big, '/home/work/c.ics'],
    );
    expect(await readAll(source)).toEqual({ staged: 2, MESSAGE_TOO_LARGE: 1 });
  });

  it('holds no more of an answer than was to be expected, and nothing that it did not ask for', async () => {
    const asked: string[] = [];
    const names = ['/home/work/a.ics', '/home/work/b.ics'];
    const data = (href: string, bytes: number): string =>
      response(href, `<D:getetag>"1"</D:getetag><C:calendar-data>${'x'.repeat(bytes)}</C:calendar-data>`);
    let body = '';
    const source = await server((request, answer, question) => {
      if (request.method === 'GET') asked.push(request.url!);
      if (!question.includes('multiget')) return false;
      answer.writeHead(207, { 'content-type': 'application/xml' });
      answer.end(multistatus(body));
      return true;
    }, names);
    body = data('/home/work/other.ics', 15_000_000) + data(names[0]!, 100) + data(names[1]!, 100);
    expect(await readAll(source)).toEqual({ staged: 2 });
    expect(asked).toEqual([]);
    // The size that was announced is wrong: what is too much is asked for alone.
    body = data(names[0]!, 7_000_000) + data(names[1]!, 7_000_000);
    expect(await readAll(source)).toEqual({ staged: 2 });
    expect(asked).toEqual([names[1]]);
  });

  it('ends at a listing whose names are too long to be held', async () => {
    const long = (n: number): string => listed(`/home/work/${String(n).padStart(1_900, 'x')}.ics`);
    const many = gzipSync(multistatus(Array.from({ length: 36_000 }, (_, n) => long(n)).join('')));
    const source = await server((_asked, answer, body) => {
      if (!body.includes('calendar-query')) return false;
      answer.writeHead(207, { 'content-type': 'application/xml', 'content-encoding': 'gzip' });
      answer.end(many);
      return true;
    });
    expect(await failure(source.listFolders(signal))).toMatchObject({ code: 'PROTOCOL_ERROR' });
  }, 60_000);

  it('stops at a gzip bomb', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 'x'));
    const source = await server(
      (asked, answer) => {
        if (asked.method !== 'GET') return false;
        answer.writeHead(200, { 'content-encoding': 'gzip' });
        answer.end(bomb);
        return true;
      },
      ['/home/work/a.ics'],
    );
    expect(await readAll(source)).toEqual({ MESSAGE_TOO_LARGE: 1 });
  });

  const CUT =
    '<D:response><D:href>/home/work/</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status><D:error><D:number-of-matches-within-limits/></D:error></D:response>';
  const SYNCS =
    '<D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report></D:supported-report></D:supported-report-set>';
  /** Queries of kinds show one object and are cut; plain listings and pages as they are given. */
  function cutting(ways: { plain: string; pages?: readonly string[] }): Promise<DavSource> {
    let pages = 0;
    return server((asked, answer, body) => {
      const xml = (inner: string): true => {
        answer.writeHead(207, { 'content-type': 'application/xml' });
        answer.end(multistatus(inner));
        return true;
      };
      if (asked.url === '/home/' && ways.pages !== undefined) return xml(response('/home/work/', CALENDAR + SYNCS));
      if (body.includes('calendar-query')) return xml(listed('/home/work/a.ics') + CUT);
      if (body.includes('sync-collection'))
        return xml(ways.pages![Math.min(pages++, ways.pages!.length - 1)]! + `<D:sync-token>t${pages}</D:sync-token>`);
      return asked.method === 'PROPFIND' && asked.url === '/home/work/' && xml(ways.plain);
    });
  }
  async function listing(source: DavSource): Promise<{ items: number; short: boolean; counted: number | null }> {
    const [folder] = await source.listFolders(signal);
    const pages = await collect(source.scan(folder!, null, signal));
    const items = pages.flatMap((page) => page.items).length;
    return { items, short: pages.some((page) => page.short === true), counted: folder!.items };
  }
  const [A, B, C] = ['a', 'b', 'c'].map((name) => listed(`/home/work/${name}.ics`)) as [string, string, string];

  it('asks in another way when the answer to a query is cut', async () => {
    const self = response('/home/work/', '<D:resourcetype><D:collection/></D:resourcetype>');
    expect(await listing(await cutting({ plain: self + A + B }))).toEqual({ items: 2, short: false, counted: 2 });
  });

  it('asks in pages when any answer is cut', async () => {
    const source = await cutting({ plain: A + B + CUT, pages: [A + CUT, B + CUT, C, A + CUT, B + CUT, C] });
    expect(await listing(source)).toEqual({ items: 3, short: false, counted: 3 });
  });

  it.each([
    ['and has no pages', undefined],
    ['and its pages do not end', [A + CUT]],
    ['and refuses to begin at the first page', [CUT]],
  ])('says that a listing is not whole when the server cuts every answer %s', async (_, pages) => {
    const source = await cutting({ plain: A + B + CUT, ...(pages === undefined ? {} : { pages }) });
    expect(await listing(source)).toMatchObject({ short: true, counted: null });
  });

  it('says that a listing is not whole when the server refuses the question as too large', async () => {
    const source = await server((_asked, answer, body) => {
      if (!body.includes('calendar-query') && !body.includes('propfind')) return false;
      if (!_asked.url!.startsWith('/home/work/')) return false;
      answer.writeHead(403);
      answer.end('<D:error xmlns:D="DAV:"><D:number-of-matches-within-limits/></D:error>');
      return true;
    });
    expect(await listing(source)).toEqual({ items: 0, short: true, counted: null });
  });

  it('names an event that the listing shows with a refusal', async () => {
    const locked = '/home/work/locked.ics';
    const refused = `<D:response><D:href>${locked}</D:href><D:status>HTTP/1.1 403 Forbidden</D:status></D:response>`;
    const gone =
      '<D:response><D:href>/home/work/gone.ics</D:href><D:status>HTTP/1.1 404 Not Found</D:status></D:response>';
    const source = await server((asked, answer, body) => {
      if (asked.url === locked) return (answer.writeHead(403).end(), true);
      if (!body.includes('calendar-query') && !body.includes('multiget')) return false;
      answer.writeHead(207, { 'content-type': 'application/xml' });
      answer.end(multistatus(body.includes('multiget') ? '' : A + refused + gone));
      return true;
    });
    expect(await readAll(source)).toEqual({ staged: 1, NOT_GIVEN: 1 });
  });

  it('reads what has a name that is no UTF-8 under the name that the server gave it', async () => {
    const asked: string[] = [];
    const names = ['/home/work/M%fcller.ics', '/home/work/100%.ics', '/home/work/a%40b.ics'];
    const source = await server((request, answer, body) => {
      if (request.method === 'GET') asked.push(request.url!);
      if (!body.includes('multiget')) return false;
      answer.writeHead(207, { 'content-type': 'application/xml' });
      answer.end(multistatus(''));
      return true;
    }, names);
    expect(await listing(source)).toEqual({ items: 3, short: false, counted: 3 });
    expect(await readAll(source)).toEqual({ staged: 3 });
    expect(asked).toEqual(['/home/work/M%FCller.ics', '/home/work/100%.ics', '/home/work/a%40b.ics']);
  });

  it.each([
    ['a query', '/home/work/what?.ics'],
    ['a name without end', `/home/work/${'x'.repeat(3_000)}.ics`],
    ['another server', 'http://127.0.0.1:1/home/work/c.ics'],
    ['another folder', '/elsewhere/c.ics'],
    ['no address', 'http://[/c.ics'],
  ])('says that a listing is not whole when an object has %s for a name', async (_, name) => {
    const source = await server(undefined, ['/home/work/a.ics', name]);
    expect(await listing(source)).toMatchObject({ items: 1, short: true });
  });

  it.each([
    ['https://dav.example.org/', 'http://dav.example.org/a/b.ics', '/a/b.ics'],
    ['https://dav.example.org/', 'http://dav.example.org:443/a/b.ics', '/a/b.ics'],
    ['https://dav.example.org:8443/', 'http://dav.example.org:8443/a/b.ics', '/a/b.ics'],
    ['https://dav.example.org/', 'http://other.example.org/a/b.ics', null],
    ['https://dav.example.org/', 'http://dav.example.org:8080/a/b.ics', null],
    ['http://dav.example.org/', 'https://dav.example.org/a/b.ics', null],
    ['https://dav.example.org/', '/a/%e4%40@/%C3%A4.ics', '/a/%E4%40%40/%C3%A4.ics'],
  ])('of an answer of %s, %s is %s', (base, href, path) => expect(normalPath(href, new URL(base))).toBe(path));

  it('lists everything when the server has forgotten the token', async () => {
    let refused = 0;
    const source = await server((_asked, answer, body) => {
      if (!body.includes('sync-collection')) return false;
      refused++;
      answer.writeHead(403);
      answer.end('<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>');
      return true;
    });
    const [folder] = await source.listFolders(signal);
    const pages = await collect(source.scan(folder!, { syncToken: 'old', ctag: null }, signal));
    expect(pages.flatMap((page) => page.items)).toHaveLength(1);
    expect(pages.every((page) => page.full)).toBe(true);
    // A collection that never said that it can sync is not asked to.
    expect(refused).toBe(0);
  });

  it.each([
    ['forgotten', 403, '<D:error xmlns:D="DAV:"><D:valid-sync-token/></D:error>'],
    ['gone', 410, ''],
    ['not understood', 501, ''],
  ])('lists everything when the token is %s at a server that can sync', async (_, status, said) => {
    let refused = 0;
    const syncs =
      '<D:supported-report-set><D:supported-report><D:report><D:sync-collection/></D:report></D:supported-report></D:supported-report-set><D:sync-token>new</D:sync-token>';
    const source = await server((asked, answer, body) => {
      if (asked.url === '/home/') {
        answer.writeHead(207, { 'content-type': 'application/xml' });
        answer.end(multistatus(response('/home/work/', CALENDAR + syncs)));
        return true;
      }
      if (!body.includes('sync-collection')) return false;
      refused++;
      answer.writeHead(status);
      answer.end(said);
      return true;
    });
    const [folder] = await source.listFolders(signal);
    const pages = await collect(source.scan(folder!, { syncToken: 'old', ctag: null }, signal));
    expect(refused).toBe(1);
    expect(pages.flatMap((page) => page.items)).toHaveLength(1);
    expect(pages.every((page) => page.full)).toBe(true);
  });

  it('says that the password is refused when it is so in the middle, and tries it only once more', async () => {
    let seen = 0;
    const source = await server((_asked, answer, body) => {
      if (!body.includes('calendar-query') || ++seen < 2) return false;
      answer.writeHead(401);
      answer.end();
      return true;
    });
    const [folder] = await source.listFolders(signal);
    expect(await failure(collect(source.scan(folder!, null, signal)))).toEqual({
      code: 'AUTH_FAILED',
      scope: 'account',
    });
    expect(seen).toBe(2);
  });

  it('says that the folder is gone when the calendar vanishes', async () => {
    let seen = 0;
    const source = await server((_asked, answer, body) => {
      if (!body.includes('calendar-query') || ++seen < 2) return false;
      answer.writeHead(404);
      answer.end();
      return true;
    });
    const [folder] = await source.listFolders(signal);
    expect(await failure(collect(source.scan(folder!, null, signal)))).toEqual({
      code: 'FOLDER_GONE',
      scope: 'folder',
    });
  });
});

describe('the name of an object in a report', () => {
  it.each([
    ['colons in a quote that never ends', `SUMMARY;X="${':'.repeat(200_000)}`, ':'.repeat(300)],
    ['a colon in a quote', 'SUMMARY;ALTREP="http://a.test/":Lunch\\, at last', 'Lunch, at last'],
    ['no value at all', 'SUMMARY;X=1', ''],
  ])('is found in no time: %s', async (_, line, subject) => {
    const source = await server((_asked, answer, body) => {
      if (!body.includes('calendar-multiget')) return false;
      const object = `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n${line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n`;
      const data = `<C:calendar-data>${object.replaceAll('"', '&quot;')}</C:calendar-data>`;
      answer.writeHead(207, { 'content-type': 'application/xml' });
      answer.end(multistatus(response('/home/work/a.ics', data)));
      return true;
    });
    const [folder] = await source.listFolders(signal);
    const items = (await collect(source.scan(folder!, null, signal))).flatMap((page) => page.items);
    expect(await collect(source.describe(folder!, items, signal))).toMatchObject([{ subject }]);
  });
});

describe('who may have the login', () => {
  it.each([
    ['https://caldav.icloud.com/', 'https://p42-caldav.icloud.com/', true],
    ['https://example.org/', 'https://dav.example.org/', true],
    ['https://dav.example.org/', 'https://example.org.evil.test/', false],
    ['https://dav.example.org/', 'http://dav.example.org/', false],
    ['https://dav.example.org/', 'https://dav.example.org:8443/', false],
    ['https://dav.example.org/', 'https://127.0.0.1/', false],
    ['https://example.org/', 'https://other.org/', false],
    ['https://dav.example.co.uk/', 'https://p1.example.co.uk/', true],
    ['https://example.co.uk/', 'https://dav.example.co.uk/', true],
    ['https://example.co.uk/', 'https://evil.co.uk/', false],
    ['https://example.co.uk/', 'https://co.uk/', false],
    ['https://alice.synology.me/', 'https://mallory.synology.me/', false],
    ['https://alice.synology.me/', 'https://dav.alice.synology.me/', true],
    ['https://synology.me/', 'https://mallory.synology.me/', false],
    ['https://localhost/', 'https://evil.localhost/', false],
    ['https://alice.github.io/', 'https://mallory.github.io/', false],
    ['https://dav.old.test/', 'https://cal.old.test/', true],
  ])('at %s: %s %s', (home, url, may) => expect(mayReceiveLogin(new URL(url), new URL(home))).toBe(may));

  it('looks a domain up as RFC 6764 says', async () => {
    const dns = {
      srv: async (name: string) =>
        name === '_caldavs._tcp.example.org'
          ? [
              { name: 'worse.example.org', port: 443, priority: 20, weight: 0 },
              { name: 'dav.example.org.', port: 8443, priority: 10, weight: 0 },
            ]
          : Promise.reject(new Error('ENODATA')),
      txt: async () => ['v=1', 'path=/caldav/'],
    };
    expect(String(await lookUpService('example.org', 'caldav', dns))).toBe('https://dav.example.org:8443/caldav/');
    expect(await lookUpService('example.org', 'carddav', dns)).toBeNull();
  });
});

describe('a calendar server of several names', () => {
  it('shows as the person’s own what its principal on another host owns, and as somebody else’s what another one does', async () => {
    let port = 0;
    const type = '<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>';
    const calendar = (name: string, owner: string): string =>
      response(
        `/123/calendars/${name}/`,
        `${type}<D:displayname>${name}</D:displayname><D:owner><D:href>${owner}</D:href></D:owner>`,
      );
    const listener: RequestListener = (asked, answer) => {
      const xml = (inner: string): void => {
        answer.writeHead(207, { 'content-type': 'application/xml' });
        answer.end(multistatus(inner));
      };
      asked.resume();
      if (asked.url === '/dav/')
        return xml(
          response('/dav/', '<D:current-user-principal><D:href>/123/principal/</D:href></D:current-user-principal>'),
        );
      const home = `<C:calendar-home-set><D:href>http://p42-caldav.icloud.test:${port}/123/calendars/</D:href></C:calendar-home-set>`;
      if (asked.url === '/123/principal/') return xml(response('/123/principal/', home));
      if (asked.headers.host?.startsWith('p42-') && asked.url === '/123/calendars/')
        return xml(
          calendar('Home', '/123/principal') +
            calendar('Whole', `http://caldav.icloud.test:${port}/123/principal/`) +
            calendar('Shared', '/456/principal/'),
        );
      xml('');
    };
    ({ port } = await listeners.listen(createServer(listener)));
    const source = new DavSource({
      urls: { caldav: new URL(`http://caldav.icloud.test:${port}/dav/`) },
      login: async () => ({ kind: 'password', user: 'alice', password: 'secret' }),
      policy: { ...POLICY, resolve: async () => ['127.0.0.1'] },
      owner: 'alice',
    });
    sources.push(source);
    const folders = (await source.listFolders(signal)).filter(({ kind }) => kind === 'calendars');
    expect(folders.map(({ path, leftOut }) => [path[0], leftOut?.code])).toEqual([
      ['Home', undefined],
      ['Whole', undefined],
      ['Shared', 'SHARED_FOLDER'],
    ]);
  });

  it('names a calendar of which nothing can be asked, as behind a proxy that it does not know of', async () => {
    const source = await server((asked, answer) => {
      if (asked.url !== '/home/') return false;
      answer.writeHead(207, { 'content-type': 'application/xml' });
      answer.end(multistatus(response('http://dav.inside:8080/home/work/', CALENDAR)));
      return true;
    });
    const [folder, ...others] = await source.listFolders(signal);
    expect(folder).toMatchObject({ kind: 'calendars', selectable: false, leftOut: { code: 'FOLDER_NAME' } });
    expect(others).toEqual([]);
  });
});
