import { describe, expect, it } from '@jest/globals';
import { message } from '../contracts/messages.js';
import type { FakeMailbox } from '../fakes/fake-mailbox.js';
import { Killed } from './gate.js';
import { contents, someDay, World } from './world.js';

const put = (mailbox: FakeMailbox, path: readonly string[], ...numbers: number[]) => {
  for (const n of numbers) mailbox.ensure(path).append(message(n), ['\\Seen'], someDay);
};
const folders = (mailbox: FakeMailbox) =>
  Object.fromEntries([...mailbox.folders.values()].map((f) => [f.path.join('/'), f.messages.length]).sort());
const run = async (world: World, job: string) =>
  expect(await world.run({ job })).toEqual({ is: 'completed', outcome: 'complete' });

describe.each([
  ['with MAILBOXID', { tellsObjectIds: true }],
  ['without MAILBOXID', { tellsObjectIds: false }],
])('folders that were renamed at the old provider, %s', (_name, quirks) => {
  it('go on into the folder they have, and the report says so', async () => {
    const world = new World(quirks);
    put(world.old, ['Work'], 1, 2, 3);
    put(world.old, ['Work', 'Deep'], 4);
    await run(world, 'first');
    world.old.rename(['Work'], ['Office']);
    world.old.rename(['Work', 'Deep'], ['Office', 'Deep']);
    put(world.old, ['Office'], 5);
    put(world.old, ['Office', 'New'], 6);
    await run(world, 'second');
    expect(folders(world.hoster)).toEqual({ INBOX: 0, Work: 4, 'Work/Deep': 1, 'Work/New': 1 });
    expect(world.counts('second')).toMatchObject({ copied: 2, alreadyThere: 4, failed: 0 });
    expect(world.remarks('second')).toMatchObject({ SOURCE_FOLDER_RENAMED: 2 });
    await run(world, 'third');
    expect(world.remarks('third')).toEqual({});
    expect(world.counts('third')).toMatchObject({ copied: 0, alreadyThere: 6 });
  });

  it('are told apart when two swapped their names', async () => {
    const world = new World(quirks);
    put(world.old, ['A'], 1, 2);
    put(world.old, ['B'], 3);
    await run(world, 'first');
    world.old.rename(['A'], ['C']);
    world.old.rename(['B'], ['A']);
    world.old.rename(['C'], ['B']);
    put(world.old, ['A'], 4);
    await run(world, 'second');
    expect(contents(world.hoster, 'A')).toEqual(contents(world.old, 'B'));
    expect(contents(world.hoster, 'B')).toEqual(contents(world.old, 'A'));
    await run(world, 'third');
    expect(world.counts('third')).toMatchObject({ copied: 0, alreadyThere: 4 });
  });

  it('are not taken for one that was made anew under the old name', async () => {
    const world = new World(quirks);
    put(world.old, ['A'], 1, 2);
    await run(world, 'first');
    world.old.rename(['A'], ['B']);
    put(world.old, ['A'], 7);
    await run(world, 'second');
    expect(folders(world.hoster)).toEqual({ A: 2, 'A (2)': 1, INBOX: 0 });
    expect(contents(world.hoster, 'A (2)')).toEqual(contents(world.old, 'A'));
  });

  it('nor is one that took the name of another that is gone', async () => {
    const world = new World(quirks);
    put(world.old, ['A'], 1, 2);
    put(world.old, ['B'], 3);
    await run(world, 'first');
    world.old.remove(['B']);
    world.old.rename(['A'], ['B']);
    await run(world, 'second');
    expect(folders(world.hoster)).toEqual({ A: 2, B: 1, INBOX: 0 });
    expect(world.counts('second')).toMatchObject({ copied: 0, alreadyThere: 2 });
  });

  it('one that was deleted and made anew brings only what is new', async () => {
    const world = new World(quirks);
    put(world.old, ['A'], 1, 2);
    await run(world, 'first');
    world.old.remove(['A']);
    put(world.old, ['A'], 2, 3);
    await run(world, 'second');
    expect(folders(world.hoster)).toEqual({ A: 3, INBOX: 0 });
  });
});

it('a folder with the UIDVALIDITY of one that is missing, and other mail, is another folder', async () => {
  const world = new World();
  put(world.old, ['A'], 1, 2);
  await run(world, 'first');
  const { epoch } = world.old.folder(['A'])!;
  world.old.remove(['A']);
  put(world.old, ['B'], 3, 4);
  world.old.folder(['B'])!.epoch = epoch;
  await run(world, 'second');
  expect(contents(world.hoster, 'B')).toEqual(contents(world.old, 'B'));
  expect(folders(world.hoster)).toEqual({ A: 2, B: 2, INBOX: 0 });
});

describe.each([
  ['with MAILBOXID', { tellsObjectIds: true }],
  ['without MAILBOXID', { tellsObjectIds: false }],
])('folders that the person renamed in the new mailbox, %s', (_name, quirks) => {
  it('are followed, new folders below them too, and never made and filled again', async () => {
    const world = new World({}, quirks);
    put(world.old, ['A'], 1, 2);
    await run(world, 'first');
    world.hoster.rename(['A'], ['Mine']);
    put(world.old, ['A'], 3);
    put(world.old, ['A', 'Sub'], 4);
    await run(world, 'second');
    expect(folders(world.hoster)).toEqual({ INBOX: 0, Mine: 3, 'Mine/Sub': 1 });
    expect(world.remarks('second')).toMatchObject({ DESTINATION_FOLDER_RENAMED: 1 });
    await run(world, 'third');
    expect(world.remarks('third')).toEqual({});
    expect(world.counts('third')).toMatchObject({ copied: 0, alreadyThere: 4 });
    expect(folders(world.hoster)).toEqual({ INBOX: 0, Mine: 3, 'Mine/Sub': 1 });
  });

  it('are told apart when two swapped their names', async () => {
    const world = new World({}, quirks);
    put(world.old, ['A'], 1, 2);
    put(world.old, ['B'], 3);
    await run(world, 'first');
    world.hoster.rename(['A'], ['C']);
    world.hoster.rename(['B'], ['A']);
    world.hoster.rename(['C'], ['B']);
    put(world.old, ['A'], 4);
    await run(world, 'second');
    expect(contents(world.hoster, 'B')).toEqual(contents(world.old, 'A'));
    expect(contents(world.hoster, 'A')).toEqual(contents(world.old, 'B'));
    await run(world, 'third');
    expect(world.counts('third')).toMatchObject({ copied: 0, alreadyThere: 4 });
  });

  it('are not made again when they were removed, unless new mail wants them', async () => {
    const world = new World({}, quirks);
    put(world.old, ['A'], 1, 2);
    await run(world, 'first');
    world.hoster.remove(['A']);
    await run(world, 'second');
    expect(folders(world.hoster)).toEqual({ INBOX: 0 });
    expect(world.counts('second')).toMatchObject({ found: 2, copied: 0, alreadyThere: 2 });
    expect(world.remarks('second')).toMatchObject({ FOLDER_NOT_REMADE: 1 });
    put(world.old, ['A'], 3);
    await run(world, 'third');
    expect(folders(world.hoster)).toEqual({ A: 1, INBOX: 0 });
    expect(world.counts('third')).toMatchObject({ copied: 1, alreadyThere: 2 });
  });
});

it('an engine that dies at any step of following them is followed by one that copies nothing twice', async () => {
  const renamedWorld = async () => {
    const world = new World();
    put(world.old, ['A'], 1, 2);
    put(world.old, ['B'], 3);
    put(world.old, ['Gone'], 4);
    await run(world, 'first');
    world.old.rename(['A'], ['C']);
    world.old.rename(['B'], ['A']);
    world.old.rename(['C'], ['B']);
    world.old.folder(['B'])!.epoch += 1_000;
    world.old.folder(['B'])!.renumber();
    world.hoster.rename(['A'], ['Mine']);
    world.hoster.remove(['Gone']);
    put(world.old, ['A'], 5);
    put(world.old, ['B'], 6);
    return world;
  };
  let steps = 0;
  const whole = await renamedWorld();
  await whole.run({ job: 'second', onStep: () => steps++ });
  expect(folders(whole.hoster)).toEqual({ B: 2, INBOX: 0, Mine: 3 });
  for (let dieAt = 1; dieAt <= steps; dieAt++) {
    const world = await renamedWorld();
    await expect(world.run({ job: 'second', dieAt })).rejects.toBeInstanceOf(Killed);
    await run(world, 'second');
    expect({ dieAt, ...folders(world.hoster) }).toEqual({ dieAt, B: 2, INBOX: 0, Mine: 3 });
    expect(contents(world.hoster, 'Mine')).toEqual(contents(world.old, 'B'));
    expect(contents(world.hoster, 'B')).toEqual(contents(world.old, 'A'));
  }
});
