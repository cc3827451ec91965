// Before `npm start` and `npm test`: what is missing on a fresh clone, and nothing when all is there (well under a second).
// Plain Node without dependencies, since node_modules may not be there yet.
//
//   node src/standalone/prepare.mjs [--test]
//
// --test: also what the tests need beside Node, Dovecot and Chromium.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const at = (...parts) => join(ROOT, ...parts);
/** import.meta.dirname, which this program uses, came with it. */
const NODE = [20, 11];
const BUILT_FROM = ['src', 'migrations', 'tsconfig.json', 'package-lock.json'];

/** Stamps: what the present node_modules and dist were made from. */
const INSTALLED = at('node_modules', '.mailferry-installed');
const BUILT = at('dist', '.built-from');

function main() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE[0] || (major === NODE[0] && minor < NODE[1]))
    fail(`Mailferry needs Node ${NODE.join('.')} or newer; this is ${process.versions.node}`);

  if (needsInstall()) {
    say('installing dependencies (npm ci)');
    npm(['ci', '--include=dev', '--no-audit', '--no-fund']);
    writeFileSync(INSTALLED, lockHash());
  }
  const now = sources();
  const before = readStamp();
  if (before === null || JSON.stringify(before) !== JSON.stringify(now)) {
    say('building');
    // What was deleted must not live on in dist: an old migration there would still be run.
    if (before && Object.keys(before).some((file) => !(file in now)))
      rmSync(at('dist'), { recursive: true, force: true });
    const built = spawnSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.json')], {
      cwd: ROOT,
      stdio: 'inherit',
    });
    if (built.status !== 0) fail('the build failed; see above');
    mkdirSync(at('dist'), { recursive: true });
    writeFileSync(BUILT, JSON.stringify(now));
  }
}

function needsInstall() {
  if (!existsSync(at('node_modules'))) return true;
  if (existsSync(INSTALLED)) return readFileSync(INSTALLED, 'utf8') !== lockHash();
  // Installed by hand: npm writes this file last.
  const listed = at('node_modules', '.package-lock.json');
  if (!existsSync(listed) || statSync(listed).mtimeMs < statSync(at('package-lock.json')).mtimeMs) return true;
  writeFileSync(INSTALLED, lockHash());
  return false;
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(at('package-lock.json')))
    .digest('hex');
}

/** Path -> size and time of everything the build reads. */
function sources() {
  const found = {};
  const visit = (path) => {
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
    else found[relative(ROOT, path)] = `${stat.size} ${stat.mtimeMs}`;
  };
  for (const name of BUILT_FROM) if (existsSync(at(name))) visit(at(name));
  return found;
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(BUILT, 'utf8'));
  } catch {
    return null;
  }
}

function npm(args) {
  const own = process.env.npm_execpath;
  const done = own
    ? spawnSync(process.execPath, [own, ...args], { cwd: ROOT, stdio: 'inherit' })
    : spawnSync('npm', args, { cwd: ROOT, stdio: 'inherit' });
  if (done.status !== 0) fail('npm ci failed; see above');
}

async function forTests() {
  const infra = (file) => import(new URL(`../../dist/src/standalone/infra/${file}`, import.meta.url).href);
  const [{ findDovecot }, { findRedis }, { which, installPackages }] = await Promise.all(
    ['dovecot-programs.js', 'redis.js', 'tools.js'].map(infra),
  );
  try {
    findDovecot(say);
    findRedis(say);
  } catch (error) {
    fail(error.message);
  }
  if (!which('chromium')) {
    const why = installPackages(['chromium'], say);
    if (why) say(`no Chromium here (${why}): the browser tests are left out; apt-get install chromium`);
  }
}

function say(line) {
  console.log(`mailferry: ${line}`);
}

function fail(line) {
  console.error(`mailferry: ${line}`);
  process.exit(1);
}

main();
if (process.argv.includes('--test')) await forTests();
