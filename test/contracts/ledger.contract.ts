import {
  LeaseLost,
  type Binding,
  type FolderCounts,
  type Intent,
  type IntentId,
  type Lease,
  type Ledger,
  type LedgerSession,
  type LinkId,
} from '../../src/ledger/ledger.js';
import type { DestinationFolderId, FolderId, SourceFolder } from '../../src/mailbox/folder.js';
import type { ItemKey } from '../../src/mailbox/item.js';
import {
  byName,
  copied,
  destinationFolder,
  digest,
  EPOCH,
  existing,
  intentItem,
  key,
  keys,
  meta,
  metas,
  numberOf,
  planOf,
  range,
  refused,
  SIZE,
  sourceFolder,
} from './ledger-items.js';

/** What an implementation gives the suite. */
export interface LedgerHarness {
  readonly ledger: Ledger;
  /** Over the same store, by a process that hangs: its leases are never renewed and run out soon. */
  readonly hung: Ledger;
  /** Until a lease of `hung` is over, and may be taken. */
  elapse(): Promise<void>;
  link(mailbox: string, account: string): Promise<LinkId>;
  job(link: LinkId): Promise<string>;
  refusals(job: string): Promise<{ key: ItemKey; code: string; subject: string | null }[]>;
  remarks(job: string): Promise<{ folder: FolderId | null; code: string; detail: string; items: number }[]>;
  close(): Promise<void>;
}

const FOREVER = new AbortController().signal;
const ZERO: FolderCounts = {
  found: 0,
  copied: 0,
  alreadyThere: 0,
  skipped: 0,
  failed: 0,
  bytes: 0,
  totalBytes: 0,
};

/** One open session on one folder. */
export interface Opened {
  link: LinkId;
  lease: Lease;
  session: LedgerSession;
  job: string;
  inbox: FolderId;
  destination: DestinationFolderId;
}

let mailboxes = 0;
/** A mailbox nobody else in the suite uses. */
export function newMailbox(): string {
  mailboxes += 1;
  return `m${mailboxes}-${process.pid}@new.test`;
}

export async function openSession(
  harness: LedgerHarness,
  on: { link?: LinkId; job?: string; retryFailed?: boolean; ledger?: Ledger; folder?: SourceFolder } = {},
): Promise<Opened> {
  const link = on.link ?? (await harness.link(newMailbox(), 'old'));
  const ledger = on.ledger ?? harness.ledger;
  const lease = await ledger.acquire(link, 'worker', FOREVER);
  const job = on.job ?? (await harness.job(link));
  const session = ledger.open(lease, { job, run: job, retryFailed: on.retryFailed ?? false });
  const folder = on.folder ?? sourceFolder('INBOX');
  const map = await session.saveFolders(planOf(folder), [destinationFolder('INBOX', [folder.id])]);
  const known = byName(map, folder.id);
  return { link, lease, session, job, inbox: known.id, destination: known.destination!.id };
}

async function reopen(
  harness: LedgerHarness,
  before: Opened,
  on: { job?: string; retryFailed?: boolean } = {},
): Promise<Opened> {
  await before.lease.release();
  return openSession(harness, { link: before.link, job: before.job, ...on });
}

async function countsOf({ session, inbox }: Pick<Opened, 'session' | 'inbox'>): Promise<FolderCounts> {
  return (await session.counts()).get(inbox) ?? ZERO;
}

/** Lists one page as the engine does, and says what is left to do. */
async function list({ session, inbox }: Opened, from: number, to: number): Promise<number[]> {
  const page = metas(from, to);
  const items = await session.unsettled(inbox, page);
  const earlier = await session.earlier(inbox, page);
  await session.listed(inbox, {
    pending: items.length,
    pendingBytes: items.length * SIZE,
    settledEarlier: earlier.items,
    bytesEarlier: earlier.bytes,
  });
  return items.map((item) => numberOf(item.key));
}

async function all<T>(windows: AsyncIterable<readonly T[]>): Promise<T[]> {
  const items: T[] = [];
  for await (const window of windows) items.push(...window);
  return items;
}

export function ledgerContract(name: string, make: () => Promise<LedgerHarness>): void {
  describe(`${name} as a ledger`, () => {
    let harness: LedgerHarness;
    beforeAll(async () => {
      harness = await make();
    });
    afterAll(() => harness.close());

    describe('gives a lease', () => {
      it('to one at a time, and to the next at once after a clean release', async () => {
        const link = await harness.link(newMailbox(), 'old');
        const first = await harness.ledger.acquire(link, 'a', FOREVER);
        expect(first.mayCommit()).toBe(true);
        let taken = false;
        const second = harness.ledger.acquire(link, 'b', FOREVER).then((lease) => {
          taken = true;
          return lease;
        });
        await new Promise((resolve) => setTimeout(resolve, 60));
        expect(taken).toBe(false);
        await first.release();
        expect((await second).epoch).toBeGreaterThan(first.epoch);
        expect(first.mayCommit()).toBe(false);
        expect(first.lost.aborted).toBe(false);
        await (await second).release();
      });

      it('for the mailbox, whatever the link', async () => {
        const mailbox = newMailbox();
        const one = await harness.link(mailbox, 'old');
        const other = await harness.link(mailbox, 'older');
        expect(other).not.toBe(one);
        const lease = await harness.ledger.acquire(one, 'a', FOREVER);
        const stop = new AbortController();
        const waiting = harness.ledger.acquire(other, 'b', stop.signal);
        stop.abort(new Error('no longer wanted'));
        await expect(waiting).rejects.toThrow('no longer wanted');
        await lease.release();
      });

      it('again when its holder stopped renewing it, and tells that holder', async () => {
        const link = await harness.link(newMailbox(), 'old');
        const dead = await harness.hung.acquire(link, 'a', FOREVER);
        const taking = harness.ledger.acquire(link, 'b', FOREVER);
        await harness.elapse();
        const taken = await taking;
        expect(taken.epoch).toBeGreaterThan(dead.epoch);
        expect(dead.mayCommit()).toBe(false);
        expect(dead.lost.aborted).toBe(true);
        expect(dead.lost.reason).toBeInstanceOf(LeaseLost);
        // The late one's release frees nothing.
        await dead.release();
        const stop = new AbortController();
        const third = harness.ledger.acquire(link, 'c', stop.signal);
        await new Promise((resolve) => setTimeout(resolve, 60));
        stop.abort(new Error('still held'));
        await expect(third).rejects.toThrow('still held');
        await taken.release();
      });

      it('without which nothing is written', async () => {
        const { session, inbox, destination, lease, link } = await openSession(harness);
        const intent = await session.intend(destination, { epoch: EPOCH, mark: '1' }, [intentItem(inbox, 1)]);
        await session.settle(null, [copied(inbox, 2)]);
        const [binding] = await session.bound(inbox, [key(2)]);
        await lease.release();
        const taken = await harness.ledger.acquire(link, 'b', FOREVER);
        const writes: Record<string, () => Promise<unknown>> = {
          saveFolders: () => session.saveFolders(planOf(sourceFolder('X')), []),
          listed: () => session.listed(inbox, { pending: 9, pendingBytes: 9, settledEarlier: 9, bytesEarlier: 9 }),
          intend: () => session.intend(destination, { epoch: EPOCH, mark: '1' }, [intentItem(inbox, 3)]),
          amend: () => session.amend(intent, [intentItem(inbox, 1, { size: 5 })]),
          dissolve: () => session.dissolve(intent),
          settle: () => session.settle(intent, [copied(inbox, 1)]),
          rekey: () => session.rekey(inbox, [{ from: key(2), to: key(9) }]),
          reflag: () => session.reflag(inbox, [{ key: key(2), flags: ['x'] }]),
          revise: () => session.revise(inbox, [{ key: key(2), version: 'x' }]),
          unbind: () => session.unbind([binding!]),
          verify: () => session.verify(destination, { verified: [binding!], removed: [], placed: [] }),
          rebind: () => session.rebind(destination, '8', []),
          describe: () => session.describe(inbox, []),
          remark: () => session.remark(null, [{ code: 'X' }]),
          checkpoint: () => session.checkpoint(inbox, { uid: 1 }),
        };
        for (const [method, write] of Object.entries(writes)) {
          const outcome = await write().then(
            () => `${method} wrote`,
            (error: unknown) => (error instanceof LeaseLost ? 'LeaseLost' : error),
          );
          expect({ method, outcome }).toEqual({ method, outcome: 'LeaseLost' });
        }
        const next = harness.ledger.open(taken, { job: await harness.job(link), run: 'r', retryFailed: false });
        expect((await next.folderMap()).folders.map((f) => f.source.id)).toEqual(['INBOX']);
        expect((await next.openIntents(destination)).flatMap((i) => i.items.map((item) => item.size))).toEqual([SIZE]);
        expect(await next.bound(inbox, [key(1), key(2), key(9)])).toEqual([binding]);
        await taken.release();
      });
    });

    describe('keeps the folder map', () => {
      it('with ids, first paths and marks that stay', async () => {
        const first = await openSession(harness);
        const known = byName(await first.session.folderMap(), 'INBOX');
        expect(known).toMatchObject({ state: null, path: ['INBOX'] });
        expect(known.destination).toMatchObject({
          mark: '1',
          firstMark: { epoch: EPOCH, mark: '1' },
          folder: { name: 'INBOX', epoch: EPOCH, preExisting: false, sources: ['INBOX'] },
        });
        await first.session.checkpoint(first.inbox, { uid: 12, token: 'a"b', more: null });
        await first.session.settle(null, [copied(first.inbox, 1, 41)]);

        const again = await reopen(harness, first);
        const moved = sourceFolder('INBOX', { path: ['Inbox, renamed'], epoch: '2' });
        const map = await again.session.saveFolders(planOf(moved), [
          {
            ...destinationFolder('INBOX', ['INBOX'], { epoch: '8', preExisting: true }),
            mark: { epoch: '8', mark: '5' },
          },
        ]);
        expect(byName(map, 'INBOX')).toMatchObject({
          id: first.inbox,
          source: { path: ['Inbox, renamed'], epoch: '2' },
          state: { uid: 12, token: 'a"b', more: null },
          path: ['INBOX'],
          destination: {
            id: first.destination,
            mark: '42',
            firstMark: { epoch: EPOCH, mark: '1' },
            folder: { epoch: EPOCH, preExisting: false },
          },
        });
        await again.lease.release();
      });

      it('for several sources of one destination, and for containers', async () => {
        const { session, lease } = await openSession(harness);
        const container = sourceFolder('Lists', { selectable: false, epoch: null });
        const map = await session.saveFolders(
          planOf(sourceFolder('Sent', { role: 'sent' }), sourceFolder('Sent Items'), container),
          [destinationFolder('Sent', ['Sent', 'Sent Items'], { role: 'sent' })],
        );
        expect(map.folders.map((f) => f.source.id)).toEqual(['INBOX', 'Sent', 'Sent Items', 'Lists']);
        expect(byName(map, 'Sent').destination).toEqual(byName(map, 'Sent Items').destination);
        expect(byName(map, 'Sent').source.role).toBe('sent');
        expect(byName(map, 'Sent').destination?.folder.sources).toEqual(['Sent', 'Sent Items']);
        expect(byName(map, 'Lists')).toMatchObject({ destination: null, source: { epoch: null, selectable: false } });
        await lease.release();
      });

      it('and follows folders that were renamed on either side', async () => {
        const { session, lease } = await openSession(harness);
        const before = await session.saveFolders(planOf(sourceFolder('A'), sourceFolder('B')), [
          destinationFolder('A', ['A'], { objectId: 'obj-a' }),
          destinationFolder('B', ['B']),
        ]);
        const a = byName(before, 'A');
        const b = byName(before, 'B');
        const after = await session.saveFolders(
          planOf(sourceFolder('A2'), sourceFolder('B')),
          [
            destinationFolder('B', ['A2'], { objectId: 'obj-a' }),
            { ...destinationFolder('C', ['B']), follows: b.destination!.id },
          ],
          [{ folder: a.id, source: sourceFolder('A2').id }],
        );
        expect(byName(after, 'A2')).toMatchObject({ id: a.id, path: ['A'], destination: { id: a.destination!.id } });
        expect(byName(after, 'A2').destination?.folder.name).toBe('B');
        expect(byName(after, 'B').destination).toMatchObject({ id: b.destination!.id, folder: { name: 'C' } });
        await lease.release();
      });
    });

    describe('knows source folders', () => {
      it('by the id they have today when two swapped theirs and a third lost its own', async () => {
        const { session, lease } = await openSession(harness);
        const names = ['A', 'B', 'C'];
        const map = await session.saveFolders(
          planOf(...names.map((name) => sourceFolder(name, { objectId: `obj-${name}` }))),
          names.map((name) => destinationFolder(name, [name])),
        );
        const [a, b, c] = names.map((name) => byName(map, name).id) as [FolderId, FolderId, FolderId];
        const renamed = [
          { folder: a, source: sourceFolder('B').id },
          { folder: b, source: sourceFolder('C').id },
          { folder: c, source: sourceFolder('gone').id },
        ];
        await session.saveFolders(planOf(sourceFolder('B', { objectId: 'obj-A' }), sourceFolder('C')), [], renamed);
        const after = await session.folderMap();
        expect(byName(after, 'B')).toMatchObject({ id: a, path: ['A'], source: { objectId: 'obj-A' } });
        expect(byName(after, 'C')).toMatchObject({ id: b, path: ['B'] });
        expect(byName(after, 'gone')).toMatchObject({ id: c, source: { objectId: 'obj-C' } });
        await lease.release();
      });

      it('with what is bound in each, and what is bound in another one as well', async () => {
        const { session, inbox, lease } = await openSession(harness);
        const map = await session.saveFolders(planOf(sourceFolder('A')), [destinationFolder('A', ['A'])]);
        const a = byName(map, 'A').id;
        expect(await session.boundCounts()).toEqual(new Map());
        await session.settle(null, [copied(inbox, 1), copied(inbox, 2), copied(a, 2, 9), copied(a, 3, 10)]);
        expect(await session.boundCounts()).toEqual(
          new Map([
            [inbox, 2],
            [a, 2],
          ]),
        );
        const digests = [1, 2, 3].map(digest);
        expect([...(await session.boundElsewhere(inbox, digests))].sort()).toEqual(digests.slice(1).sort());
        expect(await session.boundElsewhere(inbox, [])).toEqual(new Set());
        await lease.release();
      });
    });

    describe('keeps intents', () => {
      it('whole, until every item of one has an outcome', async () => {
        const { session, inbox, destination, lease } = await openSession(harness);
        const items = [
          intentItem(inbox, 1),
          intentItem(inbox, 2, { messageId: null, date: null, flags: [], href: '/c/2.ics', uid: 'u2' }),
        ];
        const id = await session.intend(destination, { epoch: EPOCH, mark: '17' }, items);
        const expected: Intent = { id, folder: destination, epoch: EPOCH, mark: '17', items };
        expect(await session.openIntents(destination)).toEqual([expected]);
        const repaired = intentItem(inbox, 2, { size: 7, digest: digest(77) });
        await session.amend(id, [repaired]);
        await session.amend(id, [repaired]);
        expect((await session.openIntents(destination))[0]?.items).toEqual([items[0], repaired]);
        await session.settle(id, [copied(inbox, 1)]);
        expect((await session.openIntents(destination))[0]?.items).toEqual([repaired]);
        await session.settle(id, [refused(inbox, 2)]);
        expect(await session.openIntents(destination)).toEqual([]);
        await lease.release();
      });

      it('one for each key: a second takes it over with the lower mark', async () => {
        const { session, inbox, destination, lease } = await openSession(harness);
        const first = await session.intend(destination, { epoch: EPOCH, mark: '9' }, [
          intentItem(inbox, 1),
          intentItem(inbox, 2),
        ]);
        const second = await session.intend(destination, { epoch: EPOCH, mark: '30' }, [intentItem(inbox, 2)]);
        const open = await session.openIntents(destination);
        expect(open.map((i) => ({ id: i.id, mark: i.mark, keys: i.items.map((item) => item.key) }))).toEqual([
          { id: first, mark: '9', keys: [key(1)] },
          { id: second, mark: '9', keys: [key(2)] },
        ]);
        const third = await session.intend(destination, { epoch: '8', mark: '30' }, [intentItem(inbox, 1)]);
        expect((await session.openIntents(destination)).map((i) => [i.id, i.mark])).toEqual([
          [second, '9'],
          [third, '30'],
        ]);
        await session.dissolve(second);
        await session.dissolve(second);
        expect((await session.openIntents(destination)).map((i) => i.id)).toEqual([third]);
        expect(await session.unsettled(inbox, metas(1, 2))).toHaveLength(2);
        await lease.release();
      });

      it('of other links on the mailbox too, and binds their items without counting them here', async () => {
        const mailbox = newMailbox();
        const mine = await openSession(harness, { link: await harness.link(mailbox, 'mine') });
        await mine.session.intend(mine.destination, { epoch: EPOCH, mark: '1' }, [intentItem(mine.inbox, 1)]);
        await mine.lease.release();
        const other = await openSession(harness, { link: await harness.link(mailbox, 'other') });
        expect(other.destination).toBe(mine.destination);
        const [open] = await other.session.openIntents(other.destination);
        await other.session.settle(open!.id, [refused(mine.inbox, 1)]);
        expect(await other.session.openIntents(other.destination)).toHaveLength(1);
        await other.session.settle(open!.id, [copied(mine.inbox, 1)]);
        expect(await other.session.openIntents(other.destination)).toEqual([]);
        expect(await other.session.counts()).toEqual(new Map());
        await other.lease.release();
        const back = await openSession(harness, { link: mine.link, job: mine.job });
        expect(await list(back, 1, 1)).toEqual([]);
        expect(await countsOf(back)).toMatchObject({ found: 1, alreadyThere: 1, copied: 0 });
        await back.lease.release();
      });
    });

    describe('counts', () => {
      it('every listed item once, whatever is repeated', async () => {
        const opened = await openSession(harness);
        const { session, inbox, lease } = opened;
        expect(await list(opened, 1, 6)).toEqual([1, 2, 3, 4, 5, 6]);
        expect(await countsOf(opened)).toEqual({ ...ZERO, found: 6, totalBytes: 6 * SIZE });
        const outcomes = [
          copied(inbox, 1),
          copied(inbox, 2, null),
          existing(inbox, 3, 300),
          existing(inbox, 4, 300, 'merged'),
          refused(inbox, 5, 'skipped', 'LEFT_OUT'),
          refused(inbox, 6),
        ];
        for (let i = 0; i < 3; i++) expect(await session.settle(null, outcomes)).toEqual([]);
        const expected = {
          found: 6,
          copied: 2,
          alreadyThere: 2,
          skipped: 1,
          failed: 1,
          bytes: 2 * SIZE,
          totalBytes: 6 * SIZE,
        };
        expect(await countsOf(opened)).toEqual(expected);
        expect(await list(opened, 1, 6)).toEqual([]);
        expect(await countsOf(opened)).toEqual(expected);
        await lease.release();
      });

      it('what was settled before it was listed', async () => {
        const opened = await openSession(harness);
        await opened.session.settle(null, [copied(opened.inbox, 1), copied(opened.inbox, 2)]);
        expect(await countsOf(opened)).toMatchObject({ found: 2, copied: 2, totalBytes: 2 * SIZE });
        expect(await list(opened, 1, 5)).toEqual([3, 4, 5]);
        expect(await countsOf(opened)).toMatchObject({ found: 5, copied: 2, totalBytes: 5 * SIZE });
        await opened.lease.release();
      });

      it("an earlier job's items as already there, and no more of them after a scan that lists only news", async () => {
        const first = await openSession(harness);
        await list(first, 1, 3);
        await first.session.settle(null, [copied(first.inbox, 1), copied(first.inbox, 2), refused(first.inbox, 3)]);
        const next = await reopen(harness, first, { job: await harness.job(first.link) });
        expect(await list(next, 1, 4)).toEqual([3, 4]);
        const expected = { found: 4, alreadyThere: 2, copied: 0, failed: 0, totalBytes: 4 * SIZE };
        expect(await countsOf(next)).toMatchObject(expected);
        await list(next, 1, 4);
        expect(await countsOf(next)).toMatchObject(expected);
        await next.session.settle(null, [copied(next.inbox, 3), copied(next.inbox, 4)]);
        const later = await reopen(harness, next);
        expect(await list(later, 5, 5)).toEqual([5]);
        expect(await countsOf(later)).toMatchObject({ found: 5, alreadyThere: 2, copied: 2 });
        await later.lease.release();
      });

      it('failed items again in a retry only, and moves them when they end otherwise', async () => {
        const first = await openSession(harness);
        await list(first, 1, 4);
        await first.session.settle(
          null,
          range(1, 4).map((n) => refused(first.inbox, n)),
        );
        const resumed = await reopen(harness, first);
        expect(await list(resumed, 1, 4)).toEqual([]);
        const retry = await reopen(harness, resumed, { retryFailed: true });
        expect(await list(retry, 1, 4)).toEqual([1, 2, 3, 4]);
        expect(await countsOf(retry)).toMatchObject({ found: 4, failed: 4, totalBytes: 4 * SIZE });
        await retry.session.settle(null, [
          copied(retry.inbox, 1),
          refused(retry.inbox, 2, 'skipped', 'GONE'),
          existing(retry.inbox, 3, 900),
          refused(retry.inbox, 4, 'failed', 'STILL'),
        ]);
        const expected = { found: 4, copied: 1, alreadyThere: 1, skipped: 1, failed: 1, totalBytes: 4 * SIZE };
        expect(await countsOf(retry)).toMatchObject(expected);
        expect((await harness.refusals(retry.job)).map((r) => [numberOf(r.key), r.code])).toEqual([
          [2, 'GONE'],
          [4, 'STILL'],
        ]);
        expect(await list(retry, 1, 4)).toEqual([4]);
        expect(await countsOf(retry)).toMatchObject(expected);
        await retry.lease.release();
      });

      it('offers what a filter or a limit kept out, or what was gone, again in every session that lists it', async () => {
        const first = await openSession(harness);
        await list(first, 1, 4);
        await first.session.settle(null, [
          refused(first.inbox, 1, 'skipped', 'FILTERED_SINCE'),
          refused(first.inbox, 2, 'skipped', 'TOO_LARGE'),
          refused(first.inbox, 3, 'skipped', 'LEFT_OUT'),
          refused(first.inbox, 4, 'skipped', 'VANISHED'),
        ]);
        const next = await reopen(harness, first);
        expect(await list(next, 1, 4)).toEqual([1, 2, 4]);
        await next.session.settle(null, [
          copied(next.inbox, 1),
          refused(next.inbox, 2, 'skipped', 'TOO_LARGE'),
          copied(next.inbox, 4),
        ]);
        expect(await countsOf(next)).toMatchObject({ found: 4, copied: 2, skipped: 2, failed: 0 });
        await next.lease.release();
      });

      it('a refused item that turns out to be bound as bound', async () => {
        const opened = await openSession(harness);
        await opened.session.settle(null, [copied(opened.inbox, 1)]);
        await opened.session.settle(null, [refused(opened.inbox, 1)]);
        expect(await countsOf(opened)).toMatchObject({ found: 1, copied: 1, failed: 0 });
        await opened.lease.release();
      });

      it('an unbound item as pending again', async () => {
        const opened = await openSession(harness);
        const { session, inbox } = opened;
        await list(opened, 1, 2);
        await session.settle(null, [copied(inbox, 1), existing(inbox, 2, 20)]);
        const bindings = await session.bound(inbox, keys(1, 2));
        for (let i = 0; i < 2; i++) await session.unbind(bindings);
        expect(await countsOf(opened)).toEqual({ ...ZERO, found: 2, totalBytes: 2 * SIZE });
        expect(await list(opened, 1, 2)).toEqual([1, 2]);
        await session.settle(null, [copied(inbox, 1), copied(inbox, 2)]);
        expect(await countsOf(opened)).toMatchObject({ found: 2, copied: 2, alreadyThere: 0 });

        const next = await reopen(harness, opened, { job: await harness.job(opened.link) });
        await list(next, 1, 2);
        await next.session.unbind(await next.session.bound(next.inbox, [key(2)]));
        expect(await list(next, 1, 2)).toEqual([2]);
        expect(await countsOf(next)).toMatchObject({ found: 2, alreadyThere: 1, copied: 0 });
        await next.lease.release();
      });

      it('by account where keys are unique in the account', async () => {
        const opened = await openSession(harness, { folder: sourceFolder('INBOX', { keyScope: 'account' }) });
        const { session, inbox, lease } = opened;
        const map = await session.saveFolders(
          planOf(sourceFolder('Label', { keyScope: 'account' }), sourceFolder('Own')),
          [destinationFolder('Label', ['Label']), destinationFolder('Own', ['Own'])],
        );
        await session.settle(null, [copied(inbox, 1)]);
        expect(await session.unsettled(byName(map, 'Label').id, metas(1, 2))).toEqual([meta(2)]);
        expect(await session.unsettled(byName(map, 'Own').id, metas(1, 2))).toHaveLength(2);
        await lease.release();
      });

      it('batches of 5,000', async () => {
        const opened = await openSession(harness);
        const { session, inbox, destination, lease } = opened;
        expect(await list(opened, 1, 5_000)).toHaveLength(5_000);
        const numbers = range(1, 5_000);
        const id = await session.intend(
          destination,
          { epoch: EPOCH, mark: '1' },
          numbers.map((n) => intentItem(inbox, n)),
        );
        await session.settle(
          id,
          numbers.map((n) => (n % 10 === 0 ? refused(inbox, n) : copied(inbox, n))),
        );
        expect(await countsOf(opened)).toMatchObject({ found: 5_000, copied: 4_500, failed: 500 });
        expect(await session.openIntents(destination)).toEqual([]);
        expect(byName(await session.folderMap(), 'INBOX').destination?.mark).toBe('5000');
        await lease.release();
      });
    });

    describe('keeps claims', () => {
      it('by ascending number in windows of at most 5,000, without removed and merged ones', async () => {
        const { session, inbox, destination, lease } = await openSession(harness);
        const numbers = range(1, 5_200);
        await session.settle(
          null,
          numbers.map((n) => copied(inbox, n, 10_000 - n)),
        );
        await session.settle(null, [existing(inbox, 6_000, 4), existing(inbox, 6_001, 9_999, 'merged')]);
        const removed = await session.bound(inbox, [key(5_200)]);
        await session.verify(destination, { verified: [], removed, placed: [] });
        const sizes: number[] = [];
        const ids: number[] = [];
        for await (const window of session.claims(destination, EPOCH)) {
          sizes.push(window.length);
          ids.push(...window.map((b) => Number(b.id!.id)));
        }
        expect(sizes).toEqual([5_000, 200]);
        expect(ids).toEqual([4, ...range(4_801, 9_999)]);
        expect(await all(session.claims(destination, '8'))).toEqual([]);
        const own = await all(session.bindings(inbox));
        expect(own.map((b) => b.key)).toEqual([...keys(1, 5_200), key(6_000), key(6_001)]);
        await lease.release();
      });

      it('with everything that recognises an item', async () => {
        const { session, inbox, lease } = await openSession(harness);
        await session.settle(null, [
          copied(inbox, 1, 11, { flags: ['\\Seen', 'x "y" \\z'], verified: true }),
          copied(inbox, 2, null, { date: null, flags: [] }),
        ]);
        const expected: Binding[] = [
          {
            folder: inbox,
            key: key(1),
            state: 'verified',
            id: { epoch: EPOCH, id: '11' },
            size: SIZE,
            digest: digest(1),
            flags: ['\\Seen', 'x "y" \\z'],
            date: { seconds: 1_700_000_001, offset: -90 },
            etag: null,
            version: null,
          },
          {
            folder: inbox,
            key: key(2),
            state: 'claimed',
            id: null,
            size: SIZE,
            digest: digest(2),
            flags: [],
            date: null,
            etag: null,
            version: null,
          },
        ];
        expect(await all(session.bindings(inbox))).toEqual(expected);
        expect(await session.unplaced(inbox)).toEqual(expected.slice(1));
        await session.reflag(inbox, [{ key: key(2), flags: ['\\Flagged'] }]);
        expect((await session.bound(inbox, [key(2), key(3)])).map((b) => b.flags)).toEqual([['\\Flagged']]);
        await lease.release();
      });

      it('with what changed in place since', async () => {
        const { session, inbox, lease } = await openSession(harness);
        await session.settle(null, [copied(inbox, 1, 11, { etag: '"a"' }), copied(inbox, 2, 12, { etag: '"b"' })]);
        const seen = async () =>
          (await session.bound(inbox, [key(1), key(2)]))
            .sort((a, b) => (a.key < b.key ? -1 : 1))
            .map(({ etag, version, size, digest: is }) => [etag, version, size, is]);
        expect(await seen()).toEqual([
          ['"a"', null, SIZE, digest(1)],
          ['"b"', null, SIZE, digest(2)],
        ]);
        await session.revise(inbox, [
          { key: key(1), version: 'v1' },
          { key: key(2), version: 'v2', stored: { etag: '"c"', size: 7, digest: digest(9) } },
          { key: key(3), version: 'of nothing that is bound' },
        ]);
        expect(await seen()).toEqual([
          ['"a"', 'v1', SIZE, digest(1)],
          ['"c"', 'v2', 7, digest(9)],
        ]);
        await session.revise(inbox, [
          { key: key(2), version: 'v3', stored: { etag: null, size: 8, digest: digest(9) } },
        ]);
        expect((await seen())[1]).toEqual([null, 'v3', 8, digest(9)]);
        await lease.release();
      });

      it('one for each destination item, across links', async () => {
        const mailbox = newMailbox();
        const first = await openSession(harness, { link: await harness.link(mailbox, 'one') });
        await first.session.settle(null, [copied(first.inbox, 1, 10)]);
        await first.lease.release();
        const other = await openSession(harness, { link: await harness.link(mailbox, 'two') });
        const { session, inbox } = other;
        const notBound = await session.settle(null, [
          copied(inbox, 1, 10),
          existing(inbox, 2, 10),
          copied(inbox, 3, 11),
          copied(inbox, 4, 11),
          existing(inbox, 5, 10, 'merged'),
        ]);
        expect(notBound).toEqual([{ folder: inbox, key: key(2) }]);
        expect((await all(session.bindings(inbox))).map((b) => [numberOf(b.key), b.state, b.id?.id ?? null])).toEqual([
          [1, 'claimed', null],
          [3, 'claimed', '11'],
          [4, 'claimed', null],
          [5, 'merged', null],
        ]);
        expect(await countsOf(other)).toMatchObject({ found: 4, copied: 3, alreadyThere: 1 });
        expect((await all(session.claims(other.destination, EPOCH))).map((b) => b.folder)).toEqual([
          first.inbox,
          inbox,
        ]);
        await other.lease.release();
      });

      it('for hrefs as well', async () => {
        const { session, inbox, destination, lease } = await openSession(harness);
        const at = (id: string) => ({ id: { epoch: EPOCH, id } });
        await session.settle(null, [
          copied(inbox, 1, null, at('/cal/b.ics')),
          copied(inbox, 2, null, at('/cal/Z.ics')),
          copied(inbox, 3, null, at('/cal/b.ics')),
        ]);
        const claims = await all(session.claims(destination, EPOCH));
        expect(claims.map((b) => b.id?.id)).toEqual(['/cal/Z.ics', '/cal/b.ics']);
        await lease.release();
      });

      it('and moves an unverified one when the item was stored again', async () => {
        const opened = await openSession(harness);
        const { session, inbox, destination } = opened;
        await session.settle(null, [copied(inbox, 1, 10), copied(inbox, 2, 11, { verified: true })]);
        await session.settle(null, [copied(inbox, 1, 20), copied(inbox, 2, 21)]);
        const claims = await all(session.claims(destination, EPOCH));
        expect(claims.map((b) => [numberOf(b.key), b.id?.id])).toEqual([
          [2, '11'],
          [1, '20'],
        ]);
        expect(await countsOf(opened)).toMatchObject({ found: 2, copied: 2, bytes: 2 * SIZE });
        expect(byName(await session.folderMap(), 'INBOX').destination?.mark).toBe('21');
        await opened.lease.release();
      });

      it('and what the final listing says of them', async () => {
        const { session, inbox, destination, lease } = await openSession(harness);
        await session.settle(null, [
          copied(inbox, 1, 10),
          copied(inbox, 2, 11),
          copied(inbox, 3, null),
          copied(inbox, 4, null),
          existing(inbox, 5, 12),
          copied(inbox, 6, 13),
        ]);
        const b = await all(session.bindings(inbox));
        const stale: Binding = { ...b[5]!, id: { epoch: EPOCH, id: '99' } };
        const verdicts = {
          verified: [b[0]!, b[4]!, stale],
          removed: [b[1]!],
          placed: [
            { ...b[2]!, id: { epoch: EPOCH, id: '30' } },
            { ...b[3]!, id: { epoch: EPOCH, id: '10' } },
            { ...b[0]!, id: { epoch: EPOCH, id: '31' } },
          ],
        };
        for (let i = 0; i < 2; i++) await session.verify(destination, verdicts);
        expect((await all(session.bindings(inbox))).map((x) => [numberOf(x.key), x.state, x.id?.id ?? null])).toEqual([
          [1, 'verified', '10'],
          [2, 'removed', '11'],
          [3, 'verified', '30'],
          [4, 'claimed', null],
          [5, 'existing', '12'],
          [6, 'claimed', '13'],
        ]);
        expect(await session.unsettled(inbox, metas(1, 6))).toEqual([]);
        await lease.release();
      });

      it('until the folder has another epoch', async () => {
        const { session, inbox, destination, lease } = await openSession(harness);
        await session.settle(null, [
          copied(inbox, 1, 10),
          copied(inbox, 2, 11, { verified: true }),
          copied(inbox, 3, 12, { verified: true }),
          existing(inbox, 4, 13),
          copied(inbox, 5, 14),
        ]);
        const b = await all(session.bindings(inbox));
        const at = (id: string) => ({ epoch: '8', id });
        const moved = [
          { binding: b[0]!, id: at('1') },
          { binding: b[1]!, id: at('2') },
          { binding: b[4]!, id: at('2') },
        ];
        for (let i = 0; i < 2; i++) await session.rebind(destination, '8', moved);
        expect((await all(session.bindings(inbox))).map((x) => [numberOf(x.key), x.state, x.id])).toEqual([
          [1, 'claimed', at('1')],
          [2, 'verified', at('2')],
          [3, 'removed', null],
          [4, 'removed', null],
          [5, 'claimed', null],
        ]);
        expect(byName(await session.folderMap(), 'INBOX').destination).toMatchObject({
          mark: '3',
          firstMark: { epoch: '8', mark: '0' },
          folder: { epoch: '8' },
        });
        await lease.release();
      });

      it('under new keys when the source gave new ones', async () => {
        const { session, inbox, lease } = await openSession(harness);
        await session.settle(null, [copied(inbox, 1), copied(inbox, 2), copied(inbox, 3)]);
        const moved = [
          { from: key(1), to: key(101) },
          { from: key(2), to: key(101) },
          { from: key(2), to: key(3) },
        ];
        for (let i = 0; i < 2; i++) await session.rekey(inbox, moved);
        expect((await all(session.bindings(inbox))).map((x) => numberOf(x.key))).toEqual([2, 3, 101]);
        await lease.release();
      });

      it('and what was refused under a new key because of that is refused no longer', async () => {
        const { session, inbox, lease, job } = await openSession(harness);
        await session.settle(null, [copied(inbox, 1), copied(inbox, 2)]);
        await session.settle(null, [refused(inbox, 101, 'failed', 'EPOCH_CHANGED'), refused(inbox, 103)]);
        await session.rekey(inbox, [
          { from: key(1), to: key(101) },
          { from: key(2), to: key(102) },
        ]);
        expect((await harness.refusals(job)).map((r) => numberOf(r.key))).toEqual([103]);
        expect((await session.counts()).get(inbox)).toMatchObject({ copied: 2, failed: 1 });
        await lease.release();
      });
    });

    describe('keeps what the report says', () => {
      it('about items that did not arrive, described once', async () => {
        const { session, inbox, lease, job } = await openSession(harness);
        await session.settle(null, [refused(inbox, 1), refused(inbox, 2, 'skipped', 'VANISHED')]);
        expect(await session.undescribed(1)).toEqual([{ folder: inbox, key: key(1) }]);
        const words = { key: key(1), subject: 'Grüße\0', from: 'a@b', date: new Date(Number.NaN) };
        await session.describe(inbox, [words]);
        await session.describe(inbox, [{ ...words, subject: 'other' }]);
        expect(await session.undescribed(10)).toEqual([{ folder: inbox, key: key(2) }]);
        const subjects = (await harness.refusals(job)).map((r) => r.subject?.replaceAll('\0', '') ?? null);
        expect(subjects).toEqual(['Grüße', null]);
        await lease.release();
      });

      it('about what was changed: remarks add up, notes of a copied item count once', async () => {
        const { session, inbox, lease, job } = await openSession(harness);
        const note = { code: 'KEYWORD_MAPPED', detail: '$Label1' };
        for (let i = 0; i < 2; i++)
          await session.settle(null, [copied(inbox, 1, 1, { notes: [note] }), copied(inbox, 2, 2, { notes: [note] })]);
        await session.remark(inbox, [note, { code: 'SURPLUS' }]);
        await session.remark(null, [{ code: 'SURPLUS' }, { code: 'SURPLUS' }]);
        await session.remark(null, [{ code: 'SURPLUS' }]);
        const remarks = (await harness.remarks(job)).map((r) => [r.folder, r.code, r.detail, r.items]);
        expect(remarks).toEqual([
          [inbox, 'KEYWORD_MAPPED', '$Label1', 3],
          [inbox, 'SURPLUS', '', 1],
          [null, 'SURPLUS', '', 3],
        ]);
        await lease.release();
      });
    });

    it('tells what holds now instead of what held before', async () => {
      const { session, inbox, lease, job } = await openSession(harness);
      await session.remark(inbox, [{ code: 'OTHER' }]);
      await session.remarkState(inbox, 'GONE', 3, 'some');
      await session.remarkState(inbox, 'GONE', 5);
      const told = async () => (await harness.remarks(job)).map((r) => [r.code, r.detail, r.items]).sort();
      expect(await told()).toEqual([
        ['GONE', '', 5],
        ['OTHER', '', 1],
      ]);
      await session.remarkState(inbox, 'GONE', 0);
      expect(await told()).toEqual([['OTHER', '', 1]]);
      await lease.release();
    });

    it('takes nothing for nothing', async () => {
      const { session, inbox, destination, lease } = await openSession(harness);
      expect(await session.settle(null, [])).toEqual([]);
      expect(await session.unsettled(inbox, [])).toEqual([]);
      expect(await session.earlier(inbox, [])).toEqual({ items: 0, bytes: 0 });
      expect(await session.bound(inbox, [])).toEqual([]);
      await session.verify(destination, { verified: [], removed: [], placed: [] });
      await session.unbind([]);
      await session.rekey(inbox, []);
      await session.reflag(inbox, []);
      await session.revise(inbox, []);
      await session.remark(null, []);
      await session.dissolve('999999' as IntentId);
      expect(await session.counts()).toEqual(new Map());
      await lease.release();
    });
  });
}
