import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { isRoot, shortPlace, toolsDir } from './places.js';
import { alive, endProcess, readPid, waitUntil, workingFolder, type RunningServer } from './process.js';
import { installPackages, libraryPath, unpackPackages, which } from './tools.js';

export interface RedisServer extends RunningServer {
  /** The unix socket. */
  readonly path: string;
}
export interface RedisOptions {
  /** Where the data, the pid file and the log are. Kept between starts. */
  readonly dir: string;
  /** False: nothing is written to disk, for tests. Default true. */
  readonly durable?: boolean;
  readonly say?: (line: string) => void;
}

interface Program {
  readonly file: string;
  readonly env?: NodeJS.ProcessEnv;
}

const SERVERS = ['redis-server', 'valkey-server', 'keydb-server'];
/** Its redis-check-rdb is the same binary as redis-server. The libraries are named for machines where apt has no plan. */
const UNPACKED = ['redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1'];

/**
 * Starts a private Redis on a unix socket, or adopts the one an earlier process left running on the same folder.
 * @throws Error with one line that says what to install.
 */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const dir = resolve(options.dir);
  const data = join(dir, 'redis');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const path = join(shortPlace(data, 'redis.sock'.length, 0o700), 'redis.sock');
  const pidFile = join(data, 'redis.pid');
  const running = await ask(path);
  if (running?.ready) return server(running.pid, path, true);
  const left = running?.pid ?? readPid(pidFile);
  // Redis works in its data folder: a stranger with the pid of an old one does not.
  if (alive(left) && workingFolder(left) === data) await endProcess(left, 'SIGTERM');
  rmSync(path, { force: true });

  const program = findRedis(options.say ?? (() => undefined));
  const logFile = join(dir, 'redis.log');
  const log = openSync(logFile, 'a', 0o600);
  const durable = options.durable !== false;
  const child = spawn(
    program.file,
    [
      ...['--port', '0', '--unixsocket', path, '--unixsocketperm', '700', '--dir', data, '--daemonize', 'no'],
      ...['--maxmemory-policy', 'noeviction', '--save', '', '--appendonly', durable ? 'yes' : 'no'],
    ],
    { cwd: '/', detached: true, stdio: ['ignore', log, log], env: { ...process.env, ...program.env } },
  );
  closeSync(log);
  child.unref();
  if (!child.pid) throw new Error(`Redis cannot be started; see ${logFile}`);
  writeFileSync(pidFile, `${child.pid}\n`, { mode: 0o600 });
  await waitUntil(async () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Redis ended right after its start; see ${logFile}`);
    return (await ask(path))?.ready === true;
  }, `Redis does not answer; see ${logFile}`);
  return server(child.pid, path, false);
}

function server(pid: number, path: string, adopted: boolean): RedisServer {
  return {
    pid,
    path,
    adopted,
    stop: () => endProcess(pid, 'SIGTERM'),
    async kill() {
      process.kill(pid, 'SIGKILL');
      await waitUntil(() => !alive(pid), 'Redis survives SIGKILL');
    },
  };
}

/** Null: nobody answers there. Not ready: it still loads its data. */
function ask(path: string): Promise<{ pid: number; ready: boolean } | null> {
  return new Promise((done) => {
    const socket = connect(path);
    let said = '';
    const finish = (result: { pid: number; ready: boolean } | null): void => {
      socket.destroy();
      done(result);
    };
    socket.setTimeout(3_000, () => finish(null));
    socket.once('error', () => finish(null));
    socket.once('close', () => done(null));
    socket.on('data', (bytes) => {
      said += bytes.toString('latin1');
      const pid = /process_id:(\d+)\r\n/.exec(said);
      if (pid) finish({ pid: Number(pid[1]), ready: said.startsWith('+PONG') });
    });
    socket.write('PING\r\nINFO server\r\n');
  });
}

/**
 * A Redis server program: on the PATH; else by way of redis-check-rdb, which is the same program under another name; else installed
 * (root) or unpacked (anybody) from Debian's packages.
 * @throws Error with one line that says what to install.
 */
export function findRedis(say: (line: string) => void): Program {
  const here = onThisMachine();
  if (here) return here;
  let why = '';
  if (isRoot()) {
    why = installPackages(['redis-server'], say) ?? '';
    const installed = onThisMachine();
    if (installed) return installed;
  }
  const unpacked = unpackPackages('redis', UNPACKED, say);
  if ('dir' in unpacked) {
    const env = { LD_LIBRARY_PATH: libraryPath(unpacked.dir) };
    const program = asServer(join(unpacked.dir, 'usr', 'bin', 'redis-check-rdb'), env);
    if (program) return program;
    // A later try unpacks anew.
    rmSync(unpacked.dir, { recursive: true, force: true });
    why = 'the unpacked program does not run here';
  } else why ||= unpacked.error;
  throw new Error(
    `no Redis here (${why}): install redis-server (apt-get install redis-server) or set MAILFERRY_REDIS_URL`,
  );
}

function onThisMachine(): Program | null {
  for (const name of SERVERS) {
    const file = which(name);
    if (file && isServer({ file })) return { file };
  }
  const check = which('redis-check-rdb') ?? which('valkey-check-rdb');
  return check ? asServer(check) : null;
}

/** The program decides by its own name what it is: a symlink called redis-server makes it the server. */
function asServer(checkRdb: string, env?: NodeJS.ProcessEnv): Program | null {
  const bin = join(toolsDir(), 'bin');
  mkdirSync(bin, { recursive: true });
  const file = join(bin, 'redis-server');
  rmSync(file, { force: true });
  symlinkSync(checkRdb, file);
  return isServer({ file, env }) ? { file, env } : null;
}

function isServer({ file, env }: Program): boolean {
  const said = spawnSync(file, ['--version'], { encoding: 'utf8', env: { ...process.env, ...env } });
  return said.status === 0 && /server/i.test(said.stdout);
}
