import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { csvLine } from '../../src/reports/csv.js';
import { ReportsService } from '../../src/reports/reports.service.js';
import { BOB } from '../fakes/fake-panel.js';
import { actor, alice, jobsRoom, newJob, type Room } from '../jobs/support.js';

let room: Room;
let reports: ReportsService;
let job: string;
let folder: string;
beforeAll(async () => {
  room = await jobsRoom({}, [ReportsService]);
  reports = room.get(ReportsService);
  job = (await room.get(JobsService).create(alice, newJob())).job.id;
  const [mailbox] = await room.db.query(
    `INSERT INTO mailferry.dest_mailboxes (tenant, address) VALUES ('t1', 'alice@new.test') RETURNING id`,
  );
  const [link] = await room.db.query(
    `INSERT INTO mailferry.links (dest_mailbox, source_kind, account_hash) VALUES ($1, 'imap', 'x') RETURNING id`,
    [mailbox.id],
  );
  const [row] = await room.db.query(
    `INSERT INTO mailferry.folders (link, source_id, path, kind, key_scope, selectable, subscribed)
     VALUES ($1, 'INBOX', ARRAY['INBOX', '<b>"x"'], 'mail', 'folder', true, true) RETURNING id`,
    [link.id],
  );
  folder = row.id;
  await room.db.query(
    `INSERT INTO mailferry.job_folders (job, folder, found, copied, already_there, skipped, failed)
     VALUES ($1, $2, 5005, 3, 0, 2, 5000)`,
    [job, folder],
  );
});
afterAll(() => room.close());

const refuse = (subject: string, outcome = 'failed', message = 'It was refused.'): Promise<unknown> =>
  room.db.query(
    `INSERT INTO mailferry.refusals (job, folder, key, outcome, code, message, subject, date, size)
     VALUES ($1, $2, $3, $4, 'SERVER_REFUSED', $5, $6, '2026-01-02T03:04:05Z', 42)`,
    [job, folder, randomBytes(12), outcome, message, subject],
  );

async function* cells(text: AsyncIterable<string>): AsyncIterable<string[]> {
  let all = '';
  for await (const part of text) all += part;
  for (const line of all.split('\r\n').slice(0, -1))
    yield [...`${line},`.matchAll(/("(?:[^"]|"")*"|[^,]*),/g)].map(([, cell]) =>
      cell!.replace(/^"|"$/g, '').replaceAll('""', '"'),
    );
}

test('counts have no remainder, and a change is said in plain words', async () => {
  await refuse('first', 'skipped', '');
  await room.db.query(
    `INSERT INTO mailferry.remarks (job, folder, code, detail, items) VALUES ($1, $2, 'DATE_CHANGED', '', 7), ($1, NULL, 'NEW_CODE', 'why', 1)`,
    [job, folder],
  );
  const report = (await reports.report(alice.visibility, job))!;
  const { found, copied, alreadyThere, skipped, failed } = report.counts;
  expect(found).toBe(copied + alreadyThere + skipped + failed);
  expect(report.items).toMatchObject([
    { folder: 'INBOX/<b>"x"', subject: 'first', outcome: 'skipped', date: '2026-01-02T03:04:05.000Z', size: 42 },
  ]);
  expect(report.items[0]!.message).not.toBe('');
  expect(report.changes.map(({ items }) => items)).toEqual([1, 7]);
  expect(report.changes.map(({ message }) => message)).toEqual([
    'Changed on the way (NEW_CODE): why',
    'The new server shows another date of arrival.',
  ]);
});

test('somebody else’s report does not exist', async () => {
  const { visibility } = actor(BOB);
  expect(await reports.report(visibility, job)).toBeNull();
  expect(await reports.items(visibility, job, { page: 1, perPage: 1 })).toBeNull();
  expect(await reports.csv(visibility, job)).toBeNull();
});

test('the CSV has every line, page after page, and the report the first thousand', async () => {
  await room.db.query(
    `INSERT INTO mailferry.refusals (job, folder, key, outcome, code, message, subject)
     SELECT $1, $2, decode(lpad(to_hex(n), 8, '0'), 'hex'), 'failed', 'X', 'no', 'many ' || n FROM generate_series(1, 4999) n`,
    [job, folder],
  );
  const subjects = new Set<string>();
  let lines = -1;
  for await (const line of cells((await reports.csv(alice.visibility, job))!)) {
    lines++;
    subjects.add(line[2]!);
    expect(line).toHaveLength(8);
  }
  expect(lines).toBe(5_000);
  expect(subjects.size).toBe(5_001);
  expect((await reports.report(alice.visibility, job))!.items).toHaveLength(1_000);
  const page = (await reports.items(alice.visibility, job, { outcome: 'failed', page: 50, perPage: 100 }))!;
  expect(page).toMatchObject({ total: 4_999 });
  expect(page.items).toHaveLength(99);
});

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '\u00a0=1', '＝1', '\ufeff=1', '\n=1'])(
  'a cell that a spreadsheet would run is text: %j',
  (cell) => {
    expect(csvLine([cell])).toMatch(/^"?'/);
  },
);

test('whatever is in a cell, a line stays one line of as many cells', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 8 }), (texts) => {
      const line = csvLine(texts);
      expect(line.endsWith('\r\n')).toBe(true);
      const bare = line.slice(0, -2).replace(/"(?:[^"]|"")*"/g, 'q');
      expect(bare).not.toMatch(/[\r\n"]/);
      expect(bare.split(',')).toHaveLength(texts.length);
    }),
  );
});
