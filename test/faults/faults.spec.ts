import { resolve } from 'node:path';
import { stopPrivateServers } from '../servers/private.js';
import { EnginePool } from './engine-process.js';
import { type Kind, type Plan, plan } from './plan.js';
import { scene, SCENES } from './scenes.js';
import { startServers } from './servers.js';
import { type Result, runTrial } from './trial.js';

const SERVERS = [{ from: 'dovecot', to: 'dovecot' }] as const;
const random = (kind: Kind, seed: number): Plan => plan({ kind, seed, servers: SERVERS });

/** The same every time; `npm run faults` does hundreds of others. */
const PLANS: readonly (readonly [what: string, plan: Plan])[] = [
  ...SCENES.map(
    (name, n) => [`the scene "${name}"`, scene(name, 'dovecot', 'dovecot', n % 2 ? [] : ['UIDPLUS'])] as const,
  ),
  ['a cut', random('cut', 3)],
  ['rubbish in place of a line', random('garble', 5)],
  ['an answer that never comes', random('drop-reply', 11)],
  ['an engine that is killed', random('kill-engine', 4)],
  ['an engine that sleeps longer than its lease', random('stop-engine', 2)],
  ['a folder that is made anew', random('rebuild', 6)],
  ['a mailbox that is full', random('quota', 9)],
];

const results = new Map<string, Promise<Result>>();
let engines: EnginePool;

beforeAll(async () => {
  const servers = await startServers(['dovecot']);
  engines = new EnginePool(resolve('.'), servers.databaseUrl);
  const waiting = [...PLANS];
  // A few at a time: each waits more than it works.
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [what, made] = next;
      const result = runTrial(made, { servers, engines });
      results.set(what, result);
      await result;
    }
  };
  await Promise.all([lane(), lane(), lane()]);
}, 300_000);
afterAll(async () => {
  await engines?.stop();
  await stopPrivateServers();
});

it.each(PLANS)('%s loses nothing, doubles nothing, and the ledger knows', async (what) => {
  const { wrong, met, log } = await results.get(what)!;
  expect({ wrong, log: wrong.length > 0 ? log : [] }).toEqual({ wrong: [], log: [] });
  expect(met).not.toEqual([]);
});
