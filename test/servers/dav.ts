/**
 * Real CalDAV and CardDAV servers for specs, and a raw client that is not Mailferry's.
 *
 *     const radicale = await davServer('radicale');       // a string says why there is none here; 'cyrus' likewise
 *     const account = await radicale.account();           // {user, password, url}
 *     const dav = rawDav(account);
 *     await dav.makeCalendar('Work', ['VEVENT']); await dav.put('Work', 'a.ics', bytes);
 */
import { randomBytes } from 'node:crypto';
import { startRadicale } from '../../src/standalone/infra/radicale.js';
import { startCyrus } from './cyrus.js';
import { kept, privateFolder } from './private.js';

export interface DavAccountOf {
  readonly user: string;
  readonly password: string;
  /** Of the server. */
  readonly url: string;
  /** Where the account's calendars and address books are. */
  readonly calendars: string;
  readonly contacts: string;
}
export interface DavTestServer {
  readonly name: 'radicale' | 'cyrus';
  account(): Promise<DavAccountOf>;
  /** What it wanted to send to people. */
  mailOut(): string[];
}

const running = new Map<string, Promise<DavTestServer | string>>();

/** One of each for a spec file. */
export function davServer(name: 'radicale' | 'cyrus'): Promise<DavTestServer | string> {
  let server = running.get(name);
  if (server === undefined) {
    server = name === 'radicale' ? radicale() : cyrus();
    running.set(name, server);
  }
  return server;
}

async function radicale(): Promise<DavTestServer | string> {
  try {
    const server = kept(await startRadicale({ dir: privateFolder(), name: 'test', users: [] }));
    return {
      name: 'radicale',
      mailOut: () => [],
      account: async () => {
        const user = `u-${randomBytes(5).toString('hex')}@radicale.test`;
        const password = randomBytes(9).toString('hex');
        server.setUser(user, password);
        const home = `${server.url}${encodeURIComponent(user)}/`;
        const account = { user, password, url: server.url, calendars: home, contacts: home };
        // Radicale makes a person's home at the first sign-in.
        await rawDav(account).ask('PROPFIND', home);
        return account;
      },
    };
  } catch (error) {
    return (error as Error).message;
  }
}

async function cyrus(): Promise<DavTestServer | string> {
  const server = await startCyrus();
  if (typeof server === 'string') return server;
  return {
    name: 'cyrus',
    mailOut: server.mailOut,
    account: async () => {
      const { user, password } = await server.account();
      const { origin } = new URL(server.davUrl);
      const account = {
        user,
        password,
        url: `${origin}/`,
        calendars: `${origin}/dav/calendars/user/${user}/`,
        contacts: `${origin}/dav/addressbooks/user/${user}/`,
      };
      await rawDav(account).ask('PROPFIND', account.calendars);
      await rawDav(account).ask('PROPFIND', account.contacts);
      return account;
    },
  };
}

export interface RawDav {
  ask(method: string, url: string, body?: string | Buffer, headers?: Record<string, string>): Promise<RawAnswer>;
  makeCalendar(name: string, components?: readonly string[]): Promise<string>;
  makeAddressbook(name: string): Promise<string>;
  /** @returns the status. */
  put(collection: string, name: string, body: string | Buffer): Promise<number>;
  /** Names and bodies of a collection, sorted by name. */
  contents(collection: string): Promise<{ name: string; body: string }[]>;
  remove(collection: string, name: string): Promise<void>;
  /** All collections: URL by shown name. */
  collections(home: string): Promise<Map<string, string>>;
}
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

export function rawDav({ user, password, calendars, contacts }: DavAccountOf): RawDav {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const ask: RawDav['ask'] = async (method, url, body, headers = {}) => {
    const answer = await fetch(url, {
      method,
      headers: { authorization, depth: method === 'PROPFIND' ? '1' : '0', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
    });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };
  const expectMade = ({ status, text }: RawAnswer, url: string): string => {
    if (status !== 201) throw new Error(`${url}: ${status} ${text}`);
    return url;
  };
  return {
    ask,
    async makeCalendar(name, components = ['VEVENT', 'VTODO', 'VJOURNAL']) {
      const url = `${calendars}${randomBytes(6).toString('hex')}/`;
      const comps = components.map((one) => `<C:comp name="${one}"/>`).join('');
      const body = `<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop><D:displayname>${escape(name)}</D:displayname><C:supported-calendar-component-set>${comps}</C:supported-calendar-component-set></D:prop></D:set></C:mkcalendar>`;
      return expectMade(await ask('MKCALENDAR', url, body, { 'content-type': 'application/xml' }), url);
    },
    async makeAddressbook(name) {
      const url = `${contacts}${randomBytes(6).toString('hex')}/`;
      const body = `<D:mkcol xmlns:D="DAV:" xmlns:R="urn:ietf:params:xml:ns:carddav"><D:set><D:prop><D:resourcetype><D:collection/><R:addressbook/></D:resourcetype><D:displayname>${escape(name)}</D:displayname></D:prop></D:set></D:mkcol>`;
      return expectMade(await ask('MKCOL', url, body, { 'content-type': 'application/xml' }), url);
    },
    async put(collection, name, body) {
      const type = name.endsWith('.vcf') ? 'text/vcard; charset=utf-8' : 'text/calendar; charset=utf-8';
      return (await ask('PUT', `${collection}${name}`, body, { 'content-type': type })).status;
    },
    async contents(collection) {
      const { text } = await ask('PROPFIND', collection, undefined);
      const hrefs = [...text.matchAll(/<(?:\w+:)?href>([^<]+)<\/(?:\w+:)?href>/g)].map(([, href]) => href!);
      const names = hrefs.map((href) => href.split('/').at(-1)!).filter((name) => name !== '');
      const found: { name: string; body: string }[] = [];
      const waiting = [...new Set(names)];
      // Radicale resets what comes all at once.
      const worker = async (): Promise<void> => {
        for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
          found.push({ name, body: (await ask('GET', `${collection}${name}`)).text });
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async remove(collection, name) {
      await ask('DELETE', `${collection}${name}`);
    },
    async collections(home) {
      const body = `<D:propfind xmlns:D="DAV:"><D:prop><D:displayname/></D:prop></D:propfind>`;
      const { text } = await ask('PROPFIND', home, body, { 'content-type': 'application/xml' });
      const found = new Map<string, string>();
      for (const response of text.split(/<(?:\w+:)?response>/).slice(1)) {
        const href = /<(?:\w+:)?href>([^<]+)</.exec(response)?.[1];
        const name = /<(?:\w+:)?displayname>(?:<!\[CDATA\[)?([^<\]]*)(?:\]\]>)?</.exec(response)?.[1];
        if (href !== undefined && name !== undefined) found.set(unescape(name), new URL(href, home).href);
      }
      return found;
    },
  };
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
function unescape(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}
