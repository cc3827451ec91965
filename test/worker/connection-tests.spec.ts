import { ConnectionTestsService } from '../../src/jobs/connection-tests.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import type { TestView } from '../../src/jobs/job.js';
import { MESSAGES } from '../../src/jobs/messages.js';
import { ConnectError } from '../../src/protocols/connect-error.js';
import { ConnectionTester } from '../../src/worker/connection-tester.js';
import { Sweeper } from '../../src/worker/sweeper.js';
import { BOB } from '../fakes/fake-panel.js';
import { actor, alice, CANARY, newJob, refusal, sam, SOURCE, TENANT } from '../jobs/support.js';
import { failure, workerRoom, type WorkerRoom } from './support.js';

let room: WorkerRoom;
let tests: ConnectionTestsService;
let jobs: JobsService;
beforeAll(async () => {
  room = await workerRoom({ limits: { testsPerMinute: 100, wrongPasswords: 20 } });
  tests = room.get(ConnectionTestsService);
  jobs = room.get(JobsService);
});
beforeEach(() => room.clear());
afterAll(() => room.close());

const ASKED = { source: SOURCE, secret: { password: CANARY }, mailbox: 'alice@new.test' };
const work = (id: string): Promise<boolean> => room.get(ConnectionTester).execute(id, new AbortController().signal);
async function tested(test: Parameters<ConnectionTestsService['request']>[1] = ASKED): Promise<TestView> {
  const id = await tests.request(alice, test);
  await work(id);
  return (await tests.get(alice, id))!;
}
const secretsLeft = (): Promise<unknown[]> => room.db.query(`SELECT 1 FROM mailferry.credentials`);
/** Lets the worker do whatever is asked for, as the queue would. */
function serve(): () => void {
  const timer = setInterval(() => {
    for (const id of room.bell.tests.splice(0)) void work(id);
  }, 20);
  return () => clearInterval(timer);
}

test('a test that passes shows the folders and a plan, and takes its secret away', async () => {
  room.outside.fill(3);
  room.outside.oldMailbox.ensure(['Sent & more'], 'sent');
  room.outside.quirks = { quotaBytes: 100, maxBytes: 1_000_000 };
  const result = await tested();
  expect(result).toMatchObject({
    ok: true,
    code: 'OK',
    state: 'done',
    gives: ['mail'],
    totals: { folders: 2, items: 3 },
    plan: {
      totalItems: 3,
      maxItemBytes: 1_000_000,
      tooLarge: 0,
      quota: { usedBytes: 0, limitBytes: 100, fits: false },
      estimate: { seconds: 1, basis: expect.any(String) },
      leftOut: [],
    },
  });
  expect(result.folders.map(({ path }) => path)).toEqual(['INBOX', 'Sent & more']);
  expect(result.plan!.folders).toContainEqual({ from: 'INBOX', to: 'INBOX', kind: 'mail', exists: true });
  expect(await secretsLeft()).toEqual([]);
  expect(room.panel.closed.sort()).toEqual(room.panel.opened.sort());
  expect(room.outside.newMailbox.folders.size).toBe(1);
});

test('without a mailbox the source alone is tested', async () => {
  const { mailbox: _mailbox, ...source } = ASKED;
  room.outside.fill(1);
  expect(await tested(source)).toMatchObject({ ok: true });
  expect(room.outside.grants).toEqual([]);
});

test('messages above the limit are counted', async () => {
  room.outside.fill(5);
  room.outside.oldMailbox.folder(['INBOX'])!.append(Buffer.alloc(5_000, 'x'), [], { seconds: 1, offset: 0 });
  room.outside.quirks = { maxBytes: 4_000 };
  expect((await tested()).plan!.tooLarge).toBe(1);
});

test('every refusal is a fixed code with our own words, and nothing the server said', async () => {
  for (const code of ['AUTH_FAILED', 'CONNECT_FAILED', 'TIMEOUT', 'TLS_UNTRUSTED', 'IMAP_DISABLED', 'PROTOCOL_ERROR']) {
    room.outside.onConnect = () => {
      throw failure(code, { serverText: `banner of 10.0.0.1 ${CANARY}` });
    };
    const result = await tested();
    expect(result).toMatchObject({ ok: false, code, message: MESSAGES[code]!.message, folders: [] });
    expect(JSON.stringify(result)).not.toMatch(/banner|words of the server|canary/);
  }
  expect(await secretsLeft()).toEqual([]);
});

test('a result that cannot be written down is said to be our fault, and keeps nobody waiting', async () => {
  room.outside.fill(1);
  room.outside.oldMailbox.ensure(['a\0b']);
  expect(await tested()).toMatchObject({ ok: false, code: 'INTERNAL' });
  expect(await secretsLeft()).toEqual([]);
});

test('an untrusted certificate is shown so that it can be pinned', async () => {
  const certificate = {
    fingerprint: 'ab'.repeat(32),
    subject: 'CN=x',
    issuer: 'CN=y',
    validTo: '2027-01-01T00:00:00Z',
  };
  room.outside.onConnect = () => {
    throw failure('TLS_UNTRUSTED', { cause: new ConnectError('TLS_UNTRUSTED', 'x', { certificate }) });
  };
  expect((await tested()).certificate).toEqual(certificate);
});

test('trouble at the destination is told apart from the source’s', async () => {
  room.outside.fill(1);
  room.outside.onDestination = () => {
    throw failure('AUTH_FAILED', { side: 'destination' });
  };
  expect((await tested()).code).toBe('DESTINATION_UNAVAILABLE');
  room.panel.kind = 'user-secret';
  expect((await tested()).code).toBe('CREDENTIALS_REQUIRED');
  expect((await tested({ ...ASKED, destination: { password: 'wrong' } })).code).toBe('DESTINATION_AUTH_FAILED');
});

test('a bug in a test is answered, not thrown', async () => {
  room.outside.onConnect = () => {
    throw new TypeError(`broken ${CANARY}`);
  };
  expect(await tested()).toMatchObject({ ok: false, code: 'INTERNAL' });
});

test('a draft is tested with its sealed password, and remembers what came of exactly these settings', async () => {
  room.outside.fill(2);
  const { job } = await jobs.create(alice, newJob());
  const pinned = { ...SOURCE, port: 1993 };
  await jobs.patch(alice, job.id, { source: pinned });
  expect(await tested({ job: job.id })).toMatchObject({ ok: true });
  expect(room.outside.signedIn[0]).toEqual({ settings: pinned, secret: { password: CANARY } });
  const draft = (await jobs.draft(alice, job.id))!;
  expect(draft).toMatchObject({ hasSecret: true, test: { ok: true, state: 'done' }, passedAt: expect.any(String) });
  await jobs.patch(alice, job.id, { source: { ...pinned, port: 2993 } });
  expect(await jobs.draft(alice, job.id)).toMatchObject({ hasSecret: true, test: null, passedAt: null });
  expect(await jobs.act(alice, job.id, 'cancel')).toMatchObject({ state: 'cancelled' });
});

test('a draft changed while it was tested does not get the result', async () => {
  room.outside.fill(1);
  const { job } = await jobs.create(alice, newJob());
  room.outside.onConnect = async () => {
    await jobs.patch(alice, job.id, { source: { ...SOURCE, port: 1993 } });
  };
  expect(await tested({ job: job.id })).toMatchObject({ ok: true });
  expect(await jobs.draft(alice, job.id)).toMatchObject({ test: null, passedAt: null });
});

test('a passed test opens the way for a job with the same settings and password', async () => {
  room.outside.fill(1);
  await tested();
  const { job } = await jobs.create(alice, newJob());
  expect((await jobs.draft(alice, job.id))!.passedAt).not.toBeNull();
});

test('nobody reads another one’s test, asks for another one’s draft, or tests into another one’s mailbox', async () => {
  const bob = actor(BOB);
  const id = await tests.request(alice, ASKED);
  expect(await tests.get(bob, id)).toBeNull();
  expect(await tests.get(sam, id)).toBeNull();
  expect(await tests.wait(bob, id, 10)).toBeNull();
  const { job } = await jobs.create(alice, newJob());
  expect(await refusal(tests.request(bob, { job: job.id }))).toBe('NOT_FOUND');
  expect(await refusal(tests.request(bob, ASKED))).toBe('FORBIDDEN');
});

test('a test is carried out once, whoever takes it', async () => {
  const id = await tests.request(alice, ASKED);
  expect((await Promise.all([work(id), work(id), work(id)])).filter(Boolean)).toHaveLength(1);
  expect(room.outside.signedIn).toHaveLength(1);
});

test('twenty wrong passwords, and the account is left in peace, also by many at once', async () => {
  room.outside.onConnect = () => {
    throw failure('AUTH_FAILED');
  };
  const ids: string[] = [];
  for (let i = 0; i < 25; i++) ids.push(await tests.request(alice, ASKED));
  await Promise.all(ids.map(work));
  expect(room.outside.signedIn).toHaveLength(20);
  const codes = await Promise.all(ids.map(async (id) => (await tests.get(alice, id))!.code));
  expect(codes.filter((code) => code === 'AUTH_FAILED')).toHaveLength(20);
  expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(5);
  const spelled = { ...SOURCE, host: 'IMAP.old.test', username: 'ALICE@old.test' };
  expect(await refusal(tests.request(sam, { ...ASKED, source: spelled }))).toBe('RATE_LIMITED');
  expect(await refusal(tests.request(alice, { ...ASKED, source: { ...SOURCE, username: 'bob' } }))).toBe('done');
});

test('tests that do not fail for the password lock nothing', async () => {
  room.outside.onConnect = () => {
    throw failure('CONNECT_FAILED', { retry: 'later' });
  };
  for (let i = 0; i < 22; i++) await tested();
  room.outside.onConnect = () => undefined;
  room.outside.fill(1);
  expect(await tested()).toMatchObject({ ok: true });
});

test('more tests a minute than one may do are refused', async () => {
  const slow = await workerRoom({ limits: { testsPerMinute: 20 } });
  const service = slow.get(ConnectionTestsService);
  const ends = [];
  for (let i = 0; i < 50; i++) ends.push(await refusal(service.request(alice, ASKED)));
  expect(ends.filter((end) => end === 'done')).toHaveLength(20);
  expect(new Set(ends.slice(20))).toEqual(new Set(['RATE_LIMITED']));
  await slow.close();
});

test('a target that may not be dialled is refused before a row is written, and counts', async () => {
  const closed = await workerRoom({ egress: { allowPrivate: false }, limits: { testsPerMinute: 3 } });
  const service = closed.get(ConnectionTestsService);
  const ask = (port: number) =>
    service.request(alice, { ...ASKED, source: { ...SOURCE, host: '10.0.0.1', port } }).catch((e: unknown) => e);
  const answers = [await ask(993), await ask(22), await ask(6379)];
  expect(answers).toMatchObject([{ code: 'TARGET_NOT_ALLOWED' }, {}, {}]);
  expect(new Set(answers.map((answer) => JSON.stringify([answer, (answer as Error).message]))).size).toBe(1);
  expect(await ask(993)).toMatchObject({ code: 'RATE_LIMITED' });
  expect(await closed.db.query(`SELECT 1 FROM mailferry.connection_tests`)).toEqual([]);
  await closed.close();
});

test('a worker that died in a test leaves an answer; a test is never repeated on its own', async () => {
  const id = await tests.request(alice, ASKED);
  await room.db.query(
    `UPDATE mailferry.connection_tests SET state = 'running', started_at = now() - interval '5 minutes'`,
  );
  await room.get(Sweeper).sweep();
  expect(await tests.get(alice, id)).toMatchObject({ state: 'done', ok: false, code: 'TIMEOUT' });
  expect(await work(id)).toBe(false);
});

test('a result that takes longer is waited for only so long', async () => {
  const id = await tests.request(alice, ASKED);
  expect(await tests.wait(alice, id, 100)).toMatchObject({ id, state: 'queued', ok: false, code: 'PENDING' });
});

describe('signing in with the new mailbox’s own password', () => {
  let stop: () => void;
  beforeEach(() => (stop = serve()));
  afterEach(() => stop());

  test('is tried as the owner, at the server the panel names, and nothing is kept', async () => {
    expect(await tests.signIn(TENANT, 'Alice@new.test', 'right', '192.0.2.9')).toEqual({ ok: true, code: 'OK' });
    const grant = room.outside.grants[0]!;
    expect(grant).toMatchObject({ kind: 'user-secret', login: 'alice@new.test' });
    expect(await grant.secret!.reveal()).toBe('right');
    expect(await secretsLeft()).toEqual([]);
    expect(await room.db.query(`SELECT 1 FROM mailferry.connection_tests`)).toEqual([]);
  });

  test('an address that does not exist looks like a wrong password, and both are limited', async () => {
    room.outside.onDestination = () => {
      throw failure('AUTH_FAILED', { side: 'destination' });
    };
    const wrong = await tests.signIn(TENANT, 'alice@new.test', 'wrong', '192.0.2.9');
    expect(wrong).toEqual({ ok: false, code: 'AUTH_FAILED' });
    room.panel.gone.add('nobody@new.test');
    expect(await tests.signIn(TENANT, 'nobody@new.test', 'wrong', '192.0.2.9')).toEqual(wrong);
    await room.db.query(
      `INSERT INTO mailferry.attempts (subject, failed) SELECT subject, true FROM mailferry.attempts a, generate_series(1, 20)
       WHERE a.subject LIKE 'sign-in:%'`,
    );
    expect(await refusal(tests.signIn(TENANT, 'alice@new.test', 'right', '198.51.100.1'))).toBe('RATE_LIMITED');
  });
});

test('settings are found for an address by the worker alone', async () => {
  const stop = serve();
  expect(await tests.discover(alice, 'Alice@old.test')).toEqual({ found: true });
  stop();
  expect(room.outside.discovered).toBe(1);
  expect(await refusal(tests.discover(alice, 'nobody'))).toBe('VALIDATION');
});

test('a password goes nowhere when the migration was turned to another server after the test was asked for', async () => {
  room.outside.fill(1);
  const { job } = await jobs.create(alice, newJob());
  const id = await tests.request(alice, { job: job.id });
  await jobs.patch(alice, job.id, { source: { ...SOURCE, port: 143, security: 'starttls' } });
  await work(id);
  expect(await tests.get(alice, id)).toMatchObject({ ok: false, code: 'SOURCE_CHANGED', state: 'done' });
  expect(room.outside.signedIn).toEqual([]);
  expect(room.outside.grants).toEqual([]);
});
