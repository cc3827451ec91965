import { message } from '../contracts/messages.js';
import { destinationError, type AppendFault, type FakeDestinationQuirks } from '../fakes/fake-destination.js';
import { expectExactlyOnce } from './exactly-once.js';
import { contents, someDay, World } from './world.js';

const NUMBERS = [1, 2, 2, 3, 2, 4, 4, 5];

function twins(quirks: FakeDestinationQuirks, faultAt: number, fault: AppendFault): World {
  const world = new World({}, { ...quirks, onAppend: (nth) => (nth === faultAt ? fault : null) });
  for (const n of NUMBERS) world.old.ensure(['INBOX']).append(message(n), ['\\Seen'], someDay);
  return world;
}

const faults: Record<string, AppendFault> = {
  'was cut before anything was stored': 'cut',
  'was stored and the reply lost': 'lost-reply',
  'landed a second after the connection was cut': { lateMs: 1_000 },
  'landed 25 seconds after the connection was cut': { lateMs: 25_000 },
};
const servers: Record<string, FakeDestinationQuirks> = {
  UIDPLUS: {},
  MULTIAPPEND: { atomicBatch: true },
  'no UIDPLUS': { tellsIds: false },
};

describe('a message whose APPEND', () => {
  for (const [what, fault] of Object.entries(faults))
    for (const [name, quirks] of Object.entries(servers))
      it(`${what} arrives once (${name})`, async () => {
        for (let faultAt = 1; faultAt <= NUMBERS.length; faultAt++) {
          const world = twins(quirks, faultAt, fault);
          expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
          expectExactlyOnce(world);
        }
      });

  it('landed after every look is reported as a surplus copy and not deleted', async () => {
    const world = twins({}, 3, { lateMs: 32_000 });
    let advanced = false;
    await world.run({
      onStep: (step) => {
        if (step !== 'checkpointed' || advanced) return;
        advanced = true;
        world.clock.advance(60_000);
      },
    });
    const inbox = world.hoster.folder(['INBOX'])!.messages;
    expect(inbox.length).toBeGreaterThan(NUMBERS.length);
    expect(world.remarks()['SURPLUS_COPY']).toBeGreaterThan(0);
    expect(world.counts()).toMatchObject({ found: 8, copied: 8 });
    await world.run();
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(inbox.length);
  });

  it('got no answer is not taken for a twin that came before it', async () => {
    // All equal: only the claims tell them apart. The second of a batch is cut, the first was stored a moment before.
    for (const tellsIds of [true, false]) {
      const world = new World({}, { tellsIds, onAppend: (nth) => (nth === 4 ? 'cut' : null) });
      for (let i = 0; i < 4; i++) world.old.ensure(['INBOX']).append(message(1), [], someDay);
      await world.run();
      expectExactlyOnce(world);
      // Right at once, and not only mended by the final listing.
      expect(world.remarks()).toEqual({});
    }
  });

  it('got no answer is not taken for a twin of the batch before, whose settling takes its time', async () => {
    const world = new World({}, { onAppend: (nth) => (nth === 3 ? 'cut' : null) });
    for (let i = 0; i < 4; i++) world.old.ensure(['INBOX']).append(message(1), [], someDay);
    await world.run({ settlesAfter: 200 });
    expectExactlyOnce(world);
    expect(world.remarks()).toEqual({});
  });

  it('got no answer is not taken for an equal one that the person received while the batch before was settled', async () => {
    const world = new World({}, { onAppend: (nth) => (nth === 3 ? 'cut' : null) });
    for (const n of [1, 2, 3, 4]) world.old.ensure(['INBOX']).append(message(n), [], someDay);
    let received = false;
    await world.run({
      settlesAfter: 5,
      onStep: (step) => {
        if (step !== 'stored-item' || received) return;
        received = true;
        world.hoster.folder(['INBOX'])!.append(message(3), [], someDay);
      },
    });
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(5);
    expect(world.counts()).toMatchObject({ found: 4, copied: 4 });
  });

  it('got no answer is not taken for a twin that the server shows late and never said the id of', async () => {
    const quirks: FakeDestinationQuirks = { tellsIds: false, showsAfterMs: 5_000 };
    const world = new World({}, { ...quirks, onAppend: (nth) => (nth === 3 ? 'cut' : null) });
    for (const n of [1, 2, 1]) world.old.ensure(['INBOX']).append(message(n), [], someDay);
    await world.run();
    expectExactlyOnce(world);
    expect(world.remarks()).toEqual({});
  });

  it('got no answer is not taken for an equal one from before the first run', async () => {
    const world = new World({}, { onAppend: (nth) => (nth === 1 ? 'cut' : null) });
    for (let i = 0; i < 2; i++) world.old.ensure(['INBOX']).append(message(1), [], someDay);
    // Equal, but of another size on the server: it is not matched as already there.
    world.hoster.ensure(['INBOX']).append(Buffer.concat([message(1), Buffer.from('\r\n')]), [], someDay);
    await world.run();
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(3);
  });

  it('got no answer while the person deletes and receives mail arrives once', async () => {
    const world = twins({}, 4, 'lost-reply');
    let once = false;
    world.quirks.meanwhile = () => {
      if (once) return;
      once = true;
      world.hoster.ensure(['INBOX']).append(message(90), [], someDay);
    };
    await world.run();
    const inbox = world.hoster.folder(['INBOX'])!;
    inbox.messages = inbox.messages.filter((m) => !m.bytes.equals(message(90)));
    expectExactlyOnce(world);
  });
});

describe('a lease', () => {
  it('that is about to end lets nothing be committed', async () => {
    const world = twins({}, 99, 'cut');
    let ending = false;
    let appendsThen = -1;
    const end = await world
      .run({
        onStep: (step) => {
          if (step !== 'intended' || ending) return;
          ending = true;
          const [mailbox] = world.store.mailboxes.values();
          mailbox!.leases.holder!.die();
          world.clock.advance(52_000);
          appendsThen = world.appends.appends;
        },
      })
      .catch((error: Error) => error.name);
    expect(end).toBe('LeaseLost');
    expect(world.appends.appends).toBe(appendsThen);
    world.clock.advance(60_000);
    await world.run();
    expectExactlyOnce(world);
  });

  it('that is lost ends the run with LeaseLost and not with an outcome', async () => {
    const world = twins({}, 99, 'cut');
    await expect(
      world.run({
        onStep: (step) => {
          if (step === 'intended') [...world.store.mailboxes.values()][0]!.leases.holder?.lose();
        },
      }),
    ).rejects.toMatchObject({ name: 'LeaseLost' });
    world.clock.advance(60_000);
    await world.run();
    expectExactlyOnce(world);
  });

  it('is given back only when nothing can land any more', async () => {
    const world = twins({}, 3, { lateMs: 25_000 });
    const stop = new AbortController();
    const began = world.clock.now();
    const end = await world.run({
      stop: stop.signal,
      onStep: (step) => {
        if (step === 'stored-batch' && world.appends.appends >= 3) stop.abort('shutdown');
      },
    });
    expect(end).toEqual({ is: 'stopped', why: 'shutdown' });
    expect(world.openIntents()).toBe(1);
    expect(world.clock.now() - began).toBeGreaterThanOrEqual(30_000);
    await world.run();
    expectExactlyOnce(world);
  });
});

it('a server that never takes anything breaks the run after a bounded number of tries, and loses nothing', async () => {
  const world = new World({}, { onAppend: () => destinationError('connection', 'later', 'DESTINATION_UNAVAILABLE') });
  world.old.ensure(['INBOX']).append(message(1), [], someDay);
  expect(await world.run()).toMatchObject({ is: 'broken', error: { code: 'DESTINATION_UNAVAILABLE', retry: 'later' } });
  world.quirks.onAppend = undefined;
  await world.run();
  expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
});
