// Mailferry as it runs at a hoster's: web and worker are processes, Postgres is on a disk. The time is that of the job, from the
// request that starts it until the API says that it is completed.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { peakRssMb, resetPeak, rssMb } from './tools.mjs';

const START_MS = 60_000;
const JOB_MS = 3_600_000;
const POLL_MS = 40;
/** Between two points of the memory curve (s). */
const CURVE_S = 0.25;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/**
 * @param at { build: folder with dist/, dir, databaseUrl, redisPath, newPort, domain, master, mailboxes: every new mailbox there will be, profile: folder or null }
 * @returns a peer with stop().
 */
export async function startProduct(at) {
  const port = await freePort();
  const settings = join(at.dir, 'settings.json');
  writeFileSync(
    settings,
    JSON.stringify({
      destination: {
        imap: { host: '127.0.0.1', port: at.newPort, security: 'none' },
        domains: [at.domain],
        access: { kind: 'imap-authzid', authcid: at.master.name, secretEnv: 'BENCH_MASTER' },
      },
    }),
  );
  const env = {
    PATH: process.env.PATH,
    TZ: 'UTC',
    MAILFERRY_CONFIG: settings,
    MAILFERRY_PORT: String(port),
    MAILFERRY_DATABASE_URL: at.databaseUrl,
    MAILFERRY_REDIS_URL: `unix://${at.redisPath}`,
    MAILFERRY_KEYS: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
    MAILFERRY_DATA_DIR: join(at.dir, 'data'),
    MAILFERRY_ALLOW_PRIVATE_TARGETS: 'true',
    MAILFERRY_ALLOW_PLAINTEXT: 'true',
    MAILFERRY_SANDBOX: 'false',
    BENCH_MASTER: at.master.password,
  };
  const script = (name) => join(at.build, 'dist', 'src', name);
  execFileSync(process.execPath, [script('cli.js'), 'migrate-database'], { env });
  const logFile = join(at.dir, 'product.log');
  const log = openSync(logFile, 'a');
  const start = (name, flags = []) =>
    spawn(process.execPath, [...flags, script(name)], { env, stdio: ['ignore', log, log] });
  const web = start('main.js');
  const profile = at.profile ? ['--cpu-prof', `--cpu-prof-dir=${at.profile}`] : [];
  const worker = start('worker.js', [...(await workerFlags(at.build)), ...profile]);
  const base = `http://127.0.0.1:${port}/migrate`;
  const stop = async () => {
    for (const child of [web, worker]) child.kill('SIGTERM');
    await Promise.all([web, worker].map((child) => child.exitCode ?? new Promise((done) => child.once('exit', done))));
  };
  try {
    await until(START_MS, async () => (await fetch(`${base}/health`).catch(() => null))?.status === 200);
  } catch {
    await stop();
    throw new Error(`the product does not start: ${readFileSync(logFile, 'utf8').slice(-2_000)}`);
  }
  const mine = at.mailboxes.flatMap((mailbox) => ['--mailbox', mailbox]);
  const signToken = [script('cli.js'), 'token', '--sub', 'bench', '--role', 'user', ...mine];
  const token = execFileSync(process.execPath, signToken, { env, encoding: 'utf8' }).trim();
  const ask = async (path, body) => {
    const answer = await fetch(`${base}/api/v1${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const json = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(json)}`);
    return json;
  };
  return {
    stop,
    pids: [worker.pid],
    async run({ from, to }) {
      resetPeak(worker.pid);
      const started = performance.now();
      const { id } = await ask('/jobs', {
        mailbox: to.user,
        source: {
          ...{ type: 'imap', host: '127.0.0.1', port: from.port, security: 'none' },
          ...{ username: from.user, password: from.password },
        },
        items: ['mail'],
        existing: 'keep',
        start: true,
      });
      let job;
      const curve = [];
      await until(JOB_MS, async () => {
        const at = (performance.now() - started) / 1000;
        if (at >= (curve.at(-1)?.at ?? -CURVE_S) + CURVE_S) curve.push({ at, mb: rssMb(worker.pid) });
        job = await ask(`/jobs/${id}`);
        return !['queued', 'running'].includes(job.state);
      });
      const seconds = (performance.now() - started) / 1000;
      const well = job.state === 'completed' && job.outcome === 'complete';
      return {
        seconds,
        rssMb: peakRssMb(worker.pid),
        curve,
        failed: well ? null : `the job is ${job.state} ${job.outcome ?? ''} ${JSON.stringify(job.reason ?? '')}`,
      };
    },
  };
}

/** As its own starter does it; builds of earlier days have none. */
async function workerFlags(build) {
  const file = join(build, 'dist/src/standalone/worker-flags.js');
  return existsSync(file) ? (await import(pathToFileURL(file).href)).WORKER_FLAGS : [];
}

async function until(ms, done) {
  const end = performance.now() + ms;
  while (!(await done())) {
    if (performance.now() > end) throw new Error('took too long');
    await sleep(POLL_MS);
  }
}

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
