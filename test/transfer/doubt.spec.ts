import { message } from '../contracts/messages.js';
import { destinationError } from '../fakes/fake-destination.js';
import { expectExactlyOnce } from './exactly-once.js';
import { someDay, World } from './world.js';

const filled = (world: World, many: number): World => {
  for (let n = 1; n <= many; n++) world.old.ensure(['INBOX']).append(message(n), ['\\Seen'], someDay);
  return world;
};
const arrived = (world: World): number => world.hoster.folder(['INBOX'])!.messages.length;

describe('what is not known is not taken for done', () => {
  it('nothing is sent again before it was looked for, however long the new server cannot be asked', async () => {
    for (const away of [1, 5, 6, 7, 11]) {
      let left = 0;
      const world = filled(
        new World(
          {},
          {
            onAppend: (nth) => {
              if (nth !== 3) return null;
              left = away;
              return 'lost-reply';
            },
            onList: () => (left-- > 0 ? destinationError('connection', 'later', 'DESTINATION_UNAVAILABLE') : null),
          },
        ),
        6,
      );
      expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
      expectExactlyOnce(world);
    }
  });

  it('a folder that is made anew in the middle of a batch waits for what may still land', async () => {
    let once = true;
    const world = filled(
      new World(
        {},
        {
          onStore: (folder) => {
            if (once) folder.renumber();
            once = false;
          },
          onAppend: (nth) => (nth === 2 ? { lateMs: 3_000 } : null),
        },
      ),
      4,
    );
    await world.run({ onStep: () => void world.clock.advance(200) });
    expect(arrived(world)).toBe(4);
  });

  it('whoever comes next need not wait: what may still land is waited for before the mailbox is given back', async () => {
    for (const fault of ['cut', null] as const) {
      const world = filled(new World({}, { onAppend: (nth) => (nth === 2 ? fault : null) }), 2);
      let at = 0;
      const run = world.run({
        onStep: (step) => {
          if (step !== 'stored-batch') return;
          at = world.clock.now();
          throw new Error('the database is away');
        },
      });
      await expect(run).rejects.toThrow('the database is away');
      if (fault === 'cut') expect(world.clock.now() - at).toBeGreaterThanOrEqual(30_000);
      else expect(world.clock.now()).toBe(at);
    }
  });

  it('what arrived before the old folder was numbered anew is no failure, and the rest comes with the next run', async () => {
    const world = filled(new World({ tellsEpochChange: true }), 30);
    let once = true;
    const first = await world.run({
      onStep: (step) => {
        if (step !== 'settled' || !once) return;
        once = false;
        world.old.folder(['INBOX'])!.renumber(20);
      },
    });
    expect(first).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(await world.run({ retryFailed: true })).toEqual({ is: 'completed', outcome: 'complete' });
    expect(world.counts()).toMatchObject({ found: 30, copied: 30, failed: 0 });
    expectExactlyOnce(world);
  });

  it('a message that was gone for a moment is offered again', async () => {
    const world = filled(new World({ onRead: (nth) => (nth === 2 ? 'vanished' : null) }), 3);
    await world.run();
    expect(world.counts()).toMatchObject({ copied: 2, skipped: 1 });
    await world.run();
    expect(world.counts()).toMatchObject({ found: 3, copied: 3, skipped: 0 });
    expectExactlyOnce(world);
  });

  it('messages that the old server never lists make the migration incomplete', async () => {
    const world = filled(new World({ hides: (uid) => uid === 2 }), 3);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(world.counts()).toMatchObject({ found: 2, copied: 2, failed: 0 });
    expect(world.remarks()).toEqual({ FOLDER_FAILED: 1 });
  });

  it('so does a folder of the person’s own that cannot be read', async () => {
    const world = filled(new World({ closed: ([name]) => name === 'Work' }), 3);
    world.old.ensure(['Work']).append(message(9), [], someDay);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(world.remarks()).toEqual({ NOT_PERMITTED: 1 });
    // Who leaves it out does not miss it.
    const out = filled(new World({ closed: ([name]) => name === 'Work' }), 3);
    out.old.ensure(['Work']);
    expect(await out.run({ options: { excludeFolders: [['Work']] } })).toMatchObject({ outcome: 'complete' });
  });
});
