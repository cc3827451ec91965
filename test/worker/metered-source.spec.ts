import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { createDataSource } from '../../src/database/data-source.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { MeteredSource } from '../../src/worker/metered-source.js';
import { VolumeMeter } from '../../src/worker/volume-meter.js';
import { collect, message } from '../contracts/messages.js';
import { FakeMailbox } from '../fakes/fake-mailbox.js';
import { FakeSource } from '../fakes/fake-source.js';
import { freshDatabase } from '../servers/database.js';

const signal = new AbortController().signal;
const HOUR_MS = 3_600_000;
let db: DataSource;
let end: () => Promise<void>;
beforeAll(async () => {
  const database = await freshDatabase();
  db = await createDataSource({ url: database.url }).initialize();
  end = () => db.destroy().then(() => database.drop());
});
afterAll(() => end());

function job(account: string, bytesPerDay: number): MeteredSource {
  const mailbox = new FakeMailbox();
  const inbox = mailbox.ensure(['INBOX'], 'inbox');
  for (let n = 0; n < 4; n++) inbox.append(message(n, { size: 30_000 }), [], { seconds: 1_400_000_000, offset: 0 });
  return new MeteredSource(new FakeSource(mailbox, {}, account), new VolumeMeter(db), bytesPerDay);
}

async function readAll(source: MeteredSource): Promise<number> {
  const [folder] = await source.listFolders(signal);
  const items = (await collect(source.scan(folder!, null, signal))).flatMap((page) => page.items);
  let read = 0;
  for (const item of items)
    for await (const outcome of source.read(folder!, [item], new BodyStaging(), signal))
      if (outcome.is === 'staged') {
        read++;
        await outcome.item.body.release();
      }
  return read;
}

describe('the volume an account may be read in a day', () => {
  it('is counted over all jobs, and the one that would go beyond it waits until enough hours are over', async () => {
    const account = 'a'.repeat(64);
    const first = job(account, 200_000);
    expect(await readAll(first)).toBe(4);
    await first.close();
    const second = job(account, 200_000);
    const trouble = await readAll(second).catch((error: unknown) => error);
    expect(trouble).toMatchObject({ code: 'VOLUME_EXHAUSTED', side: 'source', scope: 'account', retry: 'later' });
    const { retryAfterMs } = trouble as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(22 * HOUR_MS);
    expect(retryAfterMs).toBeLessThanOrEqual(24 * HOUR_MS);
    await second.close();
    const other = job('b'.repeat(64), 200_000);
    expect(await readAll(other)).toBe(4);
    await other.close();
  });

  it('is free again hour by hour', async () => {
    const meter = new VolumeMeter(db);
    const put = (hoursAgo: number, bytes: number) =>
      db.query(
        `INSERT INTO mailferry.read_volume (account, hour, bytes)
         VALUES ('c', date_trunc('hour', now()) - make_interval(hours => $1), $2)`,
        [hoursAgo, bytes],
      );
    await put(30, 5_000);
    await put(20, 700);
    await put(3, 800);
    expect(await meter.add('c', 100)).toBe(1_600);
    expect(await meter.add('c', 50)).toBe(1_650);
    const wait = await meter.freeIn('c', 1_000);
    expect(wait).toBeGreaterThan(3 * HOUR_MS - 1_000);
    expect(wait).toBeLessThanOrEqual(4 * HOUR_MS);
  });
});
