import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRange } from './mailbox/address.js';
import type { HostPanel } from './panel/host-panel.js';
import {
  DEFAULT_PORTS,
  type EgressPolicy,
  type Limits,
  type ResolvedOptions,
  type WorkerOptions,
} from './panel/options.js';

type Optional<T> = { readonly [K in keyof T]?: T[K] };

/** What a panel gives to MigrationPlugin.forRoot and MigrationWorkerModule.forRoot. What is left out has a default. */
export interface PluginOptions extends Optional<
  Omit<ResolvedOptions, 'egress' | 'limits' | 'worker' | 'databaseUrl' | 'redis' | 'keys'>
> {
  readonly panel: HostPanel;
  readonly databaseUrl: string;
  readonly redis: ResolvedOptions['redis'];
  readonly keys: string;
  readonly egress?: Optional<EgressPolicy>;
  readonly limits?: Optional<Limits>;
  readonly worker?: Optional<WorkerOptions>;
}

const MIB = 1024 * 1024;

export const DEFAULT_LIMITS: Limits = {
  testsPerMinute: 20,
  wrongPasswords: 20,
  lockMinutes: 60,
  keepSecretsHours: 72,
  testFloorMs: 500,
  testWaitMs: 20_000,
};

export function resolveOptions(options: PluginOptions): ResolvedOptions {
  const basePath = options.basePath ?? '/migrate';
  if (basePath !== '' && !/^(\/[A-Za-z0-9._~-]+)+$/.test(basePath))
    throw new Error(`basePath must be '' or start with '/' and not end with one: ${JSON.stringify(basePath)}`);
  const wrongRange = options.egress?.allowedRanges?.find((range) => !isRange(range));
  if (wrongRange !== undefined)
    throw new Error(`egress.allowedRanges must hold ranges like '10.0.0.0/8', not ${JSON.stringify(wrongRange)}`);
  return {
    databaseUrl: options.databaseUrl,
    databasePool: options.databasePool ?? 10,
    redis: options.redis,
    keys: options.keys,
    basePath,
    publicUrl: options.publicUrl ?? null,
    issuers: options.issuers ?? [],
    egress: {
      allowPrivate: false,
      allowPlaintext: false,
      ports: DEFAULT_PORTS,
      allowedRanges: [],
      ...options.egress,
    },
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    worker: {
      jobs: 4,
      connections: 8,
      hostConnections: 64,
      hostLimits: {},
      tenantJobs: null,
      dataDir: join(tmpdir(), 'mailferry'),
      memoryBudget: 24 * MIB,
      diskBudget: 4096 * MIB,
      lease: { ttlMs: 60_000, graceMs: 30_000, marginMs: 10_000 },
      sweepMs: 5_000,
      deadAfterMs: 60_000,
      ...options.worker,
    },
    frameAncestors: options.frameAncestors ?? [],
    metricsToken: options.metricsToken ?? null,
    destinationNeedsSecret: options.destinationNeedsSecret ?? false,
    destinationTakes: options.destinationTakes ?? ['mail'],
    destinationHosts: options.destinationHosts ?? [],
    webhooks: checkedWebhooks(options.webhooks ?? []),
    packageDir: options.packageDir ?? packageDir(),
    logLevel: options.logLevel ?? 'info',
  };
}

const MIN_WEBHOOK_SECRET = 16;

function checkedWebhooks(webhooks: ResolvedOptions['webhooks']): ResolvedOptions['webhooks'] {
  for (const { url, secret } of webhooks) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Error(`webhooks: ${JSON.stringify(url)} is not a web address`);
    if (secret.length < MIN_WEBHOOK_SECRET)
      throw new Error(`webhooks: the secret of ${url} is shorter than 16 characters`);
  }
  return webhooks;
}

/** The folder that holds views/ and the manifest: the same whether this runs from src/ or from dist/src/. */
function packageDir(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'plugin.manifest.json'))) {
    const parent = dirname(dir);
    if (parent === dir) throw new Error('plugin.manifest.json is not beside the plugin');
    dir = parent;
  }
  return dir;
}
