import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, chmodSync, chownSync, constants, mkdirSync, statSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Whose rights a server runs with. Undefined: ours. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Where root puts what another user must reach, when our own folders are closed to him (e.g. a clone in /root). */
const SYSTEM_DIR = '/var/lib/mailferry';
/** PostgreSQL, and Dovecot where it was not installed, run as this one when we are root. */
export const SYSTEM_USER = 'mailferry';
/** Longest path of a unix socket: sun_path holds 108 bytes with its NUL; servers append suffixes of their own. */
const SOCKET_PATH_MAX = 100;

export const isRoot = (): boolean => process.getuid?.() === 0;

/** The folder of package.json, whether this runs from src/ or from dist/src/. */
export const PACKAGE_DIR = packageDir();

function packageDir(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (exists(join(dir, 'package.json'))) return dir;
    const parent = dirname(dir);
    if (parent === dir) throw new Error('package.json is not above the program');
    dir = parent;
  }
}

function exists(file: string): boolean {
  try {
    accessSync(file);
    return true;
  } catch {
    return false;
  }
}

/** Where servers that had to be unpacked are kept: beside the program when that can be written, else in the user's cache. */
export function toolsDir(): string {
  const own = join(PACKAGE_DIR, '.mailferry', 'tools');
  try {
    mkdirSync(own, { recursive: true });
    accessSync(own, constants.W_OK);
    return own;
  } catch {
    const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'mailferry', 'tools');
    mkdirSync(cache, { recursive: true });
    return cache;
  }
}

/** The system user's ids; null: there is none. */
export function lookUpUser(name: string): Owner | null {
  const uid = spawnSync('id', ['-u', name], { encoding: 'utf8' });
  const gid = spawnSync('id', ['-g', name], { encoding: 'utf8' });
  return uid.status === 0 && gid.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid.stdout) } : null;
}

/** Whether the owner can enter the folder. */
export function canEnter(dir: string, owner: Owner | undefined): boolean {
  return spawnSync('test', ['-x', dir], { ...owner, cwd: '/' }).status === 0;
}

/**
 * A folder for a server's data: `dir/name`, or, when that lies where the owner may not go, one below /var/lib/mailferry that
 * belongs to `dir` alone. Made with mode 0700 and the owner's.
 */
export function dataPlace(dir: string, name: string, owner: Owner | undefined): string {
  const base = resolve(dir);
  mkdirSync(base, { recursive: true });
  const home = owner && !canEnter(base, owner) ? systemPlace(base) : base;
  const place = join(home, name);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  if (owner) chownSync(place, owner.uid, owner.gid);
  return place;
}

/** A folder of root's below /var/lib/mailferry that everybody can enter. */
export function systemPlace(key: string): string {
  const place = join(SYSTEM_DIR, createHash('sha256').update(key).digest('hex').slice(0, 12));
  for (const dir of [SYSTEM_DIR, place]) {
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o711);
  }
  return place;
}

/**
 * `dir` itself, or, when a socket with a name of `room` bytes below it would be too long for the system, a short folder in
 * the temp folder, the same for the same `dir`. Made with `mode`.
 */
export function shortPlace(dir: string, room: number, mode: number): string {
  const own = resolve(dir);
  if (Buffer.byteLength(own) + 1 + room <= SOCKET_PATH_MAX) return made(own, mode);
  const hash = createHash('sha256').update(own).digest('hex').slice(0, 12);
  const base = tmpdir().length < 40 ? tmpdir() : '/tmp';
  const short = made(join(base, `mailferry-${process.getuid?.() ?? 0}-${hash}`), mode);
  if (statSync(short).uid !== (process.getuid?.() ?? 0)) throw new Error(`${short} belongs to somebody else`);
  return short;
}

function made(dir: string, mode: number): string {
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, mode);
  return dir;
}

/** The user servers run as that refuse to be root; made when it is missing. */
export function systemUser(): Owner {
  const known = lookUpUser(SYSTEM_USER);
  if (known) return known;
  const args = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', SYSTEM_USER];
  const done = spawnSync('useradd', args, { encoding: 'utf8' });
  const user = lookUpUser(SYSTEM_USER);
  if (user) return user;
  const why = (done.stderr ?? '').trim() || done.error?.message;
  throw new Error(`servers may not run as root, and the system user '${SYSTEM_USER}' could not be made: ${why}`);
}
