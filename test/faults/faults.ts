// npm run faults -- [options]: the engine between real mail servers while everything goes wrong. See CONTRIBUTING.md.
import { parseArgs } from 'node:util';
import { resolve } from 'node:path';
import { davTrials } from './dav-trials.js';
import { EnginePool } from './engine-process.js';
import { ALONE, KINDS, type Kind, mailbox, type Plan, plan } from './plan.js';
import { PRODUCT_ACTS, productTrials } from './product-trials.js';
import { scene, SCENES } from './scenes.js';
import { type ServerName, startServers, type Servers } from './servers.js';
import { tryMutations } from './mutations.js';
import { type Result, runTrial, type Bench } from './trial.js';
import { stopPrivateServers } from '../servers/private.js';

const USAGE = `npm run faults -- [options]

  --trials 300        random trials, of all kinds in turns          --seed N    the first one's seed; the others follow
  --only KIND[,...]   ${[...KINDS, 'steps', 'scenes', 'dav', 'dav-steps', 'product'].join(' ')}
  --servers A>B[,...] dovecot>dovecot dovecot>cyrus cyrus>dovecot cyrus>cyrus
  --hide NAME[,...]   for steps: capabilities that the new server does not show      --step N    for steps: only this one
  --at-once 3         trials side by side                           --log       what the engines said, for every trial
  --mutations         engines without one of their rules each: the suite must fail for every one
  --build DIR         another built copy of the engine`;

const { values: options } = parseArgs({
  options: {
    trials: { type: 'string', default: '300' },
    seed: { type: 'string' },
    only: { type: 'string' },
    servers: { type: 'string', default: 'dovecot>dovecot,dovecot>cyrus,cyrus>dovecot,cyrus>cyrus' },
    hide: { type: 'string' },
    step: { type: 'string' },
    'at-once': { type: 'string', default: '3' },
    mutations: { type: 'boolean', default: false },
    build: { type: 'string', default: resolve(import.meta.dirname, '..', '..') },
    log: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const only = options.only?.split(',') ?? null;
const wanted = (what: string): boolean => only === null || only.includes(what);
const first = Number(options.seed ?? Date.now() % 1_000_000_000);
const tally = new Map<string, { trials: number; met: number; failed: number }>();
const failures: Result[] = [];
let mostMb = 0;
/** So that somebody who waits for hours sees that it goes on. */
const TOLD_EVERY = 50;
/** Rules whose removal nobody noticed, sound engines that failed, and trials with calendars and of the whole product that did. */
let unnoticed = 0;

// The tests' own way to start and end servers, whatever ends this process.
const { default: setUp } = (await import('../global-setup.mjs' as string)) as { default(): Promise<void> };
const { default: tearDown } = (await import('../global-teardown.mjs' as string)) as { default(): Promise<void> };
await setUp();
let engines: EnginePool | null = null;
try {
  const servers = await startServers(options.servers.includes('cyrus') ? ['dovecot', 'cyrus'] : ['dovecot']);
  if (servers.missing !== null && options.servers.includes('cyrus')) console.log(`without Cyrus: ${servers.missing}`);
  engines = new EnginePool(options.build, servers.databaseUrl);
  if (options.mutations) await mutations(servers);
  else await main(servers, { servers, engines });
} finally {
  await engines?.stop();
  await stopPrivateServers();
  await tearDown();
}
process.exit(failures.length + unnoticed === 0 ? 0 : 1);

async function main(servers: Servers, bench: Bench): Promise<void> {
  const pairs = options.servers.split(',').flatMap((text) => {
    const [from, to] = text.split('>') as [ServerName, ServerName];
    return servers.source[from] && servers.destination[to] ? [{ from, to }] : [];
  });
  if (pairs.length === 0) throw new Error('none of these servers is here');
  console.log(`seed ${first}; ${pairs.map(({ from, to }) => `${from}>${to}`).join(' ')}`);
  if (wanted('scenes')) {
    const both = pairs.flatMap((pair) => [[], ['UIDPLUS']].map((hide) => ({ ...pair, hide })));
    await all(
      both.flatMap(({ from, to, hide }) => SCENES.map((name) => scene(name, from, to, hide))),
      bench,
    );
  }
  if (wanted('steps')) await everyStep(pairs, bench);
  if (wanted('dav') || wanted('dav-steps'))
    unnoticed += await davTrials({
      first,
      // Of a run of everything a part, so that it does not take twice as long.
      trials: !wanted('dav') ? 0 : only === null ? Math.ceil(Number(options.trials) / 4) : Number(options.trials),
      atOnce: Number(options['at-once']),
      engines: bench.engines,
      databaseUrl: servers.databaseUrl,
      steps: wanted('dav-steps'),
      log: options.log,
    });
  if (wanted('product'))
    // Each takes the machine for itself for a while.
    unnoticed += await productTrials(first, only === null ? 2 * PRODUCT_ACTS.length : Number(options.trials));
  const kinds = KINDS.filter(wanted);
  if (kinds.length === 0) return summary();
  const trials = Array.from({ length: Number(options.trials) }, (_, n) => {
    const seed = first + n;
    return plan({ seed, kind: kinds[seed % kinds.length] as Kind, servers: pairs });
  });
  await all(
    trials.filter(({ kind }) => !ALONE.includes(kind as Kind)),
    bench,
  );
  await all(
    trials.filter(({ kind }) => ALONE.includes(kind as Kind)),
    bench,
    1,
  );
  summary();
}

/** A small mailbox, and an engine that dies at each of its steps, on every kind of server. */
async function everyStep(pairs: readonly { from: ServerName; to: ServerName }[], bench: Bench): Promise<void> {
  const hides =
    options.hide === undefined ? [[], ['UIDPLUS'], ['MULTIAPPEND']] : [options.hide.split(',').filter(Boolean)];
  const messages = mailbox(first, 5);
  for (const pair of pairs)
    for (const hide of hides) {
      const small = (faults: Plan['faults']): Plan => ({
        ...{ seed: first, kind: 'steps', ...pair, hide, messages, batchItems: 2, faults },
      });
      const undisturbed = await runTrial(small([]), bench);
      note(undisturbed);
      const steps = Array.from({ length: undisturbed.steps }, (_, n) => n + 1);
      await all(
        steps
          .filter((step) => options.step === undefined || step === Number(options.step))
          .map((step) => small([{ is: 'at-step', step, act: { do: 'kill-engine' } }])),
        bench,
      );
    }
}

async function all(plans: readonly Plan[], bench: Bench, atOnce = Number(options['at-once'])): Promise<void> {
  const waiting = [...plans];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) note(await runTrial(next, bench));
    }),
  );
}

async function mutations(servers: Servers): Promise<void> {
  for (const { name, noticed, sound, without } of await tryMutations(options.build, servers)) {
    const wrong = (results: readonly Result[]): string[] => results.flatMap((result) => [...result.wrong]);
    if (!noticed) unnoticed++;
    console.log(`\n${noticed ? 'noticed' : 'NOT NOTICED'}: without ${name}`);
    console.log(`  sound: ${wrong(sound).join('; ') || 'everything held'}`);
    for (const result of without)
      console.log(
        `  without it, scene ${result.plan.name}, hiding [${result.plan.hide.join(' ')}]: ${result.wrong.map((line) => line.split('\n')[0]).join('; ') || 'everything held'}`,
      );
  }
  console.log(
    `\n${unnoticed === 0 ? 'every rule is missed by the suite when it is gone' : `${unnoticed} not noticed`}`,
  );
}

function note(result: Result): void {
  const { plan: made, wrong, met, rssMb } = result;
  const name = made.kind === 'scene' ? `scene ${made.name}` : made.kind;
  const row = tally.get(name) ?? { trials: 0, met: 0, failed: 0 };
  row.trials++;
  if (met.length > 0) row.met++;
  if (wrong.length > 0) row.failed++;
  tally.set(name, row);
  const done = [...tally.values()].reduce((sum, { trials }) => sum + trials, 0);
  if (done % TOLD_EVERY === 0) console.error(`${done} trials, ${failures.length} failed`);
  mostMb = Math.max(mostMb, rssMb);
  if (wrong.length > 0) failures.push(result);
  if (wrong.length > 0 || options.log) tell(result, name);
}

function tell({ plan: made, wrong, met, runs, log }: Result, name: string): void {
  console.log(
    `\n${wrong.length > 0 ? 'FAILED' : 'ok'}: ${name}, seed ${made.seed}, ${made.from}>${made.to} without [${made.hide.join(' ')}], ${runs} runs`,
  );
  for (const line of wrong) console.log(`  ${line}`);
  console.log(`  what went wrong on purpose: ${met.join('; ') || 'nothing'}`);
  if (options.log || wrong.length > 0) for (const line of log.slice(-40)) console.log(`    ${line.slice(0, 400)}`);
  console.log(`  again: ${repeat(made)}`);
}

function repeat({ kind, seed, from, to, hide, faults }: Plan): string {
  const base = `npm run faults -- --seed ${seed}`;
  if (kind === 'scene') return `${base} --only scenes --servers "${from}>${to}"`;
  if (kind !== 'steps') return `${base} --trials 1 --only ${kind} --servers "${options.servers}"`;
  const step = faults.flatMap((fault) => (fault.is === 'at-step' ? [fault.step] : []))[0];
  return `${base} --only steps --servers "${from}>${to}" --hide "${hide.join(',')}"${step === undefined ? '' : ` --step ${String(step)}`}`;
}

function summary(): void {
  console.log('\n| what | trials | met | failed |\n| --- | --- | --- | --- |');
  for (const [name, { trials, met, failed }] of tally) console.log(`| ${name} | ${trials} | ${met} | ${failed} |`);
  const total = [...tally.values()].reduce((sum, { trials }) => sum + trials, 0);
  console.log(`\n${total} trials, ${failures.length} failed, at most ${mostMb.toFixed(0)} MB; seed ${first}`);
}
