import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { makeAuthority } from '../../src/standalone/infra/certificate.js';
import type { DovecotServer } from '../../src/standalone/infra/dovecot.js';
import { startDns, type TestDns } from '../servers/dns.js';
import { accountOn, appendMessage, hoster, readMailbox } from '../servers/dovecot.js';
import { privateDovecot, privateFolder, stopPrivateServers } from '../servers/private.js';
import { type Stack, startStack } from './stack.js';
import { type Page, Visitor } from './visitor.js';

type Follow = (page: Pick<Page, 'location'>) => Promise<Page>;

describe('settings found from an address', () => {
  let stack: Stack;
  let dns: TestDns;
  let old: DovecotServer;

  beforeAll(async () => {
    const authority = makeAuthority('The old provider');
    old = await privateDovecot({ authority, names: ['imap.example.test'] });
    dns = await startDns({
      srv: { '_imaps._tcp.example.test': [{ name: 'imap.example.test', port: old.imapsPort }] },
      mx: { 'example.test': ['mx.example.test'] },
    });
    const caFile = join(privateFolder(), 'authority.pem');
    writeFileSync(caFile, authority.cert);
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
    await stopPrivateServers();
  });

  /** Signed in, and at the form of step 4. */
  async function atConnection(mailbox: string): Promise<{ visitor: Visitor; follow: Follow }> {
    const visitor = await Visitor.signedIn(stack, mailbox);
    const follow: Follow = async (page) => visitor.get(page.location!);
    await visitor.get('/migrate/new');
    await follow(await visitor.submit('/migrate/new'));
    await follow(await visitor.submit('/type', { provider: 'imap' }));
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

  it('are not made up for a domain that names none', async () => {
    const { visitor } = await atConnection(hoster.account().user);
    const page = await visitor.submit('/connection', { address: 'anna@nowhere.example.test', do: 'find' });
    expect(page.status).toBe(422);
    expect(page.text).toContain('We found no settings for this address');
    expect(page.text).toContain('value="anna@nowhere.example.test"');
  });
});
