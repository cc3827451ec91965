import type { SourceSecret } from '../jobs/contract.js';
import type { SourceSettings } from '../jobs/job.js';
import { reasonFor } from '../jobs/messages.js';
import { TransferError } from '../mailbox/transfer-error.js';
import type { ResolvedOptions } from '../panel/options.js';
import type { ConnectPolicy } from '../protocols/connect.js';
import type { DavLogin } from '../protocols/dav/client.js';
import type { DavService } from '../protocols/dav/discover.js';
import type { TakePermit } from '../protocols/permit.js';
import { systemDns } from '../protocols/discovery/dns.js';
import { classifyAuthError } from '../providers/auth-error.js';
import type { Provider } from '../providers/provider.js';
import { davUrlsOf, providerFor, providerOfHost } from '../providers/registry.js';
import { AccountSource } from '../sources/account/account-source.js';
import type { GmailSourceOptions } from '../sources/gmail/gmail-source.js';
import { createSource, isSourceKind } from '../sources/source-registry.js';
import type { Source } from '../sources/source.js';
import type { Reading } from './endpoints.js';
import { ewsLogin, ewsMailbox, imapLogin } from './source-login.js';

export interface Ground {
  /** Default: mail alone. */
  readonly reading?: Pick<Reading, 'kinds' | 'lookAtAll'>;
  readonly policy: ConnectPolicy;
  readonly worker: Pick<ResolvedOptions['worker'], 'connections'>;
  /** Asked before each connection to its calendars and contacts, as `more.permit` is for its mail. */
  readonly davPermit?: TakePermit;
  /** PEM: instead of the authorities Node knows. */
  readonly ca?: string;
}

/**
 * The read side of one old account: mail, or all it has. Connects nothing yet.
 * @param more what is known of its mail beside the settings of a job: an authority, another way to sign in
 * @throws TransferError SOURCE_UNSUPPORTED
 */
export function openSource(
  settings: SourceSettings,
  secret: SourceSecret,
  ground: Ground,
  more: Partial<GmailSourceOptions> = {},
): Source {
  const { type } = settings;
  // Files are read from the database, not from a server (endpoint-providers.ts).
  if (!isSourceKind(type) || type === 'files') throw unsupported();
  if (type === 'ews') return ewsSource(settings, secret, ground, more);
  if (settings.login?.method === 'impersonation' || settings.login?.method === 'delegate') throw unsupported();
  if (type === 'dav') return davSource(settings, secret, ground, addressOf(settings));
  const mail = imapSource(settings, secret, ground, more);
  const { kinds = ['mail'], lookAtAll = false } = ground.reading ?? {};
  const known = knownDav(settings);
  const wanted = kinds.some((kind) => kind !== 'mail');
  if (!wanted && (known === null || !lookAtAll)) return mail;
  const urls = known ?? sameHost(settings);
  return new AccountSource({ kinds, mail, dav: davSource(settings, secret, ground, urls) });
}

function imapSource(
  settings: SourceSettings,
  secret: SourceSecret,
  { policy, worker }: Ground,
  more: Partial<GmailSourceOptions>,
): Source {
  const { host, port, security, username, caFingerprint } = settings;
  const known = knownProvider(settings);
  return createSource('imap', {
    target: { host, port, security, ...(caFingerprint === undefined ? {} : { caFingerprint }) },
    login: async () => imapLogin(settings, secret),
    policy,
    owner: username,
    maxConnections: connectionsTo(settings, worker.connections),
    ...(known?.limits.maxMessageBytes === undefined ? {} : { maxMessageBytes: known.limits.maxMessageBytes }),
    classifySignIn: ({ responseCode, text }) => meaningOf(settings, text, responseCode),
    ...more,
  });
}

function ewsSource(
  settings: SourceSettings,
  secret: SourceSecret,
  ground: Ground,
  { permit }: Partial<GmailSourceOptions>,
): Source {
  const { host, username, caFingerprint, options = {} } = settings;
  // Only a tenant that opened it still lets anybody in there, and then by a token.
  if (providerOfHost(host)?.id === 'microsoft365' && secret.token === undefined) throw unsupported('EWS_CLOSED');
  const mailbox = ewsMailbox(settings);
  return createSource('ews', {
    url: ewsUrl(settings),
    login: async () => ewsLogin(settings, secret),
    mailbox,
    policy: ground.policy,
    owner: username,
    trust: {
      ...(caFingerprint === undefined ? {} : { caFingerprint }),
      ...(ground.ca === undefined ? {} : { ca: ground.ca }),
    },
    maxConnections: connectionsTo(settings, ground.worker.connections),
    ...(permit === undefined ? {} : { permit }),
    classifySignIn: ({ text }) => meaningOf(settings, text, null),
    archive: options['archive'] === true,
    publicFolders: options['publicFolders'] === true,
  });
}

function ewsUrl({ host, port, security, ews }: SourceSettings): URL {
  const named = host.includes(':') ? `[${host}]` : host;
  return new URL(ews?.url ?? `${security === 'none' ? 'http' : 'https'}://${named}:${port}/`);
}

function unsupported(code = 'SOURCE_UNSUPPORTED'): TransferError {
  return new TransferError(reasonFor(code).message, {
    side: 'source',
    scope: 'job',
    retry: 'never',
    code,
  });
}

type DavUrls = Readonly<Partial<Record<DavService, URL>>>;

function davSource(
  settings: SourceSettings,
  secret: SourceSecret,
  { policy, worker, davPermit }: Ground,
  urls: DavUrls,
): Source {
  const { username, caFingerprint } = settings;
  const domain = username.includes('@') ? username.slice(username.lastIndexOf('@') + 1).toLowerCase() : null;
  return createSource('dav', {
    urls,
    login: async () => davLogin(settings, secret),
    policy,
    owner: username,
    ...(caFingerprint === undefined ? {} : { trust: { caFingerprint } }),
    maxConnections: connectionsTo(settings, worker.connections),
    ...(davPermit === undefined ? {} : { permit: davPermit }),
    classifySignIn: ({ text }) => meaningOf(settings, text, null),
    ...(domain === null ? {} : { dns: { domain, questions: systemDns() } }),
  });
}

/** An administrator who acts for somebody in IMAP would see his own calendars here. */
function davLogin(settings: SourceSettings, secret: SourceSecret): DavLogin {
  const login = imapLogin(settings, secret);
  if (login.kind !== 'authzid') return login;
  throw unsupported();
}

/** Whose connections to calendars and contacts are counted together: the server they are asked of first. */
export function davHostOf(settings: SourceSettings): string {
  const { caldav, carddav } = knownDav(settings) ?? sameHost(settings);
  return (caldav ?? carddav)?.hostname.replace(/^\[|\]$/g, '').toLowerCase() ?? settings.host.toLowerCase();
}

/** What the customer or the API named, else what we know of the provider. */
function knownDav(settings: SourceSettings): DavUrls | null {
  const { dav, host } = settings;
  if (dav !== undefined) return { caldav: new URL(dav.url), carddav: new URL(dav.url) };
  const provider = knownProvider(settings);
  return provider === null ? null : davUrlsOf(provider, host);
}

/** The web server beside the mail server: RFC 6764 finds the rest. */
function sameHost({ host }: SourceSettings): DavUrls {
  const url = new URL(`https://${host.includes(':') ? `[${host}]` : host}/`);
  return { caldav: url, carddav: url };
}

function addressOf(settings: SourceSettings): DavUrls {
  const { dav, host, port, security } = settings;
  const named = host.includes(':') ? `[${host}]` : host;
  const url = new URL(dav?.url ?? `${security === 'none' ? 'http' : 'https'}://${named}:${port}/`);
  return { caldav: url, carddav: url };
}

export function knownProvider({ host, provider }: SourceSettings): Provider | null {
  return providerOfHost(host) ?? (provider === undefined ? null : providerFor(provider));
}

/** To one account: what its provider bears, and no more than we were told. */
export function connectionsTo(settings: SourceSettings, most: number): number {
  return Math.min(knownProvider(settings)?.limits.maxConnections ?? most, most);
}

/** What a refused sign-in means at this provider, in words for people. */
function meaningOf(
  { host, provider }: SourceSettings,
  text: string,
  responseCode: string | null,
): { code: string; message: string; retry: 'user' } {
  const code = classifyAuthError({
    host,
    text,
    ...(provider === undefined ? {} : { provider }),
    ...(responseCode === null ? {} : { code: responseCode }),
  });
  return { code, message: reasonFor(code).message, retry: 'user' };
}
