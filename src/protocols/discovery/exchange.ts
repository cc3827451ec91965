import type { ConnectPolicy } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { underDeadline } from '../deadline.js';
import { type HttpResponse, request } from '../http/client.js';
import { mayBeDialled, parseAddress } from './discover.js';
import { type MailDns, systemDns } from './dns.js';

/** A server that has Autodiscover, to be confirmed by the person: nothing was signed in to. */
export interface FoundExchange {
  readonly host: string;
  readonly port: number;
}

export interface ExchangeTools {
  readonly dns: Pick<MailDns, 'srv' | 'mx'>;
  /** Follows no redirect, takes no login. */
  readonly get: (url: string, signal: AbortSignal) => Promise<Pick<HttpResponse, 'status' | 'headers'>>;
}

/** The older form, which is asked for first, and the newer one. */
const PATH = '/autodiscover/autodiscover.xml';
const NEWER_PATH = '/autodiscover/autodiscover.svc';
/** For one web server that may not exist (ms). */
const ASK_MS = 6_000;
const MAX_BODY = 256 * 1024;
/** Redirects from one place, one after the other. */
const MAX_STEPS = 3;
const MAX_SERVICES = 3;
const HTTPS = 443;

/**
 * Looks for the Exchange server of an address, in the places that [MS-OXDISCO] 3.1.5 names: https at autodiscover.DOMAIN and at
 * DOMAIN, where http at autodiscover.DOMAIN redirects to, and the SRV record _autodiscover._tcp.DOMAIN. Never a parent of the
 * domain. No login and no address is sent to anybody: a server that asks for a login at Autodiscover's own path is one. What is
 * returned may be dialled under the policy.
 * @throws ConnectError VALIDATION when this is no address; the signal's reason
 */
export async function discoverExchange(
  address: string,
  policy: ConnectPolicy,
  signal: AbortSignal,
  tools: Partial<ExchangeTools> = {},
): Promise<{ readonly domain: string; readonly mx: readonly string[]; readonly found: FoundExchange | null }> {
  const { domain } = parseAddress(address);
  const { dns, get } = { ...systemTools(policy), ...tools };
  let mx: readonly string[] = [];
  const look = async (deadline: AbortSignal): Promise<FoundExchange | null> => {
    const asked = dns.mx(domain).catch((): string[] => []);
    const places = [
      followed(`https://autodiscover.${domain}${PATH}`, policy, get, deadline),
      followed(`https://${domain}${PATH}`, policy, get, deadline),
      followed(`http://autodiscover.${domain}${PATH}`, policy, get, deadline),
      service(domain, dns, policy, get, deadline),
    ];
    mx = await asked;
    for (const place of places) {
      const found = await place;
      if (found !== null) return found;
    }
    return null;
  };
  const late = new ConnectError('TIMEOUT', 'The Exchange server could not be found in time.');
  const found = await underDeadline(policy.deadlineMs, signal, () => late, look).catch((error: unknown) => {
    if (error === late) return null;
    throw error;
  });
  return { domain, mx, found };
}

/** Autodiscover at this address or where it leads to. Whatever goes wrong means none. */
async function followed(
  first: string,
  policy: ConnectPolicy,
  get: ExchangeTools['get'],
  signal: AbortSignal,
): Promise<FoundExchange | null> {
  try {
    let url = new URL(first);
    for (let step = 0; step < MAX_STEPS; step++) {
      const isSafe = url.protocol === 'https:';
      const found = { host: url.hostname, port: Number(url.port || HTTPS) };
      if (isSafe && !(await mayBeDialled({ ...found, security: 'tls', username: '' }, policy))) return null;
      const { status, headers } = await get(url.href, signal);
      // In clear, anybody could have said it: only what https says counts.
      if (status === 401) return isSafe ? found : null;
      if (status < 301 || status > 308 || headers.location === undefined) {
        if (!isSafe) return null;
        return (await get(new URL(NEWER_PATH, url).href, signal)).status === 401 ? found : null;
      }
      url = new URL(headers.location, url);
      if (url.protocol !== 'https:' || url.pathname.toLowerCase() !== PATH) return null;
    }
  } catch {
    signal.throwIfAborted();
  }
  return null;
}

async function service(
  domain: string,
  dns: ExchangeTools['dns'],
  policy: ConnectPolicy,
  get: ExchangeTools['get'],
  signal: AbortSignal,
): Promise<FoundExchange | null> {
  const records = await dns.srv(`_autodiscover._tcp.${domain}`).catch(() => []);
  const best = [...records].sort((a, b) => a.priority - b.priority || b.weight - a.weight).slice(0, MAX_SERVICES);
  for (const { name, port } of best) {
    const host = name.replace(/\.$/, '');
    const found = host === '' ? null : await followed(`https://${host}:${port}${PATH}`, policy, get, signal);
    if (found !== null) return found;
  }
  return null;
}

function systemTools(policy: ConnectPolicy): ExchangeTools {
  const limits = { deadlineMs: Math.min(policy.deadlineMs, ASK_MS), maxBodyBytes: MAX_BODY };
  // The one question in clear: nothing is sent with it, and what it names is asked over https and shown to the person.
  const clear: ConnectPolicy = { ...policy, allowPlaintext: true, ports: [80] };
  return {
    dns: systemDns(),
    get: (url, signal) => {
      const allowed = url.startsWith('http:') ? clear : { ...policy, allowPlaintext: false };
      return request({ url }, { ...allowed, ...limits, maxRedirects: 'told' }, signal);
    },
  };
}
