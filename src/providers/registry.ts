import { aol } from './aol.js';
import { exchange } from './exchange.js';
import { fastmail } from './fastmail.js';
import { files } from './files.js';
import { gmail } from './gmail.js';
import { gmx } from './gmx.js';
import { icewarp } from './icewarp.js';
import { icloud } from './icloud.js';
import { otherImap } from './imap.js';
import { kerio } from './kerio.js';
import { mailboxOrg } from './mailbox-org.js';
import { mailenable } from './mailenable.js';
import { microsoft365 } from './microsoft365.js';
import { nextcloud } from './nextcloud.js';
import { openXchange } from './open-xchange.js';
import { outlook } from './outlook.js';
import { pop } from './pop.js';
import type { Availability, Provider, ProviderServer } from './provider.js';
import { smartermail } from './smartermail.js';
import { sogo } from './sogo.js';
import { yahoo } from './yahoo.js';
import { zimbra } from './zimbra.js';
import { zoho } from './zoho.js';

/** In the order they are shown. */
export const PROVIDERS: readonly Provider[] = [
  exchange,
  microsoft365,
  gmail,
  outlook,
  yahoo,
  icloud,
  aol,
  gmx,
  zoho,
  fastmail,
  mailboxOrg,
  smartermail,
  zimbra,
  kerio,
  mailenable,
  icewarp,
  openXchange,
  sogo,
  nextcloud,
  otherImap,
  files,
  pop,
];

const BY_ID = new Map(PROVIDERS.map((provider) => [provider.id, provider]));

export function providerFor(id: string): Provider | null {
  return BY_ID.get(id) ?? null;
}

const READ_NOW: readonly Availability[] = ['imap', 'ews', 'dav', 'files'];

export function isAvailable(provider: Provider): boolean {
  return READ_NOW.includes(provider.comes);
}

export interface MailDomain {
  /** Of the address, after the @. */
  readonly domain: string;
  /** Host names of the domain's MX records; empty when not known. */
  readonly mx?: readonly string[];
}

/** Whose mail this is: by the domain of the address, else by where its MX records point. Null: nobody we know. */
export function matchProvider({ domain, mx = [] }: MailDomain): Provider | null {
  const name = plainName(domain);
  return (
    PROVIDERS.find(({ matches }) => matches.domains.includes(name)) ??
    PROVIDERS.find(({ matches }) => mx.some((host) => endsInOneOf(host, matches.mx))) ??
    null
  );
}

/** By the server that is dialled, as for a job whose customer chose "Other". */
export function providerOfHost(host: string): Provider | null {
  return PROVIDERS.find(({ hosts }) => endsInOneOf(host, hosts)) ?? null;
}

/** The server of this provider for an address; null where the customer must say, and for POP. */
export function serverFor(provider: Provider, mail?: MailDomain): (ProviderServer & { host: string }) | null {
  const { servers } = provider;
  const domain = mail === undefined ? '' : plainName(mail.domain);
  const fits =
    servers.find((server) => server.domains?.includes(domain)) ??
    servers.find((server) => (mail?.mx ?? []).some((host) => endsInOneOf(host, server.mx ?? []))) ??
    servers.find((server) => server.domains === undefined && server.mx === undefined);
  return fits === undefined || fits.host === null ? null : { ...fits, host: fits.host };
}

/** Where its calendars and contacts are. @param host of the mail server. Null: nowhere we know. */
export function davUrlsOf({ dav }: Provider, host: string): { readonly caldav?: URL; readonly carddav?: URL } | null {
  if (dav === undefined) return null;
  if (dav === 'same-host') {
    const url = new URL(`https://${host.includes(':') ? `[${host}]` : host}/`);
    return { caldav: url, carddav: url };
  }
  const { caldav, carddav } = dav;
  return {
    ...(caldav === undefined ? {} : { caldav: new URL(caldav) }),
    ...(carddav === undefined ? {} : { carddav: new URL(carddav) }),
  };
}

/** Whole labels: 'notgmail.com' does not end in 'gmail.com'. */
function endsInOneOf(host: string, ends: readonly string[]): boolean {
  const name = plainName(host);
  return ends.some((end) => name === end || name.endsWith(`.${end}`));
}

function plainName(name: string): string {
  return name.trim().toLowerCase().replace(/\.$/, '');
}
