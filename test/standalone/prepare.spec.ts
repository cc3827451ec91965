import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SCRIPT = join(import.meta.dirname, '..', '..', 'src', 'standalone', 'prepare.mjs');

/** Stands for npm: makes a node_modules with a compiler that copies src to dist, unless src says it is broken. */
const NPM = `
const fs = require('fs');
fs.appendFileSync('npm.log', process.argv.slice(2).join(' ') + '\\n');
fs.mkdirSync('node_modules/typescript/bin', { recursive: true });
fs.writeFileSync('node_modules/typescript/bin/tsc', \`
const fs = require('fs');
fs.appendFileSync('tsc.log', 'built\\\\n');
if (fs.existsSync('src/broken.ts')) process.exit(2);
fs.cpSync('src', 'dist/src', { recursive: true });\`);
`;

describe('the step before npm start and npm test', () => {
  let root: string;
  const write = (file: string, text: string): void => writeFileSync(join(root, file), text);
  const count = (file: string): number =>
    existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8').trim().split('\n').length : 0;
  const prepare = (): { status: number | null; output: string } => {
    const done = spawnSync(process.execPath, [join(root, 'src/standalone/prepare.mjs')], {
      encoding: 'utf8',
      cwd: '/',
      env: { ...process.env, npm_execpath: join(root, 'npm.cjs') },
    });
    return { status: done.status, output: done.stdout + done.stderr };
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'mailferry-prepare-'));
    mkdirSync(join(root, 'src/standalone'), { recursive: true });
    cpSync(SCRIPT, join(root, 'src/standalone/prepare.mjs'));
    write('package-lock.json', '{"one":1}');
    write('tsconfig.json', '{}');
    write('src/a.ts', 'a');
    write('npm.cjs', NPM);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('installs and builds a fresh clone, and does nothing the second time', () => {
    expect(prepare().status).toBe(0);
    expect([count('npm.log'), count('tsc.log')]).toEqual([1, 1]);
    expect(readFileSync(join(root, 'npm.log'), 'utf8')).toContain('ci --include=dev');
    expect(prepare()).toEqual({ status: 0, output: '' });
    expect([count('npm.log'), count('tsc.log')]).toEqual([1, 1]);
  });

  it('installs again when the lock file says something else', () => {
    prepare();
    write('package-lock.json', '{"one":2}');
    prepare();
    expect(count('npm.log')).toBe(2);
  });

  it('takes over what somebody installed by hand after the lock file was written', () => {
    mkdirSync(join(root, 'node_modules'));
    write('node_modules/.package-lock.json', '{}');
    utimesSync(join(root, 'package-lock.json'), 1, 1);
    expect(prepare().output).not.toContain('npm ci');
  });

  it('builds again when a file changed, and forgets what was deleted', () => {
    prepare();
    write('src/a.ts', 'longer');
    write('src/b.ts', 'b');
    prepare();
    expect(count('tsc.log')).toBe(2);
    rmSync(join(root, 'src/b.ts'));
    prepare();
    expect(count('tsc.log')).toBe(3);
    expect(existsSync(join(root, 'dist/src/b.ts'))).toBe(false);
    expect(existsSync(join(root, 'dist/src/a.ts'))).toBe(true);
  });

  it('stops with one line when the build fails, and tries again the next time', () => {
    write('src/broken.ts', '');
    const first = prepare();
    expect(first.status).toBe(1);
    expect(first.output).toContain('mailferry: the build failed');
    rmSync(join(root, 'src/broken.ts'));
    expect(prepare().status).toBe(0);
  });
});
