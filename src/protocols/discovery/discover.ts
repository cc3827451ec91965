import { canonicalAddress, isLocalName, parseHost } from '../../mailbox/address.js';
import { systemResolve } from '../../mailbox/resolve.js';
import { areAllowedAddresses, checkTarget } from '../../mailbox/target.js';
import type { ConnectPolicy } from '../connect.js';
import { ConnectError } from '../connect-error.js';
import { underDeadline } from '../deadline.js';
import { type HttpResponse, request } from '../http/client.js';
import { AUTOCONFIG_LIMITS, type Candidate, type MailAddress, readAutoconfig } from './autoconfig.js';
import { type MailDns, type SrvRecord, systemDns } from './dns.js';
import { greetsAsImap } from './greeting.js';

export type FoundBy = 'autoconfig' | 'srv' | 'mx';

export interface Discovery {
  /** Of the address, lower-case ASCII. */
  readonly domain: string;
  /** MX hosts, most wanted first; empty when there are none. For matchProvider. */
  readonly mx: readonly string[];
  /** The best settings found, to be confirmed by the person. */
  readonly found: (Candidate & { readonly by: FoundBy }) | null;
}

export interface DiscoveryTools {
  readonly dns: MailDns;
  readonly get: (url: string, signal: AbortSignal) => Promise<HttpResponse>;
  /** Whether an IMAP server with a proper certificate greets there. */
  readonly greets: (candidate: Candidate, signal: AbortSignal) => Promise<boolean>;
}

export interface DiscoveryOptions {
  /** Whether these MX hosts belong to a provider we know: then no server is guessed. */
  readonly isKnownMx?: (mx: readonly string[]) => boolean;
  /** Default: the machine's name servers, and the one connector. */
  readonly tools?: Partial<DiscoveryTools>;
}

/** For a document of a web server that may not exist (ms). */
const DOCUMENT_MS = 6_000;
/** For a server that was only guessed (ms). */
const GUESS_MS = 4_000;
/** Settings looked at of one place: honest ones name one or two. */
const MAX_CANDIDATES = 5;
/** Longest address (RFC 5321 section 4.5.3.1). */
const MAX_ADDRESS = 254;

/**
 * Looks for the IMAP server of an address: Mozilla autoconfig at its domain, SRV records (RFC 6186), and what its MX hosts
 * suggest. Never has a password; the address itself goes only to the domain's own web server over checked https. What is
 * returned may be dialled under the policy. Past the deadline nothing was found, which is an answer.
 * @throws ConnectError VALIDATION when this is no address; the signal's reason.
 */
export async function discover(
  address: string,
  policy: ConnectPolicy,
  signal: AbortSignal,
  options: DiscoveryOptions = {},
): Promise<Discovery> {
  const who = parseAddress(address);
  const tools = { ...systemTools(policy), ...options.tools };
  let mx: readonly string[] = [];
  const late = new ConnectError('TIMEOUT', 'The settings could not be found in time.');
  const look = async (deadline: AbortSignal): Promise<Discovery['found']> => {
    const asked = tools.dns.mx(who.domain).then(hostNames, () => []);
    const own = document(autoconfigUrl(who), who, tools, deadline);
    const wellKnown = document(wellKnownUrl(who), who, tools, deadline);
    const srv = services(who, tools);
    const guessed = async (): Promise<Candidate[]> =>
      options.isKnownMx?.(mx) === true ? [] : guesses(who, mx, policy, tools, deadline);
    mx = await asked;
    const places: readonly (readonly [FoundBy, () => Promise<readonly Candidate[]>])[] = [
      ['autoconfig', () => own],
      ['autoconfig', () => wellKnown],
      ['srv', () => srv],
      // Knocks at doors, so only when nothing else is known.
      ['mx', guessed],
    ];
    for (const [by, candidates] of places)
      for (const candidate of (await candidates()).slice(0, MAX_CANDIDATES))
        if (await mayBeDialled(candidate, policy)) return { ...candidate, by };
    return null;
  };
  const found = await underDeadline(policy.deadlineMs, signal, () => late, look).catch((error: unknown) => {
    if (error === late) return null;
    throw error;
  });
  return { domain: who.domain, mx, found };
}

function systemTools(policy: ConnectPolicy): DiscoveryTools {
  const document = {
    ...policy,
    deadlineMs: Math.min(policy.deadlineMs, DOCUMENT_MS),
    maxBodyBytes: AUTOCONFIG_LIMITS.maxBytes,
    allowPlaintext: false,
  };
  const guess = { ...policy, deadlineMs: Math.min(policy.deadlineMs, GUESS_MS) };
  return {
    dns: systemDns(),
    get: (url, signal) => request({ url, headers: { accept: 'text/xml, application/xml' } }, document, signal),
    greets: (candidate, signal) => greetsAsImap(candidate, guess, signal),
  };
}

/** @throws ConnectError VALIDATION */
export function parseAddress(text: string): MailAddress {
  const trimmed = text.trim();
  const at = trimmed.lastIndexOf('@');
  const local = trimmed.slice(0, at);
  const host = at > 0 && trimmed.length <= MAX_ADDRESS ? parseHost(trimmed.slice(at + 1)) : null;
  const valid = host?.is === 'name' && host.name.includes('.') && !isLocalName(host.name);
  if (!valid || /[\u0000-\u0020\u007f]/.test(local))
    throw new ConnectError('VALIDATION', 'This is not an e-mail address.');
  return { address: `${local}@${host.name}`, local, domain: host.name };
}

function autoconfigUrl(who: MailAddress): string {
  return `https://autoconfig.${who.domain}/mail/config-v1.1.xml?emailaddress=${encodeURIComponent(who.address)}`;
}

function wellKnownUrl(who: MailAddress): string {
  return `https://${who.domain}/.well-known/autoconfig/mail/config-v1.1.xml`;
}

/** Most domains have no such document: whatever goes wrong means none. */
async function document(
  url: string,
  who: MailAddress,
  tools: DiscoveryTools,
  signal: AbortSignal,
): Promise<Candidate[]> {
  try {
    const { status, body } = await tools.get(url, signal);
    return status === 200 ? readAutoconfig(body, who) : [];
  } catch {
    return [];
  }
}

/** RFC 6186 section 3.2; RFC 8314 section 3 prefers TLS from the start, whatever the priorities. */
async function services(who: MailAddress, { dns }: DiscoveryTools): Promise<Candidate[]> {
  const ask = async (service: string, security: Candidate['security']): Promise<Candidate[]> => {
    const records = await dns.srv(`${service}._tcp.${who.domain}`).catch((): SrvRecord[] => []);
    return [...records]
      .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
      .filter(({ name }) => name !== '' && name !== '.')
      .map(({ name, port }) => ({ host: name.replace(/\.$/, ''), port, security, username: who.address }));
  };
  const [tls, starttls] = await Promise.all([ask('_imaps', 'tls'), ask('_imap', 'starttls')]);
  return [...tls, ...starttls];
}

/** Names that mail servers commonly have; only one that greets as IMAP, with a certificate for its name, counts. */
async function guesses(
  who: MailAddress,
  mx: readonly string[],
  policy: ConnectPolicy,
  tools: DiscoveryTools,
  signal: AbortSignal,
): Promise<Candidate[]> {
  const hosts = new Set([`imap.${who.domain}`, `mail.${who.domain}`, ...mx.slice(0, 1)]);
  const candidates = [...hosts].map((host) => ({ host, port: 993, security: 'tls', username: who.address }) as const);
  const greeted = await Promise.all(
    candidates.map(
      async (candidate) =>
        (await mayBeDialled(candidate, policy)) && (await tools.greets(candidate, signal).catch(() => false)),
    ),
  );
  return candidates.filter((_, i) => greeted[i]);
}

/** What a stranger's document or DNS names is checked like what a person types: it must exist and be allowed. */
export async function mayBeDialled(candidate: Candidate, policy: ConnectPolicy): Promise<boolean> {
  const host = parseHost(candidate.host);
  if (host === null || checkTarget(candidate, policy) !== null) return false;
  if (host.is === 'address') return true;
  const addresses = await (policy.resolve ?? systemResolve)(host.name).catch(() => []);
  return addresses.every((address) => canonicalAddress(address) !== null) && areAllowedAddresses(addresses, policy);
}

/** RFC 7505: a lone '.' means that the domain takes no mail. */
function hostNames(mx: readonly string[]): string[] {
  return mx.map((host) => host.toLowerCase().replace(/\.$/, '')).filter((host) => parseHost(host)?.is === 'name');
}
