import { readFileSync } from 'node:fs';
import type { JobFilters, JobOptions, SourceSettings } from '../../../jobs/job.js';
import type { ItemKind } from '../../../mailbox/kinds.js';
import { UsageError } from '../usage.js';
import {
  type CopyArguments,
  type MailboxUrl,
  parseDav,
  parseFingerprint,
  parseFolder,
  parseItems,
  parseMailboxUrl,
  parseSince,
  parseSize,
} from './arguments.js';

/** One side of a copy: where, as whom, and what makes its certificate good. Holds no password. */
export interface Side extends MailboxUrl {
  /** PEM. */
  readonly ca?: string;
  readonly caFingerprint?: string;
  /** Who signs in and acts for the user: SASL PLAIN with an authorization identity (RFC 4616), at Exchange by impersonation. */
  readonly admin?: string;
  /** Address of CalDAV and CardDAV; '{user}' stands for the user. */
  readonly dav?: string;
}

/** What is to be copied from where to where, checked. */
export interface CopyWish {
  readonly from: Side;
  readonly to: Side;
  readonly items: readonly ItemKind[];
  readonly existing: 'keep' | 'replace';
  readonly filters: JobFilters;
  readonly options: JobOptions;
}

/** @throws UsageError */
export function wishOf(args: CopyArguments): CopyWish {
  const from = side(parseMailboxUrl(args.from, '--from'), 'from', args.fromCa, args.fromFingerprint, args.fromAdmin);
  const dav = args.toDav === undefined ? undefined : parseDav(args.toDav);
  const to = {
    ...side(parseMailboxUrl(args.to, '--to'), 'to', args.toCa, args.toFingerprint, args.toAdmin),
    ...(dav === undefined ? {} : { dav }),
  };
  if (accountOf(from) === accountOf(to)) throw new UsageError('--from and --to are the same mailbox');
  if (args.replace && args.confirm?.toLowerCase() !== to.user.toLowerCase())
    throw new UsageError(
      `--replace moves what is in the new mailbox aside: add --confirm with its user name, as it stands in --to`,
    );
  return {
    from,
    to,
    items: parseItems(args.items, from, dav),
    existing: args.replace ? 'replace' : 'keep',
    filters: {
      ...(args.excludeFolder.length === 0 ? {} : { excludeFolders: args.excludeFolder.map(parseFolder) }),
      ...(args.since === undefined ? {} : { since: parseSince(args.since) }),
      ...(args.maxSize === undefined ? {} : { maxItemBytes: parseSize(args.maxSize) }),
    },
    options: { repair: args.repair, deepVerify: args.deepVerify ?? false },
  };
}

/** `anna@old.example@mail.old.example`: a mailbox of that name may be on more than one server. */
export function accountOf({ user, host, port }: MailboxUrl): string {
  const usual = port === 993 || port === 143 || port === 443;
  return `${user}@${host}${usual ? '' : `:${port}`}`.toLowerCase();
}

export function sourceOf({ host, port, security, user, caFingerprint, ews, admin }: Side): SourceSettings {
  return {
    type: ews === undefined ? 'imap' : 'ews',
    host,
    port,
    security,
    username: user,
    ...(caFingerprint === undefined ? {} : { caFingerprint }),
    ...(ews === undefined || ews === '/' ? {} : { ews: { url: `https://${bracketed(host)}:${port}${ews}` } }),
    ...(ews === undefined || admin === undefined
      ? {}
      : { login: { method: 'impersonation', username: admin } as const }),
  };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function side(
  url: MailboxUrl,
  name: 'from' | 'to',
  caFile: string | undefined,
  fingerprint: string | undefined,
  admin: string | undefined,
): Side {
  return {
    ...url,
    ...(caFile === undefined ? {} : { ca: pem(caFile, `--${name}-ca`) }),
    ...(fingerprint === undefined ? {} : { caFingerprint: parseFingerprint(fingerprint, `--${name}-fingerprint`) }),
    ...(admin === undefined ? {} : { admin }),
  };
}

function pem(file: string, option: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${option}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new UsageError(`${option}: the file holds no PEM certificate`);
  return text;
}
