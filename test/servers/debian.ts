/**
 * Programs of Debian packages that cannot be installed beside Dovecot (its packages and theirs conflict): installed where they
 * are, else downloaded and unpacked into the tools folder once, with the libraries the machine lacks.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { canEnter, isRoot, systemPlace } from '../../src/standalone/infra/places.js';
import { libraryPath, unpackPackages } from '../../src/standalone/infra/tools.js';

export interface DebianPrograms {
  /** Full path of a file of the packages. */
  readonly path: (file: string) => string;
  readonly env: NodeJS.ProcessEnv;
}
export interface DebianWanted {
  readonly name: string;
  /** Programs without a leading slash; all of them must run. */
  readonly programs: readonly string[];
  readonly packages: readonly string[];
  /** Fetched only where the programs miss a library. */
  readonly libraries: readonly string[];
}

/** @returns the programs, or one line: why they cannot be had here. */
export function debianPrograms({ name, programs, packages, libraries }: DebianWanted): DebianPrograms | string {
  if (programs.every((file) => existsSync(join('/', file)) && missing(join('/', file), {}) === null))
    return { path: (file) => join('/', file), env: {} };
  const tree = unpacked(`test-${name}`, packages);
  if ('error' in tree) return tree.error;
  const trees = [tree.dir];
  const env = (): NodeJS.ProcessEnv => ({ LD_LIBRARY_PATH: trees.map(libraryPath).join(':') });
  const lacks = (): string | null =>
    programs.reduce<string | null>((why, file) => why ?? missing(join(tree.dir, file), env()), null);
  if (lacks() !== null) {
    const more = unpacked(`test-${name}-libraries`, libraries);
    if ('error' in more) return `${lacks()}; ${more.error}`;
    trees.push(more.dir);
  }
  return (
    lacks() ?? { path: (file) => trees.map((dir) => join(dir, file)).find(existsSync) ?? join('/', file), env: env() }
  );
}

/** @returns the tree that everybody can enter, or one line: why it cannot be had here. */
export function unpacked(name: string, packages: readonly string[]): { dir: string } | { error: string } {
  const tree = fetched(name, packages);
  return 'error' in tree ? tree : { dir: reachable(tree.dir, name) };
}

/** Servers that drop root's rights cannot enter a clone in /root: then the programs are copied to where everybody can. */
function reachable(dir: string, name: string): string {
  const nobody = { uid: 65_534, gid: 65_534 };
  if (!isRoot() || canEnter(dir, nobody)) return dir;
  const open = join(systemPlace(dir), name);
  if (existsSync(open)) return open;
  const copy = `${open}.${process.pid}`;
  cpSync(dir, copy, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(copy, open);
  } catch {
    // Another run was first.
    rmSync(copy, { recursive: true, force: true });
  }
  return open;
}

function fetched(name: string, packages: readonly string[]): { dir: string } | { error: string } {
  const first = unpackPackages(name, packages, () => undefined);
  if (!('error' in first) || !isRoot()) return first;
  // The package lists of a fresh image are empty or old.
  spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=120', 'update'], { stdio: 'ignore' });
  return unpackPackages(name, packages, () => undefined);
}

/** The first library that the program does not find. */
function missing(program: string, env: NodeJS.ProcessEnv): string | null {
  const said = spawnSync('ldd', [program], { encoding: 'utf8', env: { ...process.env, ...env } });
  if (said.status !== 0) return `${program} does not run here`;
  const line = said.stdout.split('\n').find((one) => one.includes('not found'));
  return line === undefined ? null : `${program}: ${line.trim()}`;
}
