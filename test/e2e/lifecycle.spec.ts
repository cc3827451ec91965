import { setTimeout as delay } from 'node:timers/promises';
import type { JobView } from '../../src/jobs/job.js';
import type { Report } from '../../src/reports/contract.js';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import {
  appendMessage,
  appendMessages,
  hoster,
  oldProvider,
  readMailbox,
  type TestAccount,
} from '../servers/dovecot.js';
import { HoldingWire } from '../standalone/copy-process.js';
import { type Api, fingerprintOf, sourceOf, type Stack, startStack } from './stack.js';

let stack: Stack;
let fingerprint: string;
beforeAll(async () => {
  stack = await startStack();
  fingerprint = await fingerprintOf(oldProvider.imapsPort);
});
afterAll(() => stack?.stop());

async function customer(): Promise<{ from: TestAccount; to: TestAccount; api: Api }> {
  const from = oldProvider.account();
  const to = hoster.account({ name: from.user.split('@')[0]! });
  return { from, to, api: await stack.api(to.user) };
}
const newJob = (from: TestAccount, to: TestAccount, more: object = {}): object => ({
  mailbox: to.user,
  source: sourceOf(from, fingerprint),
  start: true,
  ...more,
});
const mail = (text: string): string =>
  `From: a@b.test\r\nSubject: ${text}\r\nMessage-ID: <${text}@b.test>\r\n\r\n${text}\r\n`;
const inFolders = async (account: TestAccount): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await readMailbox(account))
      .filter(({ messages }) => messages.length > 0)
      .map(({ path, messages }) => [path, messages.length]),
  );
const END = ['completed', 'failed', 'needs-action', 'cancelled'];

describe('replace', () => {
  it('moves the old mail into a dated folder after the copy, keeps twins, and touches no other folder', async () => {
    const { from, to, api } = await customer();
    for (const text of ['one', 'two', 'twin', 'twin']) await appendMessage(from, 'INBOX', mail(text));
    // One of the two twins is in the new mailbox already, beside mail that is nowhere else.
    for (const text of ['twin', 'mine', 'mine too']) await appendMessage(to, 'INBOX', mail(text));
    await appendMessage(to, 'Private', mail('private'));

    const job = newJob(from, to, { existing: 'replace' });
    expect((await api.post('/jobs', job)).status).toBe(422);
    expect((await api.post('/jobs', { ...job, confirm: 'somebody@new.test' })).status).toBe(422);
    const { body } = await api.post('/jobs', { ...job, confirm: to.user });
    const done = await api.until(body.id, END);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: 3, alreadyThere: 1 } });

    const day = done.startedAt!.slice(0, 10);
    expect(await inFolders(to)).toEqual({ INBOX: 4, Private: 1, [`Before migration ${day}/INBOX`]: 2 });
    const { body: report } = await api.get<Report>(`/jobs/${body.id}/report`);
    expect(report.changes.find(({ code }) => code === 'SET_ASIDE')).toMatchObject({ items: 2 });
  }, 60_000);

  it('touches nothing when the old mailbox shows nothing (case 41)', async () => {
    const { from, to, api } = await customer();
    await appendMessage(to, 'INBOX', mail('mine'));
    const { body } = await api.post('/jobs', newJob(from, to, { existing: 'replace', confirm: to.user }));
    await api.until(body.id, END);
    expect(await inFolders(to)).toEqual({ INBOX: 1 });
    const { body: report } = await api.get<Report>(`/jobs/${body.id}/report`);
    expect(report.changes).toEqual([expect.objectContaining({ code: 'REPLACE_REFUSED' })]);
  }, 60_000);
});

describe('a password that is changed at the old provider in the middle', () => {
  it('stops the migration with what to do; with the new one it goes on and doubles nothing', async () => {
    const { from, to, api } = await customer();
    await appendMessages(from, fixtureMailbox(600, 41));
    // Held in the middle: a fast engine would be through before anybody could pause it.
    const wire = await HoldingWire.before(from.imapsPort, 400_000);
    const { body } = await api.post('/jobs', newJob({ ...from, imapsPort: wire.port }, to));
    const job = async () => (await api.get(`/jobs/${body.id}`)).body;
    const end = Date.now() + 10_000;
    while ((await job()).progress.copied < 50 && Date.now() < end);
    expect((await api.post(`/jobs/${body.id}/pause`)).status).toBe(202);
    while ((await job()).runs.some(({ state }) => state === 'running')) await delay(50);
    expect(await job()).toMatchObject({ state: 'paused' });
    const name = from.user.split('@')[0]!;
    oldProvider.account({ name, password: 'changed it' });
    wire.letGo();
    await api.post(`/jobs/${body.id}/resume`);
    const stuck = await api.until(body.id, END);
    expect([stuck.state, stuck.reason?.code]).toEqual(['needs-action', 'AUTH_FAILED']);
    expect(stuck.reason?.action).toMatch(/password/);

    expect((await api.put(`/jobs/${body.id}/credentials`, { password: 'changed it' })).status).toBe(200);
    expect((await api.post(`/jobs/${body.id}/resume`)).status).toBe(202);
    const done = await api.until(body.id, END);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { found: 600, copied: 600 } });
    expect(await inFolders(to)).toEqual(await inFolders({ ...from, password: 'changed it' }));
    wire.close();
  }, 90_000);
});

describe('the event stream of a running migration', () => {
  it('begins with a snapshot, only ever goes forward, and ends with the end', async () => {
    const { from, to, api } = await customer();
    await appendMessages(from, fixtureMailbox(300, 42));
    const { body } = await api.post('/jobs', newJob(from, to));
    const stream = await fetch(`${stack.base}/api/v1/jobs/${body.id}/events`, {
      headers: { authorization: `Bearer ${api.token}` },
    });
    expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const events = (await stream.text())
      .split('\n\n')
      .filter((block) => block.startsWith('event: '))
      .map((block) => {
        const [, type, id, data] = /^event: (\w+)\nid: (\d+)\ndata: (.*)$/.exec(block)!;
        return { type, id: Number(id), job: JSON.parse(data!) as JobView };
      });
    expect(events[0]?.type).toBe('snapshot');
    expect(events.at(-1)).toMatchObject({ type: 'end', job: { state: 'completed', progress: { copied: 300 } } });
    const copied = events.map(({ job }) => job.progress.copied);
    expect(copied).toEqual([...copied].sort((a, b) => a - b));
    const ids = events.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort((a, b) => a - b));
    expect(events.map(({ job }) => job.version)).toEqual(ids);

    const again = await fetch(`${stack.base}/api/v1/jobs/${body.id}/events`, {
      headers: { authorization: `Bearer ${api.token}`, 'last-event-id': String(ids.at(-1)) },
    });
    expect(await again.text()).toMatch(/event: snapshot\n[^]*event: end\n/);
  }, 60_000);
});

describe("somebody else's migration (case 24)", () => {
  it('does not exist for another customer or the admin of another domain', async () => {
    const { from, to, api } = await customer();
    await appendMessage(from, 'INBOX', mail('secret subject'));
    const { body } = await api.post('/jobs', newJob(from, to));
    await api.until(body.id, END);
    const stranger = await stack.api(hoster.account().user);
    const foreignAdmin = await stack.api(null, { role: 'domain-admin', domain: 'other.test' });
    const admin = await stack.api(null, { role: 'domain-admin', domain: 'new.test' });
    for (const [who, status] of [
      [stranger, 404],
      [foreignAdmin, 404],
      [admin, 200],
    ] as const)
      for (const path of ['', '/report', '/report.csv', '/items', '/events']) {
        const answer = await who.get(`/jobs/${body.id}${path}`);
        expect([path, answer.status]).toEqual([path, status]);
        if (status === 404) expect(JSON.stringify(answer.body)).not.toMatch(/secret subject|old\.test/);
      }
    for (const who of [stranger, foreignAdmin]) {
      for (const action of ['start', 'pause', 'resume', 'cancel', 'retry', 'sync'])
        expect([action, (await who.post(`/jobs/${body.id}/${action}`)).status]).toEqual([action, 404]);
      expect((await who.patch(`/jobs/${body.id}`, { items: ['mail'] })).status).toBe(404);
      expect((await who.put(`/jobs/${body.id}/credentials`, { password: 'x' })).status).toBe(404);
      expect((await who.delete(`/jobs/${body.id}`)).status).toBe(404);
      expect((await who.post('/jobs', newJob(from, to))).status).toBe(403);
      const list = await who.get<{ total: number }>(`/jobs?q=${encodeURIComponent(to.user)}`);
      expect(list.body.total).toBe(0);
    }
  }, 60_000);
});
