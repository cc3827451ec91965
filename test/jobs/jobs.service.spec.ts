import { SecretOpener } from '../../src/worker/secret-opener.js';
import { JobChanges } from '../../src/jobs/job-changes.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import type { JobError } from '../../src/jobs/contract.js';
import type { JobState } from '../../src/jobs/job.js';
import { Keyring } from '../../src/credentials/keyring.js';
import { sourceHash } from '../../src/jobs/source-hash.js';
import {
  actor,
  alice,
  CANARY,
  dora,
  HOST,
  jobsRoom,
  newJob,
  refusal,
  type Room,
  sam,
  SOURCE,
  TENANT,
} from './support.js';
import { BOB } from '../fakes/fake-panel.js';

let room: Room;
let jobs: JobsService;
beforeAll(async () => {
  room = await jobsRoom({}, [SecretOpener]);
  jobs = room.get(JobsService);
});
beforeEach(() => room.clear());
afterAll(() => room.close());

const bob = actor(BOB);
const put = (id: string, state: JobState, more = ''): Promise<unknown> =>
  room.db.query(`UPDATE mailferry.jobs SET state = $2 ${more} WHERE id = $1`, [id, state]);
const secretsOf = async (id: string): Promise<string[]> =>
  (await room.db.query(`SELECT field FROM mailferry.credentials WHERE owner = $1 ORDER BY field`, [id])).map(
    ({ field }: { field: string }) => field,
  );
const passTest = (hash: string): Promise<unknown> =>
  room.db.query(`INSERT INTO mailferry.passed_tests (tenant, source_hash) VALUES ($1, $2)`, [TENANT, hash]);
const hashOf = async (id: string): Promise<string | null> =>
  (await room.db.query(`SELECT source_hash FROM mailferry.jobs WHERE id = $1`, [id]))[0].source_hash;
const auditOf = async (id: string): Promise<string[]> =>
  (await room.db.query(`SELECT action FROM mailferry.audit WHERE job = $1 ORDER BY id`, [id])).map(
    ({ action }: { action: string }) => action,
  );

describe('making a job', () => {
  test('a new job is a draft that holds its settings and seals its password', async () => {
    const { job, replayed } = await jobs.create(alice, newJob());
    expect(replayed).toBe(false);
    expect(job).toMatchObject({
      mailbox: 'alice@new.test',
      domain: 'new.test',
      state: 'draft',
      source: SOURCE,
      items: ['mail'],
      existing: 'keep',
      actions: ['start', 'cancel'],
      progress: { found: 0, etaSeconds: null },
    });
    expect(await secretsOf(job.id)).toEqual(['source-password']);
    expect(await room.get(SecretOpener).openJob(TENANT, job.id, SOURCE)).toEqual({
      source: { password: CANARY },
      destination: null,
    });
    expect(JSON.stringify(await jobs.draft(alice, job.id))).not.toContain(CANARY);
    expect(await auditOf(job.id)).toEqual(['job.create']);
  });

  test('start: true puts it into the queue at once and rings', async () => {
    const { job } = await jobs.create(alice, newJob({ start: true }));
    expect(job.state).toBe('queued');
    expect(room.bell.runs.map((ring) => ring.job)).toEqual([job.id]);
  });

  test('the same idempotency key gives the same job, also when sent at the same moment', async () => {
    const made = await Promise.all(
      Array.from({ length: 5 }, () => jobs.create(alice, newJob({ idempotencyKey: 'k', start: true }))),
    );
    expect(new Set(made.map(({ job }) => job.id)).size).toBe(1);
    expect(made.filter(({ replayed }) => !replayed)).toHaveLength(1);
    const dorasOwn = await jobs.create(dora, newJob({ idempotencyKey: 'k' }));
    expect(dorasOwn.replayed).toBe(false);
  });

  test.each([
    ['a mailbox that is none', { mailbox: 'alice' }, 'VALIDATION'],
    ['a mailbox with a character of composite logins', { mailbox: 'alice*admin@new.test' }, 'VALIDATION'],
    ['a mailbox with a line end', { mailbox: 'alice@new.test\r\n' + 'x' }, 'VALIDATION'],
    ['a mailbox that does not exist', { mailbox: 'alice@elsewhere.test' }, 'DESTINATION_MISSING'],
    ['somebody else’s mailbox', { mailbox: 'bob@new.test' }, 'FORBIDDEN'],
    ['nothing to import', { items: [] }, 'VALIDATION'],
    ['a user name with CRLF', { source: { ...SOURCE, username: 'a\r\nb LOGOUT' } }, 'VALIDATION'],
    ['a host that is none', { source: { ...SOURCE, host: 'a b' } }, 'VALIDATION'],
    ['a port that is none', { source: { ...SOURCE, port: 70_000 } }, 'VALIDATION'],
    ['an option that hides a secret', { source: { ...SOURCE, options: { password: 'x' } } }, 'VALIDATION'],
    ['no encryption', { source: { ...SOURCE, security: 'none' } }, 'TLS_REQUIRED'],
    [
      'the destination itself',
      { source: { ...SOURCE, host: 'MAIL.new.test.', username: 'Alice@New.test' } },
      'SAME_MAILBOX',
    ],
    [
      'the destination by local part',
      { source: { ...SOURCE, host: 'mail.new.test', username: 'alice' } },
      'SAME_MAILBOX',
    ],
    ['a replace without the typed address', { existing: 'replace' }, 'VALIDATION'],
    ['a replace with a wrong one', { existing: 'replace', confirm: 'alice@old.test' }, 'VALIDATION'],
    ['a start without a source', { source: undefined, secret: undefined, start: true }, 'VALIDATION'],
    ['a start without a password', { secret: undefined, start: true }, 'CREDENTIALS_REQUIRED'],
  ])('%s is refused', async (_what, change, code) => {
    expect(await refusal(jobs.create(alice, newJob(change as never)))).toBe(code);
    expect(await room.db.query(`SELECT 1 FROM mailferry.jobs`)).toEqual([]);
    expect(await room.db.query(`SELECT 1 FROM mailferry.credentials`)).toEqual([]);
  });

  test('a refusal names each wrong field and never quotes what was typed', async () => {
    const wrong = newJob({ source: { ...SOURCE, port: -1, host: CANARY + ' x' } as never, items: ['faxes'] as never });
    const error: JobError = await jobs.create(alice, wrong).then(
      () => Promise.reject(new Error('it was taken')),
      (refused: JobError) => refused,
    );
    expect(Object.keys(error.details!).sort()).toEqual(['items.0', 'source.host', 'source.port']);
    expect(JSON.stringify(error) + error.message).not.toContain(CANARY);
  });
});

describe('text that the database cannot hold', () => {
  test.each([
    { filters: { excludeFolders: [['a\u0000b']] } },
    { filters: { excludeFolders: [['a', '\ud800']] } },
    { source: { ...SOURCE, username: 'a\udfff' } },
    { source: { ...SOURCE, options: { root: '\ud800' } } },
    { form: { folder: ['\u0000'] } },
  ])('is refused as input, not an error of ours: %j', async (odd) => {
    await expect(jobs.create(alice, newJob(odd))).rejects.toMatchObject({ code: 'VALIDATION' });
    const { job } = await jobs.create(alice, newJob());
    await expect(jobs.patch(alice, job.id, odd)).rejects.toMatchObject({ code: 'VALIDATION' });
  });
});

describe('where only public servers may be dialled', () => {
  let closed: Room;
  beforeAll(async () => {
    closed = await jobsRoom({ egress: { allowPrivate: false } });
  });
  afterAll(() => closed.close());

  test.each([
    ['127.0.0.1', 993, 'TARGET_NOT_ALLOWED'],
    ['0x7f000001', 22, 'TARGET_NOT_ALLOWED'],
    ['localhost', 993, 'TARGET_NOT_ALLOWED'],
    ['192.0.2.7', 993, 'TARGET_NOT_ALLOWED'],
    ['9.9.9.9', 6379, 'PORT_NOT_ALLOWED'],
  ])('%s:%i is refused when the job is made', async (host, port, code) => {
    const job = newJob({ source: { ...SOURCE, host, port } });
    expect(await refusal(closed.get(JobsService).create(alice, job))).toBe(code);
  });
});

describe('changing a draft', () => {
  test('the password typed for one account never goes to another server, user or protocol', async () => {
    for (const change of [
      { host: 'evil.test' },
      { username: 'bob@old.test' },
      { type: 'ews' },
      { options: { root: 'x' } },
    ]) {
      const { job } = await jobs.create(alice, newJob());
      await jobs.patch(alice, job.id, { source: { ...SOURCE, ...change } });
      expect(await secretsOf(job.id)).toEqual([]);
      expect(await jobs.draft(alice, job.id)).toMatchObject({ hasSecret: false, passedAt: null, test: null });
    }
  });

  test('who typed it may pin a certificate or change the port without typing it again; nobody else may', async () => {
    const { job } = await jobs.create(alice, newJob());
    const pinned = { ...SOURCE, port: 1993, caFingerprint: 'AB:'.repeat(31) + 'AB' };
    await jobs.patch(alice, job.id, { source: pinned });
    expect(await secretsOf(job.id)).toEqual(['source-password']);
    await jobs.patch(sam, job.id, { source: { ...pinned, port: 993 } });
    expect(await secretsOf(job.id)).toEqual([]);
  });

  test('a passed test counts until settings or password change, and again when they are as they were', async () => {
    const { job } = await jobs.create(alice, newJob());
    await passTest((await hashOf(job.id))!);
    expect((await jobs.draft(alice, job.id))!.passedAt).not.toBeNull();
    await jobs.patch(alice, job.id, { secret: { password: 'another' } });
    expect((await jobs.draft(alice, job.id))!.passedAt).toBeNull();
    await jobs.patch(alice, job.id, { secret: { password: CANARY }, form: { step: 'test' } });
    expect(await jobs.draft(alice, job.id)).toMatchObject({ passedAt: expect.any(String), form: { step: 'test' } });
  });

  test('an old test counts no more', async () => {
    const { job } = await jobs.create(alice, newJob());
    await passTest((await hashOf(job.id))!);
    await room.db.query(`UPDATE mailferry.passed_tests SET at = now() - interval '25 hours'`);
    expect((await jobs.draft(alice, job.id))!.passedAt).toBeNull();
  });

  test('a confirmed replace stays confirmed until it is taken back', async () => {
    const { job } = await jobs.create(alice, newJob({ existing: 'replace', confirm: ' Alice@new.test ' }));
    await jobs.patch(alice, job.id, { existing: 'keep' });
    await jobs.patch(alice, job.id, { existing: 'replace' });
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('VALIDATION');
    await jobs.patch(alice, job.id, { confirm: 'alice@new.test' });
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('done');
  });

  test('only drafts can be changed', async () => {
    const { job } = await jobs.create(alice, newJob({ start: true }));
    expect(await refusal(jobs.patch(alice, job.id, { items: ['mail'] }))).toBe('INVALID_STATE');
  });
});

describe('who sees what', () => {
  test('somebody else’s job does not exist', async () => {
    const { job } = await jobs.create(alice, newJob());
    expect(await jobs.get(bob.visibility, job.id)).toBeNull();
    expect(await jobs.draft(bob, job.id)).toBeNull();
    expect(await jobs.log(bob.visibility, job.id)).toBeNull();
    expect((await jobs.list(bob.visibility, { page: 1, perPage: 10 })).total).toBe(0);
    for (const work of [
      () => jobs.patch(bob, job.id, {}),
      () => jobs.act(bob, job.id, 'cancel'),
      () => jobs.setCredentials(bob, job.id, { password: 'x' }),
      () => jobs.erase(bob, job.id),
      () => jobs.act(alice, 'not-a-uuid', 'cancel'),
    ])
      expect(await refusal(work())).toBe('NOT_FOUND');
    expect(await jobs.get({ ...sam.visibility, tenant: 't2' }, job.id)).toBeNull();
    expect((await jobs.get(dora.visibility, job.id))?.id).toBe(job.id);
    expect((await jobs.get(sam.visibility, job.id))?.id).toBe(job.id);
  });

  test('lists are filtered, searched and paged', async () => {
    for (const [mailbox, host] of [
      ['alice@new.test', HOST],
      ['bob@new.test', 'imap.other.test'],
      ['under_score@new.test', HOST],
    ] as const)
      await jobs.create(dora, newJob({ mailbox, source: { ...SOURCE, host } }));
    const total = async (query: object): Promise<number> =>
      (await jobs.list(dora.visibility, { page: 1, perPage: 2, ...query })).total;
    expect(await total({})).toBe(3);
    expect((await jobs.list(dora.visibility, { page: 2, perPage: 2 })).jobs).toHaveLength(1);
    expect(await total({ q: 'other.test' })).toBe(1);
    expect(await total({ q: '_score' })).toBe(1);
    expect(await total({ q: '%' })).toBe(0);
    expect(await total({ state: ['queued'] })).toBe(0);
    expect(await total({ domain: 'NEW.test' })).toBe(3);
    expect(await total({ mailbox: 'bob@new.test' })).toBe(1);
    expect(await total({ batch: 'nonsense' })).toBe(0);
    expect(await total({ error: 'AUTH_FAILED' })).toBe(0);
    await room.db.query(`UPDATE mailferry.jobs SET reason = '{"code":"AUTH_FAILED"}' WHERE mailbox = 'bob@new.test'`);
    expect(await total({ error: 'AUTH_FAILED' })).toBe(1);
  });
});

describe('starting', () => {
  test('ten starts at the same moment are one', async () => {
    const { job } = await jobs.create(alice, newJob());
    const ends = await Promise.all(Array.from({ length: 10 }, () => refusal(jobs.act(alice, job.id, 'start'))));
    expect(ends.filter((end) => end === 'done')).toHaveLength(1);
    expect(ends.filter((end) => end === 'INVALID_STATE')).toHaveLength(9);
  });

  test('the panel is asked again at that moment', async () => {
    const { job } = await jobs.create(alice, newJob());
    room.panel.gone.add('alice@new.test');
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('DESTINATION_MISSING');
    room.panel.gone.clear();
    room.panel.down = true;
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('DESTINATION_UNAVAILABLE');
    room.panel.down = false;
    room.panel.forbidden.add('migration.own');
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('FORBIDDEN');
  });

  test('a replace needs its own permission, an identity, and an audit trail that works', async () => {
    const { job } = await jobs.create(alice, newJob({ existing: 'replace', confirm: 'alice@new.test' }));
    room.panel.forbidden.add('migration.replaceExisting');
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('FORBIDDEN');
    room.panel.forbidden.clear();
    const { principal: _principal, ...nobody } = alice;
    expect(await refusal(jobs.act(nobody, job.id, 'start'))).toBe('FORBIDDEN');
    room.panel.auditFails = true;
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('AUDIT_UNAVAILABLE');
    expect((await jobs.get(alice.visibility, job.id))!.state).toBe('draft');
    room.panel.auditFails = false;
    expect(await refusal(jobs.act(alice, job.id, 'start'))).toBe('done');
  });

  test('a second migration of the same account into the same mailbox waits until the first is over', async () => {
    const first = (await jobs.create(alice, newJob({ start: true }))).job;
    const again = (await jobs.create(alice, newJob({ source: { ...SOURCE, username: 'Alice@OLD.test' } }))).job;
    expect(await refusal(jobs.act(alice, again.id, 'start'))).toBe('INVALID_STATE');
    await jobs.act(alice, first.id, 'cancel');
    expect(await refusal(jobs.act(alice, again.id, 'start'))).toBe('done');
  });

  test('two of them started at the same moment are one', async () => {
    const made = await Promise.all([jobs.create(alice, newJob()), jobs.create(alice, newJob())]);
    const ends = await Promise.all(made.map(({ job }) => refusal(jobs.act(alice, job.id, 'start'))));
    expect(ends.sort()).toEqual(['INVALID_STATE', 'done']);
  });

  test('starts without a test are limited like tests, and a locked account is not dialled', async () => {
    const limited = await jobsRoom({ limits: { testsPerMinute: 2, wrongPasswords: 1 } });
    try {
      const service = limited.get(JobsService);
      const start = (username: string) =>
        refusal(service.create(alice, newJob({ source: { ...SOURCE, username }, start: true })));
      expect([await start('a'), await start('b'), await start('c')]).toEqual(['done', 'done', 'RATE_LIMITED']);
      await limited.db.query(`DELETE FROM mailferry.attempts`);
      const { accountSubject } = await import('../../src/jobs/attempts.js');
      const subject = accountSubject({ host: HOST, username: 'D' });
      await limited.db.query(`INSERT INTO mailferry.attempts (subject, failed) VALUES ($1, true)`, [subject]);
      expect([await start('d'), await start('e')]).toEqual(['RATE_LIMITED', 'done']);
    } finally {
      await limited.close();
    }
  });

  test('where the panel cannot open mailboxes the new password is needed too', async () => {
    const own = await jobsRoom({ destinationNeedsSecret: true });
    try {
      const service = own.get(JobsService);
      expect(await refusal(service.create(alice, newJob({ start: true })))).toBe('CREDENTIALS_REQUIRED');
      const destination = { password: 'mine' };
      expect(await refusal(service.create(alice, newJob({ destination, start: true })))).toBe('done');
    } finally {
      await own.close();
    }
  });
});

describe('secrets and their end', () => {
  const expiry = async (id: string): Promise<number> =>
    Number(
      (
        await room.db.query(
          `SELECT extract(epoch FROM expires_at - now()) / 3600 AS h FROM mailferry.credentials WHERE owner = $1`,
          [id],
        )
      )[0].h,
    );
  const change = (id: string, event: never, circumstances = {}): Promise<unknown> =>
    room.get(JobChanges).transact((tx) => room.get(JobChanges).apply(tx, id, event, null, circumstances));

  test('cancelling erases them at once, with a line in the audit trail', async () => {
    const { job } = await jobs.create(alice, newJob({ start: true, destination: { password: 'x' } }));
    await jobs.act(alice, job.id, 'cancel');
    expect(await secretsOf(job.id)).toEqual([]);
    expect(await auditOf(job.id)).toEqual(['job.create', 'job.start', 'credentials.erased', 'job.cancel']);
    expect(room.panel.audited.map(({ action }) => action)).toContain('credentials.erased');
  });

  test('completing erases them, unless a delta is wanted or something is missing', async () => {
    for (const [outcome, keepForSync, left, hours] of [
      ['complete', false, [], 0],
      ['complete', true, ['source-password'], 720],
      ['incomplete', false, ['source-password'], 72],
    ] as const) {
      const source = { ...SOURCE, username: `${outcome}${keepForSync}` };
      const { job } = await jobs.create(dora, newJob({ source, start: true, options: { keepForSync } }));
      await change(job.id, 'claim' as never);
      await change(job.id, 'finish' as never, { outcome });
      expect(await secretsOf(job.id)).toEqual(left);
      if (left.length > 0) expect(await expiry(job.id)).toBeCloseTo(hours, 0);
    }
  });

  test('failing keeps them for three days; after that a retry asks the owner', async () => {
    const { job } = await jobs.create(alice, newJob({ start: true }));
    await change(job.id, 'claim' as never);
    await change(job.id, 'fail' as never, { reason: { code: 'AUTH_FAILED', message: '' } });
    expect(await expiry(job.id)).toBeCloseTo(72, 0);
    await room.db.query(`UPDATE mailferry.credentials SET expires_at = now() - interval '1 second'`);
    expect(await refusal(jobs.act(alice, job.id, 'retry'))).toBe('CREDENTIALS_REQUIRED');
    await jobs.setCredentials(alice, job.id, { password: CANARY });
    expect(await refusal(jobs.act(alice, job.id, 'retry'))).toBe('done');
    expect(await room.db.query(`SELECT next_run FROM mailferry.jobs WHERE id = $1`, [job.id])).toEqual([
      { next_run: 'retry' },
    ]);
  });

  test('a final job can be erased with everything but its audit lines, if that can be recorded', async () => {
    const { job } = await jobs.create(alice, newJob({ start: true }));
    expect(await refusal(jobs.erase(alice, job.id))).toBe('INVALID_STATE');
    await jobs.act(alice, job.id, 'cancel');
    room.panel.auditFails = true;
    expect(await refusal(jobs.erase(alice, job.id))).toBe('AUDIT_UNAVAILABLE');
    room.panel.auditFails = false;
    await jobs.erase(alice, job.id);
    expect(await jobs.get(alice.visibility, job.id)).toBeNull();
    expect(await auditOf(job.id)).toContain('job.erase');
    await expect(room.db.query(`DELETE FROM mailferry.audit`)).rejects.toThrow('append-only');
  });

  test('new credentials are taken only where somebody waits for them', async () => {
    const { job } = await jobs.create(alice, newJob({ start: true }));
    for (const [state, code] of [
      ['running', 'INVALID_STATE'],
      ['queued', 'INVALID_STATE'],
      ['cancelling', 'INVALID_STATE'],
      ['needs-action', 'done'],
      ['paused', 'done'],
      ['failed', 'done'],
      ['completed', 'done'],
    ] as const) {
      await put(job.id, state);
      expect(await refusal(jobs.setCredentials(alice, job.id, { password: 'new' }))).toBe(code);
    }
    expect(await refusal(jobs.setCredentials(alice, job.id, {}))).toBe('VALIDATION');
  });
});

describe('many at once', () => {
  test('a bulk action says for each job what became of it, and is not done unrecorded', async () => {
    const one = (await jobs.create(sam, newJob({ start: true }))).job;
    const two = (await jobs.create(sam, newJob({ mailbox: 'bob@new.test' }))).job;
    const ghost = '00000000-0000-4000-8000-000000000000';
    room.panel.auditFails = true;
    expect(await refusal(jobs.bulk(sam, 'pause', { ids: [one.id] }))).toBe('AUDIT_UNAVAILABLE');
    room.panel.auditFails = false;
    const { done, refused } = await jobs.bulk(sam, 'pause', { ids: [one.id, two.id, ghost, one.id] });
    expect(done).toEqual([one.id]);
    expect(refused.map(({ id, code }) => [id, code])).toEqual([
      [two.id, 'INVALID_STATE'],
      [ghost, 'NOT_FOUND'],
    ]);
    const all = await jobs.bulk(sam, 'cancel', { filter: { domain: 'new.test' } });
    expect(all.done.sort()).toEqual([one.id, two.id].sort());
  });
});

test('the stored hash of a password cannot be made without the master key', async () => {
  const { job } = await jobs.create(alice, newJob());
  const hash = await hashOf(job.id);
  expect(hash).toBe(sourceHash(Keyring.parse(room.options.keys), SOURCE, { password: CANARY }));
  const other = await jobsRoom();
  expect(hash).not.toBe(sourceHash(Keyring.parse(other.options.keys), SOURCE, { password: CANARY }));
  await other.close();
});
