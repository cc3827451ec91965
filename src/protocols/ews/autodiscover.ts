import type { ConnectPolicy } from '../connect.js';
import { type HttpResponse, request } from '../http/client.js';
import { mayReceiveLogin } from '../login-scope.js';
import { childrenNamed, parseXml, textOf, type XmlElement, XmlError } from '../xml.js';
import { EwsFailure, redirection } from './failure.js';
import { escapeXml } from './envelope.js';
import { FAULT_LIMITS } from './limits.js';
import { authorizationOf, type EwsLogin, offersWindowsOnly } from './login.js';

export interface AutodiscoverOptions {
  /** The server the person named: it and its neighbours get the login, nobody else, and no parent domain is climbed to. */
  readonly home: URL;
  readonly login: EwsLogin;
  /** Whose mailbox; what was signed in with where it is an address. */
  readonly address: string;
  readonly policy: ConnectPolicy;
  readonly trust?: { readonly caFingerprint?: string; readonly ca?: string };
}

/** Where EWS is on every Exchange, in the spelling of its own documents. */
export const USUAL_PATH = '/EWS/Exchange.asmx';
const POX_PATH = '/autodiscover/autodiscover.xml';
const SOAP_PATH = '/autodiscover/autodiscover.svc';
/** Answers that point elsewhere, one after the other ([MS-OXDISCO] 3.1.5). */
const MAX_STEPS = 5;
const LIMITS = { ...FAULT_LIMITS, maxBytes: 256 * 1024, maxElements: 5_000 };

/**
 * The address of the web service behind a server that was named: the usual one if something asks for a login there, else
 * what Autodiscover tells, in its older form (POX, [MS-OXDSCLI]) and its newer one (SOAP, [MS-OXWSADISC]).
 * @throws EwsFailure 'not-ews', 'redirected' to a host that may not have the login, 'sign-in'; ConnectError; XmlError
 */
export async function findEwsUrl(options: AutodiscoverOptions, signal: AbortSignal): Promise<URL> {
  const { home } = options;
  const usual = new URL(USUAL_PATH, home);
  if (await asksForLogin(usual, options, signal)) return usual;
  for (const ask of [askPox, askSoap]) {
    const told = await follow(options, ask, signal);
    if (told !== null) return told;
  }
  throw new EwsFailure('not-ews', { status: 404 });
}

/** Without a login: Exchange answers 401 there to whoever comes without one. */
async function asksForLogin(url: URL, options: AutodiscoverOptions, signal: AbortSignal): Promise<boolean> {
  const { status } = await exchange({ url: url.href, method: 'GET' }, options, signal);
  return status === 401;
}

type Told =
  | { readonly is: 'url'; readonly url: string }
  | { readonly is: 'redirect'; readonly url: string }
  | { readonly is: 'address'; readonly address: string }
  | { readonly is: 'nothing' };
type Ask = (options: AutodiscoverOptions, at: URL, address: string, signal: AbortSignal) => Promise<Told>;

async function follow(options: AutodiscoverOptions, ask: Ask, signal: AbortSignal): Promise<URL | null> {
  let at = options.home;
  let { address } = options;
  for (let step = 0; step < MAX_STEPS; step++) {
    const told = await ask(options, at, address, signal);
    if (told.is === 'nothing') return null;
    if (told.is === 'address') {
      if (told.address === address) return null;
      address = told.address;
      continue;
    }
    const url = safeUrl(told.url, options.home);
    if (told.is === 'url') return url;
    at = url;
  }
  throw new EwsFailure('redirected');
}

/** @throws EwsFailure 'redirected' for a stranger */
function safeUrl(text: string, home: URL): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new EwsFailure('not-understood');
  }
  if (!mayReceiveLogin(url, home))
    throw new EwsFailure('redirected', { serverText: url.host, ...(url.protocol === 'https:' ? { to: url } : {}) });
  return url;
}

async function askPox(options: AutodiscoverOptions, at: URL, address: string, signal: AbortSignal): Promise<Told> {
  const schema = 'http://schemas.microsoft.com/exchange/autodiscover/outlook';
  const body = `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="${schema}/requestschema/2006"><Request><EMailAddress>${escapeXml(address)}</EMailAddress><AcceptableResponseSchema>${schema}/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`;
  const root = await askXml(options, new URL(at.pathname === '/' ? POX_PATH : at.pathname, at), body, signal);
  const account = root === null ? undefined : firstOf(root, 'Account');
  if (account === undefined) return { is: 'nothing' };
  const action = textOf(account, 'Action').toLowerCase();
  if (action === 'redirecturl') return { is: 'redirect', url: textOf(account, 'RedirectUrl') };
  if (action === 'redirectaddr') return { is: 'address', address: textOf(account, 'RedirectAddr') };
  const protocols = childrenNamed(account, 'Protocol');
  // EXPR is what the server says to those outside, EXCH what it says to its own network.
  for (const type of ['EXPR', 'EXCH']) {
    const found = protocols.find((one) => textOf(one, 'Type').toUpperCase() === type);
    const url = found === undefined ? '' : textOf(found, 'EwsUrl') || textOf(found, 'ASUrl');
    if (url !== '') return { is: 'url', url };
  }
  return { is: 'nothing' };
}

async function askSoap(options: AutodiscoverOptions, at: URL, address: string, signal: AbortSignal): Promise<Told> {
  const target = new URL(at.pathname === '/' ? SOAP_PATH : at.pathname, at);
  const body = `<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover" xmlns:wsa="http://www.w3.org/2005/08/addressing" xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Header><a:RequestedServerVersion>Exchange2010</a:RequestedServerVersion><wsa:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover/Autodiscover/GetUserSettings</wsa:Action><wsa:To>${escapeXml(target.href)}</wsa:To></soap:Header><soap:Body><a:GetUserSettingsRequestMessage><a:Request><a:Users><a:User><a:Mailbox>${escapeXml(address)}</a:Mailbox></a:User></a:Users><a:RequestedSettings><a:Setting>ExternalEwsUrl</a:Setting><a:Setting>InternalEwsUrl</a:Setting></a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage></soap:Body></soap:Envelope>`;
  const root = await askXml(options, target, body, signal);
  const user = root === null ? undefined : firstOf(root, 'UserResponse');
  if (user === undefined) return { is: 'nothing' };
  const code = textOf(user, 'ErrorCode');
  if (code === 'RedirectUrl') return { is: 'redirect', url: textOf(user, 'RedirectTarget') };
  if (code === 'RedirectAddress') return { is: 'address', address: textOf(user, 'RedirectTarget') };
  const settings = childrenNamed(user, 'UserSettings').flatMap((one) => childrenNamed(one, 'UserSetting'));
  for (const name of ['ExternalEwsUrl', 'InternalEwsUrl']) {
    const found = settings.find((one) => textOf(one, 'Name') === name);
    if (found !== undefined && textOf(found, 'Value') !== '') return { is: 'url', url: textOf(found, 'Value') };
  }
  return { is: 'nothing' };
}

/** Null: there is no Autodiscover at this address. */
async function askXml(
  options: AutodiscoverOptions,
  url: URL,
  body: string,
  signal: AbortSignal,
): Promise<XmlElement | null> {
  const {
    status,
    headers,
    body: answer,
  } = await exchange(
    {
      url: url.href,
      method: 'POST',
      body: Buffer.from(body),
      headers: { 'content-type': 'text/xml; charset=utf-8', authorization: authorizationOf(options.login) },
    },
    options,
    signal,
  );
  if (status === 401) throw new EwsFailure(offersWindowsOnly(headers) ? 'windows-sign-in' : 'sign-in', { status });
  if (status >= 300 && status < 400) {
    const elsewhere = redirection(status, headers.location, url);
    // Its page for people: Autodiscover is not there.
    if (elsewhere.problem === 'not-ews') return null;
    throw elsewhere;
  }
  if (status !== 200) return null;
  try {
    return parseXml(answer, LIMITS);
  } catch (error) {
    if (error instanceof XmlError && error.code === 'XML_FORBIDDEN' && isPage(answer)) return null;
    if (error instanceof XmlError && error.code !== 'XML_FORBIDDEN') return null;
    throw error;
  }
}

/** A web page, whose DOCTYPE means no harm. */
function isPage(answer: Buffer): boolean {
  return /^\s*<!doctype html/i.test(answer.subarray(0, 200).toString('latin1'));
}

function exchange(
  asked: { url: string; method: string; body?: Uint8Array; headers?: Record<string, string> },
  { policy, trust, home }: AutodiscoverOptions,
  signal: AbortSignal,
): Promise<HttpResponse> {
  const isHome = new URL(asked.url).origin === home.origin;
  return request(
    { ...asked, ...(trust === undefined || !isHome ? {} : { trust }) },
    { ...policy, maxBodyBytes: LIMITS.maxBytes, maxRedirects: 'told' },
    signal,
  );
}

function firstOf(element: XmlElement, name: string): XmlElement | undefined {
  if (element.name === name) return element;
  for (const child of element.children) {
    const found = firstOf(child, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
