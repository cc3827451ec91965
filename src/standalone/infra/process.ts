import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';

/** How long a server of ours may take to come up or to go away before we give up (ms). */
export const START_DEADLINE_MS = 30_000;
export const STOP_DEADLINE_MS = 15_000;
const POLL_MS = 20;

/** A server we started or found running. `stop` may be called twice and ends the process even when it hangs. */
export interface RunningServer {
  readonly pid: number;
  /** True: it was already running, left by an earlier process of ours. */
  readonly adopted: boolean;
  stop(): Promise<void>;
  /** SIGKILL, for fault tests. Resolves when the process is gone; the data stay. */
  kill(): Promise<void>;
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Whether the process exists. A zombie counts as gone: in a container nobody may reap a process we adopted. */
export function alive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return true;
  }
}

/** The process's command line, words separated by spaces; '' when it cannot be read. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** The folder the process works in; '' when it cannot be read. */
export function workingFolder(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

/** Pid of the parent; 0 when it cannot be read. */
export function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 4).split(' ')[0]);
  } catch {
    return 0;
  }
}

export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((one) => parentOf(one) === pid);
}

export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was faster.
  }
}

/** First number of a pid file; 0: no file, or nothing in it. */
export function readPid(file: string): number {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10) || 0;
  } catch {
    return 0;
  }
}

/**
 * Asks until `ready` answers true.
 * @throws Error with `what` when the deadline passes, or what `ready` threw last.
 */
export async function waitUntil(
  ready: () => boolean | Promise<boolean>,
  what: string,
  deadlineMs: number = START_DEADLINE_MS,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    if (await ready()) return;
    if (Date.now() > end) throw new Error(`${what} (waited ${Math.round(deadlineMs / 1000)} s)`);
    await sleep(POLL_MS);
  }
}

/** Sends `signal`, waits, and ends with SIGKILL when the process does not go. */
export async function endProcess(pid: number, signal: NodeJS.Signals, deadlineMs = STOP_DEADLINE_MS): Promise<void> {
  if (!alive(pid)) return;
  trySignal(pid, signal);
  try {
    await waitUntil(() => !alive(pid), `process ${pid} does not end`, deadlineMs);
  } catch {
    trySignal(pid, 'SIGKILL');
    await waitUntil(() => !alive(pid), `process ${pid} does not end even by SIGKILL`, deadlineMs);
  }
}

function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Ports tried by this process: two servers that start at the same time never get the same. */
const given = new Set<number>();

/**
 * A TCP port of this machine that nobody listens on at this moment, below those that the kernel gives to outgoing connections:
 * one of them would take it between our look and the server's start.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const [low, high] = [10_000, firstOutgoingPort()];
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(low, high);
    if (given.has(port)) continue;
    given.add(port);
    if (await canListen(host, port)) return port;
  }
  throw new Error(`no port of ${host} between ${low} and ${high} is free`);
}

function firstOutgoingPort(): number {
  try {
    const first = parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1'), 10);
    // A machine whose range begins low has none below it.
    return first >= 12_000 ? first : 32_768;
  } catch {
    return 32_768;
  }
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(false) : reject(error),
    );
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
