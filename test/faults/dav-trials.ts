/** npm run faults -- --only dav: random trials with calendars and address books, and an engine that dies at each of its steps. */
import { davServer, type DavTestServer } from '../servers/dav.js';
import { type DavPlan, davPlan, type DavResult, runDavTrial } from './dav-trial.js';
import type { EnginePool } from './engine-process.js';

export interface DavTrials {
  readonly first: number;
  readonly trials: number;
  readonly atOnce: number;
  readonly engines: EnginePool;
  readonly databaseUrl: string;
  /** Also those that died at each step. */
  readonly steps: boolean;
  readonly log: boolean;
}

/** @returns how many failed; each is told with what repeats it. */
export async function davTrials(wish: DavTrials): Promise<number> {
  const { engines, databaseUrl } = wish;
  const servers: DavTestServer[] = [];
  for (const name of ['radicale', 'cyrus'] as const) {
    const server = await davServer(name);
    if (typeof server === 'string') console.log(`without ${name}: ${server}`);
    else servers.push(server);
  }
  const pairs = servers.flatMap((from) => servers.map((to) => ({ from, to })));
  if (pairs.length === 0) return 0;
  let [failed, done, met] = [0, 0, 0];
  const play = async (plan: DavPlan, pair: { from: DavTestServer; to: DavTestServer }): Promise<DavResult> => {
    const result = await runDavTrial(plan, { ...pair, engines, databaseUrl });
    done++;
    if (result.met.length > 0) met++;
    if (result.wrong.length > 0) failed++;
    if (result.wrong.length > 0 || wish.log) tell(plan, pair, result);
    return result;
  };
  const waiting: (() => Promise<DavResult>)[] = Array.from({ length: wish.trials }, (_, n) => {
    const seed = wish.first + n;
    return () => play(davPlan(seed), pairs[seed % pairs.length]!);
  });
  if (wish.steps)
    for (const pair of pairs) {
      const small = { seed: wish.first, puts: [], kill: null, events: 4, cards: 1, batchItems: 2 };
      const { steps } = await play(small, pair);
      for (let kill = 1; kill <= steps; kill++) waiting.push(() => play({ ...small, kill }, pair));
    }
  await Promise.all(
    Array.from({ length: wish.atOnce }, async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await next();
    }),
  );
  console.log(`\ncalendars and contacts: ${done} trials, ${met} met, ${failed} failed; seed ${wish.first}`);
  return failed;
}

function tell(plan: DavPlan, { from, to }: { from: DavTestServer; to: DavTestServer }, result: DavResult): void {
  const { wrong, met, log } = result;
  console.log(`\n${wrong.length > 0 ? 'FAILED' : 'ok'}: dav, ${from.name}>${to.name}, ${JSON.stringify(plan)}`);
  for (const line of wrong) console.log(`  ${line}`);
  console.log(`  what went wrong on purpose: ${met.join('; ') || 'nothing'}`);
  for (const line of log.slice(-20)) console.log(`    ${line.slice(0, 400)}`);
  console.log(`  again: npm run faults -- --only dav --trials 1 --seed ${plan.seed}`);
}
