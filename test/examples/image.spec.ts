/**
 * What the container image keeps of the packages: the steps of its Dockerfile, on a copy, with no network. Each process must find
 * all that it imports.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PACKAGE_DIR } from '../../src/standalone/infra/places.js';

const run = promisify(execFile);
const [, afterBuild = ''] =
  /^RUN npm run build && (.+) && npm cache clean --force$/m.exec(
    readFileSync(join(PACKAGE_DIR, 'examples/compose/Dockerfile'), 'utf8'),
  ) ?? [];

it('the image has what its processes import, and nothing that is only for development', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'mailferry-image-'));
  try {
    for (const name of ['package.json', 'package-lock.json', 'plugin.manifest.json'])
      cpSync(join(PACKAGE_DIR, name), join(dir, name));
    // Hard links where that can be: files are taken out of the copy, none is changed.
    const [from, to] = [join(PACKAGE_DIR, 'node_modules'), join(dir, 'node_modules')];
    await run('cp', ['-al', from, to]).catch(() => run('sh', ['-c', `rm -rf "$1" && cp -a "$0" "$1"`, from, to]));
    for (const name of ['dist', 'views', 'schemas']) symlinkSync(join(PACKAGE_DIR, name), join(dir, name));
    await run('sh', ['-c', afterBuild], { cwd: dir, env: { ...process.env, npm_config_offline: 'true' } });
    await expect(run('ls', [join(dir, 'node_modules/typescript')])).rejects.toThrow();
    for (const program of ['main', 'worker', 'cli']) {
      const started = run(
        process.execPath,
        ['--preserve-symlinks', '--preserve-symlinks-main', join(dir, 'dist/src', `${program}.js`)],
        { cwd: dir, env: { PATH: process.env['PATH'], MAILFERRY_PORT: 'none' }, timeout: 60_000 },
      );
      // A wrong setting ends it, after everything was imported.
      await expect(started).rejects.toMatchObject({ stderr: expect.not.stringContaining('ERR_MODULE_NOT_FOUND') });
      if (program !== 'cli') await expect(started).rejects.toMatchObject({ stderr: expect.stringMatching(/port/i) });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}, 180_000);
