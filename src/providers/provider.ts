import type { ItemKind } from '../mailbox/kinds.js';
import type { Security } from '../mailbox/target.js';

/**
 * How an account of this provider can be moved today. `imap`: now. `ews`: now, with all it has, over Exchange's web
 * services. `dav`: now, it has no mail. `files`: now, from files that are uploaded. `imap-soon-oauth`: over IMAP once we can sign in with
 * OAuth, so not now. `not-available`: by no way we have.
 */
export type Availability = 'imap' | 'ews' | 'dav' | 'files' | 'imap-soon-oauth' | 'not-available';

/** What the server takes as a user name. */
export type UsernameForm = 'address' | 'local-part' | 'domain-user' | 'account' | 'any';

/**
 * Whether a kind of item can be moved. `yes`: now. `not-yet`: the provider gives it, but we cannot fetch it yet.
 * `not-offered`: the provider gives it to no program. `depends`: some servers of this kind give it, but we cannot fetch it yet.
 */
export type Giving = 'yes' | 'not-yet' | 'not-offered' | 'depends';

/** What a refused sign-in means. */
export type AuthCode = 'AUTH_FAILED' | 'AUTH_NEEDS_APP_PASSWORD' | 'AUTH_NEEDS_OAUTH' | 'IMAP_DISABLED';

export interface ProviderServer {
  /** Null: the customer must say. */
  readonly host: string | null;
  readonly port: number;
  readonly security: Exclude<Security, 'none'>;
  /** Domains of addresses this server is for. */
  readonly domains?: readonly string[];
  /** Ends of MX host names this server is for. */
  readonly mx?: readonly string[];
}

/** Addresses that RFC 6764 goes on from. */
export interface ProviderDav {
  readonly caldav?: string;
  readonly carddav?: string;
}

export interface ProviderLimits {
  /** Connections we open to one account: about a third of the cap, which the customer's own devices share. */
  readonly maxConnections: number;
  /** Bytes it lets an account read in a day. */
  readonly bytesDownPerDay?: number;
  /** Bytes of the largest message it takes, so none is larger. */
  readonly maxMessageBytes?: number;
  /** Messages of a folder it shows over IMAP; the rest stays hidden. */
  readonly messagesPerFolder?: number;
}

/** English; the pages translate by `providers.<id>.<key>` and fall back to these. Plain text, never HTML. */
export interface ProviderWords {
  /** One line under the name. */
  readonly summary: string;
  /** The one thing to do at the provider first; left out when there is none. */
  readonly first?: string;
  /** The same, step by step. */
  readonly steps?: readonly string[];
  /** Why it cannot be moved now, and what to do instead; only when it is not available. */
  readonly unavailable?: string;
  /** What the customer should know beforehand. */
  readonly note?: string;
  /** In the user name field. */
  readonly placeholder: string;
  /** What a code means here, where the general sentence would mislead. */
  readonly errors?: Readonly<Partial<Record<AuthCode, string>>>;
}

export interface Provider {
  /** Lower case, stable: stored with jobs. */
  readonly id: string;
  readonly name: string;
  readonly comes: Availability;
  /** The first that fits the address is taken, else the first without domains and mx. */
  readonly servers: readonly ProviderServer[];
  /** Where its calendars and contacts are; 'same-host': on the web server beside the mail server. Left out: nowhere we can read. */
  readonly dav?: ProviderDav | 'same-host';
  /** False: host, port and security are always these and need not be shown. */
  readonly asksForServer: boolean;
  readonly username: UsernameForm;
  readonly gives: Readonly<Record<ItemKind, Giving>>;
  readonly limits: ProviderLimits;
  readonly matches: {
    /** Domains of addresses, whole. */
    readonly domains: readonly string[];
    /** Ends of MX host names, whole labels. */
    readonly mx: readonly string[];
  };
  /** Ends of host names whose answers are this provider's. */
  readonly hosts: readonly string[];
  /** What a refused sign-in most likely means here when the server's words do not say. */
  readonly refusalMeans: AuthCode;
  /** The provider's own page about it, https. */
  readonly help?: string;
  readonly words: ProviderWords;
}

export const MEBIBYTE = 1024 * 1024;
/** What a server we know nothing of bears: Courier's default is 4 connections, the customer's own included. */
export const CAREFUL_CONNECTIONS = 2;

const NOTHING_YET: Provider['gives'] = {
  mail: 'yes',
  contacts: 'not-yet',
  calendars: 'not-yet',
  tasks: 'not-yet',
  notes: 'not-yet',
};

/** Mail, and by CalDAV and CardDAV the rest; not all servers keep notes. */
export function everything(rest: Partial<Omit<Provider['gives'], 'mail'>> = {}): Provider['gives'] {
  return { mail: 'yes', contacts: 'yes', calendars: 'yes', tasks: 'yes', notes: 'not-offered', ...rest };
}

/** All five kinds. */
export function throughout(): Provider['gives'] {
  return { mail: 'yes', contacts: 'yes', calendars: 'yes', tasks: 'yes', notes: 'yes' };
}

/** Mail now, the rest as told. */
export function mailAnd(rest: Partial<Omit<Provider['gives'], 'mail'>>): Provider['gives'] {
  return { ...NOTHING_YET, ...rest };
}

/** A server at a hoster: found by the customer or by discovery. */
export const ASKED: ProviderServer = { host: null, port: 993, security: 'tls' };

export function imaps(host: string, only: Pick<ProviderServer, 'domains' | 'mx'> = {}): ProviderServer {
  return { host, port: 993, security: 'tls', ...only };
}

/** For server software: it is met under every domain. */
export const NOWHERE: Provider['matches'] = { domains: [], mx: [] };
