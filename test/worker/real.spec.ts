import { ConnectionTestsService } from '../../src/jobs/connection-tests.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import type { SourceSettings } from '../../src/jobs/job.js';
import { ConnectionTester } from '../../src/worker/connection-tester.js';
import { ENDPOINT_PROVIDERS } from '../../src/worker/endpoint-providers.js';
import { RunJob } from '../../src/worker/run-job.js';
import { WORKER_SERVICES } from '../../src/worker/worker.providers.js';
import { WorkerService } from '../../src/worker/worker.service.js';
import { dora, jobsRoom, type Room } from '../jobs/support.js';
import { appendMessage, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { WORKER } from './support.js';

let room: Room;
let from: TestAccount;
let to: TestAccount;
const signal = new AbortController().signal;

beforeAll(async () => {
  room = await jobsRoom({}, [...WORKER_SERVICES.filter((service) => service !== WorkerService), ...ENDPOINT_PROVIDERS]);
});
beforeEach(() => {
  from = oldProvider.account();
  to = hoster.account();
  const { name, password } = hoster.master;
  room.panel.openDestination = async (ref) => ({
    grantId: 'g',
    expiresAt: new Date(Date.now() + 60_000),
    kind: 'imap-authzid',
    endpoint: { host: 'localhost', port: to.imapsPort, security: 'tls', ca: to.ca },
    authcid: name,
    authzid: ref!.address,
    secret: { reveal: async () => password },
  });
});
afterAll(() => room.close());

const source = (more: Partial<SourceSettings> = {}): SourceSettings => ({
  type: 'imap',
  host: 'localhost',
  port: from.imapsPort,
  security: 'tls',
  username: from.user,
  ...more,
});
async function tested(settings: SourceSettings, password: string) {
  const tests = room.get(ConnectionTestsService);
  const id = await tests.request(dora, { source: settings, secret: { password }, mailbox: to.user });
  await room.get(ConnectionTester).execute(id, signal);
  return (await tests.get(dora, id))!;
}

test('from an untrusted certificate, pinned, through the test to a mailbox that arrived', async () => {
  for (let i = 0; i < 5; i++)
    await appendMessage(from, 'Work/Übersicht', Buffer.from(`Subject: ${i}\r\nMessage-ID: <${i}@x>\r\n\r\n${i}\r\n`), {
      flags: ['\\Seen'],
      date: new Date('2020-02-29T12:00:00Z'),
    });
  await appendMessage(to, 'INBOX', Buffer.from('Subject: mine\r\n\r\nmine\r\n'), {});

  const untrusted = await tested(source(), from.password);
  expect(untrusted).toMatchObject({
    ok: false,
    code: 'TLS_UNTRUSTED',
    certificate: { fingerprint: expect.any(String) },
  });
  const pinned = source({ caFingerprint: untrusted.certificate!.fingerprint });
  expect(await tested(pinned, 'wrong')).toMatchObject({ ok: false, code: 'AUTH_FAILED' });
  const passed = await tested(pinned, from.password);
  expect(passed).toMatchObject({ ok: true, plan: { totalItems: 5, existingItems: 1, tooLarge: 0 } });
  expect(passed.plan!.folders).toContainEqual(expect.objectContaining({ from: 'Work/Übersicht', exists: false }));

  const jobs = room.get(JobsService);
  const { job } = await jobs.create(dora, {
    mailbox: to.user,
    source: pinned,
    secret: { password: from.password },
    items: ['mail'],
    existing: 'keep',
    start: true,
  });
  const before = await readMailbox(from);
  await room.get(RunJob).execute(job.id, WORKER, signal);
  expect(await jobs.get(dora.visibility, job.id)).toMatchObject({
    state: 'completed',
    outcome: 'complete',
    progress: { found: 5, copied: 5, skipped: 0, failed: 0 },
  });
  expect(await readMailbox(from)).toEqual(before);
  const arrived = (await readMailbox(to)).find(({ path }) => path.endsWith('Übersicht'));
  expect(arrived?.messages).toHaveLength(5);
}, 60_000);

test.each([
  ['a closed port', () => source({ port: 1 }), 'CONNECT_FAILED'],
  ['a name that does not exist', () => source({ host: 'nowhere.invalid' }), 'HOST_NOT_FOUND'],
])('%s is told apart', async (_what, settings, code) => {
  expect((await tested(settings(), from.password)).code).toBe(code);
});

test('the hoster’s own server as a source is recognised under another name', async () => {
  const itself = source({ host: '127.0.0.1', port: to.imapsPort, username: to.user });
  expect((await tested(itself, to.password)).code).toBe('SAME_MAILBOX');
});

test('an owner signs in with the new mailbox’s password', async () => {
  const tests = room.get(ConnectionTestsService);
  const timer = setInterval(() => {
    for (const id of room.bell.tests.splice(0)) void room.get(ConnectionTester).execute(id, signal);
  }, 20);
  const tried = [
    await tests.signIn('t1', to.user, to.password, '192.0.2.1'),
    await tests.signIn('t1', to.user, 'wrong', '192.0.2.1'),
  ];
  clearInterval(timer);
  expect(tried).toEqual([
    { ok: true, code: 'OK' },
    { ok: false, code: 'AUTH_FAILED' },
  ]);
});

test('support asks for the protocol of the next run: what was said to both servers, no body, no header, no password', async () => {
  const marks = ['Subject of the canary', 'Words of the canary'];
  await appendMessage(from, 'INBOX', Buffer.from(`Subject: ${marks[0]}\r\n\r\n${marks[1]}\r\n`), {});
  const untrusted = await tested(source(), from.password);
  const jobs = room.get(JobsService);
  const { job } = await jobs.create(dora, {
    mailbox: to.user,
    source: source({ caFingerprint: untrusted.certificate!.fingerprint }),
    secret: { password: from.password },
    items: ['mail'],
    existing: 'keep',
    start: true,
  });
  await room.db.query(`UPDATE mailferry.jobs SET wants_log = true WHERE id = $1`, [job.id]);
  await room.get(RunJob).execute(job.id, WORKER, signal);
  const [log] = await room.db.query<{ source: string; destination: string }[]>(
    `SELECT source, destination FROM mailferry.protocol_logs WHERE job = $1`,
    [job.id],
  );
  expect(log!.source).toMatch(/> F\d+ EXAMINE/);
  expect(log!.destination).toMatch(/> F\d+ APPEND/);
  const { password } = hoster.master;
  const base64 = (text: string): string => Buffer.from(text).toString('base64').replace(/=+$/, '');
  for (const secret of [...marks, from.password, password, base64(`\0${from.user}\0${from.password}`)])
    expect(log!.source + log!.destination).not.toContain(secret);
  expect(await room.db.query(`SELECT 1 FROM mailferry.jobs WHERE wants_log`)).toEqual([]);
}, 60_000);
