import { message } from '../contracts/messages.js';
import { destinationError, type FakeDestinationQuirks } from '../fakes/fake-destination.js';
import { contents, looks, someDay, World } from './world.js';

function fill(world: World, path: string[], ...numbers: number[]): void {
  const folder = world.old.ensure(path);
  for (const n of numbers) folder.append(message(n), n % 2 ? ['\\Seen'] : ['\\Flagged', 'Label'], someDay);
}

describe('a first run', () => {
  it('copies every message with bytes, flags and date, twins included, and leaves the source as it was', async () => {
    const world = new World({ pageSize: 3 });
    fill(world, ['INBOX'], 1, 2, 3, 3, 4, 5, 5, 5);
    fill(world, ['Work', 'Übersicht'], 6, 7);
    fill(world, ['Empty']);
    const before = world.old.snapshot();
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
    expect(contents(world.hoster, 'Work', 'Übersicht')).toEqual(contents(world.old, 'Work', 'Übersicht'));
    expect(world.old.snapshot()).toBe(before);
    expect(world.counts()).toEqual({ found: 10, copied: 10, alreadyThere: 0, skipped: 0, failed: 0 });
    expect(world.openIntents()).toBe(0);
  });

  it('copies nothing when it is run again, and only what is new when something came', async () => {
    const world = new World({ pageSize: 3 });
    fill(world, ['INBOX'], 1, 2, 3, 3);
    await world.run();
    const appends = world.appends.appends;
    await world.run();
    await world.run({ job: 'another' });
    expect(world.appends.appends).toBe(appends);
    expect(world.counts('another')).toEqual({ found: 4, copied: 0, alreadyThere: 4, skipped: 0, failed: 0 });
    fill(world, ['INBOX'], 3, 9);
    await world.run();
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
    expect(world.counts()).toMatchObject({ found: 6, copied: 6 });
  });

  it('lets several source folders share one destination folder', async () => {
    const world = new World();
    fill(world, ['Shared1.Both'], 1, 2, 2);
    fill(world, ['Shared2.Both'], 2, 3);
    await world.run();
    const wanted = looks([
      ...world.old.folder(['Shared1.Both'])!.messages,
      ...world.old.folder(['Shared2.Both'])!.messages,
    ]);
    expect(contents(world.hoster, 'Both')).toEqual(wanted);
  });

  for (const tellsIds of [true, false])
    it(`binds what was there before and copies only the rest (${tellsIds ? 'with' : 'without'} UIDPLUS)`, async () => {
      const world = new World({}, { tellsIds });
      fill(world, ['INBOX'], 1, 2, 2, 2, 3);
      const inbox = world.hoster.ensure(['INBOX']);
      for (const n of [2, 1, 8]) inbox.append(message(n), [], someDay);
      // The same header and size, another body: not the same message.
      inbox.append(message(3, { body: 'This is message E.' }), [], someDay);
      await world.run();
      expect(world.counts()).toEqual({ found: 5, copied: 3, alreadyThere: 2, skipped: 0, failed: 0 });
      const bodies = inbox.messages.map((m) => m.bytes.toString()).sort();
      const wanted = [1, 2, 2, 2, 3, 8].map((n) => message(n).toString());
      expect(bodies).toEqual([...wanted, message(3, { body: 'This is message E.' }).toString()].sort());
      const appends = world.appends.appends;
      await world.run();
      expect(world.appends.appends).toBe(appends);
    });

  it('does not copy again what the person removed at the destination', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2, 3);
    await world.run();
    world.hoster.folder(['INBOX'])!.messages.splice(1, 1);
    await world.run();
    await world.run();
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(2);
    expect(world.counts()).toMatchObject({ found: 3, copied: 3 });
  });
});

describe('filters', () => {
  it('skips by folder, date and size with a code each, and says what the items were', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1);
    world.old.ensure(['INBOX']).append(message(2), [], { seconds: 1_000_000, offset: 0 });
    world.old.ensure(['INBOX']).append(message(3, { size: 5_000 }), [], someDay);
    fill(world, ['Out', 'Below'], 4, 5);
    const options = { since: new Date('2010-01-01'), maxItemBytes: 4_000, excludeFolders: [['Out']] };
    expect(await world.run({ options })).toEqual({ is: 'completed', outcome: 'complete' });
    expect(world.counts()).toEqual({ found: 5, copied: 1, alreadyThere: 0, skipped: 4, failed: 0 });
    const said = world.refusals().map((r) => [r.code, r.subject]);
    expect(said.sort()).toEqual([
      ['FILTERED_DATE', 'Message 2'],
      ['FILTERED_FOLDER', 'Message 4'],
      ['FILTERED_FOLDER', 'Message 5'],
      ['TOO_LARGE', 'Message 3'],
    ]);
    expect(world.hoster.folder(['Out', 'Below'])).toBeUndefined();
    await world.run({ options: {} });
    expect(world.counts()).toEqual({ found: 5, copied: 5, alreadyThere: 0, skipped: 0, failed: 0 });
  });
});

describe('errors', () => {
  it('goes on after a lost connection to the source', async () => {
    const world = new World({ pageSize: 2, onRead: (nth) => (nth % 3 === 0 && nth < 10 ? 'cut' : null) });
    fill(world, ['INBOX'], 1, 2, 3, 4, 5, 6);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
  });

  it('fails one unreadable message and copies the rest; a retry copies it when it can be read', async () => {
    let broken = true;
    const world = new World({ onRead: (_, uid) => (broken && uid === 2 ? 'unreadable' : null) });
    fill(world, ['INBOX'], 1, 2, 3);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(world.counts()).toEqual({ found: 3, copied: 2, alreadyThere: 0, skipped: 0, failed: 1 });
    expect(world.refusals()[0]).toMatchObject({ code: 'UNREADABLE', subject: 'Message 2' });
    broken = false;
    expect(await world.run({ retryFailed: true })).toEqual({ is: 'completed', outcome: 'complete' });
    expect(world.counts()).toEqual({ found: 3, copied: 3, alreadyThere: 0, skipped: 0, failed: 0 });
  });

  it('never stores a body of another length than was announced', async () => {
    const world = new World({ onRead: (_, uid) => (uid === 2 ? 'short' : null) });
    fill(world, ['INBOX'], 1, 2);
    await world.run();
    expect(world.refusals()[0]).toMatchObject({ code: 'LENGTH_MISMATCH' });
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(1);
  });

  it('stops as broken when the destination is full, and goes on when there is room', async () => {
    const world = new World({}, { quotaBytes: message(1).length * 3 });
    fill(world, ['INBOX'], 1, 2, 3, 4, 5);
    expect(await world.run()).toMatchObject({ is: 'broken', error: { code: 'QUOTA_EXCEEDED', retry: 'user' } });
    expect(world.openIntents()).toBe(0);
    world.quirks.quotaBytes = undefined;
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
  });

  it('names every item of a folder that cannot be written, and copies the others', async () => {
    const world = new World();
    world.quirks.refuses = (bytes) =>
      bytes.includes('message 7') ? destinationError('folder', 'never', 'NOT_PERMITTED') : null;
    fill(world, ['Bad'], 7, 8, 9);
    fill(world, ['Good'], 1, 2);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(contents(world.hoster, 'Good')).toEqual(contents(world.old, 'Good'));
    expect(world.refusals().every((r) => r.code === 'NOT_PERMITTED')).toBe(true);
    const { found, copied, failed } = world.counts();
    expect(found).toBe(copied + failed);
    expect(failed).toBeGreaterThan(0);
  });

  it('names what was in a folder that vanished in the middle, and finishes the rest', async () => {
    const world = new World();
    fill(world, ['Gone'], 1, 2, 3);
    fill(world, ['Good'], 4, 5);
    let gone = false;
    const end = await world.run({
      onStep: (step) => {
        if (step !== 'settled' || gone) return;
        gone = true;
        world.hoster.folders.delete('Gone');
      },
    });
    expect(end).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(world.remarks()).toMatchObject({ FOLDER_FAILED: 1 });
    expect(contents(world.hoster, 'Good')).toEqual(contents(world.old, 'Good'));
    expect(await world.run({ retryFailed: true })).toEqual({ is: 'completed', outcome: 'complete' });
  });

  it('names what is too large for the destination as failed, one by one, and copies the rest', async () => {
    const world = new World({}, { maxBytes: 2_000 });
    fill(world, ['INBOX'], 1);
    world.old.folder(['INBOX'])!.append(message(2, { size: 3_000 }), [], someDay);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'incomplete' });
    expect(world.refusals()[0]).toMatchObject({ code: 'MESSAGE_TOO_LARGE', outcome: 'failed' });
  });

  it('is broken, not finished, when the source shows no folders at all', async () => {
    const world = new World();
    world.old.folders.clear();
    expect(await world.run()).toMatchObject({ is: 'broken', error: { code: 'LISTING_EMPTY' } });
  });
});

describe('what the destination does to mail', () => {
  it('repairs a refused message once, in the smallest way, and says so', async () => {
    const world = new World();
    world.quirks.refuses = (bytes) =>
      bytes.includes(0)
        ? destinationError('item', 'never', 'MESSAGE_MALFORMED', 'NO Message contains NUL characters')
        : null;
    const withNul = message(1, { body: 'a\0b' });
    world.old.folder(['INBOX'])!.append(withNul, [], someDay);
    fill(world, ['INBOX'], 2);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
    expect(world.remarks()).toMatchObject({ REPAIRED_NUL: 1 });
    const stored = world.hoster.folder(['INBOX'])!.messages.map((m) => m.bytes.toString('latin1'));
    expect(stored).toContain(withNul.toString('latin1').replace('\0', '\x80'));
    const other = new World({}, { refuses: world.quirks.refuses });
    other.old.folder(['INBOX'])!.append(withNul, [], someDay);
    expect(await other.run({ options: { repair: false } })).toEqual({ is: 'completed', outcome: 'incomplete' });
  });

  it('binds one message for several equal ones when the destination merges them', async () => {
    const world = new World({}, { mergesEqual: true });
    fill(world, ['INBOX'], 1, 1, 2);
    expect(await world.run()).toEqual({ is: 'completed', outcome: 'complete' });
    expect(world.counts()).toEqual({ found: 3, copied: 2, alreadyThere: 1, skipped: 0, failed: 0 });
    await world.run();
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(2);
  });

  it('says so when dates are not kept or keywords are dropped', async () => {
    const world = new World({}, { flagsOf: (flags) => flags.filter((f) => f.startsWith('\\')) });
    world.quirks.dateOf = () => ({ seconds: Math.floor(world.clock.now() / 1000), offset: 0 });
    fill(world, ['INBOX'], 1, 2, 3, 4, 5, 6);
    await world.run();
    expect(world.remarks()).toEqual({ DATES_NOT_KEPT: 1, DATE_CHANGED: 6, KEYWORDS_DROPPED: 3 });
    await world.run();
    expect(world.remarks()).toEqual({ DATES_NOT_KEPT: 1, DATE_CHANGED: 6, KEYWORDS_DROPPED: 3 });
  });

  it('finds out that bodies are damaged without another size, at the first five messages', async () => {
    const world = new World(
      {},
      { bytesOf: (bytes) => Buffer.from(bytes.toString('latin1').replace('This is', 'That is')) },
    );
    fill(world, ['INBOX'], 1, 2, 3, 4, 5, 6, 7);
    await world.run();
    expect(world.remarks()).toEqual({ BODY_CHANGED: 5 });
  });

  it('stores again what was confirmed and is nowhere', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2, 3);
    let lost = false;
    const end = await world.run({
      onStep: (step) => {
        if (step !== 'checkpointed' || lost) return;
        lost = true;
        world.hoster.folder(['INBOX'])!.messages.splice(0, 2);
      },
    });
    expect(end).toEqual({ is: 'completed', outcome: 'complete' });
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
    expect(world.counts()).toMatchObject({ found: 3, copied: 3 });
  });
});

describe('new ids', () => {
  for (const tellsIds of [true, false])
    it(`follows the content when the destination has another UIDVALIDITY (UIDPLUS: ${tellsIds})`, async () => {
      const world = new World({}, { tellsIds });
      fill(world, ['INBOX'], 1, 2, 2, 3);
      world.hoster.ensure(['INBOX']).append(message(3), [], someDay);
      await world.run();
      world.hoster.folder(['INBOX'])!.renumber();
      fill(world, ['INBOX'], 2, 4);
      await world.run();
      // Every claim followed: an item without one would be taken for somebody else's from now on.
      const epoch = String(world.hoster.folder(['INBOX'])!.epoch);
      for (const mailbox of world.store.mailboxes.values())
        for (const binding of mailbox.bindings.values()) expect(binding).toMatchObject({ id: { epoch } });
      const bodies = world.hoster
        .folder(['INBOX'])!
        .messages.map((m) => m.bytes.toString())
        .sort();
      expect(bodies).toEqual([1, 2, 2, 2, 3, 4].map((n) => message(n).toString()).sort());
    });

  it('follows a UIDVALIDITY that changes in the middle of a run', async () => {
    const world = new World({ pageSize: 2 });
    fill(world, ['INBOX'], 1, 2, 2, 3, 4, 5);
    let done = false;
    const end = await world.run({
      onStep: (step) => {
        if (step !== 'checkpointed' || done) return;
        done = true;
        world.hoster.folder(['INBOX'])!.renumber();
      },
    });
    expect(end).toEqual({ is: 'completed', outcome: 'complete' });
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
  });

  it('knows its messages again when the source has another UIDVALIDITY', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2, 2, 3);
    await world.run();
    world.old.folder(['INBOX'])!.renumber();
    fill(world, ['INBOX'], 2, 5);
    await world.run();
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
  });
});

describe('flags that change at the source', () => {
  it('are applied where the destination still has what was written, and nowhere else', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2);
    await world.run();
    world.hoster.folder(['INBOX'])!.messages[1]!.flags = ['\\Answered'];
    for (const m of world.old.folder(['INBOX'])!.messages) m.flags = ['\\Seen', '\\Answered', 'New'];
    await world.run();
    const flags = () => world.hoster.folder(['INBOX'])!.messages.map((m) => [...m.flags].sort());
    expect(flags()).toEqual([['New', '\\Answered', '\\Seen'].sort(), ['\\Answered']]);
    for (const m of world.old.folder(['INBOX'])!.messages) m.flags = [];
    await world.run();
    expect(flags()).toEqual([[], ['\\Answered']]);
  });
});

describe('what changed at the source since the last run', () => {
  it('is told: flags brought over, kept because of the person, and refused', async () => {
    const world = new World({}, { refusesFlag: (flag) => flag === 'No' });
    fill(world, ['INBOX'], 1, 2, 3);
    await world.run({ job: 'first' });
    world.hoster.folder(['INBOX'])!.messages[1]!.flags = ['\\Answered'];
    const old = world.old.folder(['INBOX'])!.messages;
    for (const [i, m] of old.entries()) m.flags = i === 2 ? ['\\Flagged', 'No'] : ['\\Flagged', 'Yes'];
    await world.run({ job: 'second' });
    const flags = () => world.hoster.folder(['INBOX'])!.messages.map((m) => [...m.flags].sort());
    expect(flags()).toEqual([['Yes', '\\Flagged'].sort(), ['\\Answered'], ['\\Flagged']]);
    expect(world.remarks('second')).toEqual({ FLAGS_UPDATED: 1, FLAGS_KEPT: 1, FLAG_DROPPED: 1 });
    await world.run({ job: 'third' });
    expect(world.remarks('third')).toEqual({});
    // What the new server never took is no edit of the person's: the next change still arrives.
    old[2]!.flags = ['\\Flagged', 'No', '\\Seen'];
    await world.run({ job: 'fourth' });
    expect(flags()[2]).toEqual(['\\Flagged', '\\Seen']);
  });

  it('is told and not followed: messages and folders that are gone, or are in another folder now', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2, 3);
    fill(world, ['Work'], 4);
    fill(world, ['Old'], 5, 6);
    await world.run({ job: 'first' });
    const before = contents(world.hoster, 'INBOX');
    world.old.folder(['INBOX'])!.remove(1);
    world.old.folder(['INBOX'])!.remove(2);
    fill(world, ['Work'], 2);
    world.old.remove(['Old']);
    await world.run({ job: 'second' });
    expect(contents(world.hoster, 'INBOX')).toEqual(before);
    expect(contents(world.hoster, 'Work')).toEqual(contents(world.old, 'Work'));
    expect(contents(world.hoster, 'Old')).toHaveLength(2);
    const told = { REMOVED_AT_SOURCE: 1, MOVED_AT_SOURCE: 1, FOLDER_REMOVED_AT_SOURCE: 2 };
    expect(world.remarks('second')).toEqual(told);
    // Told as it is, not added up.
    await world.run({ job: 'second' });
    expect(world.remarks('second')).toEqual(told);
  });
});

describe('a folder that the new server does not let anybody make', () => {
  it('is named with everything in it, and nothing else waits for it; a later run fills it', async () => {
    const quirks: FakeDestinationQuirks = {
      unmade: ([first]) => (first === 'Work' ? destinationError('folder', 'user', 'NOT_PERMITTED') : null),
    };
    const world = new World({}, quirks);
    fill(world, ['INBOX'], 1, 2);
    fill(world, ['Work'], 3, 4, 5);
    for (const _ of ['a first run', 'the same again']) {
      expect(await world.run()).toEqual({ is: 'completed', outcome: 'incomplete' });
      expect(world.counts()).toEqual({ found: 5, copied: 2, alreadyThere: 0, skipped: 0, failed: 3 });
      expect(world.refusals().map(({ code, subject }) => `${code} ${subject}`)).toEqual(
        [3, 4, 5].map((n) => `NOT_PERMITTED Message ${n}`),
      );
    }
    // Once in each run.
    expect(world.remarks()).toMatchObject({ FOLDER_FAILED: 2 });
    expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
    quirks.unmade = undefined;
    expect(await world.run({ retryFailed: true })).toEqual({ is: 'completed', outcome: 'complete' });
    expect(contents(world.hoster, 'Work')).toEqual(contents(world.old, 'Work'));
    expect(world.counts()).toEqual({ found: 5, copied: 5, alreadyThere: 0, skipped: 0, failed: 0 });
  });

  it('keeps a replace from touching anything', async () => {
    const world = new World(
      {},
      { unmade: ([first]) => (first === 'Work' ? destinationError('folder', 'user', 'NO') : null) },
    );
    fill(world, ['INBOX'], 1);
    fill(world, ['Work'], 3);
    world.hoster.ensure(['INBOX']).append(message(8), [], someDay);
    await world.run({ options: { existing: 'replace' } });
    expect(world.hoster.folder(['INBOX'])!.messages).toHaveLength(2);
    expect(world.remarks()).toMatchObject({ REPLACE_REFUSED: 1 });
  });
});

describe('replace', () => {
  const replace = { existing: 'replace' as const };
  it('sets aside what was there and equals nothing, after the copy, and deletes nothing', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2);
    const inbox = world.hoster.ensure(['INBOX']);
    for (const n of [8, 1, 9]) inbox.append(message(n), [], someDay);
    let asideBeforeReconciled = false;
    const end = await world.run({
      options: replace,
      onStep: (step) => {
        if (step === 'reconciled') asideBeforeReconciled = inbox.messages.length !== 4;
        if (step === 'set-aside') inbox.append(message(10), [], someDay);
      },
    });
    expect(end).toEqual({ is: 'completed', outcome: 'complete' });
    expect(asideBeforeReconciled).toBe(false);
    expect(inbox.messages.map((m) => m.bytes.toString()).sort()).toEqual(
      [1, 2, 10].map((n) => message(n).toString()).sort(),
    );
    const aside = world.hoster.folder(['Before migration 2026-11-22', 'INBOX'])!;
    expect(looks(aside.messages)).toEqual(looks([8, 9].map((n) => ({ bytes: message(n), flags: [], date: someDay }))));
    await world.run({ options: replace });
    expect(inbox.messages).toHaveLength(3);
  });

  it('touches nothing when the source shows nothing, only a part, or an error', async () => {
    const worlds = [
      new World(),
      new World({ complete: false }),
      new World({ onScan: (_, path) => (path[0] === 'Bad' ? 'refused' : null) }),
    ];
    for (const [i, world] of worlds.entries()) {
      if (i > 0) fill(world, ['INBOX'], 1);
      world.old.ensure(['Bad']);
      world.hoster.ensure(['INBOX']).append(message(8), [], someDay);
      await world.run({ options: replace });
      expect(world.hoster.folder(['INBOX'])!.messages[0]!.bytes.equals(message(8))).toBe(true);
      expect(world.remarks()).toMatchObject({ REPLACE_REFUSED: 1 });
    }
  });
});

describe('a stop', () => {
  it('ends at a checkpoint, and the next run goes on without copying anything twice', async () => {
    for (const why of ['pause', 'cancel', 'shutdown'] as const) {
      const world = new World({ pageSize: 4 });
      fill(world, ['INBOX'], 1, 2, 3, 3, 4, 5);
      const stop = new AbortController();
      const end = await world.run({
        stop: stop.signal,
        onStep: (step) => {
          if (step === 'stored-item') stop.abort(why);
        },
      });
      expect(end).toEqual({ is: 'stopped', why });
      expect(world.hoster.folder(['INBOX'])!.messages.length).toBeLessThan(6);
      await world.run();
      expect(contents(world.hoster, 'INBOX')).toEqual(contents(world.old, 'INBOX'));
    }
  });

  it('before anything is copied never counts as a completed run', async () => {
    for (const at of ['leased', 'connected', 'listed', 'folders-ensured', 'recovered'] as const) {
      const world = new World();
      fill(world, ['INBOX'], 1, 2);
      const stop = new AbortController();
      const onStep = (step: string): void => {
        if (step === at) stop.abort('pause');
      };
      expect([at, await world.run({ stop: stop.signal, onStep })]).toEqual([at, { is: 'stopped', why: 'pause' }]);
    }
  });
});

it('names what was asked for and the source does not give', async () => {
  const world = new World();
  fill(world, ['INBOX'], 1);
  await world.run({ options: { kinds: ['mail', 'contacts', 'tasks'] } });
  expect(world.remarks()).toEqual({ KIND_NOT_GIVEN: 2 });
});

describe('deep verify', () => {
  it('finds a body that the destination damaged without changing its size', async () => {
    const world = new World();
    fill(world, ['INBOX'], 1, 2, 3, 4, 5, 6, 7);
    await world.run({ options: { deepVerify: true } });
    expect(world.remarks()).toEqual({});
    const last = world.hoster.folder(['INBOX'])!.messages.at(-1)!;
    last.bytes = Buffer.from(last.bytes.toString().replace('This is', 'That is'));
    await world.run({ options: { deepVerify: true } });
    expect(world.remarks()).toEqual({ BODY_DIFFERS: 1 });
  });
});
