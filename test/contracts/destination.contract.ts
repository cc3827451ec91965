import type { Destination, FoundItem, PlacedItem, StoreOutcome } from '../../src/destinations/destination.js';
import { digestMessage } from '../../src/mailbox/digest.js';
import type { DestinationFolder, SourceFolder, SourceFolderId } from '../../src/mailbox/folder.js';
import type { ItemKey, StagedItem, ZonedDate } from '../../src/mailbox/item.js';
import { compareIds } from '../../src/transfer/ids.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { collect, message as mail, type MessageShape } from './messages.js';
import type { Goods } from './source.contract.js';

export interface SeenMessage {
  readonly bytes: Buffer;
  readonly flags: readonly string[];
  readonly date: ZonedDate;
}

/** The hoster's server with one mailbox, seen by somebody who is not Mailferry, and the destination under test on it. */
export interface DestinationServer {
  /** Messages of a folder in the order of their ids, flags without \Recent. Missing folder: empty. */
  contents(path: readonly string[]): Promise<SeenMessage[]>;
  /** Somebody else's mail comes in. */
  deliver(path: readonly string[], bytes: Buffer, flags: readonly string[], date: ZonedDate): Promise<void>;
  removeFirst(path: readonly string[]): Promise<void>;
  /** What it holds. Default: mail. */
  readonly goods?: Goods & { readonly digest: (bytes: Buffer) => string };
  /** False: it tells dates in its own zone, so only the moment can be compared. */
  readonly keepsZone?: false;
  /** A new destination, not connected. */
  destination(): Destination;
  close(): Promise<void>;
}

const signal = new AbortController().signal;
const date: ZonedDate = { seconds: 1_400_000_000, offset: 120 };
const inUtc: ZonedDate = { ...date, offset: 0 };

export function wantedFolder(path: readonly string[], more: Partial<SourceFolder> = {}): SourceFolder {
  return {
    id: path.join('/') as SourceFolderId,
    path,
    kind: 'mail',
    epoch: '1',
    keyScope: 'folder',
    selectable: true,
    subscribed: true,
    complete: true,
    items: null,
    bytes: null,
    ...more,
  };
}

let keys = 0;
const toRelease: StagedItem[] = [];
export async function staged(bytes: Buffer, more: Partial<StagedItem> = {}): Promise<StagedItem> {
  const ref = { key: (++keys).toString(16).padStart(16, '0') as ItemKey, locator: Buffer.from(String(keys)) };
  const body = await new BodyStaging().put(
    ref,
    (async function* () {
      yield bytes;
    })(),
    bytes.length,
  );
  const item = { ref, body, date, flags: [], notes: [], ...more };
  toRelease.push(item);
  return item;
}

export function destinationContract(name: string, start: () => Promise<DestinationServer>): void {
  describe(`${name} as a destination`, () => {
    let server: DestinationServer;
    let destination: Destination;
    beforeEach(async () => {
      server = await start();
      destination = server.destination();
    });
    afterEach(async () => {
      for (const item of toRelease.splice(0)) await item.body.release();
      await destination.close();
      await server.close();
    });

    const message = (n: number, shape?: MessageShape): Buffer => (server.goods?.make ?? mail)(n, shape);
    const isMail = (): boolean => server.goods === undefined;
    const digestOf = (bytes: Buffer): string => server.goods?.digest(bytes) ?? digestMessage(bytes).digest;
    const wantedHere = (path: string[], more: Partial<SourceFolder> = {}): SourceFolder =>
      wantedFolder(path, isMail() ? more : { kind: server.goods!.kind });
    const ensure = async (...paths: string[][]): Promise<DestinationFolder[]> =>
      destination.ensureFolders(await destination.planFolders(paths.map((p) => wantedHere(p))), signal);
    const folderOf = async (path: string[]): Promise<DestinationFolder> => (await ensure(path))[0]!;
    const store = async (
      folder: DestinationFolder,
      items: readonly StagedItem[],
      mayCommit = () => true,
    ): Promise<StoreOutcome[]> => {
      const fitted: StagedItem[] = [];
      for (const item of items) fitted.push((await destination.fit?.(folder, item, new BodyStaging())) ?? item);
      const placements = await destination.place(folder, fitted);
      const placed: PlacedItem[] = fitted.map((item, i) => ({ ...item, placement: placements[i]! }));
      return collect(destination.store(folder, placed, mayCommit, signal));
    };
    const listAll = async (folder: DestinationFolder, mark = '1'): Promise<FoundItem[]> =>
      (await collect(destination.list(folder, { epoch: folder.epoch, mark }, signal))).flat();

    it('tells what it takes and whether it tells ids', async () => {
      const facts = await destination.connect(signal);
      expect(facts.takes).toContain(server.goods?.kind ?? 'mail');
      expect(typeof facts.tellsIds).toBe('boolean');
    });

    it('plans without changing anything and then makes what is missing, as often as it is asked', async () => {
      await destination.connect(signal);
      const wanted = [wantedHere(['INBOX'], { role: 'inbox' }), wantedHere(['Work', 'Grüße & Co'])];
      const plan = await destination.planFolders(wanted);
      const last = isMail() ? 'Grüße & Co' : 'Work / Grüße & Co';
      expect(plan.mappings.map((m) => m.path)).toEqual([['INBOX'], isMail() ? ['Work', last] : [last]]);
      expect(plan.mappings[1]!.exists).toBe(false);
      expect((await destination.planFolders(wanted)).mappings[1]!.exists).toBe(false);
      const made = await destination.ensureFolders(plan, signal);
      const again = await destination.ensureFolders(await destination.planFolders(wanted), signal);
      expect(again.map((f) => [f.name, f.epoch])).toEqual(made.map((f) => [f.name, f.epoch]));
      expect((await destination.planFolders(wanted)).mappings[1]!.exists).toBe(true);
      expect(made.find((f) => f.path.at(-1) === last)?.sources).toEqual([wanted[1]!.id]);
    });

    it('stores a batch with bytes, flags and date, and one outcome for each item', async () => {
      const facts = await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      const again = isMail() ? message(1) : message(4);
      const bodies = [message(1), message(2, { eightBit: true }), message(3, { size: 1_300_000 }), again];
      const items = await Promise.all(bodies.map((b) => staged(b, { flags: ['\\Seen', 'Label1'] })));
      const outcomes = await store(folder, items);
      expect(outcomes.map((o) => o.key).sort()).toEqual(items.map((i) => i.ref.key).sort());
      for (const outcome of outcomes) {
        expect(outcome.is).toBe('stored');
        if (outcome.is === 'stored' && facts.tellsIds) expect(outcome.id?.epoch).toBe(folder.epoch);
      }
      const seen = await server.contents(['INBOX']);
      if (!isMail()) {
        expect(seen).toHaveLength(bodies.length);
        for (const put of bodies) expect(seen.filter((m) => server.goods!.same(m.bytes, put))).toHaveLength(1);
        for (const outcome of outcomes) expect(outcome).toMatchObject({ etag: expect.stringMatching(/./), notes: [] });
        return;
      }
      expect(seen.map((m) => m.bytes.toString('base64')).sort()).toEqual(
        bodies.map((b) => b.toString('base64')).sort(),
      );
      for (const m of seen) {
        expect([...m.flags].sort()).toEqual(['Label1', '\\Seen'].sort());
        expect(m.date).toEqual(server.keepsZone === false ? inUtc : date);
      }
    });

    it('gives a mark that is not above what is stored next', async () => {
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      await store(folder, [await staged(message(1))]);
      const before = await destination.mark(folder, signal);
      await store(folder, [await staged(message(2))]);
      const later = await listAll(folder, before.mark);
      const fingerprints = await collect(
        destination.fingerprint(
          folder,
          later.map((f) => f.id),
          'body',
          signal,
        ),
      );
      expect(fingerprints.map((f) => f.digest)).toContain(digestOf(message(2)));
    });

    it('lists with ascending ids, sizes, dates and flags, from a mark on', async () => {
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      await store(folder, await Promise.all([1, 2, 3, 4, 5].map((n) => staged(message(n), { flags: ['\\Flagged'] }))));
      const all = await listAll(folder);
      expect(all).toHaveLength(5);
      const ids = all.map((f) => f.id.id);
      expect(ids).toEqual([...ids].sort(compareIds));
      if (isMail())
        expect(all[0]).toMatchObject({
          size: message(1).length,
          date: server.keepsZone === false ? inUtc : date,
          flags: ['\\Flagged'],
        });
      else for (const item of all) expect(item.etag).toBeTruthy();
      expect((await listAll(folder, all[3]!.id.id)).map((f) => f.id.id)).toEqual(all.slice(3).map((f) => f.id.id));
    });

    it('says EPOCH_CHANGED when it is asked about another UIDVALIDITY', async () => {
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      const wrong = String(Number(folder.epoch) + 1);
      await expect(collect(destination.list(folder, { epoch: wrong, mark: '1' }, signal))).rejects.toMatchObject({
        code: 'EPOCH_CHANGED',
      });
    });

    it('fingerprints header and body in the form that is used for both sides', async () => {
      await server.deliver(['INBOX'], message(1), [], date);
      await server.deliver(['INBOX'], isMail() ? message(2, { messageId: null }) : message(2), [], date);
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      const ids = (await listAll(folder)).map((f) => f.id);
      const bodies = await collect(destination.fingerprint(folder, ids, 'body', signal));
      if (!isMail()) {
        expect(bodies.map((f) => f.digest).sort()).toEqual([digestOf(message(1)), digestOf(message(2))].sort());
        return;
      }
      expect(bodies.map((f) => f.digest)).toEqual([
        digestMessage(message(1)).digest,
        digestMessage(message(2, { messageId: null })).digest,
      ]);
      const headers = await collect(destination.fingerprint(folder, ids, 'header', signal));
      expect(headers.map((f) => f.headerDigest)).toEqual(bodies.map((f) => f.headerDigest));
      expect(headers.map((f) => f.messageId)).toEqual(['<m1@old.test>', null]);
      expect(headers.every((f) => f.digest === null)).toBe(true);
    });

    it('leaves out ids that are gone', async () => {
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      await store(folder, [await staged(message(1)), await staged(message(2))]);
      const ids = (await listAll(folder)).map((f) => f.id);
      await server.removeFirst(['INBOX']);
      // A question right after another is put without asking for news first.
      await new Promise((done) => setTimeout(done, 100));
      const found = await collect(destination.fingerprint(folder, ids, 'header', signal));
      expect(found.map((f) => f.id.id)).toEqual([ids[1]!.id]);
    });

    it('commits nothing when the lease is ending', async () => {
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      const outcomes = await store(folder, [await staged(message(1)), await staged(message(2))], () => false);
      expect(outcomes).toHaveLength(2);
      for (const outcome of outcomes) {
        expect(outcome.is).toBe('refused');
        if (outcome.is === 'refused') expect(outcome.error.code).toBe('LEASE_ENDING');
      }
      expect(await server.contents(['INBOX'])).toEqual([]);
    });

    it('changes flags and nothing else', async () => {
      if (!isMail()) return;
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      await store(folder, [await staged(message(1), { flags: ['\\Seen', 'Keep'] })]);
      const [item] = await listAll(folder);
      await destination.setFlags(folder, [{ id: item!.id, add: ['\\Flagged'], remove: ['\\Seen'] }], signal);
      const [seen] = await server.contents(['INBOX']);
      expect([...seen!.flags].sort()).toEqual(['Keep', '\\Flagged'].sort());
      expect(seen!.bytes.equals(message(1))).toBe(true);
    });

    it('moves items aside without losing any', async () => {
      if (!isMail()) return;
      await server.deliver(['INBOX'], message(1), ['\\Seen'], date);
      await server.deliver(['INBOX'], message(2), [], date);
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      const [first] = await listAll(folder);
      const into = ['Before migration 2026-11-22'];
      const gone = { epoch: folder.epoch, id: '999999' };
      const outcome = await destination.setAside(folder, [first!.id, gone], into, signal);
      expect(outcome).toMatchObject({ folder: into, moved: 1 });
      expect(outcome.missing.map((id) => id.id)).toEqual(['999999']);
      expect((await server.contents(into)).map((m) => m.bytes.equals(message(1)))).toEqual([true]);
      expect((await server.contents(['INBOX'])).map((m) => m.bytes.equals(message(2)))).toEqual([true]);
    });

    it('says refused with the side and the reason for what the server does not take', async () => {
      await destination.connect(signal);
      const folder = await folderOf(['INBOX']);
      // What is no event at all is refused before anything is sent.
      if (!isMail())
        await expect(store(folder, [await staged(Buffer.alloc(0))])).rejects.toMatchObject({ scope: 'item' });
      if (!isMail()) return;
      const outcomes = await store(folder, [await staged(Buffer.alloc(0)), await staged(message(1))]);
      expect(outcomes.map((o) => o.is).sort()).toEqual(['refused', 'stored']);
      for (const outcome of outcomes)
        if (outcome.is === 'refused') expect(outcome.error).toMatchObject({ side: 'destination', scope: 'item' });
    });
  });
}
