import { digestMessage } from '../../src/mailbox/digest.js';
import type { SourceFolder } from '../../src/mailbox/folder.js';
import type { ItemMeta, ReadOutcome, ScanPage, ZonedDate } from '../../src/mailbox/item.js';
import { MAX_SCAN_PAGE, type Source } from '../../src/sources/source.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import type { ItemKind } from '../../src/mailbox/kinds.js';
import { collect, bytesOf, message as mail, type MessageShape } from './messages.js';

/** A server with one mailbox, seen by somebody who is not Mailferry, and the source under test on it. */
export interface SourceServer {
  /** Puts a message in, making the folder when it is missing. */
  deliver(path: readonly string[], bytes: Buffer, flags: readonly string[], date: ZonedDate): Promise<void>;
  /** Removes the first message of the folder for good. */
  removeFirst(path: readonly string[]): Promise<void>;
  /** All that can be seen from outside: UIDVALIDITY, UIDs, flags, dates, bytes. Equal before and after any reading. */
  snapshot(): Promise<string>;
  /** False: it tells dates in its own zone, so only the moment can be compared. */
  readonly keepsZone?: false;
  /** A folder name with all that the server can hold. */
  readonly oddName?: string;
  /** What it holds. Default: mail. */
  readonly goods?: Goods;
  /** A new source, not connected. */
  source(): Source;
  close(): Promise<void>;
}

/** What a kind of source holds, where it is not mail: no flags, no dates of its own, no inbox. */
export interface Goods {
  readonly kind: ItemKind;
  readonly make: (n: number, shape?: MessageShape) => Buffer;
  /** Whether what came is what was put in; servers may write it anew. */
  readonly same: (came: Buffer, put: Buffer) => boolean;
  /** What a report calls the fifth one. */
  readonly subject: string;
}

const signal = new AbortController().signal;
const date: ZonedDate = { seconds: 1_400_000_000, offset: 120 };
const inUtc: ZonedDate = { ...date, offset: 0 };

export function sourceContract(name: string, start: () => Promise<SourceServer>): void {
  describe(`${name} as a source`, () => {
    let server: SourceServer;
    let source: Source;
    beforeEach(async () => {
      server = await start();
      source = server.source();
    });
    afterEach(async () => {
      await source.close();
      await server.close();
    });

    const message = (n: number, shape?: MessageShape): Buffer => (server.goods?.make ?? mail)(n, shape);
    const isMail = (): boolean => server.goods === undefined;
    const folderAt = async (path: readonly string[]): Promise<SourceFolder> => {
      const found = (await source.listFolders(signal)).find(
        (f) => f.path.join('/') === path.join('/') && f.kind === (server.goods?.kind ?? 'mail'),
      );
      if (!found) throw new Error(`no folder ${path.join('/')}`);
      return found;
    };
    const scanAll = async (folder: SourceFolder): Promise<{ items: ItemMeta[]; pages: ScanPage[] }> => {
      const pages = await collect(source.scan(folder, null, signal));
      return { items: pages.flatMap((p) => p.items), pages };
    };
    const readAll = async (folder: SourceFolder, items: readonly ItemMeta[]): Promise<ReadOutcome[]> =>
      collect(source.read(folder, items, new BodyStaging(), signal));

    it('names the account by a hash that is the same every time and holds no name', async () => {
      expect(source.account.stableId).toMatch(/^[0-9a-f]{64}$/);
      expect(server.source().account).toEqual(source.account);
    });

    it('lists folders with their levels and says that keys belong to the folder', async () => {
      await server.deliver(['INBOX'], message(1), [], date);
      const odd = server.oddName ?? 'Übersicht & 100 %';
      await server.deliver(['Work', odd], message(2), [], date);
      const facts = await source.connect(signal);
      expect(facts.maxConnections).toBeGreaterThan(0);
      expect(facts.gives).toContain(server.goods?.kind ?? 'mail');
      const folder = await folderAt(['Work', odd]);
      expect(folder).toMatchObject({ selectable: true, complete: true, keyScope: 'folder' });
      expect(folder.epoch).not.toBeNull();
      const folders = await source.listFolders(signal);
      expect(new Set(folders.map((f) => f.id)).size).toBe(folders.length);
      if (isMail()) expect(folders.find((f) => f.role === 'inbox')?.path).toEqual(['INBOX']);
    });

    it('scans metadata oldest first, in pages, with keys that stay the same', async () => {
      for (let i = 0; i < 7; i++)
        await server.deliver(['INBOX'], message(i), i % 2 ? ['\\Seen', 'Label1'] : ['\\Flagged'], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const first = await scanAll(folder);
      expect(first.items).toHaveLength(7);
      expect(new Set(first.items.map((i) => i.key)).size).toBe(7);
      for (const item of first.items) expect(item.key).toMatch(/^(?:[0-9a-f]{2}){1,16}$/);
      expect(first.pages.every((p) => p.full && p.items.length <= MAX_SCAN_PAGE)).toBe(true);
      if (isMail()) {
        expect(first.items[0]!.date).toEqual(server.keepsZone === false ? inUtc : date);
        expect([...first.items[0]!.flags]).toEqual(['\\Flagged']);
        expect([...first.items[1]!.flags].sort()).toEqual(['Label1', '\\Seen'].sort());
      } else for (const item of first.items) expect(item.version).toBeTruthy();
      await source.close();
      source = server.source();
      await source.connect(signal);
      expect((await scanAll(folder)).items.map((i) => i.key).sort()).toEqual(first.items.map((i) => i.key).sort());
    });

    it('gives one page even for an empty folder, so that the caller knows the listing is whole', async () => {
      await server.deliver(['Empty'], message(1), [], date);
      await server.removeFirst(['Empty']);
      await source.connect(signal);
      const { pages, items } = await scanAll(await folderAt(['Empty']));
      expect(items).toEqual([]);
      expect(pages.length).toBeGreaterThan(0);
      expect(pages.every((p) => p.full)).toBe(true);
    });

    it('says only what is new when it is given the state of an earlier scan, or everything with full', async () => {
      await server.deliver(['INBOX'], message(1), [], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const { pages, items } = await scanAll(folder);
      await server.deliver(['INBOX'], message(2), [], date);
      const later = await collect(source.scan(await folderAt(['INBOX']), pages.at(-1)!.next, signal));
      const keys = later.flatMap((p) => p.items.map((i) => i.key));
      const fresh = keys.filter((key) => key !== items[0]!.key);
      expect(fresh).toHaveLength(1);
      if (later.some((p) => p.full)) expect(keys).toContain(items[0]!.key);
    });

    it('reads every body byte for byte, with date and flags, one outcome for each ref', async () => {
      const again = isMail() ? message(1) : message(4);
      const bodies = [message(1), message(2, { eightBit: true }), message(3, { size: 1_500_000 }), again];
      for (const bytes of bodies) await server.deliver(['INBOX'], bytes, ['\\Answered'], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const { items } = await scanAll(folder);
      const outcomes = await readAll(folder, items);
      expect(outcomes.map((o) => o.ref.key).sort()).toEqual(items.map((i) => i.key).sort());
      for (const [i, item] of items.entries()) {
        const outcome = outcomes.find((o) => o.ref.key === item.key)!;
        if (outcome.is !== 'staged') throw new Error(outcome.is);
        const came = await bytesOf(outcome.item.body);
        if (isMail()) {
          expect(came.equals(bodies[i]!)).toBe(true);
          expect(outcome.item.body.digest).toBe(digestMessage(bodies[i]!).digest);
          expect(outcome.item.date).toEqual(server.keepsZone === false ? inUtc : date);
          expect([...outcome.item.flags]).toEqual(['\\Answered']);
        } else expect(bodies.filter((put) => server.goods!.same(came, put))).toHaveLength(1);
        await outcome.item.body.release();
      }
    });

    it('lets bodies be read while a scan is still open', async () => {
      for (let i = 0; i < 4; i++) await server.deliver(['INBOX'], message(i), [], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const read: string[] = [];
      for await (const page of source.scan(folder, null, signal))
        for (const outcome of await readAll(folder, page.items)) {
          if (outcome.is !== 'staged') throw new Error(outcome.is);
          read.push(outcome.ref.key);
          await outcome.item.body.release();
        }
      expect(new Set(read).size).toBe(4);
    });

    it('says vanished for what was removed after the scan', async () => {
      await server.deliver(['INBOX'], message(1), [], date);
      await server.deliver(['INBOX'], message(2), [], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const { items } = await scanAll(folder);
      await server.removeFirst(['INBOX']);
      // A batch right after another is read without asking for news first.
      await new Promise((done) => setTimeout(done, 100));
      const outcomes = await readAll(folder, items);
      if (isMail()) expect(outcomes.find((o) => o.ref.key === items[0]!.key)?.is).toBe('vanished');
      expect(outcomes.filter((o) => o.is === 'vanished')).toHaveLength(1);
      const second = outcomes.find((o) => o.is !== 'vanished');
      if (second?.is !== 'staged') throw new Error(second?.is);
      await second.item.body.release();
    });

    it('describes items for the report', async () => {
      await server.deliver(['INBOX'], message(5), [], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const { items } = await scanAll(folder);
      const [described] = await collect(source.describe(folder, items, signal));
      expect(described).toMatchObject({ key: items[0]!.key, subject: server.goods?.subject ?? 'Message 5' });
      if (isMail()) expect(described!.from).toContain('sender5@old.test');
    });

    it('leaves the mailbox exactly as it was', async () => {
      for (let i = 0; i < 3; i++) await server.deliver(['INBOX'], message(i), [], date);
      const before = await server.snapshot();
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      const { items } = await scanAll(folder);
      for (const outcome of await readAll(folder, items))
        if (outcome.is === 'staged') await outcome.item.body.release();
      await collect(source.describe(folder, items, signal));
      await source.close();
      expect(await server.snapshot()).toBe(before);
    });

    it('stops when it is told to', async () => {
      await server.deliver(['INBOX'], message(1), [], date);
      await source.connect(signal);
      const folder = await folderAt(['INBOX']);
      await expect(collect(source.scan(folder, null, AbortSignal.abort('pause')))).rejects.toBeDefined();
    });
  });
}
