import { isItemKind, ITEM_KINDS, type ItemKind } from '../../../mailbox/kinds.js';
import { parseHost } from '../../../mailbox/address.js';
import { UsageError } from '../usage.js';

/** What stands on the command line, as commander gives it. */
export interface CopyArguments {
  readonly from: string;
  readonly to: string;
  readonly fromCa?: string;
  readonly toCa?: string;
  readonly fromFingerprint?: string;
  readonly toFingerprint?: string;
  readonly fromAdmin?: string;
  readonly toAdmin?: string;
  readonly toDav?: string;
  readonly items: string;
  readonly excludeFolder: readonly string[];
  readonly since?: string;
  readonly maxSize?: string;
  readonly replace?: boolean;
  readonly confirm?: string;
  readonly repair: boolean;
  readonly deepVerify?: boolean;
  readonly dryRun?: boolean;
  readonly report?: string;
  readonly json?: boolean;
  readonly dataDir?: string;
}

/** One of the two mailboxes. */
export interface MailboxUrl {
  readonly host: string;
  readonly port: number;
  readonly security: 'tls' | 'starttls';
  readonly user: string;
  /** Exchange, over EWS: the path of its web service, '/' to look for it. Left out: IMAP. */
  readonly ews?: string;
}

const IMAP = { 'imaps:': { port: 993, security: 'tls' }, 'imap:': { port: 143, security: 'starttls' } } as const;
const PORTS = {
  '--from': { ...IMAP, 'ews:': { port: 443, security: 'tls' } },
  '--to': IMAP,
} as const;
const HOW_IMAP = 'imaps://USER@HOST[:PORT] for TLS, imap://USER@HOST[:PORT] for STARTTLS';
const HOW = { '--from': `${HOW_IMAP}, ews://USER@HOST[:PORT] for Exchange`, '--to': HOW_IMAP } as const;

/**
 * `imaps://anna@old.example@mail.old.example:993`: the last @ is before the host. What was typed is never repeated: there may
 * be a password in it.
 * @throws UsageError
 */
export function parseMailboxUrl(text: string, option: '--from' | '--to'): MailboxUrl {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`${option} is not a URL: it must be ${HOW[option]}`);
  }
  const known: Readonly<Record<string, { readonly port: number; readonly security: 'tls' | 'starttls' } | undefined>> =
    PORTS[option];
  const { port, security } = known[url.protocol] ?? {};
  if (port === undefined || security === undefined) throw new UsageError(`${option} must be ${HOW[option]}`);
  const isEws = url.protocol === 'ews:';
  if (url.password !== '')
    throw new UsageError(
      `${option} has a password in it, which everybody on this machine can read in the list of processes: ` +
        `leave it out, set ${passwordVariable(option)} or wait for the question, and change that password`,
    );
  if ((!isEws && url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '')
    throw new UsageError(`${option} names a whole mailbox, so nothing may follow the host: ${HOW[option]}`);
  const user = decoded(url.username, option);
  if (user === '') throw new UsageError(`${option} names no user: ${HOW[option]}`);
  const host = decoded(url.hostname, option).replace(/^\[|\]$/g, '');
  if (parseHost(host) === null) throw new UsageError(`${option} names no server: ${HOW[option]}`);
  const side = { host, security, port: url.port === '' ? port : Number(url.port), user };
  return isEws ? { ...side, ews: url.pathname === '' ? '/' : url.pathname } : side;
}

export function passwordVariable(option: '--from' | '--to'): string {
  return option === '--from' ? 'MAILFERRY_FROM_PASSWORD' : 'MAILFERRY_TO_PASSWORD';
}

/** @param from whether it gives more than mail @param dav where more than mail would go @throws UsageError */
export function parseItems(text: string, from: MailboxUrl, dav: string | undefined): ItemKind[] {
  const names = text.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !isItemKind(name));
  if (wrong !== undefined) throw new UsageError(`--items must be of ${ITEM_KINDS.join(', ')}, separated by commas`);
  const kinds = ITEM_KINDS.filter((kind) => names.includes(kind));
  if (kinds.every((kind) => kind === 'mail')) return kinds;
  if (from.ews === undefined) throw new UsageError('--items: only mail can be copied from one IMAP server to another');
  if (dav === undefined)
    throw new UsageError(
      '--items: contacts, calendars, tasks and notes need the address of CalDAV and CardDAV in --to-dav',
    );
  return kinds;
}

/** Midnight in UTC where only a day is given. @throws UsageError */
export function parseSince(text: string): string {
  const at = new Date(text);
  if (!/^\d{4}-\d{2}-\d{2}(T|$)/.test(text) || Number.isNaN(at.getTime()))
    throw new UsageError('--since must be a day like 2024-01-31, or a moment like 2024-01-31T12:00:00Z');
  return at.toISOString();
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Bytes. @throws UsageError */
export function parseSize(text: string): number {
  const [, digits, unit = ''] = /^([1-9]\d*(?:\.\d+)?)\s*([kmg]?)b?$/i.exec(text.trim()) ?? [];
  if (digits === undefined) throw new UsageError('--max-size must be a size like 500000, 800k or 25M');
  return Math.floor(Number(digits) * UNITS[unit.toLowerCase()]!);
}

/** One entry a level, as an old server shows it with '/'. */
export function parseFolder(text: string): string[] {
  const levels = text.split('/').filter((level) => level !== '');
  if (levels.length === 0) throw new UsageError('--exclude-folder must name a folder, like Archive/2019');
  return levels;
}

/** Lower-case hex. @throws UsageError */
export function parseFingerprint(text: string, option: string): string {
  const hex = text.replaceAll(':', '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new UsageError(`${option} must be the SHA-256 of a certificate: 64 hexadecimal digits, colons allowed`);
  return hex;
}

/** @throws UsageError */
export function parseDav(text: string): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError('--to-dav is not a URL: it must be like https://dav.new.example/');
  }
  if (url.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw new UsageError('--to-dav must be like https://dav.new.example/, without user name and password');
  return text;
}

function decoded(text: string, option: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError(`${option} has a % that is not followed by two hexadecimal digits: write it as %25`);
  }
}
