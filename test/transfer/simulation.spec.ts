import { message } from '../contracts/messages.js';
import { destinationError, type AppendFault, type FakeDestinationQuirks } from '../fakes/fake-destination.js';
import { expectExactlyOnce } from './exactly-once.js';
import { Killed } from './gate.js';
import { someDay, World } from './world.js';

/** The same 200 each time. MAILFERRY_SIM_RUNS=10000 takes a long look at others, MAILFERRY_SIM_SEED at one of them again. */
const RUNS = Number(process.env['MAILFERRY_SIM_RUNS'] ?? 200);
const SEED = process.env['MAILFERRY_SIM_SEED'];

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const PATHS = [['INBOX'], ['Work'], ['Work', 'Old'], ['Shared1.Both'], ['Shared2.Both']];

async function simulate(seed: number): Promise<void> {
  const random = randomOf(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const oneOf = <T>(list: readonly T[]): T => list[upTo(list.length)]!;
  const chance = (p: number) => random() < p;

  const quirks: FakeDestinationQuirks = {
    tellsIds: chance(0.6),
    atomicBatch: chance(0.5),
    killLandsAfterMs: oneOf([null, 0, 30_000, 80_000]),
  };
  const trouble = { append: 0.12 * random(), read: 0.1 * random(), scan: 0.05 * random() };
  quirks.onAppend = (): AppendFault | null => {
    if (!chance(trouble.append)) return null;
    return oneOf<() => AppendFault>([
      () => 'cut',
      () => 'lost-reply',
      () => ({ lateMs: upTo(28_000) }),
      () => destinationError('connection', 'later', 'THROTTLED_FOR_A_MOMENT'),
    ])();
  };
  const world = new World(
    {
      pageSize: 1 + upTo(6),
      maxConnections: 1 + upTo(4),
      onRead: () => (chance(trouble.read) ? 'cut' : null),
      onScan: () => (chance(trouble.scan) ? 'cut' : null),
    },
    quirks,
  );
  const deliver = () => {
    const n = upTo(8);
    const shape = chance(0.2) ? { messageId: null } : {};
    world.old.ensure(oneOf(PATHS)).append(message(n, shape), chance(0.5) ? ['\\Seen'] : ['Label'], someDay);
  };
  for (let i = upTo(25); i >= 0; i--) deliver();

  // The person's own mail at the destination: it comes and goes, equals nothing of ours, and must survive.
  let own = 1_000;
  quirks.meanwhile = () => {
    if (chance(0.1)) world.hoster.ensure(oneOf([['INBOX'], ['Work']])).append(message(own++), [], someDay);
  };

  for (let round = upTo(5); round >= 0; round--) {
    if (chance(0.3)) deliver();
    if (chance(0.1)) world.hoster.folder(oneOf(PATHS))?.renumber();
    if (chance(0.1)) world.old.folder(oneOf(PATHS))?.renumber();
    const stop = new AbortController();
    const stopAt = chance(0.3) ? 1 + upTo(60) : 0;
    const dieAt = chance(0.7) ? 1 + upTo(70) : 0;
    try {
      await world.run({
        dieAt,
        settlesAfter: seed % 4,
        stop: stop.signal,
        onStep: (_, nth) => {
          if (nth === stopAt) stop.abort(oneOf(['pause', 'shutdown']));
        },
      });
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
  }
  // Good weather in the end: whatever went before, now everything is there once.
  trouble.append = trouble.read = trouble.scan = 0;
  const source = world.old.snapshot();
  expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
  expect(world.old.snapshot()).toBe(source);
  const appends = world.appends.appends;
  expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
  expect(world.appends.appends).toBe(appends);

  let survived = 0;
  for (const folder of world.hoster.folders.values()) {
    const ours = folder.messages.filter((m) => !/^Subject: Message \d{4,}/m.test(m.bytes.toString()));
    survived += folder.messages.length - ours.length;
    folder.messages = ours;
  }
  expect(survived).toBe(own - 1_000);
  expectExactlyOnce(world);
}

const isLong = process.env['MAILFERRY_SIM_RUNS'] !== undefined;
const FIRST = SEED ? Number(SEED) : isLong ? Date.now() % 1_000_000_000 : 1;

it(`whatever happens in whatever order, every message arrives exactly once (${SEED ? 'one run' : `${RUNS} runs`} from seed ${FIRST})`, async () => {
  for (let i = 0; i < (SEED ? 1 : RUNS); i++) {
    try {
      await simulate(FIRST + i);
    } catch (error) {
      throw new Error(`MAILFERRY_SIM_SEED=${FIRST + i}: ${error instanceof Error ? error.stack : String(error)}`, {
        cause: error,
      });
    }
  }
}, 3_600_000);
