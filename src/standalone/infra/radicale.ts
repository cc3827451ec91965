import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type IncomingMessage, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { alive, endProcess, freePort, readPid, waitUntil, workingFolder, type RunningServer } from './process.js';
import { unpackPackages, which } from './tools.js';

export interface RadicaleServer extends RunningServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** With a final slash. */
  readonly url: string;
  /** Adds a user, or gives him another password. */
  setUser(user: string, password: string): void;
}
export interface RadicaleTls {
  readonly certFile: string;
  readonly keyFile: string;
  /** Of the authority that signed the certificate, for whoever asks. */
  readonly caFile: string;
}
export interface RadicaleOptions {
  /** Where the data, the pid file and the log are; a folder of this name is made in it. Kept between starts. */
  readonly dir: string;
  readonly name: string;
  readonly users: readonly { readonly user: string; readonly password: string }[];
  /** Opens everybody's collections. */
  readonly master?: { readonly name: string; readonly password: string };
  /** Largest object (bytes). */
  readonly maxBytes?: number;
  /** PEM files, absolute. Default: without TLS. */
  readonly tls?: RadicaleTls;
  readonly say?: (line: string) => void;
}

const PACKAGES = ['python3-radicale'];
/** Pure Python, named for machines where apt has no plan. */
const NEEDS = ['python3-dateutil', 'python3-defusedxml', 'python3-passlib', 'python3-pkg-resources', 'python3-six'];
const UNPACKED = [...PACKAGES, ...NEEDS, 'python3-vobject'];
const MAX_BYTES = 100_000_000;

/**
 * Starts a private CalDAV and CardDAV server on loopback, or adopts the one an earlier process left running.
 * @throws Error with one line that says what to install.
 */
export async function startRadicale(options: RadicaleOptions): Promise<RadicaleServer> {
  const dir = join(resolve(options.dir), `radicale-${options.name}`);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const passwords = join(dir, 'passwords');
  const users = new Map(options.users.map(({ user, password }) => [user, password]));
  if (options.master !== undefined) users.set(options.master.name, options.master.password);
  // Radicale reads it at every sign-in, and must not meet half of it.
  const write = (): void => {
    const lines = [...users].map(([user, password]) => `${user}:${password}\n`).join('');
    writeFileSync(`${passwords}.new`, lines, { mode: 0o600 });
    renameSync(`${passwords}.new`, passwords);
  };
  write();
  const setUser = (user: string, password: string): void => {
    users.set(user, password);
    write();
  };
  const portFile = join(dir, 'port');
  const pidFile = join(dir, 'radicale.pid');
  const left = readPid(pidFile);
  const port = existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : await freePort();
  if (alive(left) && workingFolder(left) === dir) {
    if (await answers(port, options.tls)) return server(left, port, true, setUser, options.tls);
    await endProcess(left, 'SIGTERM');
  }
  const program = findRadicale(options.say ?? (() => undefined));
  writeFileSync(portFile, String(port));
  writeFileSync(join(dir, 'rights'), rights(options.master?.name));
  writeFileSync(join(dir, 'config'), settings(dir, port, options), { mode: 0o600 });
  const logFile = join(dir, 'radicale.log');
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(program.python, ['-m', 'radicale', '--config', join(dir, 'config')], {
    cwd: dir,
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, ...program.env },
  });
  closeSync(log);
  child.unref();
  if (child.pid === undefined) throw new Error(`Radicale cannot be started; see ${logFile}`);
  writeFileSync(pidFile, `${child.pid}\n`, { mode: 0o600 });
  await waitUntil(async () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Radicale ended right after its start; see ${logFile}`);
    return answers(port, options.tls);
  }, `Radicale does not answer; see ${logFile}`);
  return server(child.pid, port, false, setUser, options.tls);
}

function server(
  pid: number,
  port: number,
  adopted: boolean,
  setUser: RadicaleServer['setUser'],
  tls: RadicaleTls | undefined,
): RadicaleServer {
  return {
    pid,
    port,
    adopted,
    setUser,
    host: '127.0.0.1',
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`,
    stop: () => endProcess(pid, 'SIGTERM'),
    async kill() {
      process.kill(pid, 'SIGKILL');
      await waitUntil(() => !alive(pid), 'Radicale survives SIGKILL');
    },
  };
}

function settings(dir: string, port: number, { maxBytes = MAX_BYTES, tls }: RadicaleOptions): string {
  return [
    '[server]',
    `hosts = 127.0.0.1:${port}`,
    'max_connections = 50',
    `max_content_length = ${maxBytes}`,
    ...(tls === undefined ? [] : ['ssl = True', `certificate = ${tls.certFile}`, `key = ${tls.keyFile}`]),
    '[auth]',
    'type = htpasswd',
    `htpasswd_filename = ${join(dir, 'passwords')}`,
    'htpasswd_encryption = plain',
    'delay = 0',
    '[rights]',
    'type = from_file',
    `file = ${join(dir, 'rights')}`,
    '[storage]',
    `filesystem_folder = ${join(dir, 'data')}`,
    '[web]',
    'type = none',
    '[logging]',
    'level = warning',
    '',
  ].join('\n');
}

/** The owner has what is his, as Radicale's owner_only says; the master has all. */
function rights(master: string | undefined): string {
  const all = master === undefined ? '' : `[master]\nuser: ${escaped(master)}\ncollection: .*\npermissions: RrWw\n`;
  return `${all}[root]\nuser: .+\ncollection:\npermissions: R\n[principal]\nuser: .+\ncollection: {user}\npermissions: RW
[collections]\nuser: .+\ncollection: {user}/[^/]+\npermissions: rw\n`;
}

function escaped(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Any HTTP answer: without a password that is a refusal. */
function answers(port: number, tls: RadicaleTls | undefined): Promise<boolean> {
  return new Promise((done) => {
    const where = { host: '127.0.0.1', port, path: '/', timeout: 1_000 };
    const heard = (answer: IncomingMessage): void => {
      answer.resume();
      done(true);
    };
    const asked =
      tls === undefined
        ? request(where, heard)
        : secureRequest({ ...where, ca: readFileSync(tls.caFile), agent: false }, heard);
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => done(false));
    asked.end();
  });
}

/**
 * Radicale 3: installed for the machine's Python; else unpacked into a folder of ours.
 * @throws Error with one line that says what to install.
 */
export function findRadicale(say: (line: string) => void): { python: string; env: NodeJS.ProcessEnv } {
  const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : which('python3');
  if (python !== null && runs(python, {})) return { python, env: {} };
  const tree = unpackPackages('radicale', UNPACKED, say);
  if ('error' in tree) throw new Error(`no Radicale here (${tree.error}): apt-get install radicale`);
  const env = { PYTHONPATH: join(tree.dir, 'usr/lib/python3/dist-packages') };
  for (const candidate of [python, join(tree.dir, 'usr/bin/python3.11')])
    if (candidate !== null && runs(candidate, env)) return { python: candidate, env };
  rmSync(tree.dir, { recursive: true, force: true });
  throw new Error('no Radicale here (there is no Python 3 for it): apt-get install radicale');
}

function runs(python: string, env: NodeJS.ProcessEnv): boolean {
  const said = spawnSync(python, ['-m', 'radicale', '--version'], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return said.status === 0 && said.stdout.trim().startsWith('3.');
}
