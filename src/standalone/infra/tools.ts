import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { isRoot, toolsDir } from './places.js';

/** Debian keeps servers in sbin, which is not on the PATH of a normal user. */
const MORE_PATH = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
/** Waits for another apt-get of the machine (s). */
const APT = ['-o', 'DPkg::Lock::Timeout=120', '-o', 'APT::Get::Assume-Yes=true'];
/** Stops packages from starting their services: Debian's own hook for that. */
const POLICY = '/usr/sbin/policy-rc.d';

/** Full path of the program; null: not there. */
export function which(program: string): string | null {
  for (const dir of [...(process.env['PATH'] ?? '').split(delimiter), ...MORE_PATH]) {
    if (!dir.startsWith('/')) continue;
    const file = join(dir, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      continue;
    }
  }
  return null;
}

export const hasApt = (): boolean => which('apt-get') !== null && which('dpkg-deb') !== null;

/**
 * Installs Debian packages, as root, without starting their services.
 * @returns null, or one line: why not.
 */
export function installPackages(packages: readonly string[], say: (line: string) => void): string | null {
  if (!isRoot() || !hasApt()) return 'not possible here';
  say(`installing ${packages.join(' ')} by apt-get`);
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    const install = (): string | null => apt(['install', '--no-install-recommends', ...packages]);
    // The lists may be old or, in a fresh image, missing: once more after an update.
    return install() === null ? null : (apt(['update']) ?? install());
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
  }
}

/** The packages and what they need that this machine lacks: apt-get's own plan, which anybody may ask for. */
function withNeeds(packages: readonly string[]): string[] {
  const plan = spawnSync('apt-get', ['-s', 'install', '--no-install-recommends', ...packages], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
    maxBuffer: 64 * 1024 * 1024,
  });
  const needed = plan.status === 0 ? plan.stdout.matchAll(/^Inst (\S+)/gm) : [];
  return [...new Set([...packages, ...[...needed].map(([, name]) => name!)])];
}

/**
 * Downloads Debian packages, and what they need, and unpacks them into a folder of ours, which a normal user may do.
 * @returns the folder, or one line: why not.
 */
export function unpackPackages(
  name: string,
  packages: readonly string[],
  say: (line: string) => void,
): { dir: string } | { error: string } {
  const dir = join(toolsDir(), name);
  if (existsSync(dir)) return { dir };
  if (!hasApt()) return { error: 'apt-get is not here' };
  say(`unpacking ${packages.join(' ')} into ${dir}`);
  mkdirSync(toolsDir(), { recursive: true });
  const part = mkdtempSync(`${dir}.`);
  try {
    const downloads = join(part, '.deb');
    mkdirSync(downloads);
    const error = apt(['download', ...withNeeds(packages)], downloads);
    if (error) return { error };
    for (const file of readdirSync(downloads)) {
      const done = spawnSync('dpkg-deb', ['-x', join(downloads, file), part], { encoding: 'utf8' });
      if (done.status !== 0) return { error: `dpkg-deb: ${done.stderr.trim()}` };
    }
    rmSync(downloads, { recursive: true });
    renameSync(part, dir);
    return { dir };
  } catch (error) {
    if (existsSync(dir)) return { dir };
    return { error: (error as Error).message };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

/** Library folders below an unpacked tree, for LD_LIBRARY_PATH. */
export function libraryPath(dir: string): string {
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return [`usr/lib/${triplet}`, `lib/${triplet}`, 'usr/lib', 'lib'].map((part) => join(dir, part)).join(':');
}

function apt(args: readonly string[], cwd?: string): string | null {
  const done = spawnSync('apt-get', [...APT, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.status === 0) return null;
  const lines = `${done.stdout ?? ''}\n${done.stderr ?? ''}`.split('\n').filter((line) => /^(E|Err):/.test(line));
  return lines.at(-1)?.trim() ?? done.error?.message ?? 'apt-get failed';
}
