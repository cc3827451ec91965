import { jest } from '@jest/globals';
import { JobError, type ConnectionTestsApi } from '../../../src/jobs/contract.js';
import type { TestResult } from '../../../src/jobs/job.js';
import { failedTest, PASSED, UNTRUSTED } from '../../browser/stage.js';
import { startWeb, type WebApp } from '../web-app.js';
import { PagesVisitor } from './visitor.js';

const CANARY = 'canary-7f3a-password';
const CONNECTION = {
  host: 'imap.old.example',
  port: '993',
  security: 'tls',
  username: 'alice@old.example',
  password: CANARY,
};

describe('the wizard without JavaScript', () => {
  let web: WebApp;
  let alice: PagesVisitor;

  beforeAll(async () => {
    web = await startWeb();
  });
  afterAll(() => web.close());
  beforeEach(() => {
    web.room.records.clear();
    web.room.tests.requests.length = 0;
    web.room.nextTest = PASSED;
    web.panel.forbidden.clear();
    alice = new PagesVisitor(web, 'alice');
  });
  afterEach(() => jest.restoreAllMocks());

  const job = () => [...web.room.records.values()].at(-1)!;
  const step = () => alice.path.split('/').at(-1)!;

  async function begin(): Promise<void> {
    await alice.goto('/new');
    await alice.submit('/new', {});
  }
  async function choose(provider = 'imap'): Promise<void> {
    await begin();
    await alice.submit('/type', { provider });
  }
  async function toConnection(provider = 'imap'): Promise<void> {
    await choose(provider);
    await alice.submit('/existing', { do: 'continue' });
    await alice.submit('/items', { do: 'continue' });
  }
  async function toTest(result: TestResult | 'never' = PASSED): Promise<void> {
    web.room.nextTest = result;
    await toConnection();
    await alice.submit('/connection', { ...CONNECTION, do: 'test' });
  }
  async function toReview(): Promise<void> {
    await toTest();
    await alice.submit('/test', { do: 'continue' });
  }

  it('goes from nothing to a started migration in six steps', async () => {
    await toReview();
    expect(step()).toBe('review');
    expect(alice.text).toContain('alice@old.example at imap.old.example, port 993');
    await alice.submit('/review', { do: 'start' });
    expect(alice.path).toBe(`/jobs/${job().view.id}?done=start`);
    expect(job().view).toMatchObject({
      state: 'queued',
      mailbox: 'alice@new.test',
      existing: 'keep',
      items: ['mail'],
      source: { type: 'imap', provider: 'imap', host: 'imap.old.example', port: 993, username: 'alice@old.example' },
    });
    expect(job().secret).toEqual({ password: CANARY });
  });

  it('starts once although the form is sent twice', async () => {
    await toReview();
    const review = alice.page;
    await alice.submit('/review', { do: 'start' });
    alice.page = review;
    await alice.submit('/review', { do: 'start' });
    expect(alice.page.status).toBe(200);
    expect(alice.path).toMatch(/^\/jobs\//);
    expect(job().view.state).toBe('queued');
  });

  it('refuses a form without its CSRF token', async () => {
    await choose();
    await alice.submit('/existing', { _csrf: 'guessed' });
    expect(alice.page.status).toBe(403);
    expect(job().form['done']).toEqual(['type']);
  });

  it('keeps what was typed when going back and forward', async () => {
    await choose();
    await alice.submit('/existing', {});
    await alice.submit('/items', {
      since: '2019-12-31',
      maxMegabytes: '25',
      exclude: 'Newsletters\r\nWork/Archive 2012',
      do: 'back',
    });
    expect(step()).toBe('existing');
    await alice.submit('/existing', { do: 'continue' });
    expect(alice.value('since')).toBe('2019-12-31');
    expect(alice.value('maxMegabytes')).toBe('25');
    expect(alice.value('exclude')).toBe('Newsletters\nWork/Archive 2012');
    await alice.submit('/items', { do: 'continue' });
    expect(job().view.filters).toEqual({
      excludeFolders: [['Newsletters'], ['Work', 'Archive 2012']],
      since: '2019-12-31T00:00:00.000Z',
      maxItemBytes: 25 * 1024 * 1024,
    });
    expect(job().view.options).toMatchObject({ deepVerify: false });
    await alice.submit('/connection', { host: 'half.typed', username: 'al', password: CANARY, do: 'back' });
    expect(step()).toBe('items');
    await alice.submit('/items', { do: 'continue' });
    expect(alice.value('host')).toBe('half.typed');
    expect(alice.value('username')).toBe('al');
    expect(alice.value('password')).toBe('');
  });

  it('never shows a password again, and says that it is kept', async () => {
    const pages: string[] = [];
    await toTest();
    pages.push(alice.page.text);
    for (const name of ['type', 'existing', 'items', 'connection', 'test', 'review']) {
      await alice.goto(`/new/${job().view.id}/${name}`);
      pages.push(alice.page.text);
    }
    await alice.goto(`/new/${job().view.id}/connection`);
    expect(alice.text).toContain('A password is stored, encrypted. Leave this empty to keep it.');
    await alice.submit('/connection', { host: '', password: CANARY, do: 'test' });
    expect(alice.page.status).toBe(422);
    pages.push(alice.page.text);
    expect(pages.filter((html) => html.includes(CANARY))).toEqual([]);
    expect(JSON.stringify(job().form)).not.toContain(CANARY);
  });

  it('keeps the password when only port and encryption change', async () => {
    await toTest();
    await alice.goto(`/new/${job().view.id}/connection`);
    await alice.submit('/connection', { security: 'starttls', port: '143', do: 'test' });
    expect(step()).toBe('test');
    expect(job().view.source).toMatchObject({ port: 143, security: 'starttls' });
    expect(job().secret).toEqual({ password: CANARY });
  });

  it('tests again with the kept password when only the page is sent again', async () => {
    await toTest(failedTest('TIMEOUT'));
    await alice.goto(`/new/${job().view.id}/connection`);
    web.room.nextTest = PASSED;
    await alice.submit('/connection', { do: 'test' });
    expect(step()).toBe('test');
    expect(alice.text).toContain('It works');
    expect(job().secret).toEqual({ password: CANARY });
  });

  it.each([
    ['host', { host: 'elsewhere.example' }],
    ['user name', { username: 'mallory@old.example' }],
  ])('does not send a kept password anywhere else: another %s asks for it again', async (_, change) => {
    await toTest();
    const before = web.room.tests.requests.length;
    await alice.goto(`/new/${job().view.id}/connection`);
    await alice.submit('/connection', { ...change, do: 'test' });
    expect(alice.page.status).toBe(422);
    expect(alice.error('password')).toBe('You changed the server or the user name, so please type the password again.');
    expect(web.room.tests.requests).toHaveLength(before);
  });

  it.each([
    ['host', { host: '' }, 'Please type the name of the mail server.'],
    ['host', { host: 'https://mail.old.example/' }, 'This is not a server name.'],
    ['host', { host: 'alice@old.example' }, 'This is an e-mail address.'],
    ['port', { port: '99999' }, 'A port is a number between 1 and 65535'],
    ['port', { port: 'imap' }, 'A port is a number between 1 and 65535'],
    ['port', { port: '25' }, 'This port is not allowed here. Allowed are: 143, 993'],
    ['security', { security: 'none' }, 'Without encryption the password could be read on the way'],
    ['username', { username: '' }, 'Please type the user name'],
    ['username', { username: 'a\r\nb' }, 'This user name is too long or holds characters'],
    ['password', { password: '' }, 'Please type the password'],
    ['password', { password: 'a\nb' }, 'This password is too long or holds characters'],
  ])('says next to the field what is wrong with the %s %j', async (name, change, sentence) => {
    await toConnection();
    await alice.submit('/connection', { ...CONNECTION, ...change, do: 'test' });
    expect(alice.page.status).toBe(422);
    expect(alice.error(name)).toContain(sentence);
    expect(alice.page.text).toContain('aria-describedby="e-' + name);
    const kept = { ...CONNECTION, ...change, password: '' };
    if (name !== 'username') expect(alice.value('username')).toBe(kept.username);
    expect(web.room.tests.requests).toEqual([]);
  });

  it.each([
    ['TARGET_NOT_ALLOWED', 'host'],
    ['PORT_NOT_ALLOWED', 'port'],
    ['SAME_MAILBOX', 'username'],
    ['CREDENTIALS_REQUIRED', 'password'],
  ])('shows the refusal %s next to the field it is about', async (code, name) => {
    await toConnection();
    jest.spyOn(web.room.tests, 'request').mockRejectedValue(new JobError(code, 'Not like this.'));
    await alice.submit('/connection', { ...CONNECTION, do: 'test' });
    expect(alice.page.status).toBe(422);
    expect(alice.error(name)).toBe('Not like this.');
  });

  it('answers 429 when there were too many tests, and keeps the form', async () => {
    await toConnection();
    const refusal = new JobError('RATE_LIMITED', 'There were too many tries.');
    jest.spyOn(web.room.tests, 'request').mockRejectedValue(refusal);
    await alice.submit('/connection', { ...CONNECTION, do: 'test' });
    expect(alice.page.status).toBe(429);
    expect(alice.text).toContain('There were too many tries.');
    expect(alice.value('host')).toBe('imap.old.example');
  });

  it.each([
    [{ kinds: [] }, 'kinds', 'Please tick at least one kind.'],
    [{ since: '31.12.2019' }, 'since', 'Please give a date like 2019-12-31.'],
    [{ since: '2019-02-30' }, 'since', 'Please give a date like 2019-12-31.'],
    [{ since: '2999-01-01' }, 'since', 'This date lies in the future'],
    [{ maxMegabytes: 'big' }, 'maxMegabytes', 'Please give a number of megabytes'],
    [{ maxMegabytes: '-1' }, 'maxMegabytes', 'Please give a number of megabytes'],
  ])('refuses %j among what to import, in words', async (typed, name, sentence) => {
    await choose();
    await alice.submit('/existing', {});
    await alice.submit('/items', typed as Record<string, string | string[]>);
    expect(alice.page.status).toBe(422);
    expect(alice.error(name)).toContain(sentence);
  });

  it('greys kinds that cannot be had, with the reason, and does not take them from a forged form', async () => {
    await choose('gmail');
    await alice.submit('/existing', {});
    expect(alice.text).toContain('Cannot be fetched from Gmail yet');
    expect(alice.text).toContain('Gmail does not offer this to other programs.');
    await alice.submit('/items', { kinds: ['mail', 'notes', '__proto__'] });
    expect(job().view.items).toEqual(['mail']);
  });

  it('offers to compare everything again, and labels as keywords only where there are labels', async () => {
    await choose('gmail');
    await alice.submit('/existing', {});
    await alice.submit('/items', { labels: 'keywords', deepVerify: 'yes' });
    expect(job().view.options).toEqual({ labels: 'keywords', deepVerify: true });
    await alice.goto(`/new/${job().view.id}/items`);
    expect(alice.text).toContain('Keep further Gmail labels as keywords');
    await choose('imap');
    await alice.submit('/existing', {});
    expect(alice.text).not.toContain('labels');
    expect(alice.text).toContain('Compare every message again at the end');
  });

  it('shows spam and trash of Gmail without a tick, takes them when they are ticked, and says what is left out', async () => {
    const folder = (path: string, optional: boolean) => ({
      path,
      levels: path.split('/'),
      kind: 'mail' as const,
      items: 5,
      bytes: 5_000,
      ...(optional && { optional }),
    });
    const folders = [folder('INBOX', false), folder('[Gmail]/Spam', true), folder('[Gmail]/Trash', true)];
    await toTest({ ...PASSED, folders, plan: { ...PASSED.plan!, leftOut: [] } });
    await alice.submit('/test', { folders: ['0'], do: 'continue' });
    expect(job().view.filters).toEqual({});
    expect(alice.text).toContain('[Gmail]/Spam [Gmail]/Trash');
    await alice.goto(`/new/${job().view.id}/test`);
    await alice.submit('/test', { folders: ['0', '2'], do: 'continue' });
    expect(job().view.filters).toEqual({ includeFolders: [['[Gmail]', 'Trash']] });
    expect(alice.text).toContain('[Gmail]/Spam');
    expect(alice.text).not.toContain('[Gmail]/Trash');
  });

  it('explains POP and goes on with IMAP', async () => {
    await choose('pop');
    expect(alice.title).toBe('Mail fetched by POP');
    expect(job().form['provider']).toBeUndefined();
    await alice.submit('/type', {});
    expect(step()).toBe('existing');
    expect(job().form['provider']).toBe('imap');
  });

  it('says truthfully of a provider that it cannot be moved yet', async () => {
    await choose('outlook');
    expect(alice.title).toBe('Outlook.com cannot be moved yet');
    expect(alice.text).toContain('Microsoft no longer lets other programs sign in with a password');
    await alice.goto(`/new/${job().view.id}/connection`);
    expect(alice.path).toMatch(/\/type/);
  });

  it('fills in what is known of a provider and forgets it when another is chosen', async () => {
    await toConnection('gmail');
    expect(alice.value('host')).toBe('imap.gmail.com');
    expect(alice.text).toContain('App password');
    await alice.goto(`/new/${job().view.id}/type`);
    await alice.submit('/type', { provider: 'fastmail' });
    await alice.goto(`/new/${job().view.id}/connection`);
    expect(alice.value('host')).toBe('imap.fastmail.com');
  });

  it('finds the settings from the address and shows them to be confirmed', async () => {
    const discover = jest.spyOn(web.room.tests as ConnectionTestsApi, 'discover').mockResolvedValue({
      found: true,
      host: 'mail.found.example',
      port: 143,
      security: 'starttls',
      username: 'alice',
      by: 'autoconfig',
    });
    await toConnection();
    await alice.submit('/connection', { address: 'alice@found.example', do: 'find' });
    expect(discover.mock.calls.map(([, address]) => address)).toEqual(['alice@found.example']);
    expect(alice.text).toContain('Your old provider publishes these settings');
    expect([alice.value('host'), alice.value('port'), alice.value('security'), alice.value('username')]).toEqual([
      'mail.found.example',
      '143',
      'starttls',
      'alice',
    ]);
    expect(web.room.tests.requests).toEqual([]);
  });

  it('says when no settings were found, and when it is no address', async () => {
    await toConnection();
    await alice.submit('/connection', { address: 'alice@nowhere.example', do: 'find' });
    expect(alice.error('address')).toContain('We found no settings for this address.');
    await alice.submit('/connection', { address: 'alice', do: 'find' });
    expect(alice.error('address')).toContain('Please type a whole address');
  });

  it('waits for a test on a page that refreshes itself', async () => {
    await toTest('never');
    expect(alice.page.text).toMatch(/<noscript><meta http-equiv="refresh" content="3"><\/noscript>/);
    expect(alice.text).toContain('Looking into your old mailbox');
    await alice.goto(`/new/${job().view.id}/review`);
    expect(step()).toMatch(/^test/);
  });

  it('shows a failed test with its sentence, what to do and its code, and no way on', async () => {
    await toTest(failedTest('AUTH_FAILED'));
    expect(alice.text).toContain('The server does not accept this user name and password.');
    expect(alice.text).toContain('Check the user name and type the password again.');
    expect(alice.text).toContain('Code for support: AUTH_FAILED');
    await alice.goto(`/new/${job().view.id}/review`);
    expect(step()).toMatch(/^test/);
    expect(alice.text).toContain('Please test the connection first.');
  });

  it('does not start what has not passed its test, whatever is sent', async () => {
    await toReview();
    const review = alice.page;
    job().passedAt = null;
    alice.page = review;
    await alice.submit('/review', { do: 'start' });
    expect(job().view.state).toBe('draft');
    expect(step()).toMatch(/^test/);
  });

  it('shows folders, the plan, totals, quota, what is too large and the time with its basis', async () => {
    await toTest();
    for (const words of [
      'We found 7,103 items in 7 folders',
      'Sent Items',
      'the new mailbox’s own folder for this',
      'renamed: the new server does not take this name',
      'This folder belongs to somebody else.',
      'Fits: 114 MB of 10 GB are in use.',
      '2 messages are larger than 50 MB',
      'Reckoned from: 1 MB a second',
    ])
      expect(alice.text).toContain(words);
  });

  it('leaves out the folders whose tick was taken away, by their levels and not by a split name', async () => {
    await toTest();
    await alice.submit('/test', { folders: ['0', '1', '4', '6'], do: 'continue' });
    expect(step()).toBe('review');
    expect(job().view.filters.excludeFolders).toEqual([['Clients'], ['News/letters']]);
    expect(alice.text).toContain('6,781 items in 4 folders');
    await alice.goto(`/new/${job().view.id}/items`);
    await alice.submit('/items', { do: 'continue' });
    expect(job().view.filters.excludeFolders).toEqual([['Clients'], ['News/letters']]);
  });

  it('asks back when a folder is ticked inside one that is not', async () => {
    await toTest();
    await alice.submit('/test', { folders: ['0', '1', '3'], do: 'continue' });
    expect(alice.page.status).toBe(422);
    expect(alice.text).toContain('lies in a folder you left out.');
  });

  it('names folders to leave out that the old mailbox does not have', async () => {
    await choose();
    await alice.submit('/existing', {});
    await alice.submit('/items', { exclude: 'Newsleters' });
    await alice.submit('/connection', { ...CONNECTION, do: 'test' });
    expect(alice.text).toContain(
      'You wanted to leave out these folders, but the old mailbox does not have them: Newsleters',
    );
  });

  it('shows what a server said as text', async () => {
    await toTest();
    expect(alice.page.text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(alice.page.text).not.toContain('<script>alert');
  });

  it('pins exactly the certificate that was shown, after it was compared', async () => {
    await toTest(UNTRUSTED);
    const { fingerprint } = UNTRUSTED.certificate!;
    expect(alice.text).toContain(fingerprint);
    await alice.submit('/test', { do: 'trust' });
    expect(alice.page.status).toBe(422);
    expect(alice.text).toContain('Please confirm that you have compared the fingerprint.');
    web.room.nextTest = PASSED;
    await alice.submit('/test', { do: 'trust', compared: '1' });
    expect(job().view.source.caFingerprint).toBe(fingerprint);
    expect(alice.text).toContain('It works');
  });

  it('does not pin a fingerprint that a form made up', async () => {
    await toTest(UNTRUSTED);
    await alice.submit('/test', { do: 'trust', compared: '1', fingerprint: 'f'.repeat(64) });
    expect(job().view.source.caFingerprint).toBeUndefined();
  });

  it('drops the pinned certificate with another server, and when asked to', async () => {
    await toTest(UNTRUSTED);
    web.room.nextTest = PASSED;
    await alice.submit('/test', { do: 'trust', compared: '1' });
    await alice.goto(`/new/${job().view.id}/connection`);
    expect(alice.text).toContain('You trust one certificate that could not be checked');
    await alice.submit('/connection', { do: 'test' });
    expect(job().view.source.caFingerprint).toBeDefined();
    await alice.goto(`/new/${job().view.id}/connection`);
    await alice.submit('/connection', { unpin: '1', do: 'test' });
    expect(job().view.source.caFingerprint).toBeUndefined();
  });

  describe('replacing what is there', () => {
    it('wants the address typed, and again with the counts before the start', async () => {
      await choose();
      await alice.submit('/existing', { existing: 'replace', confirm: 'yes' });
      expect(alice.page.status).toBe(422);
      expect(alice.error('confirm')).toContain('Please type alice@new.test exactly');
      await alice.submit('/existing', { existing: 'replace', confirm: 'Alice@New.test' });
      expect(step()).toBe('items');
      await alice.submit('/items', {});
      await alice.submit('/connection', { ...CONNECTION, do: 'test' });
      await alice.submit('/test', { do: 'continue' });
      expect(alice.text).toContain('42 items are in alice@new.test now.');
      await alice.submit('/review', { do: 'start' });
      expect(alice.page.status).toBe(422);
      expect(job().view.state).toBe('draft');
      await alice.submit('/review', { confirm: 'alice@new.test', do: 'start' });
      expect(job().view).toMatchObject({ state: 'queued', existing: 'replace' });
    });

    it('is not offered where the panel forbids it, nor taken', async () => {
      web.panel.forbidden.add('migration.replaceExisting');
      await choose();
      expect(alice.text).toContain('Your provider has not allowed this for your mailbox.');
      await alice.submit('/existing', { existing: 'replace', confirm: 'alice@new.test' });
      expect(alice.page.status).toBe(403);
      expect(job().view.existing).toBe('keep');
    });

    it('is refused at the start when the panel has forbidden it meanwhile', async () => {
      await choose();
      await alice.submit('/existing', { existing: 'replace', confirm: 'alice@new.test' });
      await alice.submit('/items', {});
      await alice.submit('/connection', { ...CONNECTION, do: 'test' });
      await alice.submit('/test', { do: 'continue' });
      web.panel.forbidden.add('migration.replaceExisting');
      await alice.submit('/review', { confirm: 'alice@new.test', do: 'start' });
      expect(alice.page.status).toBe(403);
      expect(job().view.state).toBe('draft');
    });
  });

  it('asks nothing but POST to change something', async () => {
    await toReview();
    const { id } = job().view;
    for (const path of [`/new/${id}/discard`, `/new/${id}/start`]) {
      await alice.goto(path);
      expect(alice.page.status).toBe(404);
    }
    expect(job().view.state).toBe('draft');
  });

  it('discards a draft', async () => {
    await begin();
    await alice.goto('/');
    await alice.submit('/discard', {});
    expect(web.room.records.size).toBe(0);
    expect(alice.text).toContain('The draft has been discarded.');
  });

  it('goes on where somebody left off', async () => {
    await toConnection();
    await alice.goto(`/new/${job().view.id}`);
    expect(step()).toBe('connection');
    await alice.goto('/new');
    expect(alice.text).toContain('You have already begun a migration into alice@new.test.');
  });

  it('is nobody else’s: a stranger gets 404 on every step', async () => {
    await toReview();
    const bob = new PagesVisitor(web, 'bob');
    for (const path of ['', '/type', '/existing', '/items', '/connection', '/test', '/review', '/nonsense']) {
      await bob.goto(`/new/${job().view.id}${path}`);
      expect([path, bob.page.status]).toEqual([path, 404]);
      expect(bob.page.text).not.toContain('old.example');
    }
    await bob.goto('/new/not-an-id/type');
    expect(bob.page.status).toBe(404);
  });

  it('leads to the migration once it has started', async () => {
    await toReview();
    const { id } = job().view;
    await alice.submit('/review', { do: 'start' });
    await alice.goto(`/new/${id}/connection`);
    expect(alice.path).toBe(`/jobs/${id}`);
  });

  it('does not begin into a mailbox that is not mine', async () => {
    await alice.goto('/new');
    await alice.submit('/new', { mailbox: 'bob@new.test' });
    expect(alice.page.status).toBe(422);
    expect(alice.error('mailbox')).toBe('Please choose one of your mailboxes.');
    expect(web.room.records.size).toBe(0);
  });
});

describe('the wizard where the new mailbox is opened by its own password', () => {
  let web: WebApp;
  beforeEach(async () => {
    web = await startWeb({ destinationNeedsSecret: true });
    web.room.nextTest = PASSED;
  });
  afterEach(() => web.close());

  it('asks for it, and keeps it as secret as the other', async () => {
    const alice = new PagesVisitor(web, 'alice');
    await alice.goto('/new');
    await alice.submit('/new', {});
    await alice.submit('/type', { provider: 'imap' });
    await alice.submit('/existing', {});
    await alice.submit('/items', {});
    await alice.submit('/connection', { ...CONNECTION, do: 'test' });
    expect(alice.error('destinationPassword')).toBe('Please type the password of your new mailbox.');
    await alice.submit('/connection', { ...CONNECTION, destinationPassword: 'new-canary', do: 'test' });
    expect(alice.text).toContain('It works');
    await alice.goto(alice.path.replace(/test$/, 'connection'));
    expect(alice.page.text).not.toContain('new-canary');
  });
});

describe('the wizard where the new mailbox takes contacts and calendars', () => {
  let web: WebApp;
  let alice: PagesVisitor;
  beforeAll(async () => {
    web = await startWeb({ destinationTakes: ['mail', 'contacts', 'calendars', 'tasks'] });
  });
  afterAll(() => web.close());
  beforeEach(() => {
    web.room.records.clear();
    web.room.nextTest = PASSED;
    alice = new PagesVisitor(web, 'alice');
  });
  const job = () => [...web.room.records.values()].at(-1)!;

  async function toItems(provider: string): Promise<void> {
    await alice.goto('/new');
    await alice.submit('/new', {});
    await alice.submit('/type', { provider });
    await alice.submit('/existing', { do: 'continue' });
  }

  it('offers them, asks where they are, and keeps the address with the source', async () => {
    await toItems('imap');
    await alice.submit('/items', { kinds: ['mail', 'contacts', 'notes'] });
    expect(job().view.items).toEqual(['mail', 'contacts']);
    expect(alice.text).toContain('Address of calendars and contacts');
    await alice.submit('/connection', { ...CONNECTION, davUrl: 'ftp://dav.old.example/', do: 'test' });
    expect(alice.text).toContain('This is not an address of the web.');
    await alice.submit('/connection', { ...CONNECTION, davUrl: 'https://dav.old.example/x/', do: 'test' });
    expect(job().view.source.dav).toEqual({ url: 'https://dav.old.example/x/' });
    // The sealed password goes nowhere else.
    await alice.goto(`/new/${job().view.id}/connection`);
    await alice.submit('/connection', { ...CONNECTION, password: '', davUrl: 'https://thief.example/', do: 'test' });
    expect(alice.text).toContain('please type the password again');
    expect(job().view.source.dav).toEqual({ url: 'https://dav.old.example/x/' });
  });

  it('reads Exchange with all it has by one sign-in, its archive and public folders where somebody ticks them', async () => {
    await toItems('exchange');
    await alice.submit('/items', { kinds: ['mail', 'contacts', 'calendars', 'tasks', 'notes'] });
    expect(job().view.items).toEqual(['mail', 'contacts', 'calendars', 'tasks']);
    expect(alice.text).toContain('Exchange server');
    expect(alice.text).not.toContain('Address of calendars and contacts');
    const typed = { ...CONNECTION, host: 'mail.corp.example', port: '', username: 'CORP\\alice' };
    await alice.submit('/connection', { ...typed, ewsUrl: 'mail.corp.example/EWS', do: 'test' });
    expect(alice.text).toContain('https://mail.example.org/EWS/Exchange.asmx');
    const ewsUrl = 'https://ews.corp.example/EWS/Exchange.asmx';
    await alice.submit('/connection', { ...typed, ewsUrl, archive: '1', do: 'test' });
    expect(job().view.source).toMatchObject({
      type: 'ews',
      provider: 'exchange',
      host: 'mail.corp.example',
      port: 443,
      username: 'CORP\\alice',
      ews: { url: ewsUrl },
      options: { archive: true },
    });
    // The sealed password goes nowhere else.
    await alice.goto(`/new/${job().view.id}/connection`);
    await alice.submit('/connection', {
      ...typed,
      password: '',
      ewsUrl: 'https://thief.example/EWS/Exchange.asmx',
      do: 'test',
    });
    expect(alice.text).toContain('please type the password again');
    expect(job().view.source.ews).toEqual({ url: ewsUrl });
  });

  it('finds the Exchange server from the address, and keeps a name that only the person knows', async () => {
    const discover = jest.spyOn(web.room.tests as ConnectionTestsApi, 'discover').mockResolvedValueOnce({
      found: true,
      ...{ host: 'autodiscover.corp.example', port: 443, security: 'tls', by: 'autodiscover' },
      username: 'alice@corp.example',
    });
    await toItems('exchange');
    await alice.submit('/items', { kinds: ['mail'] });
    const tested = web.room.tests.requests.length;
    const typed = { address: 'alice@corp.example', username: 'CORP\\alice', do: 'find' };
    await alice.submit('/connection', typed);
    expect(discover.mock.calls.map(([, ...asked]) => asked)).toEqual([['alice@corp.example', 'ews']]);
    expect(alice.text).toContain('autodiscover.corp.example answers for the domain of your address');
    expect([alice.value('host'), alice.value('port'), alice.value('username')]).toEqual([
      'autodiscover.corp.example',
      '443',
      'CORP\\alice',
    ]);
    expect(web.room.tests.requests).toHaveLength(tested);
    discover.mockResolvedValueOnce({ found: false, provider: 'microsoft365' });
    await alice.submit('/connection', typed);
    expect(alice.error('address')).toContain('Microsoft 365, where Exchange Web Services is closed');
    discover.mockResolvedValueOnce({ found: false });
    await alice.submit('/connection', typed);
    expect(alice.error('address')).toContain('We found no Exchange server for this address');
  });

  it('shows where Exchange answers, and asks before a password goes to another server that it names', async () => {
    await toItems('exchange');
    await alice.submit('/items', { kinds: ['mail'] });
    const typed = { ...CONNECTION, host: 'autodiscover.corp.example', port: '', username: 'alice@corp.example' };
    const said = { code: 'EWS_REDIRECTED', message: 'The server sends us to another one.' };
    const other = 'https://mail.hoster.example/EWS/Exchange.asmx';
    web.room.nextTest = { ...PASSED, ...said, ok: false, redirect: { url: other } };
    await alice.submit('/connection', { ...typed, do: 'test' });
    expect(alice.text).toContain(other);
    await alice.submit('/test', { do: 'follow', url: 'https://thief.example/EWS/Exchange.asmx' });
    await alice.submit('/test', { do: 'follow', url: other });
    expect(alice.value('ewsUrl')).toBe(other);
    expect(alice.text).toContain(`Your old server named ${other}`);
    expect(alice.text).not.toContain('A password is stored');
    await alice.submit('/connection', { ...typed, ewsUrl: other, password: '', do: 'test' });
    expect(alice.error('password')).toContain('please type the password again');
    const elsewhere = 'https://autodiscover.hoster.example:8443/autodiscover/autodiscover.xml';
    web.room.nextTest = { ...PASSED, ...said, ok: false, redirect: { url: elsewhere } };
    await alice.submit('/connection', { ...typed, ewsUrl: other, do: 'test' });
    await alice.submit('/test', { do: 'follow', url: elsewhere });
    expect([alice.value('host'), alice.value('port'), alice.value('ewsUrl')]).toEqual([
      'autodiscover.hoster.example',
      '8443',
      '',
    ]);
    web.room.nextTest = { ...PASSED, ews: { url: other } };
    await alice.submit('/connection', { ...typed, host: 'autodiscover.hoster.example', do: 'test' });
    expect(alice.text).toContain(`Exchange answers at ${other}`);
  });

  it('does not ask where the address is always the same, nor for what the provider does not give', async () => {
    await toItems('fastmail');
    await alice.submit('/items', { kinds: ['mail', 'calendars', 'tasks'] });
    expect(job().view.items).toEqual(['mail', 'calendars']);
    expect(alice.text).not.toContain('Address of calendars and contacts');
  });
});
