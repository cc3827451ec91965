import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ITEM_KINDS, type ItemKind } from '../mailbox/kinds.js';
import { DEFAULT_PORTS, type RedisAddress, type ResolvedOptions, type Webhook } from '../panel/options.js';
import { alive, commandLine } from './infra/process.js';
import { masterKeys, ownIssuer } from './keys.js';
import { StandalonePanel } from './panel.js';
import type { DestinationSettings, Settings } from './settings.js';
import { SettingsError } from './settings-check.js';
import { StandaloneStore } from './store.js';

/** What `npm start` brought up by itself, for its children and for the command line in another shell. */
export interface Runtime {
  /** Of the supervisor. */
  readonly pid: number;
  readonly url: string;
  readonly databaseUrl: string;
  readonly redis: RedisAddress;
  /** Null: no sandbox. */
  readonly sandbox: SandboxRuntime | null;
}
export interface SandboxRuntime {
  readonly destination: DestinationSettings;
  readonly oldProvider: {
    readonly host: string;
    readonly port: number;
    readonly plainPort: number;
    readonly caFile: string;
    /** Calendars and contacts; null: none could be started here. */
    readonly dav: { readonly url: string; readonly port: number } | null;
    readonly accounts: readonly { readonly user: string; readonly password: string }[];
  };
}

const FILE = 'running.json';

/** The supervisor that is running on this data folder; null: none. A file that a killed one left does not count. */
export function readRuntime(dataDir: string): Runtime | null {
  try {
    const runtime = JSON.parse(readFileSync(join(dataDir, FILE), 'utf8')) as Runtime;
    return alive(runtime.pid) && /\bnode\b|start\.js/.test(commandLine(runtime.pid)) ? runtime : null;
  } catch {
    return null;
  }
}

/** Holds passwords: readable for the owner alone. */
export function writeRuntime(dataDir: string, runtime: Runtime): void {
  mkdirSync(dataDir, { recursive: true });
  const part = join(dataDir, `${FILE}.${randomBytes(4).toString('hex')}`);
  writeFileSync(part, JSON.stringify(runtime, null, 2), { mode: 0o600 });
  renameSync(part, join(dataDir, FILE));
}

export function removeRuntime(dataDir: string): void {
  rmSync(join(dataDir, FILE), { force: true });
}

/** The settings and, where they leave a gap, what `npm start` brought up. */
export interface Composition {
  readonly settings: Settings;
  readonly databaseUrl: string;
  readonly redis: RedisAddress;
  readonly destination: DestinationSettings | null;
  readonly sandbox: SandboxRuntime | null;
}

/** @throws SettingsError when a process on its own lacks a database or a queue. */
export function compose(settings: Settings): Composition {
  const databaseUrl = settings.databaseUrl ?? readRuntime(settings.dataDir)?.databaseUrl;
  if (!databaseUrl)
    throw new SettingsError('MAILFERRY_DATABASE_URL is missing (npm start brings a database of its own)');
  const { redis, ...composition } = composeOffline(settings, databaseUrl);
  if (!redis) throw new SettingsError('MAILFERRY_REDIS_URL is missing (npm start brings a Redis of its own)');
  return { ...composition, redis };
}

/** For a command that can do without a queue. */
export function composeOffline(
  settings: Settings,
  databaseUrl: string,
): Omit<Composition, 'redis'> & { readonly redis: RedisAddress | null } {
  const runtime = readRuntime(settings.dataDir);
  const redis = settings.redis ?? runtime?.redis ?? null;
  const sandbox = settings.sandbox ? (runtime?.sandbox ?? null) : null;
  return { settings, databaseUrl, redis, sandbox, destination: settings.destination ?? sandbox?.destination ?? null };
}

/** What both halves of the plugin are given, as a plain object: the same from main.ts and worker.ts. */
export function pluginOptions(
  composition: Composition,
  /** Default: those of the settings. */
  keys: string = masterKeys(composition.settings, composition.sandbox !== null),
) {
  const { settings, databaseUrl, redis, destination, sandbox } = composition;
  const store = new StandaloneStore(databaseUrl);
  const panel = new StandalonePanel({ settings, destination, sandbox: sandbox !== null, store });
  const hosts = destination ? [destination.imap.host, ...(destination.dav ? [hostOf(destination.dav.url)] : [])] : [];
  const options = {
    panel,
    databaseUrl,
    redis,
    keys,
    basePath: settings.basePath,
    publicUrl: settings.publicUrl,
    issuers: [ownIssuer(settings.dataDir), ...settings.issuers],
    egress: egressOf(settings, sandbox),
    limits: {
      ...(settings.testsPerMinute ? { testsPerMinute: settings.testsPerMinute } : {}),
      ...(settings.keepSecretsHours ? { keepSecretsHours: settings.keepSecretsHours } : {}),
    },
    worker: {
      jobs: settings.workerJobs,
      connections: settings.workerConnections,
      hostConnections: settings.hostConnections,
      hostLimits: settings.hostLimits,
      tenantJobs: settings.tenantJobs,
      dataDir: join(settings.dataDir, 'worker'),
    },
    frameAncestors: settings.frameAncestors,
    webhooks: settings.webhooks.map(webhookOf),
    metricsToken: settings.metricsToken,
    destinationNeedsSecret: destination?.access.kind === 'user-secret',
    destinationTakes: takes(destination),
    destinationHosts: hosts,
    logLevel: settings.logLevel,
  } satisfies Partial<Record<keyof ResolvedOptions | 'panel', unknown>>;
  return { options, panel, store };
}

/** The secret is read once: what signs must be the same in all processes until they start again. @throws SettingsError */
function webhookOf({ url, events, secretEnv, secretFile }: Settings['webhooks'][number]): Webhook {
  let secret: string | undefined;
  try {
    secret = secretFile ? readFileSync(secretFile, 'utf8').trim() : process.env[secretEnv ?? ''];
  } catch {
    throw new SettingsError(`webhooks: secretFile of ${url} cannot be read`);
  }
  if (!secret || secret.length < 16)
    throw new SettingsError(`webhooks: the secret of ${url} must have 16 characters at least`);
  return { url, secret, ...(events === undefined ? {} : { events }) };
}

function hostOf(url: string): string {
  return new URL(url.replaceAll('{user}', 'user')).hostname;
}

/** An administrator's way in leads to the owner's calendars only where the address names the owner. */
function takes(destination: DestinationSettings | null): readonly ItemKind[] {
  const { dav, access } = destination ?? {};
  const open = dav !== undefined && (access?.kind !== 'imap-authzid' || dav.url.includes('{user}'));
  return open ? ITEM_KINDS : ['mail'];
}

/** The sandbox's old provider is on loopback: it may be dialled there, and nothing else that is not public. */
function egressOf(settings: Settings, sandbox: SandboxRuntime | null) {
  const ports = settings.egressPorts ?? DEFAULT_PORTS;
  return {
    allowPrivate: settings.allowPrivateTargets ?? false,
    allowPlaintext: settings.allowPlaintext,
    allowedRanges: [...settings.egressRanges, ...(sandbox ? [`${sandbox.oldProvider.host}/32`] : [])],
    ports: sandbox ? [...ports, ...portsOf(sandbox)] : ports,
  };
}

function portsOf({ oldProvider: { port, plainPort, dav } }: SandboxRuntime): number[] {
  return [port, plainPort, ...(dav === null ? [] : [dav.port])];
}
