import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ConnectionTestsService } from '../../src/jobs/connection-tests.service.js';
import type { Actor } from '../../src/jobs/contract.js';
import type { JobView } from '../../src/jobs/job.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { MAX_FILE_BYTES } from '../../src/jobs/upload-check.js';
import { Uploads } from '../../src/jobs/uploads.js';
import { ITEM_KINDS } from '../../src/mailbox/kinds.js';
import { ConnectionTester } from '../../src/worker/connection-tester.js';
import { ENDPOINT_PROVIDERS } from '../../src/worker/endpoint-providers.js';
import { Pruner } from '../../src/worker/pruner.js';
import { RunJob } from '../../src/worker/run-job.js';
import { WORKER_SERVICES } from '../../src/worker/worker.providers.js';
import { WorkerService } from '../../src/worker/worker.service.js';
import { dora, jobsRoom, type Room } from '../jobs/support.js';
import { type DavAccountOf, davServer, rawDav } from '../servers/dav.js';
import { stopPrivateServers } from '../servers/private.js';
import { WORKER } from './support.js';

let room: Room;
let mailbox: string;
let mailboxes = 0;
let dav: DavAccountOf;
const signal = new AbortController().signal;
const server = await davServer('radicale');

beforeAll(async () => {
  if (typeof server === 'string') throw new Error(server);
  room = await jobsRoom({ destinationTakes: ITEM_KINDS }, [
    ...WORKER_SERVICES.filter((service) => service !== WorkerService),
    ...ENDPOINT_PROVIDERS,
  ]);
});
beforeEach(async () => {
  if (typeof server === 'string') return;
  dav = await server.account();
  // The mail server is not asked: there is no mail to write.
  room.panel.openDestination = async () => ({
    grantId: 'g',
    expiresAt: new Date(Date.now() + 60_000),
    kind: 'user-secret',
    endpoint: { host: 'localhost', port: 1, security: 'tls' },
    login: dav.user,
    secret: { reveal: async () => dav.password },
    dav: { url: dav.url },
  });
  mailbox = `files${++mailboxes}@new.test`;
});
afterAll(async () => {
  await room.close();
  await stopPrivateServers();
});

async function* chunks(...parts: (string | Buffer)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part as string);
}
const component = (name: string, ...lines: string[]): string =>
  [`BEGIN:${name}`, ...lines, `END:${name}`, ''].join('\r\n');
const inCalendar = (...inner: string[]): string =>
  `BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n${inner.join('')}END:VCALENDAR\r\n`;
const event = (uid: string, ...lines: string[]): string =>
  component('VEVENT', `UID:${uid}`, 'DTSTART:20250110T090000Z', `SUMMARY:Event ${uid}`, ...lines);
const card = (uid: string): string =>
  component('VCARD', 'VERSION:3.0', `UID:${uid}`, `FN:Person ${uid}`, `N:Person;${uid};;;`);

async function draft(who: Actor = dora): Promise<JobView> {
  const { job } = await room.get(JobsService).create(who, {
    mailbox: mailbox,
    source: { type: 'files', host: '', port: 0, security: 'tls', username: '' },
    items: ['contacts', 'calendars', 'tasks'],
  });
  return job;
}
async function tested(job: string) {
  const tests = room.get(ConnectionTestsService);
  const id = await tests.request(dora, { job });
  await room.get(ConnectionTester).execute(id, signal);
  return (await tests.get(dora, id))!;
}
async function run(job: string): Promise<JobView> {
  const jobs = room.get(JobsService);
  await jobs.act(dora, job, 'start');
  await room.get(RunJob).execute(job, WORKER, signal);
  return (await jobs.get(dora.visibility, job))!;
}
const kept = async (): Promise<{ files: number; parts: number }> => {
  const [row] = await room.db.query<{ files: string; parts: string }[]>(
    `SELECT (SELECT count(*) FROM mailferry.uploaded_files) AS files, (SELECT count(*) FROM mailferry.uploaded_parts) AS parts`,
  );
  return { files: Number(row!.files), parts: Number(row!.parts) };
};
async function arrived(home: string): Promise<Map<string, string[]>> {
  const raw = rawDav(dav);
  const found = new Map<string, string[]>();
  for (const [name, url] of await raw.collections(home))
    found.set(
      name,
      (await raw.contents(url)).map(({ body }) => body),
    );
  return found;
}

test('files are uploaded in parts, tested, copied into calendars and address books of their names, and erased', async () => {
  const uploads = room.get(Uploads);
  const { id } = await draft();
  const attached = `ATTACH;ENCODING=BASE64;VALUE=BINARY:${'QUJD'.repeat(200_000)}`;
  const events = Array.from({ length: 40 }, (_, n) => event(`e${n}`));
  const calendar = inCalendar(...events, event('big', attached), component('VTODO', 'UID:t', 'SUMMARY:Pay'));
  await uploads.add(dora, id, 'Work.ics', chunks(...calendar.match(/[\s\S]{1,70000}/g)!));
  await uploads.add(dora, id, 'C:\\Users\\dora\\people.vcf', chunks(card('a'), card('b')));
  const { source } = (await room.get(JobsService).get(dora.visibility, id))!;
  expect(source.files).toMatchObject([{ name: 'Work.ics' }, { name: 'people.vcf' }]);
  expect((await kept()).parts).toBeGreaterThan(3);
  const [part] = await room.db.query<{ bytes: Buffer }[]>(
    `SELECT bytes FROM mailferry.uploaded_parts WHERE n = 0 LIMIT 1`,
  );
  expect(part!.bytes.includes('BEGIN')).toBe(false);

  const test = await tested(id);
  expect(test).toMatchObject({ ok: true, totals: { items: 44 } });
  expect(test.folders.map(({ path, kind, items }) => [path, kind, items])).toEqual([
    ['people', 'contacts', 2],
    ['Work', 'calendars', 41],
    ['Work', 'tasks', 1],
  ]);
  expect(await run(id)).toMatchObject({
    state: 'completed',
    outcome: 'complete',
    progress: { found: 44, copied: 44, skipped: 0, failed: 0 },
  });
  expect((await arrived(dav.contacts)).get('people')).toHaveLength(2);
  expect((await arrived(dav.calendars)).get('Work')).toHaveLength(42);
  expect(await kept()).toEqual({ files: 0, parts: 0 });
}, 120_000);

test('a later edition of the files adds what is new, and nothing twice', async () => {
  const uploads = room.get(Uploads);
  const first = await draft();
  await uploads.add(dora, first.id, 'home.ics', chunks(inCalendar(event('1'), event('2'))));
  expect((await run(first.id)).progress).toMatchObject({ copied: 2 });
  const later = await draft();
  await uploads.add(dora, later.id, 'HOME.ics', chunks(inCalendar(event('3'), event('2'), event('1'))));
  expect((await run(later.id)).progress).toMatchObject({ found: 3, copied: 1, alreadyThere: 2, failed: 0 });
  expect([...(await arrived(dav.calendars)).values()].flat()).toHaveLength(3);
}, 120_000);

describe('what is no good', () => {
  const refusals: [string, (string | Buffer)[], string][] = [
    ['an empty file', [], 'FILE_EMPTY'],
    ['blanks', ['\r\n \r\n'], 'FILE_EMPTY'],
    ['a zip', [Buffer.from('504b030414000000', 'hex'), Buffer.alloc(100_000)], 'FILE_IS_ARCHIVE'],
    ['a gzip', [Buffer.from('1f8b0800', 'hex'), Buffer.alloc(10)], 'FILE_IS_ARCHIVE'],
    ['a page', ['<!DOCTYPE html>\n<html><body>BEGIN:VCALENDAR of sorts</body></html>'], 'FILE_NOT_CALENDAR'],
    ['text', ['Name,Email\nAnna,anna@x.test\n'], 'FILE_NOT_CALENDAR'],
  ];
  test.each(refusals)('%s is refused, and nothing of it is kept', async (_what, parts, code) => {
    const { id } = await draft();
    await expect(room.get(Uploads).add(dora, id, 'x.ics', chunks(...parts))).rejects.toMatchObject({ code });
    const left = await room.db.query(`SELECT 1 FROM mailferry.uploaded_files WHERE job = $1`, [id]);
    expect(left).toEqual([]);
    await expect(room.get(JobsService).act(dora, id, 'start')).rejects.toMatchObject({ code: 'FILES_MISSING' });
  });

  test('a file that does not end is refused at its limit, and is never in memory as a whole', async () => {
    const { id } = await draft();
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    collect();
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    let sent = 0;
    const endless = (async function* () {
      yield Buffer.from('BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDESCRIPTION:');
      for (; sent < 4 * MAX_FILE_BYTES; sent += 1024 * 1024) {
        if (sent % (8 * 1024 * 1024) === 0) collect();
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        yield Buffer.alloc(1024 * 1024, 'x');
      }
    })();
    await expect(room.get(Uploads).add(dora, id, 'x.ics', endless)).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' });
    expect(sent).toBeLessThanOrEqual(MAX_FILE_BYTES + 1024 * 1024);
    expect(most).toBeLessThan(48 * 1024 * 1024);
    expect(await room.db.query(`SELECT 1 FROM mailferry.uploaded_files WHERE job = $1`, [id])).toEqual([]);
  }, 120_000);

  test('an upload that broke off with its process is swept up', async () => {
    const { id } = await draft();
    await room.db.query(
      `INSERT INTO mailferry.uploaded_files (id, tenant, mailbox, job, bytes, created_at)
       VALUES (gen_random_uuid(), 't1', $2, $1, 5, now() - interval '2 hours')`,
      [id, mailbox],
    );
    await room.get(Pruner).prune();
    expect(await room.db.query(`SELECT 1 FROM mailferry.uploaded_files WHERE job = $1`, [id])).toEqual([]);
  });

  test('a calendar of odd entries arrives, or is reported with its reason', async () => {
    const { id } = await draft();
    const guests = Array.from({ length: 5_000 }, (_, n) => `ATTENDEE;CN=Guest ${n}:mailto:g${n}@x.test`);
    const latin = Buffer.from(inCalendar(event('latin', 'LOCATION:München')), 'latin1');
    const wide = Buffer.concat([
      Buffer.from([0xff, 0xfe]),
      Buffer.from(inCalendar(event('wide', 'LOCATION:Köln')), 'utf16le'),
    ]);
    const huge = event('huge', `DESCRIPTION:${'x'.repeat(34 * 1024 * 1024)}`);
    const odd = [event('guests', ...guests), event('each-second', 'RRULE:FREQ=SECONDLY'), huge, event('plain')];
    const uploads = room.get(Uploads);
    await uploads.add(dora, id, 'latin.txt', chunks(latin));
    await uploads.add(dora, id, 'wide.vcs', chunks(wide));
    await uploads.add(dora, id, 'odd.ics', chunks(...inCalendar(...odd).match(/[\s\S]{1,1000000}/g)!));
    expect(await tested(id)).toMatchObject({ ok: true, totals: { items: 6 } });
    const { progress, outcome } = await run(id);
    expect(progress.found).toBe(6);
    expect(progress.copied + progress.failed + progress.skipped).toBe(6);
    expect(progress.copied).toBeGreaterThanOrEqual(4);
    expect(outcome).toBe('incomplete');
    const all = [...(await arrived(dav.calendars)).values()].flat().join('');
    for (const words of ['München', 'Köln', 'Event plain', 'Event guests']) expect(all).toContain(words);
    const refused = await room.db.query<{ code: string }[]>(`SELECT code FROM mailferry.refusals`);
    expect(refused.map(({ code }) => code)).toContain('OBJECT_TOO_LARGE');
  }, 240_000);

  test('there is room for so many files of one mailbox, and a removed one makes room', async () => {
    const uploads = room.get(Uploads);
    const { id } = await draft();
    for (let n = 0; n < 10; n++) await uploads.add(dora, id, `${n}.vcf`, chunks(card(`c${n}`)));
    await expect(uploads.add(dora, id, '10.vcf', chunks(card('x')))).rejects.toMatchObject({ code: 'TOO_MANY_FILES' });
    await uploads.add(dora, id, '9.vcf', chunks(card('other')));
    const { source } = (await room.get(JobsService).get(dora.visibility, id))!;
    expect(source.files).toHaveLength(10);
    await uploads.remove(dora, id, source.files![0]!.id);
    await uploads.add(dora, id, '10.vcf', chunks(card('x')));
    await room.db.query(`UPDATE mailferry.uploaded_files SET bytes = $2 WHERE job = $1`, [id, MAX_FILE_BYTES]);
    const another = await draft();
    await expect(uploads.add(dora, another.id, 'a.vcf', chunks(card('a')))).rejects.toMatchObject({
      code: 'UPLOADS_FULL',
    });
    await room.get(JobsService).act(dora, id, 'cancel');
    await uploads.add(dora, another.id, 'a.vcf', chunks(card('a')));
  }, 120_000);

  test('files whose time is over say so, and another kind of source takes them away', async () => {
    const uploads = room.get(Uploads);
    const jobs = room.get(JobsService);
    const { id } = await draft();
    await uploads.add(dora, id, 'a.vcf', chunks(card('a')));
    await room.db.query(`UPDATE mailferry.credentials SET expires_at = now() - interval '1 minute' WHERE owner = $1`, [
      id,
    ]);
    await expect(jobs.act(dora, id, 'start')).rejects.toMatchObject({ code: 'FILES_GONE' });
    await room.get(Pruner).prune();
    expect(await room.db.query(`SELECT 1 FROM mailferry.uploaded_files WHERE job = $1`, [id])).toEqual([]);
    const other = await draft();
    await uploads.add(dora, other.id, 'a.vcf', chunks(card('a')));
    await jobs.patch(dora, other.id, {
      source: { type: 'imap', host: 'imap.old.test', port: 993, security: 'tls', username: 'x' },
    });
    expect(await room.db.query(`SELECT 1 FROM mailferry.uploaded_files WHERE job = $1`, [other.id])).toEqual([]);
    await expect(uploads.add(dora, other.id, 'a.vcf', chunks(card('a')))).rejects.toMatchObject({ code: 'VALIDATION' });
  }, 120_000);
});
