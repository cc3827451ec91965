import request from 'supertest';
import { reasonFor } from '../../../src/jobs/messages.js';
import { putJob } from '../../browser/stage.js';
import { everyPage } from '../../browser/pages-list.js';
import { startWeb, type WebApp } from '../web-app.js';
import { PagesVisitor } from './visitor.js';

const STARTED = '2026-03-02T08:15:00.000Z';

describe('what support does to one migration', () => {
  let web: WebApp;
  let sam: PagesVisitor;
  beforeAll(async () => {
    web = await startWeb({ publicUrl: 'https://migrate.example' });
  });
  afterAll(() => web.close());
  beforeEach(() => {
    web.room.records.clear();
    sam = new PagesVisitor(web, 'sam');
  });

  const stuck = () =>
    putJob(web, 'alice@new.test', { state: 'needs-action', startedAt: STARTED, reason: reasonFor('AUTH_FAILED') });

  it('asks the owner for the password by a link that is shown once, and sees nothing of it', async () => {
    const { id } = await stuck();
    await sam.goto(`/jobs/${id}`);
    await sam.submit(`/admin/jobs/${id}/link`, {});
    expect(sam.page.text).toContain(`value="https://migrate.example/migrate/links/t-${id}"`);
    expect(web.links.made.at(-1)).toEqual({ id, then: 'resume' });
  });

  it('changes server, limits and folders, and goes on', async () => {
    const { id } = await stuck();
    await sam.goto(`/jobs/${id}`);
    const typed = {
      host: 'imap2.old.example',
      port: '143',
      security: 'starttls',
      exclude: 'Spam\nWork/Old',
      maxMegabytes: '20',
    };
    web.room.records.get(id)!.view = { ...web.room.records.get(id)!.view, state: 'draft' };
    await sam.submit(`/admin/jobs/${id}/settings`, { ...typed, then: '' });
    expect(sam.path).toBe(`/jobs/${id}?done=settings`);
    const { source, filters } = web.room.records.get(id)!.view;
    expect(source).toMatchObject({ host: 'imap2.old.example', port: 143, security: 'starttls' });
    expect(filters).toEqual({ excludeFolders: [['Spam'], ['Work', 'Old']], maxItemBytes: 20 * 1024 * 1024 });
  });

  it('leaves items out with a reason, and marks it as dealt with by a note', async () => {
    const pages = await everyPage(web);
    const { path } = pages.find(({ name }) => name === 'case')!;
    const id = path.slice('/jobs/'.length);
    await sam.goto(path);
    expect(sam.text).toContain('The server said: [TOOBIG] Message size exceeds fixed limit <b>of 50 MB</b>');
    expect(sam.page.text).not.toContain('<b>of 50');
    await sam.submit(`/admin/jobs/${id}/leave-out`, { reason: 'too large for everybody' });
    expect(web.support.leftOut).toEqual([{ id, code: 'MESSAGE_TOO_LARGE', reason: 'too large for everybody' }]);
    expect(sam.text).toContain('These items count as skipped now.');
    await sam.submit(`/admin/jobs/${id}/note`, { note: 'all done', handled: '1' });
    expect(sam.text).toContain('Marked as dealt with.');
    expect(sam.text).toContain('all done');
  });

  it('is nothing that the owner or a domain admin sees', async () => {
    const { id } = await stuck();
    for (const who of ['alice', 'dora']) {
      const visitor = await new PagesVisitor(web, who).goto(`/jobs/${id}`);
      expect(visitor.page.status).toBe(200);
      expect(visitor.page.text).not.toContain('/admin/jobs/');
    }
  });

  it('drains a worker and lets it work again', async () => {
    await everyPage(web);
    await sam.goto('/admin/workers');
    expect(sam.text).toContain('worker-1.internal.sunny-hosting.example');
    await sam.submit('000001/drain', {});
    expect(web.fleet.fleet.workers[0]).toMatchObject({ drain: true });
    await sam.submit('000001/undrain', {});
    expect(web.fleet.fleet.workers[0]).toMatchObject({ drain: false });
  });

  it('searches the audit trail and takes it along as CSV', async () => {
    await everyPage(web);
    await sam.goto('/admin/audit?who=sam&action=&from=2026-03-01&nonsense=1');
    expect(web.audit.asked.at(-1)).toEqual({ who: 'sam', from: '2026-03-01' });
    await sam.goto('/admin/audit?who=%00&mailbox=a%00b');
    expect(web.audit.asked.at(-1)).toEqual({ mailbox: 'ab' });
    expect(sam.text).toContain('Cancelled job.cancel');
    expect(sam.page.text).toContain('&lt;b&gt;the owner agrees&lt;/b&gt;');
    const csv = await request(web.server).get('/migrate/admin/audit.csv').set('x-test-panel-user', 'sam');
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(csv.text.split('\r\n')[0]).toBe('at,who,actor,action,job,mailbox,ip,detail');
  });
});
