import { TransferError } from '../../mailbox/transfer-error.js';
import type { StreamedResponse } from '../http/session.js';
import type { systemDns } from '../discovery/dns.js';
import { type DavClient, failed } from './client.js';
import { DavFailure } from './failure.js';
import { LISTING_LIMITS } from './limits.js';
import { mayReceiveLogin } from '../login-scope.js';
import { type DavResource, hrefsIn, prop, readMultistatus } from './multistatus.js';
import { CALDAV, CARDDAV, child, DAV } from './names.js';
import { propfindBody } from './propfind.js';

export type DavService = 'caldav' | 'carddav';

/** What the account has at this server. */
export interface DavAccount {
  readonly principal: URL | null;
  readonly calendarHomes: readonly URL[];
  readonly addressHomes: readonly URL[];
}

/** Questions of RFC 6764 sections 3 and 4. Reject when there is no answer. */
export type DavDns = Pick<ReturnType<typeof systemDns>, 'srv' | 'txt'>;

const MAX_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Tried in this order when nothing else is known: what the well-known address says, the root, and where some servers are. */
const ROOTS = ['/', '/dav/', '/remote.php/dav/', '/SOGo/dav/', '/WebDAV/', '/principals/', '/caldav/', '/carddav/'];
const PROPS = [
  'D:current-user-principal',
  'D:principal-URL',
  'D:resourcetype',
  'C:calendar-home-set',
  'R:addressbook-home-set',
];

/**
 * Finds the homes of an account (RFC 6764 section 6; RFC 5397): from the address itself when it names more than a host, else from the
 * well-known address of the service, else from the usual places.
 * @throws TransferError AUTH_FAILED; DAV_NOT_FOUND when the server has no such service; what the connection says.
 */
export async function findAccount(client: DavClient, service: DavService, signal: AbortSignal): Promise<DavAccount> {
  const { home } = client;
  const starts = home.pathname !== '/' ? [home.href] : [new URL(`/.well-known/${service}`, home).href, ...ROOTS];
  let refusal: unknown = null;
  for (const start of starts) {
    try {
      const account = await accountAt(client, new URL(start, home), service, signal);
      if (account !== null) return account;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof DavFailure)) throw client.toError(error);
      // Other places may not ask for a password, or not this one; a wrong one is not tried on all of them.
      if (error.status === 401) throw client.toError(error);
      refusal ??= error.status === 404 || error.status === 405 ? null : error;
    }
  }
  throw refusal === null ? notFound(client, service) : client.toError(refusal);
}

function notFound(client: DavClient, service: DavService): TransferError {
  const what = service === 'caldav' ? 'calendars' : 'contacts';
  const { side } = client.toError(null);
  return new TransferError(`The server has no ${what} that programs may read.`, {
    side,
    scope: 'account',
    retry: 'user',
    code: 'DAV_NOT_FOUND',
  });
}

async function accountAt(
  client: DavClient,
  start: URL,
  service: DavService,
  signal: AbortSignal,
): Promise<DavAccount | null> {
  const first = await lookAt(client, start, signal);
  if (first === null) return null;
  const own = homesOf(first.resource, first.url);
  if (has(own, service)) return { principal: first.url, ...own };
  const [principal] = hrefsIn(prop(first.resource, DAV, 'current-user-principal'), first.url);
  if (principal !== undefined) {
    const there = await lookAt(client, principal, signal);
    const homes = there === null ? null : homesOf(there.resource, there.url);
    if (homes !== null && has(homes, service)) return { principal, ...homes };
  }
  return isCollectionOf(first.resource, service) && principal === undefined
    ? { principal: null, ...homesAt(first.url) }
    : null;
}

/** An address book or a calendar, or a plain collection in which some may be: its own home. */
function isCollectionOf(resource: DavResource, service: DavService): boolean {
  const type = prop(resource, DAV, 'resourcetype');
  if (type === undefined) return false;
  return service === 'caldav'
    ? child(type, CALDAV, 'calendar') !== undefined
    : child(type, CARDDAV, 'addressbook') !== undefined;
}

function homesAt(url: URL): Pick<DavAccount, 'calendarHomes' | 'addressHomes'> {
  return { calendarHomes: [url], addressHomes: [url] };
}

function homesOf(resource: DavResource, base: URL): Pick<DavAccount, 'calendarHomes' | 'addressHomes'> {
  return {
    calendarHomes: hrefsIn(prop(resource, CALDAV, 'calendar-home-set'), base),
    addressHomes: hrefsIn(prop(resource, CARDDAV, 'addressbook-home-set'), base),
  };
}

function has(homes: Pick<DavAccount, 'calendarHomes' | 'addressHomes'>, service: DavService): boolean {
  return (service === 'caldav' ? homes.calendarHomes : homes.addressHomes).length > 0;
}

/** One resource, over redirects: each is checked like a target of its own. Null: nothing of ours is there. */
async function lookAt(
  client: DavClient,
  start: URL,
  signal: AbortSignal,
): Promise<{ url: URL; resource: DavResource } | null> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const seen = await client.exchange(
      { method: 'PROPFIND', url, depth: '0', body: propfindBody(PROPS) },
      signal,
      async (response): Promise<{ resource: DavResource | null } | { redirect: URL | null }> => {
        if (REDIRECTS.includes(response.status)) return { redirect: locationOf(response) };
        if (response.status !== 207) throw await failed(response);
        return { resource: await firstOf(response) };
      },
    );
    if ('resource' in seen) return seen.resource === null ? null : { url, resource: seen.resource };
    // A stranger is not asked at all: it could only answer without the login.
    if (seen.redirect === null || !mayReceiveLogin(seen.redirect, client.home)) return null;
    url = seen.redirect;
  }
  return null;
}

function locationOf({ headers, url }: StreamedResponse): URL | null {
  try {
    const next = new URL(headers.location ?? '', url);
    next.hash = '';
    return next.username === '' && next.password === '' && /^https?:$/.test(next.protocol) ? next : null;
  } catch {
    return null;
  }
}

function firstOf(response: StreamedResponse): Promise<DavResource | null> {
  return response.body(LISTING_LIMITS.maxBytes, async (chunks) => {
    let first: DavResource | null = null;
    for await (const resource of readMultistatus(chunks, response.url, LISTING_LIMITS)) first ??= resource;
    return first;
  });
}

/**
 * Where the service of a domain is, by DNS (RFC 6764 section 3): encrypted only. The address is to be confirmed by a person or to be
 * under his domain before a login goes there. Null: the domain does not say.
 */
export async function lookUpService(domain: string, service: DavService, dns: DavDns): Promise<URL | null> {
  const name = `_${service}s._tcp.${domain}`;
  const records = await dns.srv(name).catch(() => []);
  const [best] = [...records]
    .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
    .filter((record) => record.name !== '' && record.name !== '.');
  if (best === undefined) return null;
  const texts = await dns.txt(name).catch(() => []);
  const path = texts.map((one) => /^path=(\/.*)$/.exec(one)?.[1]).find((one) => one !== undefined) ?? '/';
  try {
    return new URL(path, `https://${best.name.replace(/\.$/, '')}:${best.port}`);
  } catch {
    return null;
  }
}
