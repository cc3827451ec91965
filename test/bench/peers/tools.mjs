// The other tools, each as its documentation says is fastest without leaving anything out. One that is not installed is left out.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { cpuSeconds } from '../cpu.mjs';

const LOOK_EVERY_MS = 50;

export const installed = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;

/** Runs a command to its end. @returns {Promise<{ seconds, rssMb, cpu, failed: string | null }>} `cpu` in seconds */
export function timed(command, args, { env = {}, limitMs = 600_000 } = {}) {
  const started = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (said = (said + text).slice(-2_000)));
  let [rssMb, cpu] = [0, 0];
  const look = setInterval(() => {
    rssMb = Math.max(rssMb, peakRssMb(child.pid));
    cpu = Math.max(cpu, cpuSeconds([child.pid]));
  }, LOOK_EVERY_MS);
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('exit', (code, signal) => {
      clearInterval(look);
      clearTimeout(limit);
      const failed = code === 0 ? null : `${command} ended with ${signal ?? code}: ${said.slice(-600)}`;
      done({ seconds: (performance.now() - started) / 1000, rssMb, cpu, failed, said });
    });
  });
}

/** Of a running process, since its start or since it was last reset by `resetPeak`. */
export function peakRssMb(pid) {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
export function resetPeak(pid) {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Not ours to reset: the peak is then that of the whole life.
  }
}

/** What is resident now, in MB; 0 when the process is gone. */
export function rssMb(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

/** mbsync: everything pipelined, one way, arrival dates kept. */
const mbsync = {
  available: () => installed('mbsync'),
  run({ from, to, state }) {
    const store = (name, { port, user, password }) =>
      `IMAPStore ${name}\nHost 127.0.0.1\nPort ${port}\nUser ${user}\nPass ${password}\nSSLType None\nAuthMechs LOGIN\n`;
    mkdirSync(join(state, 'sync'), { recursive: true });
    writeFileSync(
      join(state, 'mbsyncrc'),
      `${store('old', from)}\n${store('new', to)}
Channel move
Far :old:
Near :new:
Patterns *
Create Near
Sync Pull
CopyArrivalDate yes
SyncState ${state}/sync/
`,
    );
    return timed('mbsync', ['-q', '-c', join(state, 'mbsyncrc'), 'move']);
  },
};

/** doveadm backup: run by the new server's administrator; it writes the new mailbox's files itself, without IMAP or latency. */
const doveadm = {
  available: () => installed('doveadm'),
  run({ from, to, newConfig }) {
    const settings = {
      imapc_host: '127.0.0.1',
      imapc_port: from.port,
      imapc_user: from.user,
      imapc_password: from.password,
      imapc_features: 'rfc822.size fetch-headers fetch-bodystructure',
      mail_prefetch_count: 20,
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    return timed('doveadm', ['-c', newConfig, ...options, 'backup', '-R', '-u', to.user, 'imapc:']);
  },
};

const imapsync = {
  available: () => installed('imapsync'),
  run({ from, to, state }) {
    const side = (n, { port, user, password }) =>
      [`--host${n}`, '127.0.0.1', `--port${n}`, port, `--user${n}`, user, `--password${n}`, password]
        .concat(`--nossl${n}`, `--notls${n}`)
        .map(String);
    return timed('imapsync', [
      ...side(1, from),
      ...side(2, to),
      ...'--useuid --usecache --nofoldersizes --nofoldersizesatend --fastio1 --fastio2 --subscribe'.split(' '),
      ...['--nolog', '--noreleasecheck', '--no-modulesversion', '--tmpdir', state, '--pidfile', join(state, 'pid')],
    ]);
  },
};

const offlineimap = {
  available: () => installed('offlineimap'),
  run({ from, to, state }) {
    const repository = (name, { port, user, password }, more) =>
      `[Repository ${name}]\ntype = IMAP\nremotehost = 127.0.0.1\nremoteport = ${port}\nremoteuser = ${user}\nremotepass = ${password}
ssl = no\nstarttls = no\nauth_mechanisms = LOGIN\nmaxconnections = 4\n${more}\n`;
    writeFileSync(
      join(state, 'rc'),
      `[general]\naccounts = a\nmetadata = ${state}/meta\nui = quiet\nfsync = False
[Account a]\nlocalrepository = new\nremoterepository = old\n${repository('new', to, '')}${repository('old', from, 'readonly = True')}`,
    );
    return timed('offlineimap', ['-o', '-c', join(state, 'rc')], { env: { HOME: state } });
  },
};

export const TOOLS = { doveadm, mbsync, imapsync, offlineimap };
