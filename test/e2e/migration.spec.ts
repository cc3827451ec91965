import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { JobView, TestView } from '../../src/jobs/job.js';
import type { Report } from '../../src/reports/contract.js';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { appendMessages, hoster, oldProvider, readMailbox, runCommands, type TestAccount } from '../servers/dovecot.js';
import { type Api, fingerprintOf, sourceOf, type Stack, startStack } from './stack.js';

const MESSAGES = 1_000;

describe('the whole product between two real mail servers', () => {
  let stack: Stack;
  let fingerprint: string;

  beforeAll(async () => {
    stack = await startStack();
    fingerprint = await fingerprintOf(oldProvider.imapsPort);
  });
  afterAll(() => stack?.stop());

  async function customer(quota: object = {}): Promise<{ from: TestAccount; to: TestAccount; api: Api }> {
    const from = oldProvider.account();
    const to = hoster.account({ name: from.user.split('@')[0]!, ...quota });
    return { from, to, api: await stack.api(to.user) };
  }
  const newJob = (from: TestAccount, to: TestAccount, more: object = {}): object => ({
    mailbox: to.user,
    source: sourceOf(from, fingerprint),
    items: ['mail'],
    existing: 'keep',
    start: true,
    ...more,
  });
  /** Everything but what the two servers make of themselves. */
  const exact = async (account: TestAccount) =>
    (await readMailbox(account)).map(({ path, messages }) => ({ path, messages }));
  /** Uids, flags and counters as the server keeps them: changes when anything is touched. */
  async function traces(account: TestAccount): Promise<string> {
    const folders = await readMailbox(account);
    const names = folders.map(({ path }) => path).filter((path) => /^[\x20-\x7e]+$/.test(path));
    const status = names.map((name) => `STATUS "${name}" (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)`);
    const answers = (await runCommands(account, ...status)).flat(2).map(String);
    // By its digest: a difference of megabytes helps nobody.
    const digest = createHash('sha256').update(JSON.stringify(folders)).digest('hex');
    return [digest, ...answers.filter((answer) => answer.startsWith('* STATUS'))].join('\n');
  }

  it('copies a thousand messages exactly, leaves the source as it was, and copies nothing twice', async () => {
    const { from, to, api } = await customer();
    await appendMessages(from, fixtureMailbox(MESSAGES));
    await runCommands(from, 'SUBSCRIBE Work', 'CREATE "Empty folder"', 'SUBSCRIBE "Empty folder"');
    const before = await traces(from);

    const made = await api.post('/jobs', newJob(from, to), { 'idempotency-key': randomUUID() });
    expect([made.status, made.body.state]).toEqual([201, 'queued']);
    const done = await api.until(made.body.id, ['completed', 'failed', 'needs-action']);

    expect({ state: done.state, outcome: done.outcome, reason: done.reason }).toEqual({
      state: 'completed',
      outcome: 'complete',
      reason: undefined,
    });
    expect(done.progress).toMatchObject({ found: MESSAGES, copied: MESSAGES, alreadyThere: 0, skipped: 0, failed: 0 });
    const source = await exact(from);
    const destination = await exact(to);
    expect(destination).toEqual(expect.arrayContaining(source));
    expect(destination.reduce((sum, folder) => sum + folder.messages.length, 0)).toBe(MESSAGES);
    const subscribed = async (account: TestAccount) =>
      (await readMailbox(account)).filter((folder) => folder.subscribed).map((folder) => folder.path);
    expect(await subscribed(to)).toEqual(expect.arrayContaining(await subscribed(from)));
    expect(await traces(from)).toBe(before);

    const { body: report } = await api.get<Report>(`/jobs/${done.id}/report`);
    for (const folder of report.folders)
      expect(folder.found).toBe(folder.copied + folder.alreadyThere + folder.skipped + folder.failed);

    const again = await api.post('/jobs', newJob(from, to));
    const second = await api.until(again.body.id, ['completed', 'failed', 'needs-action']);
    expect(second.progress).toMatchObject({ found: MESSAGES, copied: 0, alreadyThere: MESSAGES });
    expect(await exact(to)).toEqual(destination);
  }, 180_000);

  it('brings what came meanwhile with a delta pass, and keeps what the user did at the destination', async () => {
    const { from, to, api } = await customer();
    await appendMessages(from, fixtureMailbox(40, 2));
    const made = await api.post('/jobs', newJob(from, to, { options: { keepForSync: true } }));
    await api.until(made.body.id, ['completed']);
    await runCommands(to, 'SELECT INBOX', 'STORE 1 +FLAGS (\\Deleted)', 'EXPUNGE');
    const left = (await exact(to)).find((folder) => folder.path === 'INBOX')!.messages.length;
    await appendMessages(
      from,
      [...fixtureMailbox(3, 99)].map((message) => ({ ...message, path: 'INBOX' })),
    );
    const synced = await api.post(`/jobs/${made.body.id}/sync`);
    expect(synced.status).toBe(202);
    const done = await api.until(made.body.id, ['completed', 'failed', 'needs-action']);
    expect(done.progress).toMatchObject({ found: 43, copied: 43, failed: 0 });
    expect((await exact(to)).find((folder) => folder.path === 'INBOX')!.messages).toHaveLength(left + 3);
  }, 60_000);

  it('says what a test found, and what would go where', async () => {
    const { from, to, api } = await customer({ quota: '1M' });
    await appendMessages(from, fixtureMailbox(30, 3));
    const test = await api.post<TestView>('/connection-tests', {
      source: sourceOf(from, fingerprint),
      mailbox: to.user,
      items: ['mail'],
    });
    expect(test.status).toBe(200);
    expect(test.body).toMatchObject({ ok: true });
    expect(test.body.totals.items).toBe(30);
    expect(test.body.folders.find((folder) => folder.path === 'Work/2024/Über & Maß')?.items).toBe(3);
    expect(test.body.plan?.folders.find((folder) => folder.from === 'Sent')?.to).toBe('Sent');
    expect(test.body.plan?.quota).toMatchObject({ limitBytes: 1024 * 1024 });
  });

  it.each([
    ['a wrong password', { password: 'not it' }, 'AUTH_FAILED'],
    ['a host that does not exist', { host: 'nothing.invalid' }, 'HOST_NOT_FOUND'],
    ['a port where nobody listens', { port: 1 }, 'CONNECT_FAILED'],
    ['a certificate nobody vouches for', { caFingerprint: undefined }, 'TLS_UNTRUSTED'],
    ['another certificate than the accepted one', { caFingerprint: 'ab'.repeat(32) }, 'TLS_UNTRUSTED'],
  ])('answers %s with a code, a sentence and what to do', async (_, wrong, code) => {
    const { from, to, api } = await customer();
    const source = sourceOf(from, fingerprint, wrong);
    const { status, body } = await api.post<TestView>('/connection-tests', { source, mailbox: to.user });
    expect({ status, ok: body.ok, code: body.code }).toEqual({ status: 200, ok: false, code });
    expect(body.message).toMatch(/^[A-Z].*\.$/);
    expect(body.action).toMatch(/^[A-Z].*\.$/);
    const job = await api.post('/jobs', newJob(from, to, { source }));
    const ended = await api.until(job.body.id, ['failed', 'completed', 'needs-action']);
    expect({ state: ended.state, code: ended.reason?.code }).toEqual({ state: 'failed', code });
  });

  it('copies an empty mailbox to its end', async () => {
    const { from, to, api } = await customer();
    const { body } = await api.post('/jobs', newJob(from, to));
    const done = await api.until(body.id, ['completed', 'failed', 'needs-action']);
    expect([done.state, done.outcome, done.progress.found]).toEqual(['completed', 'complete', 0]);
  });

  it('stops when the new mailbox is full, says so, and goes on after there is room', async () => {
    const { from, to, api } = await customer({ quota: '64K' });
    const big = (n: number) =>
      Buffer.from(`Subject: ${n}\r\nMessage-ID: <${n}@q.test>\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(20_000, 'y\r\n'));
    await appendMessages(
      from,
      Array.from({ length: 8 }, (_, n) => ({ path: 'INBOX', message: big(n) })),
    );
    const { body } = await api.post('/jobs', newJob(from, to));
    const stuck = await api.until(body.id, ['needs-action', 'failed', 'completed']);
    expect({ state: stuck.state, code: stuck.reason?.code }).toEqual({ state: 'needs-action', code: 'QUOTA_EXCEEDED' });
    hoster.account({ name: to.user.split('@')[0]!, password: to.password, quota: '100M' });
    // Dovecot reads its list of accounts again when its length or its second of change differ: another length it is.
    const grown = async (): Promise<boolean> =>
      (await runCommands(to, 'GETQUOTAROOT INBOX')).flat(2).some((answer) => /STORAGE \d+ 102400/.test(String(answer)));
    while (!(await grown())) await delay(100);
    expect((await api.post(`/jobs/${body.id}/resume`)).status).toBe(202);
    const done = await api.until(body.id, ['completed', 'failed', 'needs-action'], 40_000);
    expect(done.progress).toMatchObject({ found: 8, copied: 8, failed: 0 });
    expect((await exact(to)).find((folder) => folder.path === 'INBOX')?.messages).toEqual(
      (await exact(from)).find((folder) => folder.path === 'INBOX')?.messages,
    );
  }, 60_000);

  it('names a message that is too large in the report and copies the rest', async () => {
    const { from, to, api } = await customer({ maxMessage: '100K' });
    const message = (n: number, size: number) =>
      Buffer.from(`Subject: size ${n}\r\nFrom: a@b.test\r\n\r\n`.padEnd(size, 'z\r\n'));
    await appendMessages(
      from,
      [1, 2, 3].map((n) => ({ path: 'INBOX', message: message(n, n === 2 ? 300_000 : 3_000) })),
    );
    const { body } = await api.post('/jobs', newJob(from, to));
    const done = await api.until(body.id, ['completed', 'failed', 'needs-action']);
    expect([done.state, done.outcome]).toEqual(['completed', 'incomplete']);
    const { body: report } = await api.get<Report>(`/jobs/${body.id}/report`);
    expect(report.counts).toMatchObject({ found: 3, copied: 2 });
    expect(report.items).toEqual([
      expect.objectContaining({ subject: 'size 2', from: 'a@b.test', folder: 'INBOX', code: 'MESSAGE_TOO_LARGE' }),
    ]);
    const csv = await api.get<string>(`/jobs/${body.id}/report.csv`);
    expect(csv.body.split('\n')[0]).toContain('kind,folder,subject,date,size,outcome,code,message');
    expect(csv.body).toContain('size 2');
  });

  it('says that the new mailbox does not exist, and touches nothing', async () => {
    const from = oldProvider.account();
    await appendMessages(from, fixtureMailbox(3, 5));
    const api = await stack.api('nobody-here@new.test');
    const { body } = await api.post<JobView>('/jobs', {
      mailbox: 'nobody-here@new.test',
      source: sourceOf(from, fingerprint),
      items: ['mail'],
      existing: 'keep',
      start: true,
    });
    const ended = await api.until(body.id, ['failed', 'needs-action', 'completed', 'waiting'], 25_000);
    expect(ended.reason?.code).toBe('DESTINATION_MISSING');
  }, 90_000);

  it('refuses a source that is the destination itself', async () => {
    const { to, api } = await customer();
    const source = { ...sourceOf(to, fingerprint), port: hoster.imapsPort };
    const { status, body } = await api.post<{ error: { code: string } }>('/jobs', newJob(to, to, { source }));
    expect([status, body.error?.code]).toEqual([422, 'SAME_MAILBOX']);
  });
});
