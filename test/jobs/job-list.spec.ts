import { JobsService } from '../../src/jobs/jobs.service.js';
import type { JobQuery } from '../../src/jobs/contract.js';
import { JOB_SORTS } from '../../src/jobs/contract.js';
import { TENANT } from '../fakes/fake-panel.js';
import { alice, jobsRoom, refusal, sam, type Room } from './support.js';

const PER_PAGE = 7;
const N = 60;

let room: Room;
let jobs: JobsService;
beforeAll(async () => {
  room = await jobsRoom();
  jobs = room.get(JobsService);
  // Many rows share their moment and their number of failed items: the id must keep them apart.
  await room.db.query(
    `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, state, outcome, reason, source, failed, created_at, changed_at)
     SELECT $1, 'new.test', 'user' || (i % 9) || '@new.test', 'alice',
       (ARRAY['failed', 'running', 'completed', 'completed'])[1 + i % 4], CASE i % 4 WHEN 2 THEN 'complete' WHEN 3 THEN 'incomplete' END,
       CASE WHEN i % 4 = 0 THEN '{"code": "AUTH_FAILED", "message": "no"}'::jsonb END,
       jsonb_build_object('type', 'imap', 'host', 'IMAP' || (i % 3) || '.old.test', 'username', 'U%_' || i), i % 5,
       now() - make_interval(days => i / 6), now() - make_interval(hours => i / 4)
     FROM generate_series(0, $2::int - 1) i`,
    [TENANT, N],
  );
  await room.db.query(
    `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner, state) VALUES ('t2', 'new.test', 'user1@new.test', 'x', 'failed')`,
  );
});
afterAll(() => room.close());

const list = (query: Partial<JobQuery>) => jobs.list(sam.visibility, { page: 1, perPage: PER_PAGE, ...query });

/** Goes through a list forwards, or backwards from its end. */
async function walk(query: Partial<JobQuery>): Promise<{ there: string[]; back: string[] }> {
  const there: string[] = [];
  const back: string[] = [];
  let page = await list(query);
  for (;;) {
    there.push(...page.jobs.map(({ id }) => id));
    if (page.next === null) break;
    page = await list({ ...query, after: page.next });
  }
  for (;;) {
    back.unshift(...page.jobs.map(({ id }) => id));
    if (page.previous === null) return { there, back };
    page = await list({ ...query, before: page.previous });
  }
}

describe('a list of migrations', () => {
  test.each(JOB_SORTS)('in the order %s has every row once, there and back again', async (sort) => {
    const all = await list({ sort, perPage: N });
    const { there, back } = await walk({ sort });
    expect(new Set(there).size).toBe(N);
    expect(there).toEqual(all.jobs.map(({ id }) => id));
    expect(back).toEqual(there);
  });

  test('a row that is added at the front moves no page that follows', async () => {
    const first = await list({});
    const before = await list({ after: first.next! });
    const [{ id }] = await room.db.query<[{ id: string }]>(
      `INSERT INTO mailferry.jobs (tenant, domain, mailbox, owner) VALUES ($1, 'new.test', 'late@new.test', 'a') RETURNING id`,
      [TENANT],
    );
    expect(await list({ after: first.next! })).toEqual({ ...before, total: before.total + 1 });
    await room.db.query(`DELETE FROM mailferry.jobs WHERE id = $1`, [id]);
  });

  test.each<[string, Partial<JobQuery>, number]>([
    ['state', { state: ['failed'] }, 15],
    ['two states', { state: ['failed', 'running'] }, 30],
    ['host, in any case', { host: 'imap1.OLD.test' }, 20],
    ['code of the reason', { error: 'AUTH_FAILED' }, 15],
    ['part of a user name, with letters that SQL would read as its own', { q: 'u%_1' }, 11],
    ['part of a host', { q: 'imap2.old' }, 20],
    ['mailbox', { mailbox: 'user3@new.test' }, 7],
    ['the last day', { age: 'day' }, 6],
    ['the last week', { age: 'week' }, 42],
    ['what is old', { age: 'older' }, 0],
    ['a batch that is none', { batch: 'x' }, 0],
    ['several at once', { state: ['failed'], host: 'imap0.old.test', age: 'week' }, 4],
  ])('is filtered by %s', async (_, query, total) => {
    const found = await list({ ...query, perPage: N });
    expect([found.total, found.jobs.length, found.estimated]).toEqual([total, total, false]);
  });

  test('by the code of an item that failed', async () => {
    const [{ id }] = await room.db.query<[{ id: string }]>(
      `SELECT id FROM mailferry.jobs WHERE tenant = $1 AND state = 'completed' LIMIT 1`,
      [TENANT],
    );
    await room.db.query(
      `WITH d AS (INSERT INTO mailferry.dest_mailboxes (tenant, address) VALUES ('t1', 'x@new.test') RETURNING id),
         l AS (INSERT INTO mailferry.links (dest_mailbox, source_kind, account_hash) SELECT id, 'imap', 'h' FROM d RETURNING id),
         f AS (INSERT INTO mailferry.folders (link, source_id, path, kind, key_scope, selectable, subscribed)
               SELECT id, 'INBOX', '{INBOX}', 'mail', 'folder', true, true FROM l RETURNING id)
       INSERT INTO mailferry.refusals (job, folder, key, outcome, code, message)
       SELECT $1, id, '\\x01', 'failed', 'LOST_AT_DESTINATION', '' FROM f`,
      [id],
    );
    expect((await list({ error: 'LOST_AT_DESTINATION' })).jobs.map((job) => job.id)).toEqual([id]);
  });

  test('a cursor that somebody made up begins at the beginning', async () => {
    const { jobs: first } = await list({});
    const forged = Buffer.from(JSON.stringify(['-created', `now'); DROP`, first[0]!.id])).toString('base64url');
    for (const after of ['x', forged, 'e30', Buffer.from('["-created","1",2]').toString('base64url')])
      expect((await list({ after })).jobs).toEqual(first);
  });

  test('another tenant is in no list, whatever is asked', async () => {
    const found = await list({ perPage: 200 });
    expect(found.total).toBe(N);
    expect(await jobs.list(alice.visibility, { page: 1, perPage: 200 })).toMatchObject({ total: 0 });
  });
});

describe('an action on many', () => {
  test('says before what it would touch and what it would leave', async () => {
    const filter = { host: 'imap0.old.test' };
    const preview = await jobs.preview(sam.visibility, 'retry', { filter });
    expect(preview.touched).toBe(10);
    expect(preview.sample).toHaveLength(10);
    expect(preview.left).toEqual(
      expect.arrayContaining([
        { state: 'completed', count: 5 },
        { state: 'running', count: 5 },
      ]),
    );
    expect(await jobs.preview(alice.visibility, 'retry', { filter })).toMatchObject({ touched: 0, left: [] });
  });

  test('touches by a filter exactly what the preview said', async () => {
    const filter = { host: 'imap1.old.test', state: ['running' as const] };
    const { touched } = await jobs.preview(sam.visibility, 'pause', { filter });
    const { done, refused } = await jobs.bulk(sam, 'pause', { filter });
    expect([done.length, refused.length]).toEqual([touched, 0]);
    expect(touched).toBe(5);
    expect((await list({ ...filter, state: ['paused'] })).total).toBe(5);
  });

  test('with too many named ones is refused', async () => {
    const ids = Array.from({ length: 1_001 }, (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`);
    expect(await refusal(jobs.bulk(sam, 'pause', { ids }))).toBe('VALIDATION');
  });
});

test('a search that Postgres refuses is refused once, and leaves no rejection behind', async () => {
  const strays: unknown[] = [];
  const note = (error: unknown): number => strays.push(error);
  process.on('unhandledRejection', note);
  try {
    for (let i = 0; i < 5; i++) await expect(list({ q: '\0' })).rejects.toThrow();
    await new Promise((done) => setTimeout(done, 50));
  } finally {
    process.off('unhandledRejection', note);
  }
  expect(strays).toEqual([]);
});
