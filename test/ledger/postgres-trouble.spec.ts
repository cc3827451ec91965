import { setTimeout as delay } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../../src/database/data-source.js';
import { LeaseLost } from '../../src/ledger/ledger.js';
import { ensureLink } from '../../src/ledger/links.js';
import { PostgresLedger } from '../../src/ledger/postgres-ledger.js';
import { type DatabaseTrouble, troubleOf } from '../../src/ledger/queries.js';
import { newMailbox, openSession } from '../contracts/ledger.contract.js';
import {
  byName,
  copied,
  destinationFolder,
  EPOCH,
  intentItem,
  key,
  meta,
  planOf,
  range,
  refused,
  sourceFolder,
} from '../contracts/ledger-items.js';
import { cuttingProxy, type CuttingProxy } from './cutting-proxy.js';
import { postgresHarness, type PostgresHarness } from './postgres-harness.js';

const FOREVER = new AbortController().signal;

describe('the ledger in Postgres', () => {
  let harness: PostgresHarness;
  let proxy: CuttingProxy;
  let shaky: DataSource;
  beforeAll(async () => {
    harness = await postgresHarness();
    proxy = await cuttingProxy(harness.url);
    shaky = await createDataSource({ url: proxy.url }).initialize();
  });
  afterAll(async () => {
    await shaky.destroy();
    await proxy.close();
    await harness.close();
  });
  const onShaky = (times = {}) => new PostgresLedger(shaky, { pollMs: 20, graceMs: 50, ...times });

  it('does what waits together, and gives nobody the error of another, but tells it', async () => {
    const heard: DatabaseTrouble[] = [];
    const ledger = new PostgresLedger(shaky, {}, { stepByStep: (trouble) => void heard.push(trouble) });
    const { session, inbox, destination, lease } = await openSession(harness, { ledger });
    const nobody = '999999' as typeof destination;
    const [first, lost, second] = await Promise.allSettled([
      session.intend(destination, { epoch: EPOCH, mark: '3' }, [intentItem(inbox, 1)]),
      session.intend(nobody, { epoch: EPOCH, mark: '3' }, [intentItem(inbox, 2)]),
      session.intend(destination, { epoch: EPOCH, mark: '3' }, [intentItem(inbox, 3)]),
    ]);
    expect([first.status, lost.status, second.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(heard).toEqual([
      expect.objectContaining({ code: '23503', table: 'intents', message: expect.stringContaining('foreign key') }),
    ]);
    expect((await session.openIntents(destination)).flatMap((intent) => intent.items)).toHaveLength(2);
    await lease.release();
  });

  it('does not tell a log what was to be written', () => {
    const error = { code: '22P02', message: 'invalid input syntax for type bigint: "a secret"', table: 'bindings' };
    expect(troubleOf(error)).toEqual({ code: '22P02', table: 'bindings' });
    expect(troubleOf(null)).toEqual({ code: 'UNKNOWN' });
  });

  it('does a write again whose commit was done and whose reply was lost, and counts it once', async () => {
    const opened = await openSession(harness, { ledger: onShaky() });
    const { session, inbox, destination, lease } = opened;
    const before = proxy.cuts;
    proxy.cutNextCommit();
    const id = await session.intend(destination, { epoch: EPOCH, mark: '3' }, [
      intentItem(inbox, 1),
      intentItem(inbox, 2),
    ]);
    expect((await session.openIntents(destination)).map((i) => [i.id, i.mark, i.items.length])).toEqual([[id, '3', 2]]);
    proxy.cutNextCommit();
    await session.settle(id, [copied(inbox, 1, 10, { notes: [{ code: 'DATE_CHANGED' }] }), refused(inbox, 2)]);
    proxy.cutNextCommit();
    await session.listed(inbox, { pending: 3, pendingBytes: 30, settledEarlier: 0, bytesEarlier: 0 });
    expect(proxy.cuts).toBe(before + 3);
    expect((await session.counts()).get(inbox)).toMatchObject({ found: 5, copied: 1, failed: 1 });
    expect((await harness.remarks(opened.job)).map((r) => r.items)).toEqual([1]);
    expect(await session.openIntents(destination)).toEqual([]);
    await lease.release();
  });

  it('writes a batch that goes as usual in two statements, and two batches that wait at the same moment too', async () => {
    const { session, inbox, destination, lease } = await openSession(harness);
    const at = { epoch: EPOCH, mark: '3' };
    const deliver = async (...numbers: number[]) => {
      const ids = await Promise.all(numbers.map((n) => session.intend(destination, at, [intentItem(inbox, n)])));
      await Promise.all(numbers.map((n, i) => session.settle(ids[i]!, [copied(inbox, n, n)])));
    };
    // Whether there are refusals is asked once.
    await deliver(1);
    const sent: string[] = [];
    const { logger } = harness.dataSource;
    harness.dataSource.logger = Object.assign(Object.create(logger) as typeof logger, {
      logQuery: (text: string) => void sent.push(text),
    });
    await deliver(2);
    await deliver(3, 4);
    harness.dataSource.logger = logger;
    expect(sent).toHaveLength(4);
    expect((await session.counts()).get(inbox)).toMatchObject({ copied: 4 });
    expect(await session.openIntents(destination)).toEqual([]);
    await lease.release();
  });

  it('takes an item out of the intent that an earlier engine left', async () => {
    const earlier = await openSession(harness);
    const { inbox, destination, link } = earlier;
    const items = (...numbers: number[]) => numbers.map((n) => intentItem(inbox, n));
    await earlier.session.intend(destination, { epoch: EPOCH, mark: '3' }, items(1, 2));
    await earlier.lease.release();
    const { session, lease } = await openSession(harness, { link });
    await session.intend(destination, { epoch: EPOCH, mark: '9' }, items(2, 4));
    const intents = await session.openIntents(destination);
    expect(intents.map((intent) => [intent.mark, intent.items.map((item) => item.key)])).toEqual([
      ['3', [key(1)]],
      ['3', [key(2), key(4)]],
    ]);
    await lease.release();
  });

  it('goes on where it was when the database comes back before the lease ends', async () => {
    const { session, inbox, lease } = await openSession(harness, { ledger: onShaky({ renewMs: 50 }) });
    proxy.down();
    const settling = session.settle(null, [copied(inbox, 1)]);
    const reading = session.unsettled(inbox, [meta(2)]);
    await delay(300);
    proxy.up();
    expect(await settling).toEqual([]);
    expect(await reading).toHaveLength(1);
    expect(lease.mayCommit()).toBe(true);
    expect(lease.lost.aborted).toBe(false);
    await lease.release();
  });

  it('loses the lease when the database stays away, and gives up what was under way', async () => {
    const { session, inbox, lease, link } = await openSession(harness, {
      ledger: onShaky({ ttlMs: 1_000, marginMs: 100, renewMs: 100 }),
    });
    proxy.down();
    await expect(session.settle(null, [copied(inbox, 1)])).rejects.toBeInstanceOf(LeaseLost);
    expect(lease.lost.aborted).toBe(true);
    expect(lease.mayCommit()).toBe(false);
    proxy.up();
    await expect(session.settle(null, [copied(inbox, 1)])).rejects.toBeInstanceOf(LeaseLost);
    const next = await harness.ledger.acquire(link, 'b', FOREVER);
    expect(next.epoch).toBe(lease.epoch + 1);
    await next.release();
  });

  it('keeps a lease far beyond its length by renewing it', async () => {
    const link = await harness.link(newMailbox(), 'old');
    const ledger = new PostgresLedger(harness.dataSource, {
      ttlMs: 2_000,
      marginMs: 100,
      renewMs: 100,
      pollMs: 20,
      graceMs: 0,
    });
    const lease = await ledger.acquire(link, 'a', FOREVER);
    const stop = new AbortController();
    const taking = ledger.acquire(link, 'b', stop.signal);
    await delay(3_000);
    expect(lease.mayCommit()).toBe(true);
    stop.abort(new Error('not free'));
    await expect(taking).rejects.toThrow('not free');
    await lease.release();
  });

  it('refuses the write of a holder that does not know yet that another one took over', async () => {
    const { session, inbox, lease, link } = await openSession(harness);
    await harness.dataSource.query(
      `UPDATE mailferry.dest_mailboxes SET epoch = epoch + 1
       WHERE id = (SELECT dest_mailbox FROM mailferry.links WHERE id = $1)`,
      [link],
    );
    expect(lease.mayCommit()).toBe(true);
    await expect(session.settle(null, [copied(inbox, 1)])).rejects.toBeInstanceOf(LeaseLost);
    expect(lease.lost.aborted).toBe(true);
    expect(lease.mayCommit()).toBe(false);
    expect(await session.counts().catch((error: unknown) => error)).toBeInstanceOf(LeaseLost);
  });

  it('tells the holder at its next renewal that another one took over', async () => {
    const link = await harness.link(newMailbox(), 'old');
    const ledger = new PostgresLedger(harness.dataSource, { renewMs: 50 });
    const lease = await ledger.acquire(link, 'a', FOREVER);
    await harness.dataSource.query(
      `UPDATE mailferry.dest_mailboxes SET epoch = epoch + 1
       WHERE id = (SELECT dest_mailbox FROM mailferry.links WHERE id = $1)`,
      [link],
    );
    await new Promise((resolve) => lease.lost.addEventListener('abort', resolve));
    expect(lease.mayCommit()).toBe(false);
  });

  it('sends nothing to commit when less than the margin is left', async () => {
    const link = await harness.link(newMailbox(), 'old');
    const ledger = new PostgresLedger(harness.dataSource, { ttlMs: 60_000, marginMs: 60_000 });
    const lease = await ledger.acquire(link, 'a', FOREVER);
    expect(lease.mayCommit()).toBe(false);
    await lease.release();
  });

  it('gives one link for one pair, whoever asks at the same time and however the address is written', async () => {
    const address = newMailbox();
    const ask = (spelling: string) =>
      ensureLink(harness.dataSource, { tenant: 't', address: spelling, sourceKind: 'imap', accountHash: 'h' });
    const links = await Promise.all([address, address.toUpperCase(), ` ${address}`, address, address].map(ask));
    expect(new Set(links).size).toBe(1);
    const elsewhere = await ensureLink(harness.dataSource, {
      tenant: 'other',
      address,
      sourceKind: 'imap',
      accountHash: 'h',
    });
    expect(elsewhere).not.toBe(links[0]);
  });

  it('takes whatever a hostile server says', async () => {
    const { session, inbox, destination, lease } = await openSession(harness);
    const words = 'a\0b"{}\\\ud800,NULL';
    const map = await session.saveFolders(planOf(sourceFolder(words, { path: [words, ''] })), [
      destinationFolder(words, [words], { path: [words] }),
    ]);
    expect(byName(map, words).destination).not.toBeNull();
    const date = { seconds: 9e15, offset: 1e9 };
    const flags = [words, '', 'NULL'];
    await session.intend(destination, { epoch: EPOCH, mark: '1' }, [
      intentItem(inbox, 1, { messageId: words, date, flags, size: 1e30 }),
    ]);
    await session.settle(null, [
      copied(inbox, 1, 1, { flags, date, size: 1e30, notes: [{ code: words, detail: words.repeat(9_999) }] }),
      {
        ...refused(inbox, 2),
        message: words,
        serverText: words,
        size: Number.NaN,
        date: { seconds: -9e15, offset: 0 },
      },
    ]);
    await session.describe(inbox, [{ key: key(2), subject: words, from: words, date: new Date(-8.64e15) }]);
    await session.checkpoint(inbox, { token: words });
    await session.listed(inbox, { pending: 1, pendingBytes: 1e30, settledEarlier: 0, bytesEarlier: 0 });
    const [binding] = await session.bound(inbox, [key(1)]);
    expect(binding).toMatchObject({ size: 2 ** 36, date: null });
    expect(binding?.flags).toEqual(['ab"{}\\\ufffd,NULL', '', 'NULL']);
    await lease.release();
  });

  it('keeps the job in step with its folders', async () => {
    const { session, inbox, lease, job } = await openSession(harness);
    await session.listed(inbox, { pending: 9, pendingBytes: 900, settledEarlier: 0, bytesEarlier: 0 });
    await session.settle(null, [...range(1, 4).map((n) => copied(inbox, n)), refused(inbox, 5)]);
    const [row] = await harness.dataSource.query<Record<string, string>[]>(
      `SELECT found, copied, failed, bytes, total_bytes FROM mailferry.jobs WHERE id = $1`,
      [job],
    );
    expect(row).toEqual({ found: '9', copied: '4', failed: '1', bytes: '400', total_bytes: '900' });
    await lease.release();
  });
});
