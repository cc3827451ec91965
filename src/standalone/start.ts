import { accessSync, constants, mkdirSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDataSource } from '../database/data-source.js';
import { migrateDatabase } from '../database/migrate.js';
import type { RedisAddress } from '../panel/options.js';
import { Child } from './children.js';
import { freePort, sleep, waitUntil, type RunningServer } from './infra/process.js';
import { startRedis } from './infra/redis.js';
import { masterKeys, tokenKey } from './keys.js';
import { lockDataDir } from './lock.js';
import { readRuntime, removeRuntime, writeRuntime } from './runtime.js';
import { startSandbox, type Sandbox } from './sandbox/sandbox.js';
import { loadSettings, type Settings } from './settings.js';
import { SettingsError } from './settings-check.js';
import { usePostgres } from './shared-postgres.js';
import { WORKER_FLAGS } from './worker-flags.js';

/** How long an external database may take to answer at the start, and the pages to come up (ms). */
const DATABASE_MS = 30_000;
const HEALTHY_MS = 60_000;
/** A run that was killed leaves its processes some seconds to notice. */
const PORT_MS = 15_000;

/** `npm start`: brings up what is not configured, then one web and one worker process, and stops all of it at the end. */
class Supervisor {
  private readonly servers: RunningServer[] = [];
  private readonly children: Child[] = [];
  private stopping: Promise<void> | null = null;

  constructor(private readonly settings: Settings) {}

  async run(): Promise<void> {
    const { settings } = this;
    const port = settings.port || (await freePort(settings.host));
    const url = settings.publicUrl ?? `http://${hostInUrl(settings.host)}:${port}`;
    const { databaseUrl, redis, sandbox } = await this.infrastructure();
    masterKeys(settings, sandbox !== null);
    tokenKey(settings.dataDir);
    await migrate(databaseUrl);
    if (this.stopping) return;
    writeRuntime(settings.dataDir, { pid: process.pid, url, databaseUrl, redis, sandbox: sandbox && bare(sandbox) });

    await portIsFree(settings.host, port);
    const env = {
      ...process.env,
      MAILFERRY_PORT: String(port),
      // The sandbox's old provider has a private authority, as no customer's provider would.
      ...(sandbox ? { NODE_EXTRA_CA_CERTS: sandbox.oldProvider.caFile } : {}),
    };
    const web = this.child('web', 'main.js', env);
    this.child('worker', 'worker.js', { ...env, TZ: 'UTC' }, WORKER_FLAGS);
    await this.healthy(web, settings, port);
    if (!this.stopping) say(`ready: ${url}/`);
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.stopAll());
  }

  killChildren(): void {
    for (const child of this.children) child.kill();
  }

  private async infrastructure(): Promise<{ databaseUrl: string; redis: RedisAddress; sandbox: Sandbox | null }> {
    const { settings } = this;
    const dir = settings.dataDir;
    const kept = async <T extends RunningServer>(starting: Promise<T>): Promise<T> => {
      const server = await starting;
      this.servers.push(server);
      return server;
    };
    const started = await Promise.allSettled([
      settings.databaseUrl ? { url: settings.databaseUrl } : kept(usePostgres(dir)),
      settings.redis ? settings.redis : kept(startRedis({ dir, say })),
      settings.sandbox ? startSandbox(dir, say) : null,
    ]);
    const [database, redis, sandbox] = started;
    if (sandbox.status === 'fulfilled' && sandbox.value) this.servers.push(...sandbox.value.servers);
    for (const one of started) if (one.status === 'rejected') throw one.reason;
    const address = (redis as PromiseFulfilledResult<RedisAddress>).value;
    return {
      databaseUrl: (database as PromiseFulfilledResult<{ url: string }>).value.url,
      redis: 'path' in address ? { path: address.path } : { url: address.url },
      sandbox: (sandbox as PromiseFulfilledResult<Sandbox | null>).value,
    };
  }

  private child(name: string, script: string, env: NodeJS.ProcessEnv, flags: readonly string[] = []): Child {
    const child = new Child({
      name,
      env,
      flags,
      say,
      script: fileURLToPath(new URL(`../${script}`, import.meta.url)),
      logFile: join(this.settings.dataDir, `${name}.log`),
    });
    this.children.push(child);
    child.start();
    return child;
  }

  /** Waits for the pages; a worker or queue that is not well is said, and does not keep the address from people. */
  private async healthy(web: Child, settings: Settings, port: number): Promise<void> {
    const end = Date.now() + HEALTHY_MS;
    let status = 0;
    while (!this.stopping) {
      status = await health(settings, port);
      if (status === 200) return;
      if (web.deaths > 2) throw new Error(`the web process does not start; see ${join(settings.dataDir, 'web.log')}`);
      if (Date.now() > end) break;
      await sleep(100);
    }
    if (this.stopping) return;
    if (status === 0) throw new Error(`the pages do not answer; see ${join(settings.dataDir, 'web.log')}`);
    say(`not everything is well yet (health says ${status}); see the logs in ${settings.dataDir}`);
  }

  private async stopAll(): Promise<void> {
    await Promise.allSettled(this.children.map((child) => child.stop()));
    removeRuntime(this.settings.dataDir);
    await Promise.allSettled(this.servers.map((server) => server.stop()));
  }
}

async function migrate(databaseUrl: string): Promise<void> {
  const source = createDataSource({ url: databaseUrl, poolSize: 2 });
  const end = Date.now() + DATABASE_MS;
  for (;;) {
    try {
      await source.initialize();
      break;
    } catch (error) {
      if (Date.now() > end)
        throw new Error(`the database does not answer: ${(error as Error).message}`, { cause: error });
      await sleep(500);
    }
  }
  try {
    await migrateDatabase(source);
  } finally {
    await source.destroy();
  }
}

/** 0: nobody answers. */
function health(settings: Settings, port: number): Promise<number> {
  return new Promise((done) => {
    const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[settings.host] ?? settings.host;
    const asked = get({ host, port, path: `${settings.basePath}/health`, timeout: 5_000 }, (answer) => {
      answer.resume();
      done(answer.statusCode ?? 0);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => done(0));
  });
}

/** @throws Error with one line when somebody else has the port. */
async function portIsFree(host: string, port: number): Promise<void> {
  const free = (): Promise<boolean> =>
    new Promise((done) => {
      const server = createServer();
      server.once('error', () => done(false));
      server.listen(port, host, () => server.close(() => done(true)));
    });
  await waitUntil(free, `port ${port} on ${host} is taken; set MAILFERRY_PORT`, PORT_MS);
}

function bare({ destination, oldProvider }: Sandbox): {
  destination: Sandbox['destination'];
  oldProvider: Sandbox['oldProvider'];
} {
  return { destination, oldProvider };
}

function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

function say(line: string): void {
  console.log(`mailferry: ${line}`);
}

async function main(): Promise<number> {
  const settings = loadSettings();
  try {
    mkdirSync(settings.dataDir, { recursive: true });
    accessSync(settings.dataDir, constants.W_OK);
  } catch (error) {
    throw new SettingsError(`MAILFERRY_DATA_DIR cannot be written: ${(error as Error).message}`);
  }
  const lock = lockDataDir(settings.dataDir);
  if (lock === null) {
    const running = readRuntime(settings.dataDir);
    say(running ? `already running: ${running.url}/` : 'another start is on its way on this data folder');
    return running ? 0 : 1;
  }
  const supervisor = new Supervisor(settings);
  const ended = new Promise<number>((done) => {
    let asked = 0;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => {
        if (++asked === 1) say('stopping');
        else if (asked > 1) supervisor.killChildren();
        void supervisor.stop().then(() => done(0));
      });
  });
  try {
    await supervisor.run();
    return await ended;
  } catch (error) {
    await supervisor.stop();
    throw error;
  } finally {
    lock.release();
  }
}

try {
  process.exit(await main());
} catch (error) {
  const message = (error as Error).message;
  console.error(`mailferry: ${error instanceof SettingsError ? message : message.split('\n')[0]}`);
  process.exit(1);
}
