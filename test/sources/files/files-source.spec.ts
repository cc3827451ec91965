import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import type { SourceFolder } from '../../../src/mailbox/folder.js';
import type { UploadedFile } from '../../../src/sources/files/file-entries.js';
import { FilesSource } from '../../../src/sources/files/files-source.js';
import { BodyStaging } from '../../../src/transfer/staging.js';
import { bytesOf, collect } from '../../contracts/messages.js';
import { calendar, card, event, linesOf, text } from '../../conversion/fixtures.js';

const signal = new AbortController().signal;

/** A file in memory that counts what is asked of it. */
function file(bytes: Buffer, name = 'My data.ics'): UploadedFile & { most: number } {
  const uploaded = {
    name,
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    most: 0,
    read: async (start: number, end: number) => {
      uploaded.most = Math.max(uploaded.most, end - start);
      return bytes.subarray(start, end);
    },
  };
  return uploaded;
}

const item = (kind: string, ...lines: string[]) => [`BEGIN:${kind}`, ...lines, `END:${kind}`].join('\r\n');
const FILE = Buffer.concat([
  calendar(item('VEVENT', 'UID:a', 'SUMMARY:Grüße\\, Bob', 'DTSTART:20250110T090000Z', 'ORGANIZER:mailto:boss@x.test')),
  calendar(
    item('VTODO', 'UID:t', 'SUMMARY:Pay'),
    item('VEVENT', 'SUMMARY:no UID'),
    item('VEVENT', 'SUMMARY:no UID'),
    item('VFREEBUSY'),
  ),
  card('3.0', 'UID:c', 'FN:Jörg'),
]);

async function everything(source: FilesSource): Promise<{ folder: SourceFolder; keys: string[]; bodies: string[] }[]> {
  await source.connect(signal);
  const found = [];
  for (const folder of await source.listFolders(signal)) {
    const items = (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
    const bodies: string[] = [];
    for await (const outcome of source.read(folder, items, new BodyStaging(), signal)) {
      if (outcome.is !== 'staged') throw new Error(outcome.is);
      bodies.push((await bytesOf(outcome.item.body)).toString());
      await outcome.item.body.release();
    }
    found.push({ folder, keys: items.map(({ key }) => key), bodies });
  }
  return found;
}

describe('an uploaded file as a source', () => {
  it('has one folder for each kind that is in it, and says what it leaves out', async () => {
    const source = new FilesSource({ files: [file(FILE)] });
    expect([...(await source.connect(signal)).gives].sort()).toEqual(['calendars', 'contacts', 'tasks']);
    const folders = await source.listFolders(signal);
    expect(folders.map(({ path, kind, items }) => [path, kind, items])).toEqual([
      [['My data'], 'calendars', 3],
      [['My data'], 'tasks', 1],
      [['My data'], 'contacts', 1],
    ]);
    expect(folders[0]!.note).toBe('1 VFREEBUSY');
    expect(source.account.stableId).toMatch(/^[0-9a-f]{64}$/);
  });

  it('reads every entry as its writer spelled it', async () => {
    const [events, tasks, contacts] = await everything(new FilesSource({ files: [file(FILE)] }));
    expect(linesOf(Buffer.from(events!.bodies[0]!))).toEqual(
      linesOf(
        calendar(
          item('VEVENT', 'UID:a', 'SUMMARY:Grüße\\, Bob', 'DTSTART:20250110T090000Z', 'ORGANIZER:mailto:boss@x.test'),
        ),
      ),
    );
    expect(tasks!.bodies).toHaveLength(1);
    expect(contacts!.bodies).toEqual([card('3.0', 'UID:c', 'FN:Jörg').toString()]);
  });

  it('two different entries with one UID are both given, the second under a UID of its own', async () => {
    const both = [
      item('VEVENT', 'UID:a', 'DTSTART:20250110T090000Z'),
      item('VEVENT', 'UID:a', 'DTSTART:20250111T090000Z'),
    ];
    const [events] = await everything(new FilesSource({ files: [file(calendar(...both, both[0]!))] }));
    expect(new Set(events!.keys).size).toBe(2);
    const uids = events!.bodies.map((body) => linesOf(Buffer.from(body)).find((line) => line.startsWith('UID:')));
    expect(uids[0]).toBe('UID:a');
    expect(uids[1]).toMatch(/^UID:[0-9a-f-]{36}$/);
  });

  it('keys stay the same in a later edition, wherever an entry stands in it', async () => {
    const [before] = await everything(new FilesSource({ files: [file(FILE)] }));
    const later = Buffer.concat([calendar(item('VEVENT', 'SUMMARY:new')), FILE]);
    const [after] = await everything(new FilesSource({ files: [file(later)] }));
    expect(new Set(before!.keys).size).toBe(3);
    for (const key of before!.keys) expect(after!.keys).toContain(key);
    expect(after!.keys).toHaveLength(4);
    for (const key of after!.keys) expect(key).toMatch(/^[0-9a-f]{32}$/);
  });

  it('describes entries for the report, and says vanished for what is not in it', async () => {
    const source = new FilesSource({ files: [file(FILE)] });
    const [folder] = await source.listFolders(signal);
    const [page] = await collect(source.scan(folder!, null, signal));
    const [first] = await collect(source.describe(folder!, page!.items, signal));
    expect(first).toEqual({
      key: page!.items[0]!.key,
      subject: 'Grüße, Bob',
      from: 'boss@x.test',
      date: new Date('2025-01-10T09:00:00Z'),
    });
    const gone = { key: 'ff' as never, locator: new Uint8Array() };
    expect(await collect(source.read(folder!, [gone], new BodyStaging(), signal))).toEqual([
      { ref: gone, is: 'vanished' },
    ]);
  });

  it('a file of 20 MB is read in pieces of a megabyte at most', async () => {
    const uploaded = file(
      calendar(
        ...Array.from({ length: 20 }, (_, i) => item('VEVENT', `UID:${i}`, `DESCRIPTION:${'x'.repeat(1_000_000)}`)),
      ),
    );
    const source = new FilesSource({ files: [uploaded] });
    await source.connect(signal);
    expect((await source.listFolders(signal))[0]!.items).toBe(20);
    expect(uploaded.most).toBe(1024 * 1024);
  });

  it('a file without entries is said so, an entry that is too large is named, and it stops when it is told to', async () => {
    await expect(new FilesSource({ files: [file(text('hello'))] }).listFolders(signal)).rejects.toMatchObject({
      code: 'FILE_WITHOUT_ENTRIES',
      scope: 'job',
      retry: 'user',
    });
    const source = new FilesSource({ files: [file(event(`DESCRIPTION:${'x'.repeat(33 * 1024 * 1024)}`))] });
    const [folder] = await source.listFolders(signal);
    const [page] = await collect(source.scan(folder!, null, signal));
    expect(await collect(source.read(folder!, page!.items, new BodyStaging(), signal))).toMatchObject([
      { is: 'unreadable', error: { code: 'OBJECT_TOO_LARGE', scope: 'item' } },
    ]);
    await expect(collect(source.scan(folder!, null, AbortSignal.abort('pause')))).rejects.toBeDefined();
  });
});
