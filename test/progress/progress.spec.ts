import { firstValueFrom, Subject, toArray } from 'rxjs';
import { JobsService } from '../../src/jobs/jobs.service.js';
import type { FolderId } from '../../src/mailbox/folder.js';
import type { JobEventMessage } from '../../src/progress/contract.js';
import { Pace } from '../../src/progress/pace.js';
import { newestOnly, ProgressReader } from '../../src/progress/progress-reader.js';
import { ProgressRecorder } from '../../src/progress/recorder.js';
import { BOB } from '../fakes/fake-panel.js';
import { actor, alice, CANARY, jobsRoom, newJob, type Room, until } from '../jobs/support.js';
import { Scrubber } from '../../src/worker/scrubber.js';

let room: Room;
let jobs: JobsService;
beforeAll(async () => {
  room = await jobsRoom({}, [ProgressReader]);
  jobs = room.get(JobsService);
});
beforeEach(() => room.clear());
afterAll(() => room.close());

const started = async (): Promise<string> => (await jobs.create(alice, newJob({ start: true }))).job.id;
const touch = (id: string, set: string): Promise<unknown> =>
  room.db.query(`UPDATE mailferry.jobs SET ${set}, version = version + 1 WHERE id = $1`, [id]);

describe('watching', () => {
  test('a snapshot first, then what changes, and the end when it is over', async () => {
    const id = await started();
    const seen: JobEventMessage[] = [];
    let over = false;
    (await room.get(ProgressReader).watch(alice.visibility, id))!.subscribe({
      next: (message) => seen.push(message),
      complete: () => (over = true),
    });
    await until(async () => seen.length === 1);
    await touch(id, 'copied = 7');
    await until(async () => seen.length === 2);
    await touch(id, `state = 'paused'`);
    await until(async () => seen.length === 3);
    await jobs.act(alice, id, 'cancel');
    await until(async () => over);
    expect(seen.map(({ type }) => type)).toEqual(['snapshot', 'progress', 'state', 'state', 'end']);
    expect(seen[1]!.job.progress.copied).toBe(7);
    const versions = seen.map(({ job }) => job.version);
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
  });

  test('what is over already is a snapshot and the end; what is not visible is nothing', async () => {
    const id = await started();
    await jobs.act(alice, id, 'cancel');
    const messages = await firstValueFrom(
      (await room.get(ProgressReader).watch(alice.visibility, id))!.pipe(toArray()),
    );
    expect(messages.map(({ type }) => type)).toEqual(['snapshot', 'end']);
    expect(await room.get(ProgressReader).watch(actor(BOB).visibility, id)).toBeNull();
  });

  test('a hundred watchers of one job ask the database once', async () => {
    const id = await started();
    const reader = room.get(ProgressReader);
    const closed: { unsubscribe(): void }[] = [];
    let snapshots = 0;
    for (let i = 0; i < 100; i++) closed.push((await reader.watch(alice.visibility, id))!.subscribe(() => snapshots++));
    await until(async () => snapshots === 100);
    const query = room.db.query.bind(room.db);
    let asked = 0;
    room.db.query = ((sql: string, ...rest: []) => {
      if (/SELECT id, version/.test(sql)) asked++;
      return query(sql, ...rest);
    }) as typeof room.db.query;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    room.db.query = query;
    for (const one of closed) one.unsubscribe();
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(3);
  });

  test('a slow reader gets the newest state and no backlog', async () => {
    const source = new Subject<number>();
    const got: number[] = [];
    let drained = (): void => undefined;
    source.pipe(newestOnly(() => new Promise((resolve) => (drained = resolve)))).subscribe((n) => got.push(n));
    for (const n of [1, 2, 3, 4]) source.next(n);
    expect(got).toEqual([1]);
    drained();
    await until(async () => got.length === 2);
    expect(got).toEqual([1, 4]);
  });
});

describe('recording', () => {
  const run = async (id: string): Promise<string> =>
    (await room.db.query(`INSERT INTO mailferry.runs (job, kind) VALUES ($1, 'first') RETURNING id`, [id]))[0].id;
  const counts = { found: 100, copied: 10, alreadyThere: 0, skipped: 0, failed: 0, bytes: 10, totalBytes: 100 };

  test('a text that is cut in the middle of a character is kept all the same', async () => {
    const id = await started();
    const recorder = new ProgressRecorder(room.db, id, await run(id), new Scrubber());
    recorder.log('warn', 'cut', { serverText: `x${'😀'.repeat(2_000)}` });
    await recorder.stop();
    expect(await jobs.log(alice.visibility, id)).toEqual([expect.objectContaining({ message: 'cut' })]);
  });

  test('lines are one line, bounded in number, and without secrets', async () => {
    const id = await started();
    const scrubber = new Scrubber();
    scrubber.add(CANARY, 'alice');
    const recorder = new ProgressRecorder(room.db, id, await run(id), scrubber);
    recorder.log('warn', `two\r\nlines of ${CANARY}\u001b[31m`, {
      text: [`x ${CANARY}`, { deep: '\u0000' }],
      n: 1n as never,
    });
    for (let i = 0; i < 1_000; i++) recorder.log('info', `line ${i}`);
    await recorder.stop();
    const lines = (await jobs.log(alice.visibility, id))!;
    expect(lines[0]).toMatchObject({ level: 'warn', message: 'two lines of ••••[31m'.replace('[', ' [') });
    expect(lines.length).toBeLessThanOrEqual(201);
    expect(lines.at(-1)!.message).toMatch(/more lines were left out/);
    expect(JSON.stringify(lines)).not.toContain(CANARY);
  });

  test('rate and time left are written while it runs, and not after', async () => {
    const id = await started();
    await touch(id, `state = 'running'`);
    const recorder = new ProgressRecorder(room.db, id, await run(id), new Scrubber()).start();
    let copied = 0;
    const timer = setInterval(() => {
      recorder.moved(1_000);
      recorder.counted('1' as FolderId, { ...counts, copied: copied++ });
    }, 100);
    const job = await until(async () => {
      const now = (await jobs.get(alice.visibility, id))!;
      return now.progress.etaSeconds !== null && now;
    });
    expect(job.progress.rate).toBeGreaterThan(0);
    await touch(id, `state = 'paused', rate = NULL, eta_seconds = NULL`);
    const { version } = (await jobs.get(alice.visibility, id))!;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    clearInterval(timer);
    await recorder.stop();
    expect(await jobs.get(alice.visibility, id)).toMatchObject({ version, progress: { rate: null, etaSeconds: null } });
  });

  test('a database that is away costs lines, never the run', async () => {
    const broken = { query: () => Promise.reject(new Error('away')) };
    const recorder = new ProgressRecorder(broken as never, 'j', 'r', new Scrubber()).start();
    recorder.log('info', 'x');
    recorder.counted('1' as FolderId, counts);
    await recorder.stop();
  });
});

test('the forecast: nothing from too little, steady from steady work, zero at the end', () => {
  const pace = new Pace();
  const at = (done: number) => ({ found: 1_000, done, expected: 1_000, totalBytes: 1_000_000 });
  pace.tick(1, 1_000, 0);
  expect(pace.eta(at(0))).toBeNull();
  for (let second = 1; second <= 60; second++) pace.tick(1, 10_000, second * 10);
  expect(pace.rate).toBeGreaterThan(9_000);
  const eta = pace.eta(at(600))!;
  expect(eta).toBeGreaterThan(30);
  expect(eta).toBeLessThan(60);
  expect(pace.eta(at(1_000))).toBe(0);
});
