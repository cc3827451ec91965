import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mailOwner } from '../../src/standalone/infra/dovecot-accounts.js';

export interface FullDisk {
  readonly dir: string;
  /** True: large bodies of the engine go there; else the mail of an account does. */
  readonly forWorker: boolean;
  makeRoom(): void;
  remove(): void;
}

/**
 * A disk with so little room that it will be full.
 * @param home of an account on the new server; null: for the bodies the engine stages.
 * @returns null where nobody lets us mount one.
 */
export function fullDisk(kb: number, home: string | null): FullDisk | null {
  const dir = home ?? mkdtempSync(join(tmpdir(), 'mailferry-full-'));
  mkdirSync(dir, { recursive: true });
  const mount = (...options: string[]): boolean =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', dir], { stdio: 'ignore' }).status === 0;
  const { uid, gid } = mailOwner();
  if (!mount(`size=${kb}k`, 'mode=0700', ...(home === null ? [] : [`uid=${uid}`, `gid=${gid}`]))) {
    if (home === null) rmSync(dir, { recursive: true, force: true });
    return null;
  }
  if (home === null) chmodSync(dir, 0o700);
  return {
    dir,
    forWorker: home === null,
    makeRoom: () => void mount('remount', 'size=64m'),
    remove() {
      spawnSync('umount', ['-l', dir], { stdio: 'ignore' });
      if (home === null) rmSync(dir, { recursive: true, force: true });
    },
  };
}
