import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PACKAGE_DIR } from './infra/places.js';
import type { JobNotice, Role } from '../panel/host-panel.js';
import type { RedisAddress, TokenIssuer } from '../panel/options.js';
import { checkKeys, checkSettings, type Raw, readSettingsFile, SettingsError } from './settings-check.js';

export interface SecretSetting {
  readonly secretEnv?: string;
  readonly secretFile?: string;
}
export type AccessSettings =
  | ({ readonly kind: 'imap-authzid'; readonly authcid: string } & SecretSetting)
  | ({ readonly kind: 'imap-composite'; readonly loginTemplate: string; readonly admin: string } & SecretSetting)
  | { readonly kind: 'user-secret' };
export interface DestinationSettings {
  readonly imap: {
    readonly host: string;
    readonly port?: number;
    readonly security?: 'tls' | 'starttls' | 'none';
    readonly caFile?: string;
  };
  readonly dav?: { readonly url: string; readonly caFile?: string };
  readonly domains?: readonly string[];
  readonly access: AccessSettings;
}
export interface AccountSettings {
  readonly name: string;
  readonly displayName?: string;
  readonly role: Role;
  readonly passwordHash: string;
  readonly domains?: readonly string[];
  readonly mailboxes?: readonly string[];
  readonly tenant?: string;
}
export type SmtpSettings = {
  readonly host: string;
  readonly port?: number;
  readonly security?: 'tls' | 'starttls' | 'none';
  readonly username?: string;
  readonly from: string;
} & SecretSetting;
export type WebhookSettings = { readonly url: string; readonly events?: readonly JobNotice[] } & SecretSetting;
interface IssuerSettings {
  readonly iss: string;
  readonly publicKey?: string;
  readonly publicKeyFile?: string;
  readonly jwks?: string;
  readonly jwksFile?: string;
  readonly algs?: readonly ('ES256' | 'EdDSA')[];
}

/** Every setting of the standalone host; schemas/settings.schema.json says what each is for. */
export interface Settings {
  readonly port: number;
  readonly host: string;
  readonly basePath: string;
  readonly publicUrl: string | null;
  /** Null: a private one. */
  readonly databaseUrl: string | null;
  readonly redis: RedisAddress | null;
  /** Null: not given; only the sandbox makes its own. */
  readonly keys: string | null;
  readonly dataDir: string;
  /** Wished, and there is no destination that would make it pointless. */
  readonly sandbox: boolean;
  readonly destination: DestinationSettings | null;
  /** Null: not said; the sandbox then allows it. */
  readonly allowPrivateTargets: boolean | null;
  readonly allowPlaintext: boolean;
  readonly egressPorts: readonly number[] | null;
  readonly egressRanges: readonly string[];
  readonly workerJobs: number;
  readonly workerConnections: number;
  readonly hostConnections: number;
  /** By names of servers, lower case. */
  readonly hostLimits: Readonly<Record<string, number>>;
  readonly tenantJobs: number | null;
  readonly issuers: readonly TokenIssuer[];
  readonly accounts: readonly AccountSettings[];
  readonly branding: {
    readonly name?: string;
    readonly logoUrl?: string;
    readonly accent?: string;
    readonly supportUrl?: string;
  };
  readonly frameAncestors: readonly string[];
  readonly metricsToken: string | null;
  /** Null: notices are only written to the log. */
  readonly smtp: SmtpSettings | null;
  readonly webhooks: readonly WebhookSettings[];
  readonly keepSecretsHours: number | null;
  readonly testsPerMinute: number | null;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

type Env = Readonly<Record<string, string | undefined>>;

/** Environment variable -> setting and how its text is read. */
const VARIABLES: Readonly<Record<string, readonly [string, (text: string) => unknown]>> = {
  MAILFERRY_PORT: ['port', number],
  MAILFERRY_HOST: ['host', String],
  MAILFERRY_BASE_PATH: ['basePath', (text) => text.replace(/\/$/, '')],
  MAILFERRY_PUBLIC_URL: ['publicUrl', String],
  MAILFERRY_DATABASE_URL: ['databaseUrl', String],
  MAILFERRY_REDIS_URL: ['redisUrl', String],
  MAILFERRY_KEYS: ['keys', String],
  MAILFERRY_DATA_DIR: ['dataDir', String],
  MAILFERRY_SANDBOX: ['sandbox', flag],
  MAILFERRY_DESTINATION: ['destination', json],
  MAILFERRY_ALLOW_PRIVATE_TARGETS: ['allowPrivateTargets', flag],
  MAILFERRY_ALLOW_PLAINTEXT: ['allowPlaintext', flag],
  MAILFERRY_EGRESS_PORTS: ['egressPorts', (text) => text.split(',').map((part) => number(part.trim()))],
  MAILFERRY_WORKER_JOBS: ['workerJobs', number],
  MAILFERRY_WORKER_CONNECTIONS: ['workerConnections', number],
  MAILFERRY_HOST_CONNECTIONS: ['hostConnections', number],
  MAILFERRY_TENANT_JOBS: ['tenantJobs', number],
  MAILFERRY_METRICS_TOKEN: ['metricsToken', String],
  MAILFERRY_LOG_LEVEL: ['logLevel', String],
};

/**
 * File (MAILFERRY_CONFIG), then environment; an empty variable counts as not set.
 * @throws SettingsError
 */
export function loadSettings(env: Env = process.env): Settings {
  const file = env['MAILFERRY_CONFIG'] || null;
  const raw: Raw = file ? readSettingsFile(file) : {};
  const origin = new Map<string, string>();
  for (const [variable, [key, read]] of Object.entries(VARIABLES)) {
    const text = env[variable];
    if (text === undefined || text === '') continue;
    try {
      raw[key] = read(text);
    } catch (error) {
      throw new SettingsError(`${variable} ${(error as Error).message}`);
    }
    origin.set(key, variable);
  }
  checkSettings(raw, (key) => origin.get(key) ?? null, file);
  return fill(raw, origin);
}

function fill(raw: Raw, origin: ReadonlyMap<string, string>): Settings {
  const optional = <T>(key: string): T | null => (raw[key] as T | undefined) ?? null;
  const or = <T>(key: string, otherwise: T): T => (raw[key] as T | undefined) ?? otherwise;
  const destination = optional<DestinationSettings>('destination');
  const keys = optional<string>('keys');
  if (keys !== null) checkKeys(keys, origin.get('keys') ?? 'keys');
  return {
    port: or('port', 3000),
    host: or('host', '127.0.0.1'),
    basePath: or('basePath', '/migrate'),
    publicUrl: optional<string>('publicUrl')?.replace(/\/$/, '') ?? null,
    databaseUrl: optional('databaseUrl'),
    redis: redisAddress(optional('redisUrl')),
    keys,
    dataDir: resolve(or('dataDir', join(PACKAGE_DIR, '.mailferry'))),
    sandbox: or('sandbox', true) && destination === null,
    destination,
    allowPrivateTargets: optional('allowPrivateTargets'),
    allowPlaintext: or('allowPlaintext', false),
    egressPorts: optional('egressPorts'),
    egressRanges: or('egressRanges', []),
    workerJobs: or('workerJobs', 4),
    workerConnections: or('workerConnections', 8),
    hostConnections: or('hostConnections', 64),
    hostLimits: lowerCase(or('hostLimits', {})),
    tenantJobs: optional('tenantJobs'),
    issuers: or<IssuerSettings[]>('issuers', []).map(issuer),
    accounts: accounts(or('accounts', [])),
    branding: or('branding', {}),
    frameAncestors: or('frameAncestors', []),
    metricsToken: optional('metricsToken'),
    smtp: optional('smtp'),
    webhooks: or('webhooks', []),
    keepSecretsHours: optional('keepSecretsHours'),
    testsPerMinute: optional('testsPerMinute'),
    logLevel: or('logLevel', 'info'),
  };
}

function lowerCase(limits: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(limits).map(([host, most]) => [host.toLowerCase(), most]));
}

/** unix:/path, redis:// or rediss://. */
export function redisAddress(url: string | null): RedisAddress | null {
  if (url === null) return null;
  return url.startsWith('unix:') ? { path: url.slice('unix:'.length).replace(/^\/\/(?=\/)/, '') } : { url };
}

function accounts(list: readonly AccountSettings[]): readonly AccountSettings[] {
  const names = new Set<string>();
  for (const { name } of list) {
    if (names.has(name.toLowerCase())) throw new SettingsError(`accounts: '${name}' is there twice`);
    names.add(name.toLowerCase());
  }
  return list;
}

function issuer({ iss, publicKey, publicKeyFile, jwks, jwksFile, algs }: IssuerSettings): TokenIssuer {
  const read = (file: string, what: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw new SettingsError(`issuers: ${what} of '${iss}' cannot be read: ${(error as Error).message}`);
    }
  };
  const key = publicKeyFile ? read(publicKeyFile, 'publicKeyFile') : publicKey;
  const set = jwksFile ? read(jwksFile, 'jwksFile') : jwks;
  return { iss, ...(key ? { publicKey: key } : {}), ...(set ? { jwks: set } : {}), ...(algs ? { algs } : {}) };
}

function number(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error('must be a whole number');
  return Number(text);
}

function flag(text: string): boolean {
  const word = text.toLowerCase();
  if (['true', '1', 'yes', 'on'].includes(word)) return true;
  if (['false', '0', 'no', 'off'].includes(word)) return false;
  throw new Error('must be true or false');
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('must be JSON');
  }
}
