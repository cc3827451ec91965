import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestMessage } from '../../src/mailbox/digest.js';
import type { ItemKey, ItemRef, StagedBody } from '../../src/mailbox/item.js';
import { Budget } from '../../src/transfer/budget.js';
import { inBatches } from '../../src/transfer/batches.js';
import { isExcluded } from '../../src/transfer/filters.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { bytesOf, message } from '../contracts/messages.js';

const ref: ItemRef = { key: '00' as ItemKey, locator: Buffer.from('1') };

async function* pieces(bytes: Buffer, size = 1_000): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('staging', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'staging-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('keeps small bodies in memory and large ones in a file without a name, and gives both back as often as asked', async () => {
    const memory = new Budget(10_000_000);
    const disk = new Budget(10_000_000);
    const staging = new BodyStaging({ dir, memory, disk, inMemoryBytes: 5_000 });
    for (const size of [10, 5_000, 5_001, 400_000]) {
      const bytes = message(1, { size });
      const body = await staging.put(ref, pieces(bytes), bytes.length);
      expect(body.digest).toBe(digestMessage(bytes).digest);
      for (let i = 0; i < 2; i++) expect((await bytesOf(body)).equals(bytes)).toBe(true);
      expect(await readdir(dir)).toEqual([]);
      expect(memory.inUse > 0).toBe(bytes.length <= 5_000);
      expect(disk.inUse > 0).toBe(bytes.length > 5_000);
      await body.release();
      await body.release();
      expect([memory.inUse, disk.inUse]).toEqual([0, 0]);
    }
  });

  it('uses the memory of bodies that are gone again, and never that of others', async () => {
    const staging = new BodyStaging({ dir });
    const held: { bytes: Buffer; body: StagedBody }[] = [];
    const memories = new Set<ArrayBufferLike>();
    for (let n = 0; n < 400; n++) {
      const bytes = message(n, { size: [300, 9_000, 70_000, 300_000][n % 4]! });
      const body = await staging.put(ref, pieces(bytes, 50_000), bytes.length);
      held.push({ bytes, body });
      for await (const piece of body.open()) memories.add(piece.buffer);
      if (held.length < 9) continue;
      // Not in the order in which they came.
      const [gone] = held.splice((n * 5) % held.length, 1);
      expect((await bytesOf(gone!.body)).equals(gone!.bytes)).toBe(true);
      await gone!.body.release();
    }
    for (const { bytes, body } of held) expect((await bytesOf(body)).equals(bytes)).toBe(true);
    // 35 MB went through.
    expect(memories.size).toBeLessThan(40);
  });

  it('lets whoever has begun to read a body read it to its end, though it is released meanwhile', async () => {
    const staging = new BodyStaging({ dir });
    const bytes = message(1, { size: 600_000 });
    const body = await staging.put(ref, pieces(bytes), bytes.length);
    const read: Buffer[] = [];
    let others = 0;
    for await (const piece of body.open()) {
      await body.release();
      for (let n = 2; n < 8; n++) {
        const other = message(n, { size: 300_000 });
        await (await staging.put(ref, pieces(other), other.length)).release();
        others++;
      }
      read.push(Buffer.from(piece));
    }
    expect(Buffer.concat(read).equals(bytes)).toBe(true);
    expect(others).toBeGreaterThan(10);
  });

  it.each([-1, 1])('refuses a body whose length is not the announced one (%d)', async (difference) => {
    const memory = new Budget(1_000_000);
    const bytes = message(1);
    const put = new BodyStaging({ dir, memory }).put(ref, pieces(bytes), bytes.length + difference);
    await expect(put).rejects.toMatchObject({ code: 'LENGTH_MISMATCH', side: 'source', scope: 'item', retry: 'now' });
    expect(memory.inUse).toBe(0);
  });

  it('frees everything when the stream breaks in the middle', async () => {
    const memory = new Budget(1_000_000);
    const disk = new Budget(1_000_000);
    const staging = new BodyStaging({ dir, memory, disk, inMemoryBytes: 1_500 });
    async function* broken(): AsyncIterable<Uint8Array> {
      yield Buffer.alloc(1_000);
      yield Buffer.alloc(1_000);
      throw new Error('cut');
    }
    await expect(staging.put(ref, broken())).rejects.toThrow('cut');
    expect([memory.inUse, disk.inUse]).toEqual([0, 0]);
  });

  it('sends small bodies to the disk when the memory of the process is used up, instead of waiting for it', async () => {
    const memory = new Budget(1_000);
    const staging = new BodyStaging({ dir, memory, disk: new Budget(1) });
    const bodies = await Promise.all(
      [1, 2, 3, 4, 5].map((n) => staging.put(ref, pieces(message(n)), message(n).length)),
    );
    expect(memory.inUse).toBeLessThanOrEqual(1_000);
    for (const [i, body] of bodies.entries()) {
      expect((await bytesOf(body)).equals(message(i + 1))).toBe(true);
      await body.release();
    }
  });

  it('lets a large body wait for the disk until another one is released', async () => {
    const disk = new Budget(10_000);
    const staging = new BodyStaging({ dir, disk, inMemoryBytes: 1_000, ridesAlongBytes: 1_000 });
    const bytes = message(1, { size: 8_000 });
    const first = await staging.put(ref, pieces(bytes), bytes.length);
    let arrived = false;
    const second = staging.put(ref, pieces(bytes), bytes.length).then((body) => {
      arrived = true;
      return body;
    });
    await new Promise((done) => setImmediate(done));
    expect(arrived).toBe(false);
    await first.release();
    await (await second).release();
    expect(disk.inUse).toBe(0);
  });

  it('gives up on the disk in the end, for this item and this run only', async () => {
    const disk = new Budget(10_000);
    const staging = new BodyStaging({ dir, disk, inMemoryBytes: 1_000, ridesAlongBytes: 1_000, diskWaitMs: 5 });
    const bytes = message(1, { size: 8_000 });
    const first = await staging.put(ref, pieces(bytes), bytes.length);
    await expect(staging.put(ref, pieces(bytes), bytes.length)).rejects.toMatchObject({
      code: 'STAGING_FULL',
      scope: 'item',
      retry: 'later',
    });
    await first.release();
    expect(disk.inUse).toBe(0);
  });
});

describe('batches', () => {
  const sizes = (list: { size: number }[][]) => list.map((batch) => batch.map((item) => item.size));
  const items = (...list: number[]) => list.map((size) => ({ size }));

  it('are cut by bytes and by count, in the order of the folder', () => {
    expect(sizes(inBatches(items(4, 4, 4, 1, 1, 1), 8, 3))).toEqual([[4, 4], [4, 1, 1], [1]]);
    expect(inBatches([])).toEqual([]);
  });

  it('hold a large item alone', () => {
    const large = 9_000_000;
    expect(sizes(inBatches(items(1, large, 1, 1)))).toEqual([[1], [large], [1, 1]]);
  });
});

describe('folders to leave out', () => {
  it('are matched level by level, with everything below, and INBOX in any case', () => {
    const out = [['Work', 'Old'], ['inbox']];
    expect(isExcluded(['Work', 'Old'], out)).toBe(true);
    expect(isExcluded(['Work', 'Old', 'Deep'], out)).toBe(true);
    expect(isExcluded(['Work'], out)).toBe(false);
    expect(isExcluded(['Work', 'Older'], out)).toBe(false);
    expect(isExcluded(['INBOX'], out)).toBe(true);
    expect(isExcluded(['Work', 'INBOX'], [['Work', 'inbox']])).toBe(false);
    expect(isExcluded(['Any'], [[]])).toBe(false);
  });
});
