import request from 'supertest';
import { CSV, DORA_ACTS, putBatch } from '../../browser/batch-pages.js';
import { PANEL_USER } from '../../fakes/fake-panel.js';
import { formsOf, PagesVisitor } from './visitor.js';
import { startWeb, type WebApp } from '../web-app.js';

const SECRET = 'canary-of-the-admin';

describe('a whole domain without JavaScript', () => {
  let web: WebApp;
  let dora: PagesVisitor;
  beforeAll(async () => {
    web = await startWeb({ egress: { allowPrivate: true } });
  });
  afterAll(() => web.close());
  // Nothing of it is a fault of ours.
  afterEach(() => expect(web.log).toEqual([]));
  beforeEach(() => {
    web.batches.batches.clear();
    web.batches.acts.length = web.batches.filled.length = 0;
    dora = new PagesVisitor(web, 'dora');
  });
  const server = { host: 'imap.old.example', admin: 'cyrus', adminPassword: SECRET, auth: 'admin' };

  it('is set up in two steps, shown before anything starts, and started', async () => {
    await dora.goto('/domains/new.test');
    expect(dora.page.text).toContain('/migrate/domains/new.test/batches/new');
    await dora.goto('/domains/new.test/batches/new');
    await dora.submit('/batches/new', { ...server, rule: 'old-domain', oldDomain: 'old.example' });
    expect(dora.title).toBe('Which mailboxes?');
    expect(dora.page.text).not.toContain(SECRET);
    await dora.submit('/mailboxes', { which: 'some', chosen: ['bob@new.test'], do: 'search', q: 'ali' });
    expect(formsOf(dora.page.text).find(({ action }) => action.endsWith('/mailboxes'))!.fields['chosen']).toBe(
      'bob@new.test',
    );
    await dora.submit('/mailboxes', { which: 'some', chosen: ['bob@new.test', 'alice@new.test'], do: 'check' });
    expect(web.batches.filled).toEqual([{ panel: ['bob@new.test', 'alice@new.test'] }]);
    expect(dora.text).toContain('Nothing has been copied yet');
    expect(web.batches.acts).toEqual([]);
    for (const at of ['2026-13-01T10:00', '2026-02-31T10:00', '2026-07-01T25:00']) {
      await dora.submit('/actions/start', { at, timeZone: 'Europe/Berlin' });
      expect([at, dora.page.status, dora.path]).toEqual([at, 200, expect.stringContaining('problem=VALIDATION')]);
    }
    expect(web.batches.acts).toEqual([]);
    await dora.submit('/actions/start', { at: '2026-07-01T22:00', timeZone: 'Europe/Berlin' });
    expect(web.batches.acts).toMatchObject([{ action: 'start', options: { at: '2026-07-01T20:00:00.000Z' } }]);
    expect(dora.text).toContain('The batch is on its way');
    const [batch] = [...web.batches.batches.values()];
    expect(batch!.options.usernames).toEqual({ rule: 'old-domain', domain: 'old.example' });
  });

  it('says next to each field what is wrong with it, and gives no password back', async () => {
    await dora.goto('/domains/new.test/batches/new');
    await dora.submit('/batches/new', {
      ...server,
      host: 'not a host',
      admin: 'ad*min',
      template: '{user}',
      rule: 'old-domain',
    });
    expect(dora.page.status).toBe(422);
    for (const name of ['host', 'template', 'oldDomain']) expect([name, dora.error(name)]).not.toEqual([name, '']);
    expect(dora.page.text).not.toContain(SECRET);
    expect(dora.value('admin')).toBe('ad*min');
    await dora.submit('/batches/new', { ...server, admin: 'ad*min' });
    expect(dora.error('admin')).toContain('may not hold');
    await dora.submit('/batches/new', { ...server, method: 'impersonation' });
    expect(dora.error('method')).toContain('needs an Exchange server');
    await dora.submit('/batches/new', { ...server, kind: 'ews', port: '', method: 'impersonation', rule: 'address' });
    const [batch] = [...web.batches.batches.values()];
    expect(batch!.source).toMatchObject({ type: 'ews', port: 443, login: { method: 'impersonation' } });
  });

  it('takes a file or pasted text, and tells what is wrong with a list as a whole', async () => {
    const { id } = await putBatch(web, '', { kind: 'per-row' });
    const path = `/domains/new.test/batches/${id}`;
    await dora.goto(`${path}/mailboxes`);
    const csrf = String(formsOf(dora.page.text)[0]!.fields['_csrf']);
    const send = (file: Buffer | string | null, more: Record<string, string> = {}) => {
      const call = request(web.server).post(`/migrate${path}/mailboxes`).set(PANEL_USER, 'dora').field('_csrf', csrf);
      for (const [name, value] of Object.entries({ which: 'file', ...more })) void call.field(name, value);
      return file === null ? call : call.attach('file', Buffer.from(file), 'list.csv');
    };
    expect((await send(Buffer.from(`\ufeff${CSV}`, 'utf16le'))).text).toContain('not UTF-8');
    const many = await send(`mailbox,source_password\n${'a@new.test,pw\n'.repeat(200_000)}`);
    expect([many.status, many.text.includes('Row 10001')]).toEqual([422, true]);
    expect((await send(null)).text).toContain('Please choose a file');
    expect((await send('x'.repeat(17 * 1024 * 1024))).status).toBe(413);
    expect((await send(CSV)).status).toBe(303);
    await dora.goto(path);
    expect(dora.text).toContain('belongs to another domain');
    expect(dora.page.text).toContain('&lt;b&gt;mallory');
    expect(dora.page.text).not.toContain('<script>alert');
    expect((await send(null, { which: 'paste', text: 'mailbox;source_password\nben@new.test;pw' })).status).toBe(303);
    // Without the page's own token nothing is taken, although the body is read late.
    const forged = await request(web.server)
      .post(`/migrate${path}/mailboxes`)
      .set(PANEL_USER, 'dora')
      .field('which', 'file')
      .attach('file', Buffer.from(CSV), 'list.csv');
    expect(forged.status).toBe(403);
  }, 60_000);

  it('acts on all or on chosen rows, asks before it cancels, and keeps the place in the list', async () => {
    const { id } = await putBatch(web, CSV, undefined, {
      state: 'active',
      actions: ['pause', 'cancel', 'sync', 'finish'],
    });
    const path = `/domains/new.test/batches/${id}`;
    await dora.goto(`${path}?q=ben`);
    await dora.submit('/rows', { action: 'retry', rows: '2' });
    const jobs = web.batches.rowsOf.get(id)!.filter(({ row }) => row === 2);
    expect(web.batches.acts.at(-1)).toMatchObject({ action: 'retry', options: { ids: [jobs[0]!.job] } });
    expect(dora.path).toContain('q=ben');
    await dora.submit('/rows', { action: 'retry' });
    expect(dora.text).toContain('tick at least one');
    await dora.goto(`${path}/cancel`);
    await dora.submit('/actions/cancel', {});
    expect(web.batches.acts.at(-1)).toMatchObject({ action: 'cancel', options: {} });
    await dora.submit('/schedule', {}).catch(() => dora.goto(path));
    expect(dora.text).toContain('Cancelled');
  });

  it('says who is in the way of the end, and finishes anyway when told so', async () => {
    const { id } = await putBatch(
      web,
      CSV,
      { kind: 'ask-user' },
      {
        state: 'active',
        finishing: true,
        reason: { code: 'FINISH_NEEDS_YOU', message: 'One mailbox needs you. The batch is not finished.' },
        actions: ['retry', 'finish'],
      },
    );
    const rows = web.batches.rowsOf.get(id)!;
    web.batches.rowsOf.set(
      id,
      rows.map((row) =>
        row.row === 1 ? { ...row, state: 'failed' as const } : { ...row, ready: row.ready && row.row !== 2 },
      ),
    );
    web.batches.recount(id);
    await dora.goto(`/domains/new.test/batches/${id}`);
    expect(dora.text).toContain('Not finished yet One mailbox needs you.');
    expect(dora.text).toContain('One mailbox is not done');
    expect(dora.text).toContain('One user has not given the password yet');
    await dora.submit('/actions/finish', {});
    expect(web.batches.acts.at(-1)).toMatchObject({ action: 'finish', options: { anyway: true } });
  });

  it('has its connection changed where nothing runs, and gives no password back', async () => {
    const { id } = await putBatch(web, CSV, undefined, { state: 'paused', actions: ['resume'] });
    await dora.goto(`/domains/new.test/batches/${id}`);
    await dora.submit('/connection', { port: '143', security: 'starttls', fingerprint: '', adminPassword: SECRET });
    expect(web.batches.batches.get(id)!.source).toMatchObject({ port: 143, security: 'starttls' });
    expect(dora.text).toContain('The connection is changed');
    expect(dora.page.text).not.toContain(SECRET);
    web.batches.rowsOf.set(
      id,
      web.batches.rowsOf.get(id)!.map((row) => ({ ...row, state: 'running' as const })),
    );
    web.batches.recount(id);
    await dora.goto(`/domains/new.test/batches/${id}`);
    expect(dora.text).not.toContain('Connection to the old server');
  });

  it('takes control characters out of whatever is searched for', async () => {
    const { id } = await putBatch(web, CSV);
    const path = `/domains/new.test/batches/${id}`;
    const asked: unknown[] = [];
    const rows = web.batches.rows.bind(web.batches);
    const listMailboxes = web.panel.listMailboxes.bind(web.panel);
    web.batches.rows = async (sees, batch, query) => {
      asked.push(query.q);
      return rows(sees, batch, query);
    };
    web.panel.listMailboxes = async (who, domain, page) => {
      asked.push(page.q);
      return listMailboxes(who, domain, page);
    };
    try {
      expect((await dora.goto(`${path}?q=%00be%1fn`)).page.status).toBe(200);
      await dora.submit('/rows', { action: 'retry', rows: '2', here: '?q=%00ben' });
      await dora.goto(`${path}/mailboxes`);
      await dora.submit('/mailboxes', { which: 'some', do: 'search', q: '\u0000ali' });
      expect(asked.filter((q) => q !== undefined && q !== '')).toEqual(['ben', 'ben', 'ben', 'ali']);
      expect((await dora.goto('/domains/new.test%00')).page.status).toBe(200);
    } finally {
      web.batches.rows = rows;
      web.panel.listMailboxes = listMailboxes;
    }
  });

  it('hands out links that work, and nothing to people of other domains', async () => {
    const { id } = await putBatch(web, CSV, { kind: 'ask-user' });
    web.batches.linksOf = [
      { mailbox: 'ben@new.test', username: '=ben', token: 'a.b', expiresAt: '2027-01-01T00:00:00.000Z' },
    ];
    const path = `/domains/new.test/batches/${id}`;
    await dora.goto(path);
    await dora.submit('/invitations', { days: '7', do: 'make' });
    expect(dora.text).toContain('The links are made');
    const csrf = String(formsOf(dora.page.text)[0]!.fields['_csrf']);
    const csv = await request(web.server)
      .post(`/migrate${path}/links.csv`)
      .set(PANEL_USER, 'dora')
      .type('form')
      .send({ _csrf: csrf });
    expect(csv.text).toMatch(/ben@new\.test,'=ben,http:\/\/127\.0\.0\.1:\d+\/migrate\/links\/a\.b,2027/);
    web.panel.people.set('eve', { ...DORA_ACTS.principal, sub: 'eve', domains: ['other.test'] });
    const eve = new PagesVisitor(web, 'eve');
    for (const tail of [path, `${path}/mailboxes`, `${path}/report.csv`, path.replace('new.test', 'other.test')])
      expect((await eve.goto(tail)).page.status).toBe(404);
    web.panel.people.delete('eve');
  });
});
