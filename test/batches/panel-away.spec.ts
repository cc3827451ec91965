import { ModuleRef } from '@nestjs/core';
import { BatchRunner } from '../../src/batches/batch-runner.js';
import { LinkSender } from '../../src/jobs/link-sender.js';
import { dora } from '../jobs/support.js';
import { batchRoom, type BatchRoom } from './support.js';

const PER_ROW = { auth: { kind: 'per-row' } } as const;
const ASK_USER = { auth: { kind: 'ask-user' } } as const;

describe('batches whose panel stumbles', () => {
  let room: BatchRoom;
  let runner: BatchRunner;
  beforeAll(async () => {
    room = await batchRoom({ publicUrl: 'https://panel.example.test' });
    runner = room.get(BatchRunner);
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  /** For the time of `work` the panel does one thing in another way. */
  async function instead<K extends 'getMailbox' | 'notify' | 'currentPrincipal'>(
    what: K,
    how: (asks: BatchRoom['panel'][K]) => BatchRoom['panel'][K],
    work: () => Promise<unknown>,
  ): Promise<void> {
    const asks = room.panel[what].bind(room.panel) as BatchRoom['panel'][K];
    room.panel[what] = how(asks);
    try {
      await work();
    } finally {
      room.panel[what] = asks;
    }
  }
  const another = (): Promise<BatchRunner> => room.get(ModuleRef).create(BatchRunner);
  const rowsOf = async (id: string) =>
    (await room.batches.rows(dora.visibility, id, { show: 'all', page: 1, perPage: 9 }))!.rows;
  const started = async (names: readonly string[]): Promise<string> => {
    const { id } = await room.batch(names, PER_ROW);
    await room.batches.act(dora, id, 'start');
    return id;
  };
  const invited = async (names: readonly string[]): Promise<string> => {
    const { id } = await room.batch(names, ASK_USER);
    await room.batches.invite(dora, id, { days: 7, send: true });
    return id;
  };
  /** Waits of ten seconds are over at once. */
  async function impatient(work: () => Promise<unknown>): Promise<void> {
    const wait = globalThis.setTimeout;
    globalThis.setTimeout = ((then: () => void, ms?: number) => wait(then, ms === 10_000 ? 20 : ms)) as typeof wait;
    try {
      await work();
    } finally {
      globalThis.setTimeout = wait;
    }
  }
  const never = (): Promise<never> => new Promise(() => undefined);

  it('over some mailboxes start the others, say why, and try those again', async () => {
    const id = await started(['ann', 'ben', 'cem', 'dan', 'eva']);
    const bad = ['ann@new.test', 'ben@new.test', 'cem@new.test'];
    await instead(
      'getMailbox',
      (asks) => async (ref) => {
        if (bad.includes(ref.address)) throw new Error('500');
        return asks(ref);
      },
      async () => {
        for (let i = 0; i < 4; i++) await runner.tick();
      },
    );
    expect(await room.states(id)).toEqual(['draft', 'draft', 'draft', 'queued', 'queued']);
    expect((await rowsOf(id)).map(({ wanted, reason }) => [wanted, reason?.code])).toEqual([
      ...bad.map(() => [true, 'DESTINATION_UNAVAILABLE']),
      [false, undefined],
      [false, undefined],
    ]);
    for (const job of (await room.jobs(id)).slice(3)) await room.run(job);
    expect(await room.settle(id)).toEqual(['queued', 'queued', 'queued', 'completed', 'completed']);
    expect((await rowsOf(id)).map(({ reason }) => reason?.code)).toEqual(Array(5).fill(undefined));
  });

  it('over everybody are left alone after three until the next round', async () => {
    await started(['ann', 'ben', 'cem', 'dan', 'eva']);
    const asked: string[] = [];
    await instead(
      'getMailbox',
      () =>
        async ({ address }) => {
          asked.push(address);
          throw new Error('500');
        },
      () => runner.tick(),
    );
    expect(asked).toHaveLength(3);
  });

  it('over one person do not hold up those of another, nor where it never answers', async () => {
    const [hangs, works] = [await started(['ann']), await started(['ben'])];
    await room.db.query(`UPDATE mailferry.batches SET principal = principal || '{"name": "Hang"}' WHERE id = $1`, [
      hangs,
    ]);
    await impatient(() =>
      instead(
        'currentPrincipal',
        (asks) => (claimed) => (claimed.name === 'Hang' ? never() : asks(claimed)),
        () => runner.tick(),
      ),
    );
    expect([await room.states(hangs), await room.states(works)]).toEqual([['draft'], ['queued']]);
    await impatient(() =>
      instead(
        'getMailbox',
        () => never,
        () => runner.tick(),
      ),
    );
    expect((await rowsOf(hangs))[0]!.reason?.code).toBe('DESTINATION_UNAVAILABLE');
    expect(await room.settle(hangs)).toEqual(['queued']);
  });

  it('over a mail keep no other worker from the batches, which does not mail the same', async () => {
    await invited(['ann']);
    const sent: string[] = [];
    let go = (): void => undefined;
    const asked = new Promise<void>((mailing) => {
      room.panel.notify = (to) => {
        sent.push(to!);
        mailing();
        return new Promise((resolve) => (go = resolve));
      };
    });
    const tick = runner.tick();
    try {
      await asked;
      const id = await started(['ben']);
      expect(await (await another()).tick()).toBe(true);
      expect(await room.states(id)).toEqual(['queued']);
    } finally {
      go();
      await tick;
      delete (room.panel as Partial<typeof room.panel>).notify;
    }
    await runner.tick();
    expect(sent).toEqual(['ann@new.test']);
  });

  it('over a mail for good try it again', async () => {
    await invited(['ann']);
    await impatient(() =>
      instead(
        'notify',
        () => never,
        () => room.get(LinkSender).send(),
      ),
    );
    await room.get(LinkSender).send();
    await room.get(LinkSender).send();
    expect(room.panel.notices).toEqual([{ to: 'ann@new.test', template: 'invitation' }]);
  });

  it('mail nobody a link that is of no use any more, and later those of whom it is', async () => {
    const id = await invited(['ann', 'ben', 'cem', 'dan']);
    const [ann, ben, cem, dan] = (await room.jobs(id)) as [string, string, string, string];
    await room.batches.act(dora, id, 'cancel', { ids: [ann] });
    await room.db.query(`UPDATE mailferry.jobs SET state = 'running' WHERE id = $1`, [dan]);
    const sent: string[] = [];
    await instead(
      'notify',
      () => async (to) => {
        sent.push(to!);
        // While the first of the two is mailed, the other one is cancelled.
        if (sent.length === 1) await room.batches.act(dora, id, 'cancel', { ids: [to === 'ben@new.test' ? cem : ben] });
      },
      () => room.get(LinkSender).send(),
    );
    expect(sent).toHaveLength(1);
    await room.db.query(`UPDATE mailferry.jobs SET state = 'needs-action' WHERE id = $1`, [dan]);
    await room.get(LinkSender).send();
    expect(room.panel.notices.map(({ to }) => to)).toEqual(['dan@new.test']);
  });
});
