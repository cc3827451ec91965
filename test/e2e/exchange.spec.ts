/** An Exchange mailbox by every door of the product: the API, a batch by impersonation, the command line. */
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer } from 'node:tls';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BatchView } from '../../src/batches/batch.js';
import type { JobView, TestView } from '../../src/jobs/job.js';
import type { Report } from '../../src/reports/contract.js';
import { arrivedEvents, objectsAt, wishedEvents } from '../exactness/exchange-meaning.js';
import { type Certificate, type CertificateAuthority, certificateAuthority } from '../fixtures/certificates.js';
import { startCyrus } from '../servers/cyrus.js';
import { freshDatabase } from '../servers/database.js';
import { hoster, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { fillSample, type SampleSize } from '../servers/ews/sample.js';
import { type EwsServer, startEws } from '../servers/ews/server.js';
import { stopPrivateServers } from '../servers/private.js';
import { endOf, startCopy } from '../standalone/copy-process.js';
import { type Stack, startStack } from './stack.js';

const SIZE: SampleSize = { messages: 60, events: 12, series: 6, contacts: 10, tasks: 5, notes: 4 };
const HOST_LIMIT = 3;
const SECRET = 'correct horse, battery staple';

describe('Exchange as the old server', () => {
  let stack: Stack;
  let server: EwsServer;
  let authority: CertificateAuthority;
  let fingerprint: string;
  beforeAll(async () => {
    authority = certificateAuthority();
    const tls = authority.issue(['localhost', '127.0.0.1']);
    fingerprint = tls.fingerprint;
    server = await startEws({ tls });
    // All migrations together may ask it three things at once.
    stack = await startStack({ config: { hostLimits: { localhost: HOST_LIMIT } } });
  });
  afterAll(async () => {
    await stack?.stop();
    await server?.close();
  });

  const sourceOf = (username: string): object => ({
    type: 'ews',
    provider: 'exchange',
    host: 'localhost',
    port: server.port,
    security: 'tls',
    username,
    password: SECRET,
    caFingerprint: fingerprint,
  });
  let people = 0;
  function person(size: SampleSize = SIZE): { from: string; to: TestAccount } {
    const name = `x${++people}-${Math.random().toString(36).slice(2, 8)}`;
    const from = `${name}@corp.test`;
    fillSample(server.mailbox(from, SECRET), size);
    return { from, to: hoster.account({ name }) };
  }
  const messagesAt = async (to: TestAccount): Promise<number> =>
    (await readMailbox(to)).reduce((sum, folder) => sum + folder.messages.length, 0);

  it('is tested, copied and copied again by the API, with a report of what had no place', async () => {
    const { from, to } = person();
    const api = await stack.api(to.user);
    const tested = await api.post<TestView>('/connection-tests', {
      source: sourceOf(from),
      mailbox: to.user,
      items: ['mail'],
    });
    expect(tested.body).toMatchObject({ ok: true, code: 'OK' });
    const kinds = new Set(tested.body.folders!.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(['calendars', 'contacts', 'mail', 'notes', 'tasks']);
    const job = { mailbox: to.user, source: sourceOf(from), items: ['mail'], existing: 'keep', start: true };
    for (const copied of [SIZE.messages, 0]) {
      const made = await api.post('/jobs', job);
      const done = await api.until(made.body.id, ['completed', 'failed', 'needs-action']);
      expect(done).toMatchObject({
        state: 'completed',
        outcome: 'complete',
        progress: { found: SIZE.messages, copied, failed: 0 },
      });
      const { body: report } = await api.get<Report>(`/jobs/${done.id}/report`);
      expect(report.items).toEqual([]);
    }
    expect(await messagesAt(to)).toBe(SIZE.messages);
    expect(`${stack.web.log()}${stack.worker.log()}`).not.toContain(SECRET);
  });

  it.each(['a token', 'a colleague with full access'])('is opened by %s', async (way) => {
    const { from, to } = person({ ...SIZE, messages: 12 });
    const colleague = `colleague-of-${from}`;
    server.mailbox(colleague, SECRET);
    server.user(colleague).delegate.add(from);
    const { password, ...named } = sourceOf(from) as { password: string };
    const opened =
      way === 'a token'
        ? { ...named, token: server.user(from).token }
        : { ...named, password, login: { method: 'delegate', username: colleague } };
    const api = await stack.api(to.user);
    const made = await api.post('/jobs', {
      mailbox: to.user,
      source: opened,
      items: ['mail'],
      existing: 'keep',
      start: true,
    });
    const done = await api.until(made.body.id, ['completed', 'failed', 'needs-action']);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { found: 12, copied: 12 } });
    expect(await messagesAt(to)).toBe(12);
    expect(`${stack.web.log()}${stack.worker.log()}`).not.toContain(server.user(from).token);
  });

  it('says what is wrong: a password, an address, Microsoft 365', async () => {
    const { from, to } = person();
    const api = await stack.api(to.user);
    const codeOf = async (source: object): Promise<string> =>
      (await api.post<TestView>('/connection-tests', { source, mailbox: to.user, items: ['mail'] })).body.code!;
    expect(await codeOf({ ...sourceOf(from), password: 'wrong' })).toBe('AUTH_FAILED');
    const elsewhere = { url: `https://localhost:${server.port}/owa/` };
    expect(await codeOf({ ...sourceOf(from), ews: elsewhere })).toBe('EWS_NOT_FOUND');
    expect(await codeOf({ ...sourceOf(from), host: 'outlook.office365.com', port: 443 })).toBe('EWS_CLOSED');
  });

  it('waits when Exchange says so, and tells until when', async () => {
    const { from, to } = person();
    const api = await stack.api(to.user);
    let told = 0;
    server.faults = ({ mailbox, operation }) =>
      mailbox === from && operation === 'SyncFolderItems' && told++ === 0 ? { is: 'busy-500', ms: 40_000 } : null;
    const made = await api.post('/jobs', {
      mailbox: to.user,
      source: sourceOf(from),
      items: ['mail'],
      existing: 'keep',
      start: true,
    });
    const waiting = await api.until(made.body.id, ['waiting', 'completed', 'failed']);
    expect(waiting).toMatchObject({ state: 'waiting', reason: { code: 'THROTTLED' } });
    expect(Date.parse(waiting.until!) - Date.now()).toBeGreaterThan(15_000);
    // It goes on by itself, and not before: else the server would complain when it is closed.
    const done = await api.until(made.body.id, ['completed', 'failed'], 180_000);
    expect(done).toMatchObject({ state: 'completed', progress: { copied: SIZE.messages } });
    server.faults = () => null;
  }, 240_000);

  it('is opened for a whole domain by one administrator, by impersonation', async () => {
    const all = [person(), person(), person()];
    const stranger = person();
    server.admin(
      'migration@corp.test',
      SECRET,
      all.map(({ from }) => from),
    );
    const api = await stack.api(null, { role: 'domain-admin', domain: 'new.test' });
    const { password: _, username: __, ...source } = sourceOf('') as Record<string, unknown>;
    const rows = [...all, stranger].map(({ from, to }) => `${from};${to.user};`);
    const made = await api.post<{ id: string; accepted: number }>('/batches', {
      domain: 'new.test',
      source,
      auth: { kind: 'admin', method: 'impersonation', username: 'migration@corp.test', password: SECRET },
      csv: ['source_username;mailbox;source_password', ...rows].join('\n'),
      options: { items: ['mail'] },
    });
    expect([made.status, made.body.accepted]).toEqual([201, 4]);
    const look = async (): Promise<BatchView> => (await api.get<BatchView>(`/batches/${made.body.id}`)).body;
    expect((await api.post(`/batches/${made.body.id}/start`)).status).toBe(202);
    const isOver = ({ counts: { states } }: BatchView): boolean => states.completed === 3 && states.failed === 1;
    for (let i = 0; i < 600 && !isOver(await look()); i++) await delay(200);
    for (const { to } of all) expect(await messagesAt(to)).toBe(SIZE.messages);
    expect(server.most()).toBeLessThanOrEqual(HOST_LIMIT);
    const { body: list } = await api.get<{ jobs: JobView[] }>(`/jobs?batch=${made.body.id}&perPage=50`);
    const refused = list.jobs.find(({ mailbox }) => mailbox === stranger.to.user);
    expect(refused?.reason?.code).toBe('EWS_IMPERSONATION_DENIED');
    const wrong = await api.post<{ error: { code: string } }>('/batches', {
      domain: 'new.test',
      source: { ...source, type: 'imap' },
      auth: { kind: 'admin', method: 'impersonation', username: 'x', password: SECRET },
      csv: 'source_username;mailbox;source_password\na;b@new.test;',
    });
    expect(wrong.body.error.code).toBe('IMPERSONATION_UNSUPPORTED');
  }, 240_000);

  it('is copied from a shell: mailferry copy --from ews://', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'mailferry-copy-ews-'));
    const database = await freshDatabase();
    try {
      const { from, to } = person();
      writeFileSync(join(dataDir, 'ca.crt'), hoster.ca);
      writeFileSync(join(dataDir, 'old.crt'), authority.cert);
      const args = [
        ...['copy', '--from', `ews://${from}@localhost:${server.port}`, '--from-ca', join(dataDir, 'old.crt')],
        ...['--to', `imaps://${encodeURIComponent(to.user)}@127.0.0.1:${to.imapsPort}`, '--json'],
      ];
      const options = { dataDir, databaseUrl: database.url, from: SECRET, to: to.password };
      for (const copied of [SIZE.messages, 0]) {
        const { code, out, err } = await startCopy(args, options).ended;
        expect([code, err]).toEqual([0, '']);
        expect(endOf(out)).toMatchObject({ outcome: 'complete', found: SIZE.messages, copied });
      }
      const wrong = await startCopy([...args, '--items', 'mail,contacts'], options).ended;
      expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('--to-dav')]);
    } finally {
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  }, 240_000);

  it('is copied from a shell with all it has: --to-dav', async () => {
    const cyrus = await startCyrus();
    // Said in the output, as the other specs that need it do.
    if (typeof cyrus === 'string') return console.warn(`copy with --to-dav is skipped: ${cyrus}`);
    const dataDir = mkdtempSync(join(tmpdir(), 'mailferry-copy-ews-'));
    const database = await freshDatabase();
    const front = await inTls(
      authority.issue(['127.0.0.1']),
      Number(new URL(cyrus.davUrl.replace('{user}', 'x')).port),
    );
    try {
      const { from } = person();
      const to = await cyrus.account();
      writeFileSync(join(dataDir, 'ca.crt'), `${to.ca}\n${authority.cert}`);
      const args = [
        ...['copy', '--from', `ews://${from}@localhost:${server.port}`, '--json'],
        ...['--to', `imaps://${encodeURIComponent(to.user)}@127.0.0.1:${to.imapsPort}`],
        ...['--to-dav', `https://127.0.0.1:${front.port}/`, '--items', 'mail,contacts,calendars,tasks,notes'],
      ];
      const options = { dataDir, databaseUrl: database.url, from: SECRET, to: to.password };
      const all = SIZE.messages + SIZE.events + SIZE.contacts + 1 + SIZE.tasks + SIZE.notes;
      for (const copied of [all, 0]) {
        const { code, out, err } = await startCopy(args, options).ended;
        expect([code, err]).toEqual([0, '']);
        expect(endOf(out)).toMatchObject({ outcome: 'complete', found: all, copied });
      }
      const bodies = await objectsAt(cyrus, to);
      expect(bodies).toHaveLength(all - SIZE.messages);
      expect(arrivedEvents(bodies)).toEqual(wishedEvents(SIZE.events, SIZE.series, from));
    } finally {
      front.close();
      await database.drop();
      rmSync(dataDir, { recursive: true, force: true });
      await stopPrivateServers();
    }
  }, 400_000);
});

/** The same server behind TLS. */
async function inTls({ cert, key }: Certificate, port: number): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const front = createServer({ cert, key }, (socket) => {
    const behind = connect(port, '127.0.0.1');
    for (const one of [socket, behind]) {
      sockets.add(one);
      one.on('error', () => undefined).on('close', () => (socket.destroy(), behind.destroy()));
    }
    socket.pipe(behind).pipe(socket);
  });
  await new Promise<void>((done) => front.listen(0, '127.0.0.1', done));
  return {
    port: (front.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      front.close();
    },
  };
}
