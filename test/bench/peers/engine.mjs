// The engine alone, as a process of its own for every run: node engine.mjs '<json>' with { build, databaseUrl, from, to, master }.
// No web, no worker, no queue; the ledger is the real one.
import { performance } from 'node:perf_hooks';
import { builtEngine, localAccount, localEndpoint, localPolicy, logListener } from './built-engine.mjs';

const began = performance.now();
const { build, databaseUrl, from, to, master, connections = 4, say = false } = JSON.parse(process.argv[2]);
const engine = await builtEngine(build);
const { createDataSource, migrateDatabase, ensureLink, PostgresLedger } = engine;
const { ImapSource, ImapDestination, BodyStaging, runTransfer } = engine;

const policy = localPolicy(20_000);
const source = new ImapSource(localAccount(from, policy, connections));
const destination = new ImapDestination({
  grant: async () => ({
    kind: 'imap-authzid',
    endpoint: localEndpoint(to),
    authcid: master.name,
    authzid: to.user,
    password: master.password,
  }),
  policy,
  maxConnections: connections,
});
const db = await createDataSource({ url: databaseUrl }).initialize();
await migrateDatabase(db);
const link = await ensureLink(db, {
  tenant: 'bench',
  address: to.user,
  sourceKind: source.account.kind,
  accountHash: source.account.stableId,
});
const [job] = await db.query(
  `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, link, state, source, items)
   VALUES ('bench', 'bench.test', $1, 'bench', $2, 'running', '{}', '{mail}') RETURNING id`,
  [to.user, link],
);
const [run] = await db.query(`INSERT INTO mailferry.runs (job, kind, worker) VALUES ($1, 'first', NULL) RETURNING id`, [
  job.id,
]);
const started = performance.now();
const cpuBefore = process.cpuUsage();
const marks = [];
const end = await runTransfer(
  {
    source,
    destination,
    ledger: new PostgresLedger(db),
    staging: new BodyStaging(),
    listener: logListener(
      (level, message, detail) => level === 'info' || console.error(level, message, JSON.stringify(detail ?? {})),
    ),
    link,
    job: job.id,
    run: run.id,
    holder: 'bench',
    retryFailed: false,
    step: (step) => void (say && marks.push([step, performance.now() - started])),
  },
  {
    kinds: ['mail'],
    existing: 'keep',
    excludeFolders: [],
    includeFolders: [],
    since: null,
    maxItemBytes: null,
    repair: true,
    deepVerify: false,
    recoveryFolder: ['Before migration'],
  },
  new globalThis.AbortController().signal,
);
const seconds = (performance.now() - started) / 1000;
const { user, system } = process.cpuUsage(cpuBefore);
await db.query(`UPDATE mailferry.runs SET state = 'completed', finished_at = now() WHERE id = $1`, [run.id]);
await db.query(`UPDATE mailferry.jobs SET state = 'completed' WHERE id = $1`, [job.id]);
await db.destroy();
if (say) {
  const first = new Map();
  const last = new Map();
  for (const [step, at] of marks) {
    if (!first.has(step)) first.set(step, at);
    last.set(step, at);
  }
  for (const [step, at] of first) console.error(`${step}: ${at.toFixed(0)} to ${last.get(step).toFixed(0)} ms`);
}
console.log(JSON.stringify({ end, seconds, cpu: (user + system) / 1e6, boot: (started - began) / 1000 }));
process.exit(end.is === 'completed' && end.outcome === 'complete' ? 0 : 1);
