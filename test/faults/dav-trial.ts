/** One trial with calendars and address books: what goes wrong with PUTs, engines that die, and what must hold afterwards. */
import { randomUUID } from 'node:crypto';
import { digestObject } from '../../src/conversion/semantic/digest.js';
import type { TransferOptions } from '../../src/transfer/contract.js';
import { card, event, uidOf } from '../contracts/objects.js';
import { davProxy, type DavProxy, type PutFault, type SeenPut } from '../servers/dav-proxy.js';
import { type DavAccountOf, type DavTestServer, rawDav } from '../servers/dav.js';
import { readBooks } from './check.js';
import type { EngineEnd, EnginePool } from './engine-process.js';
import { randomOf, type StandAt } from './plan.js';

export const PUT_FAULTS = [
  '504 after it was stored',
  'cut after it was stored',
  'cut before it was stored',
  '503 without storing',
  'a late landing',
  'the same event under another name',
  'another event with the same UID under another name',
  'an edit between two tries',
] as const;
export type PutFaultName = (typeof PUT_FAULTS)[number];

export interface DavPlan {
  readonly seed: number;
  /** What happens to the first PUT of the nth event or card. */
  readonly puts: readonly { readonly of: 'ics' | 'vcf'; readonly object: number; readonly fault: PutFaultName }[];
  /** The engine dies there, once. */
  readonly kill: StandAt | null;
  readonly events: number;
  readonly cards: number;
  readonly batchItems: number;
}
export interface DavBench {
  readonly from: DavTestServer;
  readonly to: DavTestServer;
  readonly engines: EnginePool;
  readonly databaseUrl: string;
}
export interface DavResult {
  readonly wrong: readonly string[];
  readonly met: readonly string[];
  readonly steps: number;
  readonly log: readonly string[];
}

const OPTIONS: TransferOptions = {
  kinds: ['calendars', 'contacts'],
  existing: 'keep',
  excludeFolders: [],
  since: null,
  maxItemBytes: null,
  repair: true,
  deepVerify: false,
  recoveryFolder: ['Before migration'],
};
const MOST_RUNS = 6;
const EDITED = 'Edited by its owner';

export function davPlan(seed: number): DavPlan {
  const random = randomOf(seed);
  const [events, cards] = [4 + random.upTo(8), 2 + random.upTo(4)];
  const puts = Array.from({ length: 1 + random.upTo(4) }, () => {
    const of = random.oneOf(['ics', 'ics', 'vcf'] as const);
    // A card with the same UID is taken by Cyrus: who files one in that very moment has it twice.
    const faults = of === 'ics' ? PUT_FAULTS : PUT_FAULTS.filter((fault) => !fault.includes('another name'));
    return { of, object: 1 + random.upTo(of === 'ics' ? events : cards), fault: random.oneOf(faults) };
  });
  const kill = random.chance(0.5) ? 1 + random.upTo(40) : null;
  return { seed, puts, kill, events, cards, batchItems: 1 + random.upTo(5) };
}

export async function runDavTrial(plan: DavPlan, bench: DavBench): Promise<DavResult> {
  const [old, fresh] = [await bench.from.account(), await bench.to.account()];
  const proxy = await davProxy(fresh.url);
  const trial = new DavTrial(plan, bench, old, fresh, proxy);
  try {
    await trial.play();
  } catch (error) {
    trial.wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await proxy.close();
  }
  const { wrong, met, steps, log } = trial;
  return { wrong, met: [...met, ...proxy.happened], steps, log };
}

class DavTrial {
  readonly wrong: string[] = [];
  readonly met: string[] = [];
  readonly log: string[] = [];
  steps = 0;
  private readonly job = randomUUID();
  /** By UID: what the person has now, which must stay, and what of ours must not come beside it. */
  private readonly persons = new Map<string, Buffer>();
  private readonly refused = new Set<string>();

  constructor(
    private readonly plan: DavPlan,
    private readonly bench: DavBench,
    private readonly old: DavAccountOf,
    private readonly fresh: DavAccountOf,
    private readonly proxy: DavProxy,
  ) {}

  async play(): Promise<void> {
    const { plan, proxy } = this;
    const raw = rawDav(this.old);
    const put = new Map<string, Buffer>();
    const work = await raw.makeCalendar('Work', ['VEVENT']);
    const people = await raw.makeAddressbook('People');
    const file = async (collection: string, name: string, body: Buffer): Promise<void> => {
      if ((await raw.put(collection, name, body)) !== 201) throw new Error(`the source refuses ${name}`);
      put.set(uidOf(body), body);
    };
    for (let n = 0; n < plan.events; n++) await file(work, `e${n}.ics`, event(n, { eightBit: true }));
    for (let n = 0; n < plan.cards; n++) await file(people, `c${n}.vcf`, card(n, { eightBit: true }));
    proxy.rule = (seen) => this.faultFor(seen);
    let end = await this.run(plan.kill);
    for (let runs = 1; runs < MOST_RUNS && !(end.is === 'end' && end.end.is === 'completed'); runs++)
      end = await this.run(null);
    await proxy.landed();
    // Once more: what landed late is seen, and nothing is done twice.
    end = await this.run(null);
    if (end.is !== 'end' || end.end.is !== 'completed') this.wrong.push(`it does not end: ${JSON.stringify(end)}`);
    await this.check(put);
  }

  private async run(waitAt: StandAt | null): Promise<EngineEnd> {
    const engine = this.bench.engines.take();
    const place = ({ url, user, password }: DavAccountOf) => ({ url, user, password });
    const end = await engine.run(
      {
        dav: { from: place(this.old), to: { ...place(this.fresh), url: this.proxy.url } },
        ...{ job: this.job, options: OPTIONS, retryFailed: false, waitAt, batchItems: this.plan.batchItems },
      },
      async (step) => {
        this.met.push(`killed at ${step}`);
        await engine.stop();
      },
    );
    this.bench.engines.give(engine);
    if (end.is === 'end') {
      this.steps = Math.max(this.steps, end.steps);
      this.log.push(...end.log, JSON.stringify(end.end));
    } else this.log.push(JSON.stringify(end));
    return end;
  }

  private faultFor(put: SeenPut): PutFault | null {
    const planned = this.plan.puts.find(({ of, object }) => object === put.object && put.path.endsWith(`.${of}`));
    if (planned === undefined || put.nth > 1) return null;
    switch (planned.fault) {
      case '504 after it was stored':
        return { do: 'answer-after', status: 504 };
      case 'cut after it was stored':
        return { do: 'cut-after' };
      case 'cut before it was stored':
        return { do: 'cut-before' };
      case '503 without storing':
        return { do: 'answer', status: 503 };
      case 'a late landing':
        return { do: 'land-late', ms: 700 };
      case 'the same event under another name':
        return { do: 'first', act: (one) => this.personPuts(one, one.body, 'twin') };
      case 'another event with the same UID under another name':
        return { do: 'first', act: (one) => this.personPuts(one, edited(one.body), 'twin') };
      case 'an edit between two tries':
        return { do: 'cut-after', then: (one) => this.personPuts(one, edited(one.body), null) };
    }
  }

  /** @param name null: under the name of ours. */
  private async personPuts({ path, body: ours }: SeenPut, body: Buffer, name: string | null): Promise<void> {
    const at = new URL(path, this.fresh.url);
    const ending = path.slice(path.lastIndexOf('.'));
    const file = name === null ? path.slice(path.lastIndexOf('/') + 1) : `${name}-${randomUUID()}${ending}`;
    const status = await rawDav(this.fresh).put(new URL('.', at).href, file, body);
    if (![201, 204].includes(status)) return void this.met.push(`the person's own was refused: ${status}`);
    this.persons.set(uidOf(body), body);
    if (name !== null && !same(body, ours)) this.refused.add(uidOf(body));
  }

  /** Every object is there exactly once, the person's are as he left them, and the ledger says the same. */
  private async check(put: ReadonlyMap<string, Buffer>): Promise<void> {
    const there: Buffer[] = [];
    for (const [home, name] of [
      [this.fresh.calendars, 'Work'],
      [this.fresh.contacts, 'People'],
    ] as const) {
      const raw = rawDav(this.fresh);
      const url = (await raw.collections(home)).get(name);
      if (url !== undefined) there.push(...(await raw.contents(url)).map(({ body }) => Buffer.from(body)));
    }
    for (const [uid, body] of put) {
      const wanted = this.persons.get(uid) ?? body;
      const found = there.filter((one) => uidOf(one) === uid);
      if (found.length !== 1) this.wrong.push(`${uid} is there ${found.length} times`);
      else if (!same(found[0]!, wanted)) this.wrong.push(`${uid} is not what it should be`);
    }
    if (there.length !== put.size) this.wrong.push(`${there.length} objects instead of ${put.size}`);
    const books = await readBooks(this.bench.databaseUrl, this.job, this.fresh.user);
    const { found, copied, alreadyThere, skipped, failed, openIntents } = books;
    if (found !== put.size || found !== copied + alreadyThere + skipped + failed || openIntents > 0)
      this.wrong.push(`the books: ${JSON.stringify({ ...books, claims: books.claims.length })}`);
    if (failed !== this.refused.size) this.wrong.push(`${failed} failed instead of ${this.refused.size}`);
  }
}

function edited(body: Buffer): Buffer {
  return Buffer.from(String(body).replace(/^(SUMMARY|FN):.*$/m, `$1:${EDITED}`));
}

function same(a: Buffer, b: Buffer): boolean {
  return digestObject(a).digest === digestObject(b).digest;
}
