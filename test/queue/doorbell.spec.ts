import { getQueueToken } from '@nestjs/bull';
import { Test, type TestingModule } from '@nestjs/testing';
import type Bull from 'bull';
import { Doorbell } from '../../src/queue/doorbell.js';
import { QUEUE_PREFIX, type Ring, RUNS_QUEUE, TESTS_QUEUE } from '../../src/queue/names.js';
import { QueueModule, redisOptions, type RedisPlace } from '../../src/queue/queue.module.js';
import { until } from '../jobs/support.js';
import { privateRedis, stopPrivateServers } from '../servers/private.js';

const open: TestingModule[] = [];
async function module(place: RedisPlace): Promise<TestingModule> {
  const made = await Test.createTestingModule({
    imports: [QueueModule.registerAsync({ inject: [], useFactory: () => place })],
  })
    .setLogger(false as never)
    .compile();
  await made.init();
  open.push(made);
  return made;
}
afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});
afterAll(stopPrivateServers);

const placeOf = (redis: { path: string }): RedisPlace => ({ path: redis.path });

test('a ring is an id and nothing else, and doubles are one', async () => {
  const made = await module(placeOf(await privateRedis()));
  const bell = made.get(Doorbell);
  const queue = made.get<Bull.Queue<Ring>>(getQueueToken(RUNS_QUEUE));
  expect(await Promise.all([bell.ringRun('j1', '1'), bell.ringRun('j1', '1'), bell.ringRun('j1', '2')])).toEqual([
    true,
    true,
    true,
  ]);
  expect(await bell.ringTest('t1')).toBe(true);
  const waiting = await queue.getWaiting();
  expect(waiting.map(({ data }) => data)).toEqual([{ id: 'j1' }, { id: 'j1' }]);
  expect(await bell.waiting()).toEqual({ runs: 2, tests: 1 });
  const keys = await queue.client.keys('*');
  expect(keys.every((key) => key.startsWith(QUEUE_PREFIX))).toBe(true);
});

test('what was taken leaves nothing in Redis, whether it went well or not', async () => {
  const made = await module(placeOf(await privateRedis()));
  const bell = made.get(Doorbell);
  const queue = made.get<Bull.Queue<Ring>>(getQueueToken(TESTS_QUEUE));
  const taken: string[] = [];
  void queue.process(2, async ({ data }: Bull.Job<Ring>) => {
    taken.push(data.id);
    if (data.id === 'bad') throw new Error('no');
  });
  await bell.ringTest('good');
  await bell.ringTest('bad');
  await until(async () => taken.length === 2 && (await queue.getJobCounts()));
  const counts = await until(async () => {
    const now = await queue.getJobCounts();
    return now.active === 0 && now;
  });
  expect(counts).toMatchObject({ waiting: 0, active: 0, completed: 0, failed: 0 });
  await bell.ringTest('good');
  await until(async () => taken.length === 3);
});

test('without Redis nothing fails and nobody waits; when it is back, rings go through', async () => {
  const redis = await privateRedis(true);
  await redis.kill();
  const made = await module(placeOf(redis));
  const bell = made.get(Doorbell);
  for (let i = 0; i < 5; i++) expect(await bell.ringRun('j', String(i))).toBe(false);
  expect(await bell.isUp()).toBe(false);
  expect(await bell.waiting()).toBeNull();
  await redis.restart();
  await until(() => bell.isUp());
  expect(await bell.ringRun('j', 'x')).toBe(true);
  await redis.kill();
  await until(async () => !(await bell.isUp()));
  expect(await bell.ringRun('j', 'y')).toBe(false);
  await redis.restart();
  await until(() => bell.ringRun('j', 'z'));
});

test('the process can end while Redis is away', async () => {
  const redis = await privateRedis();
  const made = await module(placeOf(redis));
  expect(await made.get(Doorbell).ringRun('j', '1')).toBe(true);
  await redis.kill();
  await open.pop()!.close();
});

test.each([
  ['redis://u%40x:p%2Fw@h:7000/3', { host: 'h', port: 7000, db: 3, username: 'u@x', password: 'p/w' }],
  ['redis://[::1]', { host: '::1', port: 6379, db: 0 }],
  ['rediss://h', { host: 'h', tls: {} }],
])('a Redis address is understood: %s', (url, means) => {
  expect(redisOptions({ url })).toMatchObject(means);
});
