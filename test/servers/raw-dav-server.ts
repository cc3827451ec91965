/**
 * A CalDAV and CardDAV server that holds whatever it is given, as old ones do: bytes that no other server would take. Its bodies come by GET only.
 *
 *     const server = await rawDavServer([{ name: 'Work', kind: 'ics', objects: [bytes, ...] }]);
 *     server.url; await server.close();
 */
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Listeners } from '../fixtures/listeners.js';

export interface RawCollection {
  readonly name: string;
  readonly kind: 'ics' | 'vcf';
  readonly objects: readonly Uint8Array[];
}
export interface RawDavServer {
  readonly url: string;
  /** Puts something else in the place of an object, which gets another ETag. */
  change(collection: number, object: number, body: Uint8Array): void;
  /** Requests under way at once, at most so far. */
  most(): number;
  close(): Promise<void>;
}

const NS = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:R="urn:ietf:params:xml:ns:carddav"';
const COMPONENTS = ['VEVENT', 'VTODO', 'VJOURNAL'] as const;

/** @param cutAfter objects that any listing shows before it is cut. @param latencyMs before each answer */
export async function rawDavServer(
  collections: readonly RawCollection[],
  { cutAfter = Infinity, latencyMs = 0 }: { readonly cutAfter?: number; readonly latencyMs?: number } = {},
): Promise<RawDavServer> {
  const bodies = new Map<string, Uint8Array>();
  const members = new Map<string, { path: string; component: string }[]>();
  for (const [n, { kind, objects }] of collections.entries()) {
    const home = `/home/${n}/`;
    members.set(home, []);
    for (const [at, body] of objects.entries()) {
      const path = `${home}${at}.${kind}`;
      bodies.set(path, body);
      const text = Buffer.from(body).toString('latin1');
      // What is of no kind is shown as an event: somebody must be told of it.
      const component = COMPONENTS.find((one) => new RegExp(`^BEGIN:${one}`, 'im').test(text)) ?? 'VEVENT';
      members.get(home)!.push({ path, component: kind === 'vcf' ? '' : component });
    }
  }
  const response = (href: string, props: string): string =>
    `<D:response><D:href>${href}</D:href><D:propstat><D:prop>${props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>`;
  const shown = collections.map(({ name, kind }, n) => {
    const type = kind === 'ics' ? '<C:calendar/>' : '<R:addressbook/>';
    const components = [...new Set(members.get(`/home/${n}/`)!.map((one) => one.component))];
    const set = components.map((one) => `<C:comp name="${one}"/>`).join('');
    const holds =
      kind === 'ics' ? `<C:supported-calendar-component-set>${set}</C:supported-calendar-component-set>` : '';
    return response(
      `/home/${n}/`,
      `<D:resourcetype><D:collection/>${type}</D:resourcetype><D:displayname>${escape(name)}</D:displayname>${holds}`,
    );
  });
  const etags = new Map<string, string>();
  const cut = (href: string): string =>
    `<D:response><D:href>${href}</D:href><D:status>HTTP/1.1 507 Insufficient Storage</D:status><D:error><D:number-of-matches-within-limits/></D:error></D:response>`;
  const homes =
    '<C:calendar-home-set><D:href>/home/</D:href></C:calendar-home-set><R:addressbook-home-set><D:href>/home/</D:href></R:addressbook-home-set>';
  let [running, most] = [0, 0];
  const server = createServer((asked, answer) => {
    const parts: Buffer[] = [];
    most = Math.max(most, ++running);
    answer.once('close', () => running--);
    asked.on('data', (part: Buffer) => parts.push(part));
    asked.on('end', async () => {
      if (latencyMs > 0) await sleep(latencyMs);
      const body = Buffer.concat(parts).toString();
      const path = asked.url ?? '/';
      const xml = (inner: string): void => {
        answer.writeHead(207, { 'content-type': 'application/xml' });
        answer.end(`<?xml version="1.0"?><D:multistatus ${NS}>${inner}</D:multistatus>`);
      };
      if (asked.method === 'GET' && bodies.has(path)) return void answer.end(bodies.get(path));
      if (asked.method === 'PROPFIND' && path === '/dav/') return xml(response('/dav/', homes));
      if (asked.method === 'PROPFIND' && path === '/home/') return xml(shown.join(''));
      const found = members.get(path);
      if (found === undefined) return void answer.writeHead(404).end();
      if (body.includes('multiget')) return xml('');
      const component = /comp-filter name="(VEVENT|VTODO|VJOURNAL)"/.exec(body)?.[1];
      const wanted = found.filter((one) => component === undefined || one.component === component);
      const shownOnes = wanted
        .slice(0, cutAfter)
        .map((one) => response(one.path, `<D:getetag>${etags.get(one.path) ?? '"1"'}</D:getetag>`));
      xml(shownOnes.join('') + (wanted.length > cutAfter ? cut(path) : ''));
    });
  });
  const listeners = new Listeners();
  const { port } = await listeners.listen(server);
  return {
    most: () => most,
    url: `http://127.0.0.1:${port}/dav/`,
    change(collection, object, body) {
      const path = `/home/${collection}/${object}.${collections[collection]!.kind}`;
      bodies.set(path, body);
      etags.set(path, `"${Date.now()}-${body.length}"`);
    },
    close: () => listeners.closeAll(),
  };
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
