import { STEPS } from '../../src/transfer/contract.js';
import { message } from '../contracts/messages.js';
import type { FakeDestinationQuirks } from '../fakes/fake-destination.js';
import type { FakeMessage } from '../fakes/fake-mailbox.js';
import { expectExactlyOnce } from './exactly-once.js';
import { Killed } from './gate.js';
import { someDay, World, type RunOptions } from './world.js';

/** A write that was on the wire lands this much after its engine died: later than the lease's end, before the grace's. */
const LATE_MS = 80_000;

function smallWorld(quirks: FakeDestinationQuirks): World {
  const world = new World({ pageSize: 5 }, quirks);
  const put = (path: string[], ...numbers: number[]) => {
    const folder = world.old.ensure(path);
    for (const n of numbers) folder.append(message(n), n % 2 ? ['\\Seen'] : ['Label'], { ...someDay, offset: 0 });
  };
  put(['INBOX'], 1, 2, 2, 3, 2, 4, 4);
  put(['Shared1.Both'], 5, 6, 5);
  put(['Shared2.Both'], 5, 7);
  put(['Empty']);
  return world;
}

const servers: Record<string, FakeDestinationQuirks> = {
  'with UIDPLUS': {},
  'with UIDPLUS and late landings': { killLandsAfterMs: LATE_MS },
  'with UIDPLUS and MULTIAPPEND': { atomicBatch: true },
  'with UIDPLUS, MULTIAPPEND and late landings': { atomicBatch: true, killLandsAfterMs: LATE_MS },
  'without UIDPLUS': { tellsIds: false },
  'without UIDPLUS, with late landings': { tellsIds: false, killLandsAfterMs: LATE_MS },
  'without UIDPLUS, with MULTIAPPEND': { tellsIds: false, atomicBatch: true },
};

async function stepsOf(world: World, how: RunOptions = {}): Promise<string[]> {
  const steps: string[] = [];
  await world.run({ ...how, onStep: (step) => steps.push(step) });
  return steps;
}

for (const [name, quirks] of Object.entries(servers))
  describe(`an engine that dies at any step, on a server ${name}`, () => {
    it('is followed by one that neither loses nor doubles anything', async () => {
      const steps = await stepsOf(smallWorld(quirks));
      expect(steps.length).toBeGreaterThan(30);
      for (let dieAt = 1; dieAt <= steps.length; dieAt++) {
        const world = smallWorld(quirks);
        const source = world.old.snapshot();
        await expect(world.run({ dieAt })).rejects.toBeInstanceOf(Killed);
        const end = await world.run();
        try {
          expect(end).toEqual({ is: 'completed', outcome: 'complete' });
          expectExactlyOnce(world);
          const appends = world.appends.appends;
          await world.run();
          expect(world.appends.appends).toBe(appends);
          expectExactlyOnce(world);
          expect(world.old.snapshot()).toBe(source);
        } catch (error) {
          throw new Error(`died at step ${dieAt}, ${steps[dieAt - 1]}: ${String(error)}`, { cause: error });
        }
      }
    });

    it('may be followed by one that dies as well', async () => {
      const steps = await stepsOf(smallWorld(quirks));
      for (let dieAt = 1; dieAt <= steps.length; dieAt += 3) {
        const world = smallWorld(quirks);
        await expect(world.run({ dieAt })).rejects.toBeInstanceOf(Killed);
        await world.run({ dieAt: 12 }).catch((error: unknown) => expect(error).toBeInstanceOf(Killed));
        await world.run({ dieAt: 20 }).catch((error: unknown) => expect(error).toBeInstanceOf(Killed));
        expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
        expectExactlyOnce(world);
      }
    });
  });

describe('an engine that dies', () => {
  it('while it binds what was there before, is followed by one that binds the same', async () => {
    const make = () => {
      const world = smallWorld({});
      const inbox = world.hoster.ensure(['INBOX']);
      for (const n of [2, 4, 4, 9]) inbox.append(message(n), [], someDay);
      return world;
    };
    const before = new Map<string, FakeMessage[]>([['INBOX', [...make().hoster.folder(['INBOX'])!.messages]]]);
    const steps = await stepsOf(make());
    for (let dieAt = 1; dieAt <= steps.length; dieAt++) {
      const world = make();
      await expect(world.run({ dieAt })).rejects.toBeInstanceOf(Killed);
      await world.run();
      expectExactlyOnce(world, before);
    }
  });

  it.each(['with UIDPLUS', 'without UIDPLUS', 'with UIDPLUS and late landings'])(
    'on a server %s that drops keywords, is followed by one that names every message whose keyword is gone',
    async (server) => {
      const quirks = { ...servers[server], flagsOf: (flags: readonly string[]) => flags.filter((f) => f[0] === '\\') };
      const steps = await stepsOf(smallWorld(quirks));
      for (let dieAt = 1; dieAt <= steps.length; dieAt++) {
        const world = smallWorld(quirks);
        await expect(world.run({ dieAt })).rejects.toBeInstanceOf(Killed);
        await world.run();
        const dropped = world.remarks()['KEYWORDS_DROPPED'];
        expect({ dieAt, step: steps[dieAt - 1], dropped }).toEqual({ dieAt, step: steps[dieAt - 1], dropped: 6 });
      }
    },
  );

  it('during a replace sets nothing aside that is wanted and loses nothing', async () => {
    const options = { existing: 'replace' as const };
    const make = () => {
      const world = smallWorld({});
      const inbox = world.hoster.ensure(['INBOX']);
      for (const n of [8, 2, 9]) inbox.append(message(n), [], someDay);
      return world;
    };
    const steps = await stepsOf(make(), { options });
    for (let dieAt = 1; dieAt <= steps.length; dieAt++) {
      const world = make();
      await expect(world.run({ dieAt, options })).rejects.toBeInstanceOf(Killed);
      await world.run({ options });
      const bodies = (list: readonly FakeMessage[]) => list.map((m) => m.bytes.toString()).sort();
      expect(bodies(world.hoster.folder(['INBOX'])!.messages)).toEqual(bodies(world.old.folder(['INBOX'])!.messages));
      const aside = world.hoster.folder(['Before migration 2026-11-22', 'INBOX'])!;
      expect(bodies(aside.messages)).toEqual([8, 9].map((n) => message(n).toString()).sort());
    }
  });

  it('after the destination got a new UIDVALIDITY is followed by one that still knows every message', async () => {
    const make = async () => {
      const world = smallWorld({});
      await world.run();
      world.hoster.folder(['INBOX'])!.renumber();
      world.old.folder(['INBOX'])!.append(message(2), [], someDay);
      return world;
    };
    const steps = await stepsOf(await make());
    for (let dieAt = 1; dieAt <= steps.length; dieAt++) {
      const world = await make();
      await expect(world.run({ dieAt })).rejects.toBeInstanceOf(Killed);
      await world.run();
      expectExactlyOnce(world);
    }
  });

  it('after the source got a new UIDVALIDITY is followed by one that still knows every message', async () => {
    const make = async () => {
      const world = smallWorld({});
      await world.run();
      world.old.folder(['INBOX'])!.renumber();
      world.old.folder(['INBOX'])!.append(message(2), [], someDay);
      return world;
    };
    const steps = await stepsOf(await make());
    for (let dieAt = 1; dieAt <= steps.length; dieAt++) {
      const world = await make();
      await expect(world.run({ dieAt })).rejects.toBeInstanceOf(Killed);
      await world.run();
      expectExactlyOnce(world);
    }
  });
});

it('every numbered step is one at which an engine was stopped', async () => {
  const world = smallWorld({});
  world.hoster.ensure(['INBOX']).append(message(9), [], someDay);
  const steps = await stepsOf(world, { options: { existing: 'replace' } });
  expect(new Set(steps)).toEqual(new Set(STEPS));
});
