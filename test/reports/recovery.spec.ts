import { JobsService } from '../../src/jobs/jobs.service.js';
import { ReportsService } from '../../src/reports/reports.service.js';
import { RecoveryFiles } from '../../src/worker/recovery-files.js';
import { event } from '../contracts/objects.js';
import { BOB, DORA, SAM } from '../fakes/fake-panel.js';
import { actor, alice, jobsRoom, newJob, type Room } from '../jobs/support.js';

let room: Room;
let reports: ReportsService;
let files: RecoveryFiles;
let job: string;
beforeAll(async () => {
  room = await jobsRoom({}, [ReportsService, RecoveryFiles]);
  reports = room.get(ReportsService);
  files = room.get(RecoveryFiles);
  job = (await room.get(JobsService).create(alice, newJob())).job.id;
});
afterAll(() => room.close());

async function* events(count: number, failing = false): AsyncIterable<Uint8Array> {
  for (let n = 0; n < count; n++) yield event(n, { size: 50_000, eightBit: true });
  if (failing) throw new Error('the server went away');
}

test('a file is kept in parts, handed out whole to the owner, and to nobody else', async () => {
  const kept = await files.keeperFor(job).keep({ kind: 'calendars', folder: 'Büro / "x"\r\n' }, events(40));
  expect(kept).toBe(40);
  const [file, ...more] = await reports.recovery(alice.visibility, job);
  expect(more).toEqual([]);
  expect(file).toMatchObject({ kind: 'calendars', items: 40 });
  expect(file!.name).toMatch(/^before-migration-\d{4}-\d\d-\d\d-Bu-ro-x\.ics$/);
  const content = (await reports.recoveryContent(alice.visibility, job, file!.id))!;
  const parts: Buffer[] = [];
  for await (const part of content.chunks) parts.push(part);
  const text = Buffer.concat(parts).toString();
  expect(parts.length).toBeGreaterThan(2);
  expect(Buffer.byteLength(text)).toBe(file!.bytes);
  expect(text.match(/^UID:event-\d+@/gm)).toHaveLength(40);
  expect(text.match(/END:VCALENDAR/g)).toHaveLength(1);
  expect(text).toContain('Grüße');
  for (const other of [BOB, DORA, SAM]) {
    const { visibility } = actor(other);
    expect(await reports.recovery(visibility, job)).toEqual([]);
    expect(await reports.recoveryContent(visibility, job, file!.id)).toBeNull();
  }
  expect(await reports.recoveryContent(alice.visibility, job, job)).toBeNull();
});

test('nothing is left of a file that could not be finished, or had nothing in it', async () => {
  const keeper = files.keeperFor(job);
  await expect(keeper.keep({ kind: 'calendars', folder: 'Half' }, events(9, true))).rejects.toThrow('went away');
  expect(await keeper.keep({ kind: 'contacts', folder: 'Nothing' }, events(0))).toBe(0);
  expect((await reports.recovery(alice.visibility, job)).map(({ folder }) => folder)).not.toContain('Half');
  const [{ n }] = await room.db.query(`SELECT count(*)::int AS n FROM mailferry.recovery_files`);
  expect(n).toBe(1);
});

test('it goes with its job', async () => {
  await room.db.query(`DELETE FROM mailferry.jobs WHERE id = $1`, [job]);
  const [{ n }] = await room.db.query(`SELECT count(*)::int AS n FROM mailferry.recovery_parts`);
  expect(n).toBe(0);
});
