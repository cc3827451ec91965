import { JobsService } from '../../src/jobs/jobs.service.js';
import { ProtocolLog } from '../../src/worker/protocol-log.js';
import { Scrubber } from '../../src/worker/scrubber.js';
import { alice, CANARY, jobsRoom, newJob, type Room } from '../jobs/support.js';

let room: Room;
beforeAll(async () => {
  room = await jobsRoom();
});
beforeEach(() => room.clear());
afterAll(() => room.close());

async function run(job: string): Promise<string> {
  const [made] = await room.db.query<{ id: string }[]>(
    `INSERT INTO mailferry.runs (job, kind, state) VALUES ($1, 'first', 'failed') RETURNING id`,
    [job],
  );
  return made!.id;
}
const kept = (job: string): Promise<{ run: string; source: string | null; destination: string | null }[]> =>
  room.db.query(`SELECT run, source, destination FROM mailferry.protocol_logs WHERE job = $1 ORDER BY at`, [job]);

test('however much was said, the beginning and the end are kept, without a secret in any spelling', async () => {
  const { job } = await room.get(JobsService).create(alice, newJob());
  const scrubber = new Scrubber();
  scrubber.add(CANARY, 'alice');
  const log = new ProtocolLog(room.db, job.id, await run(job.id), scrubber);
  const say = log.source.connection();
  const spellings = [CANARY, Buffer.from(`\0alice\0${CANARY}`).toString('base64'), encodeURIComponent(CANARY)];
  for (const spelling of spellings) say(`< F1 NO wrong: ${spelling} \u001b[31m\r\nF2 OK`);
  for (let i = 0; i < 50_000; i++) say(`> F${i} UID FETCH ${i} ${'x'.repeat(1_000)}`);
  say('- ended: the end');
  await log.keep();
  const [only] = await kept(job.id);
  const source = only!.source!;
  expect(only!.destination).toBeNull();
  expect(source.length).toBeLessThan(70_000);
  expect(source).toMatch(/^\S+ #1 < F1 NO wrong: •+/);
  expect(source).toMatch(/- ended: the end$/);
  expect(source).toMatch(/\d{5} lines left out/);
  for (const spelling of spellings) expect(source).not.toContain(spelling.replace(/=+$/, ''));
  expect(source).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
});

test('the logs of the last five runs of a migration are kept, and one run has one', async () => {
  const { job } = await room.get(JobsService).create(alice, newJob());
  const runs: string[] = [];
  for (let i = 0; i < 7; i++) {
    runs.push(await run(job.id));
    const log = new ProtocolLog(room.db, job.id, runs[i]!, new Scrubber());
    log.destination.connection()(`run ${i}`);
    await log.keep();
    await log.keep();
  }
  expect((await kept(job.id)).map((row) => row.run)).toEqual(runs.slice(2));
});

test('a database that is away costs the log, and nothing else', async () => {
  const { job } = await room.get(JobsService).create(alice, newJob());
  const log = new ProtocolLog(room.db, job.id, 'no run', new Scrubber());
  log.source.connection()('hello');
  await expect(log.keep()).resolves.toBeUndefined();
});
