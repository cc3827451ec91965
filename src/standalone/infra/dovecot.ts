import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { issue, makeAuthority, type Authority } from './certificate.js';
import { authOwner, dovecotAccounts, mailOwner, prepareAccounts, type DovecotAccounts } from './dovecot-accounts.js';
import { dovecotConfig, type DovecotPlace, type DovecotShape, type DovecotUser } from './dovecot-config.js';
import { findDovecot, linkModules, type DovecotPrograms } from './dovecot-programs.js';
import { dataPlace, isRoot, lookUpUser, shortPlace, SYSTEM_USER, type Owner } from './places.js';
import {
  alive,
  childrenOf,
  commandLine,
  endProcess,
  freePort,
  killQuietly,
  readPid,
  waitUntil,
  type RunningServer,
} from './process.js';

export interface DovecotOptions extends DovecotShape {
  /** A word for the instance: its data lie in `dir`/name. */
  readonly name: string;
  readonly dir: string;
  readonly users?: readonly DovecotUser[];
  /** May open every mailbox: SASL PLAIN with an authzid, or `user*name`. */
  readonly master?: { readonly name: string; readonly password: string };
  /** Signs the server's certificate. Default: one of its own. */
  readonly authority?: Authority;
  /** Names in the certificate. Default localhost and 127.0.0.1. */
  readonly names?: readonly string[];
  /** Default: the ports of the last start, else free ones. */
  readonly ports?: { readonly imap: number; readonly imaps: number };
  readonly say?: (line: string) => void;
}

export interface DovecotServer extends RunningServer {
  readonly host: '127.0.0.1';
  /** Plain with STARTTLS. */
  readonly imapPort: number;
  readonly imapsPort: number;
  /** PEM of the authority that signed the certificate. */
  readonly ca: string;
  /** Its own folder. */
  readonly dir: string;
  readonly accounts: DovecotAccounts;
  /** The last lines of its log. */
  log(lines?: number): string;
  /** SIGKILL to the sessions of everybody: every connection is cut, the server stays. */
  dropSessions(): void;
  /** Starts it again after stop() or kill(), on the same ports and data. */
  restart(): Promise<void>;
}

/** Start again with other ports when somebody else took ours meanwhile. */
const PORT_ATTEMPTS = 3;
/** Room that Dovecot's own socket names need below base_dir. */
const SOCKET_NAME_MAX = 32;

/**
 * Starts a private Dovecot 2.3 on loopback, or adopts the one an earlier process left running on the same folder. As root the mail
 * belongs to the system's mail user; a normal user runs all of it as himself.
 * @throws Error with one line that says what to install.
 */
export async function startDovecot(options: DovecotOptions): Promise<DovecotServer> {
  const programs = findDovecot(options.say ?? (() => undefined));
  const dir = place(options);
  const mail = mailOwner();
  const accounts = dovecotAccounts(dir);
  const portsFile = join(dir, 'ports.json');
  const ca = certificates(dir, options);
  const conf = join(dir, 'dovecot.conf');
  const pidFile = join(shortPlace(join(dir, 'run'), SOCKET_NAME_MAX, 0o755), 'master.pid');

  mkdirSync(join(dir, 'state'), { recursive: true });
  prepareAccounts(dir, options.master);
  for (const user of options.users ?? []) accounts.add(user);

  linkModules(programs, shortPlace(join(dir, 'run'), SOCKET_NAME_MAX, 0o755));

  let ports = options.ports ?? readJson<{ imap: number; imaps: number }>(portsFile);
  let pid = 0;
  let adopted = false;

  const start = async (fixed: boolean): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      ports ??= { imap: await freePort(), imaps: await freePort() };
      const text = dovecotConfig(options, placeOf(options.name, dir, ports, mail, programs.unpacked));
      const left = readPid(pidFile);
      if (left && alive(left) && commandLine(left).includes(conf)) {
        if (existsSync(conf) && readFileSync(conf, 'utf8') === text && (await listens(ports.imap))) {
          pid = left;
          adopted = true;
          return;
        }
        await endProcess(left, 'SIGTERM');
      }
      rmSync(pidFile, { force: true });
      writeFileSync(conf, text, { mode: 0o644 });
      try {
        pid = await launch(programs, dir, conf, ports);
        writeFileSync(portsFile, JSON.stringify(ports));
        adopted = false;
        return;
      } catch (error) {
        if (!/Address already in use/.test((error as Error).message) || fixed || attempt === PORT_ATTEMPTS) throw error;
        ports = undefined;
      }
    }
  };
  await start(options.ports !== undefined);
  const bound = ports!;

  return {
    host: '127.0.0.1',
    imapPort: bound.imap,
    imapsPort: bound.imaps,
    ca,
    get pid() {
      return pid;
    },
    get adopted() {
      return adopted;
    },
    dir,
    accounts,
    log: (lines = 40) =>
      existsSync(join(dir, 'dovecot.log')) ? linesOf(join(dir, 'dovecot.log')).slice(-lines).join('\n') : '',
    dropSessions() {
      for (const child of childrenOf(pid)) if (/\bimap(-login)?\b/.test(commandLine(child))) killQuietly(child);
    },
    stop: () => endProcess(pid, 'SIGTERM'),
    async kill() {
      const all = [pid, ...childrenOf(pid)];
      for (const one of all) killQuietly(one);
      await waitUntil(() => all.every((one) => !alive(one)), 'Dovecot survives SIGKILL');
    },
    restart: () => start(true),
  };
}

/** @returns pid of the master, when both ports answer. */
async function launch(
  programs: DovecotPrograms,
  dir: string,
  conf: string,
  ports: { imap: number; imaps: number },
): Promise<number> {
  const file = join(dir, 'start.log');
  rmSync(file, { force: true });
  const out = openSync(file, 'a', 0o600);
  // dovecot would call /usr/bin/doveconf by its full name; told so by doveconf itself, an unpacked one finds its own.
  const child = spawn(
    programs.doveconf,
    ['-f', 'service=master', '-c', conf, '-m', 'master', '-p', '-e', programs.dovecot, '-F', '-c', conf],
    { cwd: '/', detached: true, stdio: ['ignore', out, out], env: { ...process.env, ...programs.env } },
  );
  closeSync(out);
  child.unref();
  const said = (): string =>
    `${readFileSync(file, 'utf8')}${existsSync(join(dir, 'dovecot.log')) ? linesOf(join(dir, 'dovecot.log')).slice(-5).join('\n') : ''}`;
  await waitUntil(async () => {
    if (child.exitCode !== null || child.signalCode !== null || !child.pid)
      throw new Error(`Dovecot ended right after its start: ${said().trim()}`);
    return (await listens(ports.imap)) && (await listens(ports.imaps));
  }, `Dovecot does not answer; see ${dir}/dovecot.log`);
  return child.pid ?? 0;
}

function place(options: DovecotOptions): string {
  const dir = dataPlace(options.dir, options.name, isRoot() ? mailOwner() : undefined);
  // As root, Dovecot's processes are of three users, and all of them have to get in.
  if (isRoot()) chmodSync(dir, 0o711);
  return dir;
}

function placeOf(
  name: string,
  dir: string,
  ports: { imap: number; imaps: number },
  mail: Owner,
  unpacked: string | null,
): DovecotPlace {
  const base = { name, dir, baseDir: shortPlace(join(dir, 'run'), SOCKET_NAME_MAX, 0o755), ports, mail, unpacked };
  if (!isRoot()) {
    const me = userInfo().username;
    const group = spawnSync('id', ['-gn'], { encoding: 'utf8' }).stdout.trim();
    return { ...base, internalUser: me, internalGroup: group, loginUser: me, root: false };
  }
  const internal = authOwner()?.user ?? SYSTEM_USER;
  const loginUser = lookUpUser('dovenull') ? 'dovenull' : internal;
  return { ...base, internalUser: internal, internalGroup: internal, loginUser, root: true };
}

/** @returns the authority's certificate; the server's own lies in server.crt and server.key. */
function certificates(dir: string, options: DovecotOptions): string {
  const file = join(dir, 'ca.crt');
  if (existsSync(file) && existsSync(join(dir, 'server.crt'))) {
    const known = readFileSync(file, 'utf8');
    if (!options.authority || options.authority.cert === known) return known;
  }
  const authority = options.authority ?? makeAuthority(`Mailferry ${options.name}`);
  const server = issue(authority, { names: options.names ?? ['localhost', '127.0.0.1'] });
  writeFileSync(join(dir, 'server.key'), server.key, { mode: 0o600 });
  writeFileSync(join(dir, 'server.crt'), server.cert, { mode: 0o644 });
  writeFileSync(file, authority.cert, { mode: 0o644 });
  return authority.cert;
}

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const finish = (up: boolean): void => {
      socket.destroy();
      done(up);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
    socket.setTimeout(1_000, () => finish(false));
  });
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
