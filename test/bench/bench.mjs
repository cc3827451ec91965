// npm run bench -- [options]: how fast Mailferry is beside the other tools, on two private mail servers of this machine.
//
//   --count 2000[,10000]   messages in the mailbox          --rtt 0[,20,50]   round-trip time on both sides in ms
//   --runs 3               runs of each, in turns           --peers mailferry,engine,mbsync,doveadm,offlineimap,imapsync
//   --large 50             one more message of so many MB   --one-folder      everything in INBOX
//   --no-dav               without contacts and events (test/bench/dav.mjs), which come last
//   --no-second            without the second pass, in which there is nothing new
//   --dir DIR              for the mail; default: a RAM disk where there is one. The ledger is always in the system's temp folder.
//   --quota                both servers count what a mailbox holds, as hosters' do
//   --rss DIR              the worker's memory over time, a CSV for each run
//   --profile DIR          CPU profiles of the worker and of the engine       --say   steps of the engine
//
// A peer may be of another build: engine@/path/of/a/built/copy. Peers that are not installed are left out. Every run gets a new
// mailbox; before each the old server's index caches go, so that nobody profits from the one before. Every result is read by a
// reader of our own and compared. The first table is a line for each peer, the second says how many times as fast we are.
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startDovecot } from '../../dist/src/standalone/infra/dovecot.js';
import { mailOwner } from '../../dist/src/standalone/infra/dovecot-accounts.js';
import { startPostgres } from '../../dist/src/standalone/infra/postgres.js';
import { startRedis } from '../../dist/src/standalone/infra/redis.js';
import { writeCorpus } from './corpus.mjs';
import { cpuSeconds } from './cpu.mjs';
import { startProduct } from './peers/product.mjs';
import { timed, TOOLS } from './peers/tools.mjs';
import { compare, readMailbox } from './reader.mjs';

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '2000' },
    rtt: { type: 'string', default: '0' },
    runs: { type: 'string', default: '3' },
    peers: { type: 'string', default: 'mailferry,engine,mbsync,doveadm,offlineimap,imapsync' },
    large: { type: 'string', default: '0' },
    'one-folder': { type: 'boolean', default: false },
    'no-second': { type: 'boolean', default: false },
    'no-dav': { type: 'boolean', default: false },
    dir: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    profile: { type: 'string' },
    rss: { type: 'string' },
    quota: { type: 'boolean', default: false },
    say: { type: 'boolean', default: false },
  },
});
const numbers = (text) => text.split(',').map(Number);
const HERE = resolve(import.meta.dirname, '..', '..');
const DOMAIN = 'bench.test';
const MASTER = { name: 'ferry', password: 'bench only' };
const PASSWORD = 'benchonly';
const MB = 1e6;

const dir = mkdtempSync(join(options.dir, 'mailferry-bench-'));
const disk = mkdtempSync(join(tmpdir(), 'mailferry-bench-'));
const toStop = [];
const onEnd = (what) => toStop.push(what);
let taken = 0;
let databases = 0;

try {
  await main();
  if (!options['no-dav']) await contactsAndEvents();
} finally {
  for (const stop of toStop.reverse()) await stop();
  for (const folder of [dir, disk]) rmSync(folder, { recursive: true, force: true });
}

/** Their servers are others, so they have a bench of their own. */
function contactsAndEvents() {
  const child = spawn(process.execPath, [join(HERE, 'test/bench/dav.mjs')], { stdio: 'inherit' });
  return new Promise((done, fail) =>
    child.once('exit', (code) =>
      code === 0 ? done() : fail(new Error(`the bench of contacts and events ended with ${code}`)),
    ),
  );
}

async function main() {
  if (options.rss) mkdirSync(options.rss, { recursive: true });
  // Counting what a mailbox holds costs Dovecot more than storing it: without, unless it is asked for.
  const without = 'mail_plugins =\nprotocol imap {\n  mail_plugins =\n}';
  const quota = options.quota ? { quota: '20G' } : { extra: without };
  // Others of the machine must be able to enter: the mail is not ours.
  const server = async (name) => {
    const started = await startDovecot({ name, dir, master: MASTER, maxUserIpConnections: 100, ...quota });
    onEnd(() => started.stop());
    return started;
  };
  chmodSync(dir, 0o755);
  const [old, fresh] = [await server('old'), await server('new')];
  const postgres = await startPostgres({ dir: disk });
  onEnd(() => postgres.stop());
  const redis = await startRedis({ dir: disk, durable: false });
  onEnd(() => redis.stop());

  const counts = numbers(options.count);
  const rtts = numbers(options.rtt);
  const runs = Number(options.runs);
  const peers = options.peers.split(',').filter((peer) => {
    const tool = TOOLS[peer];
    if (!tool || tool.available()) return true;
    console.error(`${peer} is not installed: left out`);
    return false;
  });
  const needed = counts.length * rtts.length * runs * peers.length;
  const mailboxes = Array.from({ length: needed }, (_, n) => `m${n}@${DOMAIN}`);
  const rows = [];
  for (const count of counts) {
    const account = { user: `c${count}@${DOMAIN}`, password: PASSWORD };
    old.accounts.add(account);
    const maildir = join(old.accounts.homeOf(account.user), 'Maildir');
    const corpus = writeCorpus(maildir, {
      count,
      owner: mailOwner(),
      large: Number(options.large) * MB,
      oneFolder: options['one-folder'],
    });
    if (process.getuid() === 0) {
      chownSync(old.accounts.homeOf(account.user), mailOwner().uid, mailOwner().gid);
    }
    const source = await readMailbox({ port: old.imapPort, ...account });
    for (const rtt of rtts) {
      const ports = { old: await through(old.imapPort, rtt), new: await through(fresh.imapPort, rtt) };
      const place = { old, fresh, postgres, redis, ports, account, maildir, source, corpus, count, rtt, mailboxes };
      rows.push(...(await measure(peers, runs, place)));
    }
  }
  print(rows, peers, counts, rtts);
}

async function measure(peers, runs, place) {
  const ready = new Map();
  const rows = [];
  try {
    for (const peer of peers) ready.set(peer, await prepare(peer, place));
    for (let n = 0; n < runs; n++)
      for (const peer of peers) {
        const row = await once(peer, ready.get(peer), place);
        rows.push(row);
        const { seconds, second, rssMb, exact, cpu } = row;
        const again = second === null ? '' : `, again ${second.toFixed(2)} s`;
        const memory = row.curve ? `, ${curveOf(row, n)}` : '';
        const used = Object.entries(cpu).map(([who, spent]) => `${who} ${spent.toFixed(2)}`);
        console.error(
          `${peer}, ${place.count} messages, RTT ${place.rtt}: ${seconds.toFixed(2)} s${again}, ${rssMb.toFixed(0)} MB${memory}, ${exact}; CPU s: ${used.join(', ')}`,
        );
      }
  } finally {
    for (const { stop } of ready.values()) await stop?.();
  }
  return rows;
}

async function prepare(peer, { postgres, redis, ports, mailboxes }) {
  const [name, build = HERE] = peer.split('@');
  if (TOOLS[name]) return TOOLS[name];
  const databaseUrl = await database(postgres.url);
  if (name === 'mailferry')
    return startProduct({
      ...{ build, databaseUrl, redisPath: redis.path, newPort: ports.new, domain: DOMAIN, master: MASTER, mailboxes },
      dir: mkdtempSync(join(disk, 'product-')),
      profile: options.profile ?? null,
    });
  if (name !== 'engine') throw new Error(`no peer ${peer}`);
  return {
    async run({ from, to }) {
      const flags = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : [];
      const job = JSON.stringify({ build, databaseUrl, from, to, master: MASTER, say: options.say });
      const ended = await timed(process.execPath, [...flags, join(import.meta.dirname, 'peers/engine.mjs'), job]);
      if (options.say) console.error(ended.said);
      const own = /"seconds":([\d.]+)/.exec(ended.said)?.[1];
      return { ...ended, seconds: own ? Number(own) : ended.seconds };
    },
  };
}

async function once(peer, ready, place) {
  const { fresh, ports, account, maildir, source, count, rtt } = place;
  const to = { user: place.mailboxes[taken++], password: PASSWORD };
  fresh.accounts.add(to);
  const state = mkdtempSync(join(dir, 'state-'));
  const job = {
    from: { ...account, port: ports.old },
    to: { ...to, port: ports.new },
    state,
    newConfig: join(fresh.dir, 'dovecot.conf'),
  };
  dropCaches(maildir);
  const before = spent(place, ready);
  const first = await ready.run(job);
  const after = spent(place, ready);
  const cpu = Object.fromEntries(Object.keys(after).map((who) => [who, after[who] - before[who]]));
  if (first.failed) console.error(first.failed);
  const second = options['no-second'] || first.failed ? null : await ready.run(job);
  if (second?.failed) console.error(second.failed);
  const exact = compare(source, await readMailbox({ ...to, port: fresh.imapPort }));
  fresh.accounts.remove(to.user);
  for (const folder of [state, fresh.accounts.homeOf(to.user)]) rmSync(folder, { recursive: true, force: true });
  return {
    ...{ peer, count, rtt, seconds: first.seconds, second: second?.seconds ?? null },
    ...{ rssMb: Math.max(first.rssMb, second?.rssMb ?? 0), exact: first.failed ? `failed, ${exact}` : exact },
    curve: first.curve ?? null,
    ...{ bytes: place.corpus.bytes, cpu: { ...cpu, tool: first.cpu ?? cpu.tool } },
  };
}

/** Writes the curve of a run; says how steep it is: MB more for each 1,000 messages, by the second half of the run. */
function curveOf({ peer, count, rtt, curve }, n) {
  if (options.rss) {
    const file = join(options.rss, `rss-${peer.split('@')[0]}-${count}-rtt${rtt}-${n + 1}.csv`);
    writeFileSync(file, ['seconds,mb', ...curve.map(({ at, mb }) => `${at.toFixed(2)},${mb.toFixed(1)}`)].join('\n'));
  }
  const half = curve.slice(curve.length >> 1);
  const mean = (list, of) => list.reduce((sum, point) => sum + of(point), 0) / list.length;
  const [at, mb] = [mean(half, (point) => point.at), mean(half, (point) => point.mb)];
  const spread = half.reduce((sum, point) => sum + (point.at - at) ** 2, 0);
  const slope = half.reduce((sum, point) => sum + (point.at - at) * (point.mb - mb), 0) / (spread || 1);
  const perThousand = (slope * curve.at(-1).at) / (count / 1000);
  return `${perThousand.toFixed(2)} MB more for each 1,000 messages`;
}

/** CPU seconds so far of all that works during a run. A tool that is started for the run says for itself what it used. */
function spent({ old, fresh, postgres }, { pids = [] }) {
  const of = (...roots) => cpuSeconds(roots);
  return { tool: of(...pids), old: of(old.pid), new: of(fresh.pid), database: of(postgres.pid) };
}

async function through(port, rtt) {
  if (rtt === 0) return port;
  const child = spawn(process.execPath, [join(import.meta.dirname, 'relay.mjs'), String(port), String(rtt)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onEnd(() => child.kill());
  return new Promise((done) => child.stdout.once('data', (text) => done(Number(text))));
}

async function database(url) {
  const client = new pg.Client({ connectionString: url });
  const name = `bench_${databases++}`;
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name}`);
  } finally {
    await client.end();
  }
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

function dropCaches(maildir) {
  for (const entry of readdirSync(maildir, { withFileTypes: true })) {
    const path = join(maildir, entry.name);
    if (entry.isDirectory() && entry.name.startsWith('.')) dropCaches(path);
    else if (/^dovecot\.(list\.)?index/.test(entry.name)) rmSync(path);
  }
}

function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function print(rows, peers, counts, rtts) {
  const of = (peer, count, rtt) => rows.filter((r) => r.peer === peer && r.count === count && r.rtt === rtt);
  const middle = (list, key) => median(list.map((row) => row[key]).filter((value) => value !== null));
  const digits = (value, n = 2) => (Number.isFinite(value) ? value.toFixed(n) : '-');
  for (const count of counts) {
    const { bytes } = rows.find((row) => row.count === count);
    console.log(
      `\n${count} messages, ${(bytes / MB).toFixed(0)} MB, ${of(peers[0], count, rtts[0]).length} runs in turns\n`,
    );
    console.log('| who | RTT ms | seconds (from - to) | messages/s | MB/s | second pass s | RSS MB | result |');
    console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
    for (const rtt of rtts)
      for (const peer of peers) {
        const list = of(peer, count, rtt);
        const seconds = list.map((row) => row.seconds);
        const m = median(seconds);
        const range = `${digits(m)} (${digits(Math.min(...seconds))} - ${digits(Math.max(...seconds))})`;
        const rate = `${digits(count / m, 0)} | ${digits(bytes / MB / m, 0)}`;
        const results = [...new Set(list.map((row) => row.exact))].join('; ');
        const rss = Math.max(...list.map((row) => row.rssMb));
        console.log(
          `| ${peer} | ${rtt} | ${range} | ${rate} | ${digits(middle(list, 'second'))} | ${digits(rss, 0)} | ${results} |`,
        );
      }
    const ours = peers.filter((peer) => /^(mailferry|engine)/.test(peer));
    const others = peers.filter((peer) => !/^(mailferry|engine)@?$/.test(peer));
    if (ours.length === 0 || others.length === 0) continue;
    console.log(`\n| how many times as fast | ${rtts.map((rtt) => `RTT ${rtt}`).join(' | ')} |`);
    console.log(`| --- | ${rtts.map(() => '---').join(' | ')} |`);
    for (const one of ours)
      for (const other of others.filter((peer) => peer !== one)) {
        const ratio = (rtt) => middle(of(other, count, rtt), 'seconds') / middle(of(one, count, rtt), 'seconds');
        console.log(`| ${one} than ${other} | ${rtts.map((rtt) => digits(ratio(rtt))).join(' | ')} |`);
      }
  }
}
