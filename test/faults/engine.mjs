// The engine as a process of its own that may be killed and stopped: forked with { build, databaseUrl, scale } as its argument.
// It takes a run (see EngineRun in engine-process.ts), tells every numbered step, waits at the one it was told to, and tells the end.
import { setTimeout as sleep } from 'node:timers/promises';
import { builtEngine, localAccount, localEndpoint, localPolicy, logListener } from '../bench/peers/built-engine.mjs';
import { peakRssMb, resetPeak } from '../bench/peers/tools.mjs';

const { build, databaseUrl, scale, lease } = JSON.parse(process.argv[2]);
const engine = await builtEngine(build, ['sources/dav/dav-source.js', 'destinations/dav/dav-destination.js']);
const { createDataSource, ensureLink, PostgresLedger, BodyStaging, runTransfer } = engine;
const { ImapSource, ImapDestination, DavSource, DavDestination } = engine;

const db = await createDataSource({ url: databaseUrl }).initialize();
const policy = localPolicy(5_000);
let go = () => {};

process.on('message', (told) => {
  if (told.go) return go();
  run(told.run).then(
    (end) => process.send({ is: 'end', ...end }),
    (error) => process.send({ is: 'lost', why: String(error.stack) }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send({ is: 'ready' });

async function run({ from, to, dav, job, options, retryFailed, waitAt, batchItems, stagingDir, connections = 3 }) {
  resetPeak(process.pid);
  const { source, destination } = dav ? davSides(dav, connections) : mailSides(from, to);
  const owner = (dav ?? { from, to }).from.user;
  const mailbox = (dav ?? { from, to }).to.user;
  // The same account however often its proxy's port changes.
  const account = { kind: dav ? 'dav' : 'imap', stableId: owner };
  Object.defineProperty(source, 'account', { value: account });
  const { link, id } = await again(async () => {
    const mine = await ensureLink(db, {
      ...{ tenant: 'faults', address: mailbox, sourceKind: account.kind, accountHash: account.stableId },
    });
    await db.query(
      `INSERT INTO mailferry.jobs (id, tenant, domain, mailbox, owner, link, state, source, items)
       VALUES ($1, 'faults', 'faults.test', $2, 'faults', $3, 'running', '{}', '{mail}') ON CONFLICT DO NOTHING`,
      [job, mailbox, mine],
    );
    await db.query(`UPDATE mailferry.runs SET state = 'interrupted' WHERE job = $1 AND state = 'running'`, [job]);
    const [row] = await db.query(
      `INSERT INTO mailferry.runs (job, kind, worker) VALUES ($1, 'first', NULL) RETURNING id`,
      [job],
    );
    return { link: mine, id: row.id };
  });
  const log = [];
  const steps = [];
  const parts = {
    ...{ source, destination, link, job, run: id, retryFailed },
    ledger: new PostgresLedger(db, lease),
    staging: new BodyStaging(stagingDir ? { dir: stagingDir, inMemoryBytes: 1_000 } : {}),
    listener: logListener(
      (level, message, detail) => void log.push(`${level} ${message} ${JSON.stringify(detail ?? {})}`),
    ),
    holder: `engine ${process.pid}`,
    batch: { bytes: 2_000_000, items: batchItems },
    async step(step) {
      steps.push(step);
      if (!standsAt(waitAt, steps)) return;
      process.send({ is: 'step', step, nth: steps.length });
      await new Promise((done) => (go = done));
    },
    // All waits of the engine are shorter here, those of its servers' answers are not.
    delay: (ms, signal) => sleep(ms / scale, undefined, { signal }).catch(() => undefined),
  };
  const end = await runTransfer(parts, options, new globalThis.AbortController().signal);
  const { code, message, retry, scope, side, serverText } = end.error ?? {};
  const remarks = await db.query(`SELECT code, items, detail FROM mailferry.remarks WHERE job = $1`, [job]);
  return {
    ...(end.error ? { end: { is: 'broken', error: { code, message, retry, scope, side, serverText } } } : { end }),
    ...{ steps: steps.length, remarks, log, rssMb: peakRssMb(process.pid) },
  };
}

function mailSides(from, to) {
  const source = new ImapSource(localAccount(from, policy, 3));
  const destination = new ImapDestination({
    grant: async () => ({ kind: 'user-secret', endpoint: localEndpoint(to), login: to.user, password: to.password }),
    policy,
    maxConnections: 3,
  });
  return { source, destination };
}

function davSides({ from, to }, maxConnections) {
  const login = ({ user, password }) => ({ kind: 'password', user, password });
  const url = new URL(from.url);
  const source = new DavSource({
    ...{ urls: { caldav: url, carddav: url }, policy, owner: from.user, maxConnections },
    login: async () => login(from),
  });
  const destination = new DavDestination({
    access: async () => ({ url: new URL(to.url), login: login(to) }),
    ...{ policy, maxConnections },
  });
  return { source, destination };
}

function standsAt(waitAt, steps) {
  if (waitAt === null || typeof waitAt === 'number') return steps.length === waitAt;
  return steps.at(-1) === waitAt.name && steps.filter((step) => step === waitAt.name).length === waitAt.nth;
}

/** The database may be the one that was killed. */
async function again(work) {
  for (let tries = 0; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries >= 20) throw error;
      await sleep(100);
    }
  }
}
