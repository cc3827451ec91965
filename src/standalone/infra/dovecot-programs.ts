import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRoot } from './places.js';
import { installPackages, libraryPath, unpackPackages, which } from './tools.js';

export interface DovecotPrograms {
  readonly doveconf: string;
  readonly dovecot: string;
  /** Root of the unpacked packages; null: installed. */
  readonly unpacked: string | null;
  readonly env: NodeJS.ProcessEnv;
}

const PACKAGES = ['dovecot-core', 'dovecot-imapd'];
/** What their programs need beyond what every Debian has. */
const LIBRARIES = ['libsodium23', 'libunwind8', 'libcap2', 'libssl3', 'libexttextcat-2.0-0'];
const HINT = `apt-get install ${PACKAGES.join(' ')}`;
/**
 * Dovecot loads its TLS module from a folder that is compiled into it, whatever the configuration says. In an unpacked copy
 * that name is replaced by one relative to the folders its processes work in, where links lead to the modules.
 */
const MODULE_DIR = '/usr/lib/dovecot/modules\0';
const MODULE_LINK = 'modules';

/**
 * Dovecot's programs: installed; else installed now (root); else unpacked into a folder of ours (anybody).
 * @throws Error with one line that says what to install.
 */
export function findDovecot(say: (line: string) => void): DovecotPrograms {
  const here = installed();
  if (here) return here;
  let why = '';
  if (isRoot()) {
    why = installPackages(PACKAGES, say) ?? '';
    const now = installed();
    if (now) return now;
  }
  const tree = unpackPackages('dovecot', [...PACKAGES, ...LIBRARIES], say);
  if ('dir' in tree) {
    const lib = join(tree.dir, 'usr/lib/dovecot');
    const programs = {
      doveconf: join(tree.dir, 'usr/bin/doveconf'),
      dovecot: join(tree.dir, 'usr/sbin/dovecot'),
      unpacked: tree.dir,
      env: { LD_LIBRARY_PATH: `${lib}:${join(lib, 'modules/old-stats')}:${libraryPath(tree.dir)}` },
    };
    const wrong = unfit(programs) ?? relocate(join(lib, 'libdovecot.so.0.0.0'));
    if (!wrong) return programs;
    // A later try unpacks anew.
    rmSync(tree.dir, { recursive: true, force: true });
    why = wrong;
  } else why ||= tree.error;
  throw new Error(`no Dovecot 2.3 here (${why}): ${HINT}`);
}

/** The links that an unpacked Dovecot finds its modules by. */
export function linkModules(programs: DovecotPrograms, baseDir: string): void {
  if (programs.unpacked === null) return;
  const target = join(programs.unpacked, 'usr/lib/dovecot/modules');
  for (const dir of [baseDir, join(baseDir, 'login')]) {
    mkdirSync(dir, { recursive: true, mode: 0o750 });
    rmSync(join(dir, MODULE_LINK), { force: true });
    symlinkSync(target, join(dir, MODULE_LINK));
  }
}

/** Null: done, now or earlier. */
function relocate(library: string): string | null {
  const bytes = readFileSync(library);
  const at = bytes.indexOf(MODULE_DIR, 0, 'latin1');
  const done = `${library}.relocated`;
  if (at < 0) return existsSync(done) ? null : 'its modules cannot be moved';
  bytes.fill(0, at, at + MODULE_DIR.length);
  bytes.write(MODULE_LINK, at, 'latin1');
  writeFileSync(done, '');
  writeFileSync(`${library}.new`, bytes, { mode: 0o644 });
  renameSync(`${library}.new`, library);
  return null;
}

function installed(): DovecotPrograms | null {
  const dovecot = which('dovecot');
  const doveconf = which('doveconf');
  if (!dovecot || !doveconf || !existsSync('/usr/lib/dovecot/imap')) return null;
  const programs = { dovecot, doveconf, unpacked: null, env: {} };
  const wrong = unfit(programs);
  // Another major version on the machine cannot be put beside this one's packages: say so instead of trying.
  if (wrong) throw new Error(`${wrong}; the sandbox and the tests need Dovecot 2.3`);
  return programs;
}

/** Null: it runs and is a 2.3. */
function unfit(programs: DovecotPrograms): string | null {
  const said = spawnSync(programs.dovecot, ['--version'], {
    encoding: 'utf8',
    env: { ...process.env, ...programs.env },
  });
  if (said.status !== 0)
    return `Dovecot does not run: ${(said.stderr ?? '').trim().split('\n')[0] || said.error?.message}`;
  return said.stdout.startsWith('2.3.') ? null : `Dovecot here is ${said.stdout.split(' ')[0]}`;
}
