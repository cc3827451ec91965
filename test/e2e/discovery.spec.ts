import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { makeAuthority } from '../../src/standalone/infra/certificate.js';
import type { DovecotServer } from '../../src/standalone/infra/dovecot.js';
import type { Discovered } from '../../src/jobs/contract.js';
import type { TestView } from '../../src/jobs/job.js';
import { certificateAuthority } from '../fixtures/certificates.js';
import { addMessage, folderAt } from '../servers/ews/fill.js';
import { type EwsServer, startEws } from '../servers/ews/server.js';
import { startDns, type TestDns } from '../servers/dns.js';
import { accountOn, appendMessage, hoster, readMailbox } from '../servers/dovecot.js';
import { privateDovecot, privateFolder, stopPrivateServers } from '../servers/private.js';
import { type Stack, startStack } from './stack.js';
import { type Page, Visitor } from './visitor.js';

const SECRET = 'correct horse, battery staple';
type Follow = (page: Pick<Page, 'location'>) => Promise<Page>;

describe('settings found from an address', () => {
  let stack: Stack;
  let dns: TestDns;
  let old: DovecotServer;
  let front: EwsServer;
  let behind: EwsServer;

  beforeAll(async () => {
    const authority = makeAuthority('The old provider');
    old = await privateDovecot({ authority, names: ['imap.example.test'] });
    const issuer = certificateAuthority();
    // What the domain names, and the one that holds the mailboxes; neither has EWS at the usual place.
    const place = { path: '/somewhere/else.asmx' };
    front = await startEws({ ...place, tls: issuer.issue(['autodiscover.corp.example.test']) });
    behind = await startEws({ ...place, tls: issuer.issue(['exchange.hoster.example.test']) });
    dns = await startDns({
      srv: {
        '_imaps._tcp.example.test': [{ name: 'imap.example.test', port: old.imapsPort }],
        '_autodiscover._tcp.corp.example.test': [{ name: 'autodiscover.corp.example.test', port: front.port }],
      },
      mx: {
        'example.test': ['mx.example.test'],
        'cloud.example.test': ['cloud-example.mail.protection.outlook.com'],
      },
    });
    const caFile = join(privateFolder(), 'authority.pem');
    writeFileSync(caFile, `${authority.cert}\n${issuer.cert}`);
    stack = await startStack({
      env: {
        NODE_OPTIONS: `--import=${pathToFileURL(resolve('test/servers/names.mjs')).href}`,
        NODE_EXTRA_CA_CERTS: caFile,
        MAILFERRY_TEST_DNS: dns.address,
      },
    });
  });
  afterAll(async () => {
    await stack?.stop();
    await dns?.stop();
    await front?.close();
    await behind?.close();
    await stopPrivateServers();
  });

  /** Signed in, and at the form of step 4. */
  async function atConnection(mailbox: string, provider = 'imap'): Promise<{ visitor: Visitor; follow: Follow }> {
    const visitor = await Visitor.signedIn(stack, mailbox);
    const follow: Follow = async (page) => visitor.get(page.location!);
    await visitor.get('/migrate/new');
    await follow(await visitor.submit('/migrate/new'));
    await follow(await visitor.submit('/type', { provider }));
    await follow(await visitor.submit('/existing', { do: 'continue', existing: 'keep' }));
    await follow(await visitor.submit('/items', { do: 'continue', kinds: 'mail' }));
    return { visitor, follow };
  }

  it('are shown to be confirmed, and lead to a moved mailbox without a host ever being typed', async () => {
    const from = accountOn(old, {}, 'example.test');
    const to = hoster.account();
    await appendMessage(from, 'INBOX', 'Subject: found\r\n\r\nby its address\r\n');
    const { visitor, follow } = await atConnection(to.user);
    const signIns = () => old.log(500).split('imap-login: Info: Login').length - 1;
    const before = signIns();
    const found = await follow(await visitor.submit('/connection', { address: from.user, do: 'find' }));
    const value = (name: string) => new RegExp(`name="${name}"[^>]* value="([^"]*)"`).exec(found.text)?.[1];
    expect({ host: value('host'), port: value('port'), username: value('username') }).toEqual({
      host: 'imap.example.test',
      port: String(old.imapsPort),
      username: from.user,
    });
    // While it looked, nobody signed in there, and only the domain was asked about.
    expect(signIns()).toBe(before);
    expect(dns.asked.join(' ')).not.toContain(from.user.split('@')[0]!);

    const tested = await visitor.submit('/connection', {
      address: from.user,
      host: value('host')!,
      port: value('port')!,
      security: 'tls',
      username: from.user,
      password: from.password,
      do: 'test',
    });
    let test = await follow(tested);
    for (; !/It works|did not succeed/.test(test.text); test = await follow(tested)) await delay(200);
    expect(/<main[\s\S]*<\/main>/.exec(test.text)![0].replace(/<[^>]*>|\s+/g, ' ')).toContain('It works');
    // The inbox comes first; a form sends only what is ticked.
    await follow(await visitor.submit('/test', { do: 'continue', folders: '0' }));
    const started = await visitor.submit('/review', { do: 'start' });
    const id = /\/jobs\/([0-9a-f-]{36})/.exec(started.location ?? '')?.[1];
    const done = await (await stack.api(to.user)).until(id!, ['completed', 'failed', 'needs-action']);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: 1 } });
    const inbox = (await readMailbox(to)).find(({ path }) => path === 'INBOX');
    expect(inbox?.messages).toHaveLength(1);
  });

  it('are those of an Exchange server, too: found, confirmed, and confirmed once more before another server gets the password', async () => {
    const anna = 'anna@corp.example.test';
    for (const server of [front, behind]) {
      const box = server.mailbox(anna, SECRET);
      addMessage(box, folderAt(box, ['INBOX']), Buffer.from('Subject: found\r\n\r\nby Autodiscover\r\n'));
    }
    front.autodiscover.ewsUrl = `https://exchange.hoster.example.test:${behind.port}/somewhere/else.asmx`;
    const to = hoster.account();
    const { visitor, follow } = await atConnection(to.user, 'exchange');
    const found = await follow(await visitor.submit('/connection', { address: anna, do: 'find' }));
    const valueOn = (page: Page, name: string) =>
      new RegExp(`name="${name}"[^>]* value="([^"]*)"`).exec(page.text)?.[1];
    expect({
      host: valueOn(found, 'host'),
      port: valueOn(found, 'port'),
      username: valueOn(found, 'username'),
    }).toEqual({
      host: 'autodiscover.corp.example.test',
      port: String(front.port),
      username: anna,
    });
    // Nobody got a login, and only this domain was asked about, nothing above it.
    expect(front.requests).toEqual([]);
    expect(front.signedIn).toBe(0);
    expect(dns.asked.filter((one) => /autodiscover/.test(one))).toEqual(['SRV _autodiscover._tcp.corp.example.test']);
    const looked = async (page: Page): Promise<Page> => {
      let test = await follow(page);
      for (; !/It works|did not succeed/.test(test.text); test = await follow(page)) await delay(200);
      return test;
    };
    const typed = {
      ...{ address: anna, host: valueOn(found, 'host')!, port: valueOn(found, 'port')!, security: 'tls' },
      ...{ username: anna, password: SECRET, ewsUrl: '', do: 'test' },
    };
    const refused = await looked(await visitor.submit('/connection', typed));
    expect(refused.text).toContain('EWS_REDIRECTED');
    expect(refused.text).toContain(front.autodiscover.ewsUrl);
    expect([behind.signedIn, behind.requests]).toEqual([0, []]);
    const again = await follow(await visitor.submit('/test', { do: 'follow', url: front.autodiscover.ewsUrl }));
    expect(valueOn(again, 'ewsUrl')).toBe(front.autodiscover.ewsUrl);
    const test = await looked(await visitor.submit('/connection', { ...typed, ewsUrl: front.autodiscover.ewsUrl }));
    expect(test.text).toContain('Exchange answers at https://exchange.hoster.example.test');
    await follow(await visitor.submit('/test', { do: 'continue', folders: '0' }));
    const started = await visitor.submit('/review', { do: 'start' });
    const id = /\/jobs\/([0-9a-f-]{36})/.exec(started.location ?? '')?.[1];
    const done = await (await stack.api(to.user)).until(id!, ['completed', 'failed', 'needs-action']);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: 1 } });
    expect(front.requests).toEqual([]);
  });

  it.each([true, false])('are told to scripts by the API (older form of Autodiscover: %s)', async (pox) => {
    const to = hoster.account();
    const api = await stack.api(to.user);
    const ben = `ben${pox}@corp.example.test`;
    front.mailbox(ben, SECRET);
    front.autodiscover.pox = pox;
    const url = `https://autodiscover.corp.example.test:${front.port}/somewhere/else.asmx`;
    front.autodiscover.ewsUrl = url;
    const { body: found } = await api.post<Discovered>('/connection-tests/discover', { address: ben, type: 'ews' });
    expect(found).toEqual({
      found: true,
      by: 'autodiscover',
      ...{ host: 'autodiscover.corp.example.test', port: front.port, security: 'tls', username: ben },
    });
    const { found: _, by: __, ...settings } = found;
    const source = { type: 'ews', ...settings, password: SECRET };
    const { body: test } = await api.post<TestView>('/connection-tests', { source, mailbox: to.user });
    expect(test).toMatchObject({ ok: true, ews: { url } });
    front.autodiscover.redirectUrl = `https://exchange.hoster.example.test:${behind.port}/autodiscover/autodiscover.xml`;
    const { body: elsewhere } = await api.post<TestView>('/connection-tests', { source, mailbox: to.user });
    const redirect = { url: front.autodiscover.redirectUrl };
    expect(elsewhere).toMatchObject({ ok: false, code: 'EWS_REDIRECTED', redirect });
    front.autodiscover.redirectUrl = null;
    const { body: none } = await api.post<Discovered>('/connection-tests/discover', {
      address: 'ben@sub.corp.example.test',
      type: 'ews',
    });
    expect(none).toEqual({ found: false });
    // Where this way is closed.
    const cloud = { address: 'ben@cloud.example.test', type: 'ews' };
    const { body: closed } = await api.post<Discovered>('/connection-tests/discover', cloud);
    expect(closed).toEqual({ found: false, provider: 'microsoft365' });
  });

  it('are not made up for a domain that names none', async () => {
    const { visitor } = await atConnection(hoster.account().user);
    const page = await visitor.submit('/connection', { address: 'anna@nowhere.example.test', do: 'find' });
    expect(page.status).toBe(422);
    expect(page.text).toContain('We found no settings for this address');
    expect(page.text).toContain('value="anna@nowhere.example.test"');
  });
});
