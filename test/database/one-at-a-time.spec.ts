import { DataSource } from 'typeorm';
import { LOCKS } from '../../src/database/locks.js';
import { oneAtATime } from '../../src/database/one-at-a-time.js';
import { freshDatabase, type TestDatabase } from '../servers/database.js';

let database: TestDatabase;
let db: DataSource;
beforeAll(async () => {
  database = await freshDatabase();
  db = await new DataSource({ type: 'postgres', url: database.url }).initialize();
});
afterAll(async () => {
  await db?.destroy();
  await database?.drop();
});

test('every kind of work has a number of its own', () => {
  expect(new Set(Object.values(LOCKS)).size).toBe(Object.keys(LOCKS).length);
});

test('one does it, another is told so, a third does it later, also after the first failed', async () => {
  let end = (): void => undefined;
  const begun = new Promise<void>((resolve) => (end = resolve));
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const first = oneAtATime(db, LOCKS.sweep, async () => {
    end();
    await gate;
    throw new Error('it went wrong');
  });
  await begun;
  expect(await oneAtATime(db, LOCKS.sweep, async () => fail())).toBe(false);
  expect(await oneAtATime(db, LOCKS.batches, async () => undefined)).toBe(true);
  go();
  await expect(first).rejects.toThrow('it went wrong');
  expect(await oneAtATime(db, LOCKS.sweep, async () => undefined)).toBe(true);
});

test('Postgres takes the lock back from whoever holds it without a word', async () => {
  const impatient = await new DataSource({
    type: 'postgres',
    url: database.url,
    extra: { idle_in_transaction_session_timeout: 300 },
  }).initialize();
  try {
    let go = (): void => undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    let began = (): void => undefined;
    const begun = new Promise<void>((resolve) => (began = resolve));
    const silent = oneAtATime(impatient, LOCKS.sweep, () => {
      began();
      return gate;
    });
    await begun;
    while (!(await oneAtATime(db, LOCKS.sweep, async () => undefined)))
      await new Promise((done) => setTimeout(done, 50));
    go();
    // What it did stays done, and the process lives.
    expect(await silent).toBe(true);
  } finally {
    await impatient.destroy();
  }
});

function fail(): never {
  throw new Error('nobody should be here');
}
