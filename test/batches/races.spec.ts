import { ModuleRef } from '@nestjs/core';
import { BatchRunner } from '../../src/batches/batch-runner.js';
import type { MailboxRef, Principal } from '../../src/panel/host-panel.js';
import { dora } from '../jobs/support.js';
import { batchRoom, type BatchRoom } from './support.js';

const PER_ROW = { auth: { kind: 'per-row' } } as const;

describe('what somebody wants of a batch while a worker looks after it', () => {
  let room: BatchRoom;
  beforeAll(async () => {
    room = await batchRoom();
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  const stateOf = async (id: string) => (await room.batches.get(dora.visibility, id))!.state;
  async function underWay(names: readonly string[]): Promise<{ id: string; jobs: string[] }> {
    const { id } = await room.batch(names, PER_ROW);
    await room.batches.act(dora, id, 'start');
    await room.settle(id);
    return { id, jobs: await room.jobs(id) };
  }
  /** A worker that has asked the panel nothing so far; it asks who may once in its first round, and meanwhile this happens. */
  async function roundMeanwhile(work: () => Promise<unknown>): Promise<void> {
    const runner = await room.get(ModuleRef).create(BatchRunner);
    const ask = room.panel.currentPrincipal.bind(room.panel);
    let answer: Principal | null | undefined;
    room.panel.currentPrincipal = async (claimed) => {
      answer = await ask(claimed);
      await work();
      return answer;
    };
    try {
      await runner.tick();
      expect(answer).toBeDefined();
    } finally {
      room.panel.currentPrincipal = ask;
    }
  }
  /** The panel is asked for each mailbox before it starts; meanwhile this happens. */
  async function whileStarting(
    address: string,
    work: () => Promise<unknown>,
    then: () => Promise<void>,
  ): Promise<void> {
    const ask = room.panel.getMailbox.bind(room.panel);
    room.panel.getMailbox = async (ref: MailboxRef) => {
      if (ref.address === address) await work();
      return ask(ref);
    };
    try {
      await then();
    } finally {
      room.panel.getMailbox = ask;
    }
  }
  const outside = () => {
    const clock = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
    return { atOnce: 9, hours: { from: clock(2), to: clock(4), timeZone: 'UTC' }, syncEveryHours: null };
  };

  it('a cancel stays one where the hours end at the same moment', async () => {
    const { id } = await underWay(['ann', 'ben']);
    await room.batches.reschedule(dora, id, outside());
    await roundMeanwhile(() => room.batches.act(dora, id, 'cancel'));
    expect(await room.settle(id)).toEqual(['cancelled', 'cancelled']);
    expect([await stateOf(id), await room.secrets()]).toEqual(['cancelled', 0]);
  });

  it('a cancel of one row stays one, where the hours end and where the batch is stopped', async () => {
    const hours = await underWay(['ann', 'ben']);
    await room.batches.reschedule(dora, hours.id, outside());
    await roundMeanwhile(() => room.batches.act(dora, hours.id, 'cancel', { ids: [hours.jobs[0]!] }));
    expect(await room.settle(hours.id)).toEqual(['cancelled', 'paused']);
    await room.clear();
    const { id, jobs } = await underWay(['ann', 'ben']);
    await room.db.query(`UPDATE mailferry.batches SET resumed_at = resumed_at - interval '30 days'`);
    await roundMeanwhile(() => room.batches.act(dora, id, 'cancel', { ids: [jobs[0]!] }));
    expect(await room.settle(id)).toEqual(['cancelled', 'paused']);
    expect(await stateOf(id)).toBe('paused');
  });

  it('a cancel is not made a pause by a batch that is stopped at the same moment', async () => {
    const { id } = await underWay(['ann', 'ben']);
    await room.db.query(`UPDATE mailferry.batches SET resumed_at = resumed_at - interval '30 days'`);
    await roundMeanwhile(() => room.batches.act(dora, id, 'cancel'));
    expect(await room.settle(id)).toEqual(['cancelled', 'cancelled']);
    expect([await stateOf(id), await room.news()]).toEqual(['cancelled', []]);
  });

  it('a pause stops what has not been started yet, and what is being started', async () => {
    const { id } = await room.batch(['ann', 'ben', 'cem', 'dan'], PER_ROW);
    await room.batches.act(dora, id, 'start');
    await whileStarting(
      'ben@new.test',
      async () => (await stateOf(id)) === 'active' && room.batches.act(dora, id, 'pause'),
      async () => expect(await room.settle(id)).toEqual(['paused', 'draft', 'draft', 'draft']),
    );
    await room.batches.act(dora, id, 'resume');
    expect(await room.settle(id)).toEqual(['queued', 'queued', 'queued', 'queued']);
  });

  it('a resume takes back a pause that no worker has seen yet', async () => {
    const { id, jobs } = await underWay(['ann', 'ben']);
    await room.batches.act(dora, id, 'pause');
    await room.batches.act(dora, id, 'resume');
    expect(await room.settle(id)).toEqual(['queued', 'queued']);
    await room.batches.act(dora, id, 'pause', { ids: [jobs[0]!] });
    await room.batches.act(dora, id, 'resume', { ids: [jobs[0]!] });
    expect(await room.settle(id)).toEqual(['queued', 'queued']);
  });

  it('a pause at the moment of the end keeps it open, with its secrets', async () => {
    const { id, jobs } = await underWay(['ann', 'ben']);
    for (const job of jobs) await room.run(job);
    await room.batches.act(dora, id, 'sync', { last: true });
    await room.settle(id);
    for (const job of jobs) await room.run(job);
    await roundMeanwhile(() => room.batches.act(dora, id, 'pause'));
    expect([await stateOf(id), await room.secrets()]).toEqual(['paused', 2]);
    await room.batches.act(dora, id, 'resume');
    await room.settle(id);
    expect([await stateOf(id), await room.secrets()]).toEqual(['finished', 0]);
  });
});
