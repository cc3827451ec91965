/** What an Exchange server may answer instead of what was asked: told by a connection test and by a migration, in words. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobView, TestView } from '../../src/jobs/job.js';
import { wordsFor } from '../../src/jobs/messages.js';
import { type Certificate, certificateAuthority, selfSigned } from '../fixtures/certificates.js';
import { hoster, type TestAccount } from '../servers/dovecot.js';
import type { Fault } from '../servers/ews/faults.js';
import { fillSample, type SampleSize } from '../servers/ews/sample.js';
import { type EwsServer, startEws } from '../servers/ews/server.js';
import { privateFolder, stopPrivateServers } from '../servers/private.js';
import { type Api, type Stack, startStack } from './stack.js';

const SIZE: SampleSize = { messages: 20, events: 0, series: 0, contacts: 0, tasks: 0, notes: 0 };
const SECRET = 'correct horse, battery staple';
const UNKNOWN = wordsFor('UNKNOWN').message;

describe('an Exchange server that makes trouble', () => {
  let stack: Stack;
  const servers: EwsServer[] = [];
  beforeAll(async () => {
    // So that a wrong name and an expired one are what is wrong with the certificates below.
    const caFile = join(privateFolder(), 'authority.pem');
    writeFileSync(caFile, authority.cert);
    stack = await startStack({ env: { NODE_EXTRA_CA_CERTS: caFile } });
  });
  afterAll(async () => {
    await stack?.stop();
    // What somebody asked too early, or wrongly, is said here.
    for (const server of servers) await server.close();
    await stopPrivateServers();
  });

  const authority = certificateAuthority();
  const start = async (tls: Certificate = authority.issue(['localhost', '127.0.0.1'])): Promise<EwsServer> => {
    const server = await startEws({ tls });
    servers.push(server);
    return server;
  };
  interface Person {
    readonly from: string;
    readonly to: TestAccount;
    readonly api: Api;
    readonly source: Readonly<Record<string, unknown>>;
  }
  let people = 0;
  async function person(server: EwsServer, more: object = {}): Promise<Person> {
    const name = `t${++people}-${Math.random().toString(36).slice(2, 8)}`;
    const from = `${name}@corp.test`;
    fillSample(server.mailbox(from, SECRET), SIZE);
    const to = hoster.account({ name });
    const source = {
      ...{ type: 'ews', provider: 'exchange', host: 'localhost', port: server.port, security: 'tls' },
      ...{ username: from, password: SECRET, ...more },
    };
    return { from, to, api: await stack.api(to.user), source };
  }
  async function tested({ api, to, source }: Person): Promise<TestView> {
    const { body } = await api.post<TestView>('/connection-tests', { source, mailbox: to.user, items: ['mail'] });
    let test = body;
    for (let i = 0; test.code === undefined && i < 200; i++) {
      await new Promise((done) => setTimeout(done, 200));
      test = (await api.get<TestView>(`/connection-tests/${body.id}`)).body;
    }
    return test;
  }
  const begun = async ({ api, to, source }: Person): Promise<string> =>
    (await api.post('/jobs', { mailbox: to.user, source, items: ['mail'], existing: 'keep', start: true })).body.id;
  const stopped = ({ api }: Person, id: string): Promise<JobView> =>
    api.until(id, ['waiting', 'failed', 'needs-action', 'completed'], 120_000);

  /** A code with a sentence of its own, the same in both, and nothing of the password anywhere. */
  async function expectBoth(who: Person, code: string): Promise<TestView> {
    const test = await tested(who);
    expect(test).toMatchObject({ ok: false, code });
    const job = await stopped(who, await begun(who));
    expect([job.state === 'completed', job.reason?.code]).toEqual([false, code]);
    for (const { message } of [test, job.reason!]) {
      expect(message).toMatch(/^[A-Z].*\.$/);
      expect(message).not.toBe(UNKNOWN);
    }
    expect(JSON.stringify([test, job])).not.toContain(SECRET);
    return test;
  }

  describe('by its answers', () => {
    let server: EwsServer;
    beforeAll(async () => {
      server = await start();
    });
    const faulty = async (fault: Fault, wrong: (nth: number) => boolean = () => true): Promise<Person> => {
      const who = await person(server);
      const before = server.faults;
      let nth = 0;
      server.faults = (asked) => (asked.mailbox === who.from ? (wrong(++nth) ? fault : null) : before(asked));
      return who;
    };

    it.each<[string, Fault, string]>([
      ['status 500 with a page', { is: 'page-500' }, 'SERVER_BUSY'],
      ['XML that ends in the middle', { is: 'truncated-xml' }, 'PROTOCOL_ERROR'],
      ['a connection that is cut', { is: 'cut' }, 'CONNECT_FAILED'],
      ['a DOCTYPE', { is: 'doctype' }, 'XML_FORBIDDEN'],
      ['another content type', { is: 'wrong-type' }, 'EWS_NOT_FOUND'],
      ['a web page', { is: 'page-200' }, 'EWS_NOT_FOUND'],
      ['a redirect to its page for people', { is: 'redirect', to: '/owa/auth/logon.aspx' }, 'EWS_NOT_FOUND'],
    ])(
      '%s',
      async (_, fault, code) => {
        await expectBoth(await faulty(fault), code);
      },
      180_000,
    );

    it('a redirect to another host: told where to, and nothing is sent there', async () => {
      const stranger = await start();
      const test = await expectBoth(await faulty({ is: 'redirect', to: stranger.url }), 'EWS_REDIRECTED');
      expect(test.redirect).toEqual({ url: stranger.url });
      expect([stranger.requests, stranger.signedIn, stranger.unauthorized]).toEqual([[], 0, 0]);
    }, 180_000);

    it('refusals that begin in the middle: the person is asked, and what was copied stays', async () => {
      let open = true;
      const who = await faulty({ is: 'unauthorized' }, () => !open);
      const id = await begun(who);
      const before = server.faults;
      server.faults = (asked) => {
        if (asked.mailbox === who.from && asked.operation === 'GetItem') open = false;
        return before(asked);
      };
      const job = await stopped(who, id);
      expect(job).toMatchObject({ state: 'needs-action', reason: { code: 'AUTH_FAILED' } });
      open = true;
      server.faults = before;
      await who.api.put(`/jobs/${id}/credentials`, { password: SECRET });
      expect((await who.api.post(`/jobs/${id}/resume`)).status).toBe(202);
      const done = await who.api.until(id, ['completed', 'failed'], 120_000);
      expect(done).toMatchObject({ outcome: 'complete', progress: { found: SIZE.messages, failed: 0 } });
    }, 240_000);

    it('all three ways to say that it is busy: the migration waits as told, then ends right, never with too much at once', async () => {
      const ways: Fault[] = [
        { is: 'busy-503', seconds: 40 },
        { is: 'busy-500', ms: 40_000 },
        { is: 'busy-200', ms: 40_000 },
      ];
      const all = await Promise.all(
        ways.map(async (fault) => {
          let told = 0;
          const who = await person(server);
          const before = server.faults;
          server.faults = (asked) =>
            asked.mailbox === who.from
              ? asked.operation === 'SyncFolderItems' && told++ === 0
                ? fault
                : null
              : before(asked);
          return { who, id: await begun(who) };
        }),
      );
      for (const { who, id } of all) {
        const waiting = await who.api.until(id, ['waiting', 'completed', 'failed'], 60_000);
        expect(waiting).toMatchObject({ state: 'waiting', reason: { code: 'THROTTLED' } });
        expect(Date.parse(waiting.until!) - Date.now()).toBeGreaterThan(5_000);
      }
      for (const { who, id } of all)
        expect(await who.api.until(id, ['completed', 'failed'], 240_000)).toMatchObject({
          outcome: 'complete',
          progress: { found: SIZE.messages, copied: SIZE.messages, failed: 0 },
        });
      // The default policy of Exchange 2010 allows one user ten.
      expect(server.most()).toBeLessThanOrEqual(10);
    }, 400_000);
  });

  it('by its certificate: nobody vouches for it, it is another name’s, it has expired; no password is sent', async () => {
    for (const tls of [
      selfSigned(['localhost']),
      authority.issue(['other.test']),
      authority.issue(['localhost'], -1),
    ]) {
      const server = await start(tls);
      const test = await expectBoth(await person(server), 'TLS_UNTRUSTED');
      expect(test.certificate?.fingerprint.replaceAll(':', '').toLowerCase()).toBe(
        tls.fingerprint.replaceAll(':', '').toLowerCase(),
      );
      expect([server.requests, server.signedIn, server.unauthorized]).toEqual([[], 0, 0]);
    }
  }, 240_000);

  it('by another mailbox than the one that was named', async () => {
    const server = await start();
    const who = await person(server);
    server.answersFor = server.mailbox('somebody@corp.test', 'another');
    await expectBoth(who, 'WRONG_MAILBOX');
  }, 120_000);

  it('by offering Windows sign-in alone: said in words, with what can be done', async () => {
    const server = await start();
    const who = await person(server);
    server.basic = false;
    for (const offers of [['Negotiate', 'NTLM'], ['NTLM'], ['Negotiate']]) {
      server.offers = offers;
      const test = await expectBoth(who, 'EWS_NEEDS_BASIC');
      expect(test.message).toContain('Windows authentication');
      expect(test.action).toContain('basic authentication');
      expect(server.signedIn).toBe(0);
    }
  }, 120_000);

  it('by being something else: an address that is a web page, or a mail server', async () => {
    const server = await start();
    const page = await person(server, {
      ews: { url: `https://localhost:${server.port}/owa/` },
    });
    await expectBoth(page, 'EWS_NOT_FOUND');
    const mail = hoster.account();
    const imap = await person(server, { port: mail.imapPort });
    const test = await tested(imap);
    expect(test.ok).toBe(false);
    expect(test.message).not.toBe(UNKNOWN);
  }, 120_000);
});
