import { resolve } from 'node:path';
import { freshDatabase } from '../servers/database.js';
import { davServer } from '../servers/dav.js';
import { privatePostgres, stopPrivateServers } from '../servers/private.js';
import { type DavPlan, type DavResult, PUT_FAULTS, type PutFaultName, runDavTrial } from './dav-trial.js';
import { EnginePool } from './engine-process.js';

/** The same every time; `npm run faults -- --only dav` does others. */
const SMALL = { seed: 0, kill: null, events: 5, cards: 2, batchItems: 3 };
const one = (fault: PutFaultName): DavPlan => ({ ...SMALL, puts: [{ of: 'ics', object: 2, fault }] });
const PLANS: readonly (readonly [what: string, plan: DavPlan])[] = [
  ...PUT_FAULTS.map((fault) => [fault, one(fault)] as const),
  ['a kill between a PUT and the ledger', { ...SMALL, puts: [], kill: { name: 'stored-item', nth: 2 } }],
  ['a kill between a batch and the ledger', { ...SMALL, puts: [], kill: { name: 'stored-batch', nth: 1 } }],
  [
    'a kill after a PUT of which nobody knows',
    {
      ...SMALL,
      puts: [{ of: 'ics', object: 1, fault: '504 after it was stored' }],
      kill: { name: 'stored-item', nth: 1 },
    },
  ],
];

const servers = [await davServer('radicale'), await davServer('cyrus')];
let engines: EnginePool;
let databaseUrl: string;
const results = new Map<string, Promise<DavResult>>();
beforeAll(async () => {
  databaseUrl = (await freshDatabase((await privatePostgres()).url)).url;
  engines = new EnginePool(resolve('.'), databaseUrl);
  const [from] = servers;
  if (typeof from !== 'object') return;
  const waiting = servers.flatMap((to) =>
    typeof to === 'string' ? [] : PLANS.map(([what, plan]) => ({ to, what, plan })),
  );
  // A few at a time: each waits more than it works.
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const result = runDavTrial(next.plan, { from, to: next.to, engines, databaseUrl });
      results.set(`${next.to.name} ${next.what}`, result);
      await result;
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
}, 300_000);
afterAll(async () => {
  await engines?.stop();
  await stopPrivateServers();
});

for (const [n, to] of servers.entries())
  describe(`PUTs into ${typeof to === 'string' ? ['Radicale', 'Cyrus'][n] : to.name}`, () => {
    const from = servers[0]!;
    if (typeof from === 'string' || typeof to === 'string')
      return it.skip(`cannot be had here: ${typeof from === 'string' ? from : String(to)}`, () => undefined);

    it.each(PLANS)('%s: nothing is lost or doubled, and the person’s own stays', async (what) => {
      const { wrong, met, log } = await results.get(`${to.name} ${what}`)!;
      expect({ wrong, log: wrong.length > 0 ? log : [] }).toEqual({ wrong: [], log: [] });
      expect(met).not.toEqual([]);
    });
  });
