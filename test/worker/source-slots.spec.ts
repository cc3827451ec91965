import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { resolveOptions } from '../../src/plugin-options.js';
import type { ImapConnection } from '../../src/protocols/imap/connection.js';
import { openImap } from '../../src/protocols/imap/open.js';
import type { Permit } from '../../src/protocols/permit.js';
import { ImapPool } from '../../src/protocols/imap/pool.js';
import { DavSource } from '../../src/sources/dav/dav-source.js';
import type { EwsSource } from '../../src/sources/ews/ews-source.js';
import { BodyStaging } from '../../src/transfer/staging.js';
import { SourceSlots } from '../../src/worker/source-slots.js';
import { openDatabase, until, WorkPanel } from '../jobs/support.js';
import { freshDatabase, type TestDatabase } from '../servers/database.js';
import { oldProvider } from '../servers/dovecot.js';
import { POLICY } from '../contracts/closed-network.js';
import { collect, message } from '../contracts/messages.js';
import { card, event } from '../contracts/objects.js';
import { rawDavServer } from '../servers/raw-dav-server.js';
import { addMessage, folderAt } from '../servers/ews/fill.js';
import { startEws } from '../servers/ews/server.js';
import { PASSWORD, sourceOn } from '../sources/ews/ews-mailbox.js';

let database: TestDatabase;
let db: DataSource;
const workers: SourceSlots[] = [];
beforeAll(async () => {
  database = await freshDatabase();
  db = await openDatabase(database.url);
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.onApplicationShutdown();
  await db.query(`TRUNCATE mailferry.source_slots`);
});
afterAll(async () => {
  await db.destroy();
  await database.drop();
});

const signal = new AbortController().signal;
const place = (account = 'anna', most = 9) => ({ host: 'old.test', account, most });

/** Three worker processes' slots, on one database. */
function threeWorkers(hostLimit: number, ttlMs = 60_000): [SourceSlots, SourceSlots, SourceSlots] {
  const options = resolveOptions({
    panel: new WorkPanel(),
    databaseUrl: database.url,
    redis: { path: '/none' },
    keys: 'none',
    worker: { hostLimits: { 'old.test': hostLimit }, lease: { ttlMs, graceMs: 100, marginMs: 100 } },
  });
  const three = [1, 2, 3].map(() => new SourceSlots(db, options)) as [SourceSlots, SourceSlots, SourceSlots];
  workers.push(...three);
  return three;
}
const rows = async (): Promise<number> =>
  (await db.query<{ n: number }[]>(`SELECT count(*)::int AS n FROM mailferry.source_slots`))[0]!.n;

test('three workers together open no more to one server than it bears, and the next one goes on when one is closed', async () => {
  const three = threeWorkers(3);
  const open: Permit[] = [];
  const said: string[] = [];
  const asked = Array.from({ length: 9 }, (_, n) =>
    three[n % 3]!.permits(place(`account ${n}`), (text) => said.push(text))(true, signal).then((permit) => {
      open.push(permit!);
      return permit!;
    }),
  );
  await until(async () => said.length === 6);
  expect(open).toHaveLength(3);
  for (let closed = 0; closed < 9; closed++) {
    await until(async () => open.length > closed);
    expect(await rows()).toBeLessThanOrEqual(3);
    open[closed]!.release();
  }
  await Promise.all(asked);
  await until(async () => (await rows()) === 0);
});

test('an account has its own limit, and the last connection to a server is for somebody who has none', async () => {
  const [one, two] = threeWorkers(4);
  const mine = one.permits(place('anna', 2));
  expect(await mine(true, signal)).not.toBeNull();
  expect(await mine(false, signal)).not.toBeNull();
  expect(await two.permits(place('anna', 2))(false, signal)).toBeNull();
  const others = two.permits(place('berta'));
  expect(await others(true, signal)).not.toBeNull();
  expect(await others(false, signal)).toBeNull();
  expect(await two.permits(place('carla'))(true, signal)).not.toBeNull();
});

test('what a killed worker held comes back by itself', async () => {
  const [killed, other] = threeWorkers(1, 1_000);
  await killed.permits(place())(true, signal);
  killed.onApplicationShutdown();
  expect(await other.permits(place('berta'))(true, signal)).not.toBeNull();
});

test('a living worker keeps what it has, and learns when it was lost', async () => {
  const [one, two] = threeWorkers(1, 600);
  const permit = (await one.permits(place())(true, signal))!;
  await sleep(1_500);
  expect(permit.lost.aborted).toBe(false);
  expect(await two.permits(place('berta'))(false, signal)).toBeNull();
  await db.query(`DELETE FROM mailferry.source_slots`);
  await until(async () => permit.lost.aborted);
});

test('pools of three workers on real connections: all work gets done, and no more are open than may be', async () => {
  const account = oldProvider.account();
  const opened: ImapConnection[] = [];
  let most = 0;
  const pools = threeWorkers(3).map(
    (slots) =>
      new ImapPool(
        async (stop) => {
          const target = { host: '127.0.0.1', port: account.imapsPort, security: 'tls', ca: account.ca } as const;
          const policy = { allowPrivate: true, allowPlaintext: false, ports: 'any', deadlineMs: 20_000 } as const;
          const login = { kind: 'password', user: account.user, password: account.password } as const;
          const connection = await openImap(target, login, { policy }, stop);
          opened.push(connection);
          most = Math.max(most, opened.filter(({ closed }) => !closed).length);
          return connection;
        },
        4,
        slots.permits(place()),
      ),
  );
  let worked = 0;
  const work = async (pool: ImapPool): Promise<void> => {
    await pool.use(signal, async (connection) => {
      await connection.command('NOOP');
      worked++;
    });
  };
  await Promise.all(
    pools.map(async (pool) => {
      await Promise.all(Array.from({ length: 6 }, () => work(pool)));
      await pool.close();
    }),
  );
  expect(worked).toBe(18);
  expect(most).toBeLessThanOrEqual(3);
  await until(async () => (await rows()) === 0);
});

test('three migrations from one Exchange server ask no more at once than it bears, and all of them are read', async () => {
  const server = await startEws({ latencyMs: 10 });
  const sources = threeWorkers(3).map((slots, n) => {
    const address = `anna${n}@old.test`;
    const box = server.mailbox(address, PASSWORD);
    for (let m = 0; m < 40; m++) addMessage(box, folderAt(box, ['INBOX']), message(m));
    const login = async () => ({ kind: 'password', user: address, password: PASSWORD }) as const;
    return sourceOn(server, { owner: address, login, permit: slots.permits(place(address)) });
  });
  try {
    const read = await Promise.all(sources.map((source) => readInbox(source)));
    expect(read).toEqual([40, 40, 40]);
    expect(server.most()).toBeLessThanOrEqual(3);
    expect(server.most()).toBeGreaterThan(1);
    await until(async () => (await rows()) === 0);
  } finally {
    await server.close();
  }
});

test('three migrations from one server of calendars and contacts ask no more at once than it bears, and all of them are read', async () => {
  const collections = (['ics', 'vcf'] as const).map((kind) => ({
    name: kind,
    kind,
    objects: Array.from({ length: 15 }, (_, n) => (kind === 'ics' ? event(n) : card(n))),
  }));
  const server = await rawDavServer(collections, { latencyMs: 10 });
  const url = new URL(server.url);
  const sources = threeWorkers(3).map((slots, n) => {
    const login = async () => ({ kind: 'password', user: `anna${n}`, password: 'x' }) as const;
    const permit = slots.permits(place(`anna${n}`, 2));
    return new DavSource({ urls: { caldav: url, carddav: url }, login, policy: POLICY, owner: `anna${n}`, permit });
  });
  try {
    expect(await Promise.all(sources.map((source) => readAll(source)))).toEqual([30, 30, 30]);
    expect(server.most()).toBeLessThanOrEqual(3);
    expect(server.most()).toBeGreaterThan(1);
    await until(async () => (await rows()) === 0);
  } finally {
    await server.close();
  }
});

/** Everything in it, the source is closed. */
async function readAll(source: DavSource): Promise<number> {
  let read = 0;
  await source.connect(signal);
  const folders = await source.listFolders(signal);
  await Promise.all(
    folders.map(async (folder) => {
      const items = (await collect(source.scan(folder, null, signal))).flatMap((page) => page.items);
      for await (const outcome of source.read(folder, items, new BodyStaging(), signal))
        if (outcome.is === 'staged') read++;
    }),
  );
  await source.close();
  return read;
}

/** Messages of the inbox, the source is closed. */
async function readInbox(source: EwsSource): Promise<number> {
  const inbox = (await source.listFolders(signal)).find(({ path }) => path[0] === 'INBOX')!;
  const items = (await collect(source.scan(inbox, null, signal))).flatMap((page) => page.items);
  let read = 0;
  for await (const outcome of source.read(inbox, items, new BodyStaging(), signal)) if (outcome.is === 'staged') read++;
  await source.close();
  return read;
}
