/**
 * The whole product as an operator runs it, on the run's Postgres, Redis and mail servers: one web and one worker process,
 * built files, settings by environment.
 *
 *     const stack = await startStack();            // settings: { env, config } are laid over the usual ones
 *     const api = await stack.api('alice@new.test');            // a customer's token; or stack.api(null, { role: 'support' })
 *     const job = await api.post('/jobs', {...});
 *     await stack.stop();
 *
 * stack.worker.kill() is SIGKILL; stack.worker.start() starts another one.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import type { JobView } from '../../src/jobs/job.js';
import { freePort } from '../../src/standalone/infra/process.js';
import { freshDatabase } from '../servers/database.js';
import type { TestAccount } from '../servers/dovecot.js';
import { testEnv } from '../servers/env.js';

const run = promisify(execFile);
const START_MS = 30_000 * Number(process.env['MAILFERRY_TEST_PATIENCE'] ?? 1);
/** Longer than a worker may take to come to a checkpoint. */
const END_MS = 45_000;

export interface StackOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Laid over the settings file. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly worker?: boolean;
  /** True: leases of seconds, for tests that kill (fast-worker.mjs). */
  readonly shortLease?: boolean;
  /** Servers of the spec's own instead of the run's. */
  readonly databaseUrl?: string;
  readonly redisPath?: string;
}

export interface Answer<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export class Process {
  private child: ChildProcess | null = null;

  constructor(
    private readonly script: string,
    private readonly env: NodeJS.ProcessEnv,
    readonly logFile: string,
  ) {}

  start(): void {
    const log = openSync(this.logFile, 'a');
    this.child = spawn(process.execPath, [resolve(this.script)], {
      env: this.env,
      stdio: ['ignore', log, log],
    });
    // A set-up that ran into its time limit must not keep jest alive: the process ends with its parent.
    this.child.unref();
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  get alive(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** @returns how it ended: a signal's name (Nest ends by the signal it got), or an exit code. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<string | number | null> {
    const child = this.child;
    if (!child || !this.alive) return null;
    child.ref();
    const ended = new Promise<string | number | null>((done) => child.once('exit', (code, by) => done(by ?? code)));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    const how = await ended;
    clearTimeout(timer);
    return how;
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }
}

export class Api {
  constructor(
    private readonly base: string,
    readonly token: string,
  ) {}

  get<T = JobView>(path: string): Promise<Answer<T>> {
    return this.ask('GET', path);
  }
  post<T = JobView>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return this.ask('POST', path, body, headers);
  }
  put<T = JobView>(path: string, body: unknown): Promise<Answer<T>> {
    return this.ask('PUT', path, body);
  }
  patch<T = JobView>(path: string, body: unknown): Promise<Answer<T>> {
    return this.ask('PATCH', path, body);
  }
  delete<T = unknown>(path: string): Promise<Answer<T>> {
    return this.ask('DELETE', path);
  }

  /** Polls the job until it is in one of these states. */
  async until(id: string, states: readonly string[], ms = 60_000): Promise<JobView> {
    const end = Date.now() + ms;
    for (;;) {
      const { body } = await this.get(`/jobs/${id}`);
      if (states.includes(body.state)) return body;
      if (Date.now() > end)
        throw new Error(`the job is ${body.state} ${JSON.stringify(body.reason)} ${JSON.stringify(body.progress)}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  }

  private async ask<T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const answer = await fetch(`${this.base}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const json = /json/.test(answer.headers.get('content-type') ?? '');
    return { status: answer.status, headers: answer.headers, body: (json ? JSON.parse(text) : text) as T };
  }
}

export class Stack {
  constructor(
    readonly url: string,
    readonly dir: string,
    readonly env: NodeJS.ProcessEnv,
    readonly database: { url: string; drop(): Promise<void> },
    readonly web: Process,
    readonly worker: Process,
  ) {}

  get base(): string {
    return `${this.url}/migrate`;
  }

  /** Runs the command line with the stack's settings. */
  async cli(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    try {
      const { stdout, stderr } = await run(process.execPath, ['dist/src/cli.js', ...args], { env: this.env });
      return { code: 0, stdout, stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, stdout, stderr };
    }
  }

  async token(
    mailbox: string | null,
    options: { role?: string; domain?: string; audience?: string } = {},
  ): Promise<string> {
    const { code, stdout, stderr } = await this.cli(
      'token',
      '--sub',
      mailbox ?? options.role ?? 'somebody',
      '--role',
      options.role ?? 'user',
      ...(mailbox ? ['--mailbox', mailbox] : []),
      ...(options.domain ? ['--domain', options.domain] : []),
      ...(options.audience ? ['--audience', options.audience] : []),
    );
    if (code !== 0) throw new Error(`mailferry token: ${stderr}`);
    return stdout.trim();
  }

  async api(mailbox: string | null, options: { role?: string; domain?: string } = {}): Promise<Api> {
    return new Api(this.base, await this.token(mailbox, options));
  }

  async ready(health = 200): Promise<void> {
    const end = Date.now() + START_MS;
    for (;;) {
      const status = await fetch(`${this.base}/health`).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === health) return;
      if (Date.now() > end || !this.web.alive)
        throw new Error(`health is ${status}\n${this.web.log().slice(-3000)}\n${this.worker.log().slice(-3000)}`);
      await new Promise((done) => setTimeout(done, 50));
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.web.end(), this.worker.end()]);
    await this.database.drop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { hoster, redisPath } = testEnv();
  const dir = mkdtempSync(join(tmpdir(), 'mailferry-e2e-'));
  const database = await freshDatabase(options.databaseUrl);
  const port = await freePort();
  const caFile = join(dir, 'ca.pem');
  writeFileSync(caFile, hoster.ca);
  const configFile = join(dir, 'settings.json');
  writeFileSync(
    configFile,
    JSON.stringify({
      destination: {
        imap: { host: '127.0.0.1', port: hoster.imapsPort, security: 'tls', caFile },
        domains: ['new.test'],
        access: { kind: 'imap-authzid', authcid: hoster.master.name, secretEnv: 'TEST_MASTER_SECRET' },
      },
      ...options.config,
    }),
  );
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    NODE_OPTIONS: '',
    TZ: 'UTC',
    MAILFERRY_TEST_PATIENCE: process.env['MAILFERRY_TEST_PATIENCE'] ?? '1',
    MAILFERRY_CONFIG: configFile,
    MAILFERRY_PORT: String(port),
    MAILFERRY_DATABASE_URL: database.url,
    MAILFERRY_REDIS_URL: `unix://${options.redisPath ?? redisPath}`,
    MAILFERRY_KEYS: `k1:${Buffer.alloc(32, 5).toString('base64')}`,
    MAILFERRY_DATA_DIR: join(dir, 'data'),
    MAILFERRY_ALLOW_PRIVATE_TARGETS: 'true',
    MAILFERRY_SANDBOX: 'false',
    TEST_MASTER_SECRET: hoster.master.password,
    ...options.env,
  };
  const stack = new Stack(
    `http://127.0.0.1:${port}`,
    dir,
    env,
    database,
    new Process('dist/src/main.js', env, join(dir, 'web.out')),
    new Process(options.shortLease ? 'test/e2e/fast-worker.mjs' : 'dist/src/worker.js', env, join(dir, 'worker.out')),
  );
  stack.web.start();
  if (options.worker !== false) stack.worker.start();
  try {
    await stack.ready(options.worker === false ? 503 : 200);
  } catch (error) {
    await stack.stop();
    throw error;
  }
  return stack;
}

/** A source's settings as the API takes them. The old provider's certificate is pinned: its authority is private. */
export function sourceOf(account: TestAccount, caFingerprint: string, more: object = {}): Record<string, unknown> {
  return {
    type: 'imap',
    host: account.host,
    port: account.imapsPort,
    security: 'tls',
    username: account.user,
    password: account.password,
    caFingerprint,
    ...more,
  };
}

/** Of the certificate that a server on loopback shows. */
export function fingerprintOf(port: number): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      done(socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase());
      socket.destroy();
    });
    socket.on('error', fail);
  });
}
