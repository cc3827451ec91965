// npm run bench:list -- [--rows 10000,1000000] [--runs 9]: how long support waits for the list of all migrations.
//
// A private Postgres is filled with so many rows, spread over 400 domains and 40 old servers, with reasons, refused items and
// the test results that real ones carry. Each line is a question as the page asks it: ids, count and the rows themselves.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { createDataSource } from '../../dist/src/database/data-source.js';
import { migrateDatabase } from '../../dist/src/database/migrate.js';
import { JOB_ENTITIES } from '../../dist/src/jobs/entities.js';
import { countByState, findJobs } from '../../dist/src/jobs/job-list.js';
import { JobReader } from '../../dist/src/jobs/job-view.js';
import { startPostgres } from '../../dist/src/standalone/infra/postgres.js';

const { values: options } = parseArgs({
  options: { rows: { type: 'string', default: '10000,1000000' }, runs: { type: 'string', default: '9' } },
});
const RUNS = Number(options.runs);
const PER_PAGE = 50;
const SUPPORT = { tenant: 't1', all: true, mailboxes: [], domains: [] };
const ADMIN = { tenant: 't1', all: false, mailboxes: [], domains: ['domain7.test'] };
/** Rows that one statement inserts. */
const CHUNK = 100_000;

const dir = mkdtempSync(join(tmpdir(), 'mailferry-bench-'));
const postgres = await startPostgres({ dir });
try {
  for (const rows of options.rows.split(',').map(Number)) await measure(rows);
} finally {
  await postgres.stop();
  rmSync(dir, { recursive: true, force: true });
}

async function measure(rows) {
  const db = createDataSource({ url: postgres.url, entities: JOB_ENTITIES });
  await db.initialize();
  try {
    await db.query('DROP SCHEMA IF EXISTS mailferry CASCADE');
    await migrateDatabase(db);
    const began = performance.now();
    await fill(db, rows);
    const [{ size }] = await db.query(`SELECT pg_size_pretty(pg_total_relation_size('mailferry.jobs')) AS size`);
    console.log(
      `\n${rows.toLocaleString('en')} migrations (${size}, filled in ${seconds(performance.now() - began)} s), ms`,
    );
    console.log(`${'question'.padEnd(44)}${['found', 'median', 'worst'].map((head) => head.padStart(12)).join('')}`);
    const reader = new JobReader(db);
    const list = async (query, who = SUPPORT) => {
      const found = await findJobs(db, who, { page: 1, perPage: PER_PAGE, ...query });
      const jobs = await reader.bare(found.ids);
      return { ...found, jobs };
    };
    for (const [name, ask] of await questions(db, list)) {
      const times = [];
      let found = '';
      for (let run = 0; run < RUNS; run++) {
        const start = performance.now();
        const answer = await ask();
        times.push(performance.now() - start);
        found = `${answer.estimated ? '~' : ''}${(answer.total ?? answer.length).toLocaleString('en')}`;
      }
      times.sort((a, b) => a - b);
      const columns = [found, times[Math.floor(RUNS / 2)].toFixed(0), times.at(-1).toFixed(0)];
      console.log(`${name.padEnd(44)}${columns.map((text) => text.padStart(12)).join('')}`);
    }
  } finally {
    await db.destroy();
  }
}

/** Questions that pages ask; the far pages are reached by the cursor of a row in the middle of the list. */
async function questions(db, list) {
  const [middle] = await db.query(
    `SELECT id, created_at::text AS at FROM mailferry.jobs WHERE tenant = 't1' ORDER BY created_at
     OFFSET (SELECT count(*) / 2 FROM mailferry.jobs WHERE tenant = 't1') LIMIT 1`,
  );
  const far = Buffer.from(JSON.stringify(['-created', middle.at, middle.id])).toString('base64url');
  return [
    ['first page', () => list({})],
    ['a page in the middle', () => list({ after: far })],
    ['last change first', () => list({ sort: '-changed' })],
    ['most failed items first', () => list({ sort: '-failed' })],
    ['by mailbox', () => list({ sort: 'mailbox' })],
    ['state failed', () => list({ state: ['failed'] })],
    ['state needs-action (rare)', () => list({ state: ['needs-action'] })],
    ['state needs-action, by mailbox', () => list({ state: ['needs-action'], sort: 'mailbox' })],
    ['a domain', () => list({ domain: 'domain7.test' })],
    ['an old server, failed', () => list({ host: 'imap2.old.test', state: ['failed'] })],
    ['code of a reason', () => list({ error: 'AUTH_FAILED' })],
    ['code of items', () => list({ error: 'MESSAGE_TOO_LARGE' })],
    ['a code that nobody has', () => list({ error: 'NO_SUCH_CODE' })],
    ['search: a mailbox', () => list({ q: 'user777@' })],
    ['search: half of the rows', () => list({ q: 'imap1' })],
    ['search: nothing', () => list({ q: 'nothing-like-this' })],
    ['of the last day', () => list({ age: 'day' })],
    ['of a domain admin', () => list({}, ADMIN)],
    ['preview of an action on all that failed', () => countByState(db, SUPPORT, { filter: { state: ['failed'] } })],
    ['preview of an action on everything', () => countByState(db, SUPPORT, { filter: {} })],
  ];
}

async function fill(db, rows) {
  await db.query(`INSERT INTO mailferry.dest_mailboxes (tenant, address) VALUES ('t1', 'x@domain0.test')`);
  await db.query(`INSERT INTO mailferry.links (dest_mailbox, source_kind, account_hash) VALUES (1, 'imap', 'h')`);
  await db.query(`INSERT INTO mailferry.folders (link, source_id, path, kind, key_scope, selectable, subscribed)
    SELECT id, 'INBOX', '{INBOX}', 'mail', 'folder', true, true FROM mailferry.links`);
  for (let from = 0; from < rows; from += CHUNK)
    await db.query(
      `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, state, outcome, reason, source, found, copied, failed,
         test_result, created_at, changed_at, started_at, finished_at)
       SELECT 't1', 'domain' || (i % 400) || '.test', 'user' || i || '@domain' || (i % 400) || '.test', 'u' || i, s.state,
         CASE WHEN s.state = 'completed' THEN CASE WHEN i % 7 = 0 THEN 'incomplete' ELSE 'complete' END END,
         CASE s.state WHEN 'failed' THEN '{"code": "DESTINATION_UNAVAILABLE", "message": "The new mailbox cannot be reached."}'::jsonb
           WHEN 'needs-action' THEN '{"code": "AUTH_FAILED", "message": "The server does not accept this."}'::jsonb END,
         jsonb_build_object('type', 'imap', 'host', 'imap' || (i % 40) || '.old.test', 'port', 993, 'security', 'tls',
           'username', 'user' || i || '@old.test'),
         2000, 1990, CASE WHEN i % 7 = 0 THEN i % 50 ELSE 0 END, jsonb_build_object('ok', true, 'folders', repeat('x', 1500)),
         t.at, t.at + interval '1 hour', t.at, t.at + interval '1 hour'
       FROM generate_series($1::int, $2::int) i,
         LATERAL (SELECT CASE WHEN i % 1000 = 1 THEN 'needs-action' WHEN i % 50 = 2 THEN 'failed' WHEN i % 500 = 3 THEN 'running'
           ELSE 'completed' END AS state) s,
         LATERAL (SELECT now() - make_interval(secs => ($3::int - i) * 30.0) AS at) t`,
      [from, Math.min(from + CHUNK, rows) - 1, rows],
    );
  await db.query(`INSERT INTO mailferry.refusals (job, folder, key, outcome, code, message)
    SELECT j.id, f.id, decode(lpad(to_hex(n), 8, '0'), 'hex'), 'failed', 'MESSAGE_TOO_LARGE', ''
    FROM mailferry.jobs j, mailferry.folders f, generate_series(1, 2) n WHERE j.outcome = 'incomplete'`);
  await db.query('VACUUM (ANALYZE) mailferry.jobs');
  await db.query('VACUUM (ANALYZE) mailferry.refusals');
}

function seconds(ms) {
  return (ms / 1000).toFixed(0);
}
