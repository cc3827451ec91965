// npm run bench:dav -- [--contacts 10000] [--events 20000] [--rtt 20]: how fast contacts and events are copied, beside a plain loop of PUTs.
//
// Both servers are in memory and as far away as --rtt says, so that the round trips are what is measured and not somebody's disk. The ledger is the
// real one. The loop does nothing but send one PUT after the other over a kept connection; it reads nothing, remembers nothing and checks nothing.
import { fork, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../../dist/src/standalone/infra/postgres.js';
import { createDataSource } from '../../dist/src/database/data-source.js';
import { migrateDatabase } from '../../dist/src/database/migrate.js';

const { values: options } = parseArgs({
  options: {
    contacts: { type: 'string', default: '10000' },
    events: { type: 'string', default: '20000' },
    rtt: { type: 'string', default: '20' },
  },
});
/** PUTs of the loop: enough for a rate. */
const LOOP = 300;
/** As the product opens them. */
const CONNECTIONS = 8;
const HERE = resolve(import.meta.dirname, '..', '..');
const dir = mkdtempSync(join(tmpdir(), 'mailferry-bench-dav-'));
const children = [];

try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
}

async function main() {
  const old = await far(await started('memory-dav.mjs', options.contacts, options.events));
  const fresh = await far(await started('memory-dav.mjs'));
  const postgres = await startPostgres({ dir });
  try {
    const databaseUrl = await database(postgres.url);
    const loop = await putLoop(fresh);
    const { seconds, items, rssMb, end } = await copy(old, fresh, databaseUrl);
    if (end.is !== 'completed' || end.outcome !== 'complete') throw new Error(`not complete: ${JSON.stringify(end)}`);
    const wanted = Number(options.contacts) + Number(options.events);
    if (items !== wanted) throw new Error(`${items} of ${wanted} arrived`);
    const rate = items / seconds;
    console.log(
      `\n| ${options.contacts} contacts and ${options.events} events, ${options.rtt} ms | objects/s | seconds | memory (MB) |`,
    );
    console.log('| --- | --- | --- | --- |');
    console.log(`| Mailferry | ${rate.toFixed(0)} | ${seconds.toFixed(1)} | ${rssMb.toFixed(0)} |`);
    console.log(`| a PUT after the other (${LOOP} of them) | ${loop.toFixed(0)} | ${(LOOP / loop).toFixed(1)} | |`);
    console.log(`\n${(rate / loop).toFixed(1)} times as fast as the loop; it also reads, compares and remembers each.`);
  } finally {
    await postgres.stop();
  }
}

/** Prints its port first. */
function started(script, ...args) {
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  return new Promise((done, fail) => {
    child.stdout.once('data', (said) => done(Number(String(said).trim())));
    child.once('exit', (code) => fail(new Error(`${script} ended with ${code}`)));
  });
}

function far(port) {
  return started('relay.mjs', String(port), options.rtt);
}

async function database(url) {
  const source = createDataSource({ url });
  await source.initialize();
  await migrateDatabase(source);
  await source.destroy();
  return url;
}

/** @returns objects a second. */
async function putLoop(port) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const one = (n) =>
    new Promise((done, fail) => {
      const body = `BEGIN:VCARD\r\nVERSION:3.0\r\nUID:loop-${n}\r\nFN:Loop ${n}\r\nN:${n};Loop;;;\r\nEND:VCARD\r\n`;
      const asked = request(
        {
          ...{ host: '127.0.0.1', port, agent, method: 'PUT', path: `/home/book/loop-${n}.vcf` },
          headers: { 'content-type': 'text/vcard', 'content-length': body.length },
        },
        (answer) => answer.resume().on('end', done),
      );
      asked.on('error', fail);
      asked.end(body);
    });
  await one(LOOP);
  const begun = performance.now();
  for (let n = 0; n < LOOP; n++) await one(n);
  agent.destroy();
  return LOOP / ((performance.now() - begun) / 1_000);
}

async function copy(from, to, databaseUrl) {
  const lease = { ttlMs: 60_000, graceMs: 1_000, marginMs: 10_000, renewMs: 5_000, pollMs: 100 };
  const engine = fork(
    join(HERE, 'test/faults/engine.mjs'),
    [JSON.stringify({ build: HERE, databaseUrl, scale: 1, lease })],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  children.push(engine);
  const heard = () => new Promise((done) => engine.once('message', done));
  await heard();
  const job = randomUUID();
  const place = (port) => ({ url: `http://127.0.0.1:${port}/dav/`, user: 'bench@new.test', password: 'x' });
  const run = {
    dav: { from: place(from), to: place(to) },
    ...{ job, retryFailed: false, waitAt: null, batchItems: 500, connections: CONNECTIONS },
    options: {
      kinds: ['contacts', 'calendars'],
      ...{ existing: 'keep', excludeFolders: [], since: null, maxItemBytes: null, repair: true, deepVerify: false },
      recoveryFolder: ['Before migration'],
    },
  };
  const begun = performance.now();
  engine.send({ run });
  const { end, rssMb, why } = await heard();
  const seconds = (performance.now() - begun) / 1_000;
  if (why) throw new Error(why);
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query(`SELECT copied::int FROM mailferry.jobs WHERE id = $1`, [job]);
  await client.end();
  return { seconds, items: rows[0].copied, rssMb, end };
}
