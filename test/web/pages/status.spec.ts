import { jest } from '@jest/globals';
import { JobError, type JobsApi } from '../../../src/jobs/contract.js';
import { reasonFor } from '../../../src/jobs/messages.js';
import { FOLDERS, PROGRESS, putJob } from '../../browser/stage.js';
import { startWeb, type WebApp } from '../web-app.js';
import { PagesVisitor } from './visitor.js';

const STARTED = '2026-03-02T08:15:00.000Z';

describe('the pages of a migration without JavaScript', () => {
  let web: WebApp;
  let alice: PagesVisitor;

  beforeAll(async () => {
    web = await startWeb();
  });
  afterAll(() => web.close());
  beforeEach(() => {
    web.room.records.clear();
    alice = new PagesVisitor(web, 'alice');
  });
  afterEach(() => jest.restoreAllMocks());

  const running = () =>
    putJob(web, 'alice@new.test', { state: 'running', startedAt: STARTED, progress: PROGRESS, folders: FOLDERS });

  it('greets somebody who has none with what it takes to start one', async () => {
    await alice.goto('/');
    expect(alice.text).toContain('No migrations yet');
    expect(alice.page.text).toContain('href="/migrate/new"');
  });

  it('shows the progress as it is, and refreshes itself', async () => {
    const { id } = await running();
    await alice.goto(`/jobs/${id}`);
    for (const words of ['Copying', '52%', 'Found 7,100', 'Copied 3,694', 'Already there 12', 'Skipped 10', 'Failed 1'])
      expect(alice.text).toContain(words);
    expect(alice.page.text).toContain('<noscript><meta http-equiv="refresh" content="5"></noscript>');
    expect(alice.text).toContain('You can leave this page');
    expect(alice.page.text).toContain('&lt;b&gt;Newsletter&lt;/b&gt;');
    expect(alice.page.text).not.toContain('<b>Newsletter');
    expect(alice.text).not.toContain('\u202e');
  });

  it('says of a waiting one why, and when it goes on', async () => {
    const { id } = await putJob(web, 'alice@new.test', {
      state: 'waiting',
      startedAt: STARTED,
      reason: reasonFor('PROVIDER_LIMIT'),
      until: '2026-03-03T09:40:00.000Z',
    });
    await alice.goto(`/jobs/${id}`);
    expect(alice.text).toContain('Goes on at Mar 3, 2026, 9:40 AM UTC');
    expect(alice.text).toContain('The old provider limits how much may be copied at a time.');
  });

  it('pauses, resumes and says so', async () => {
    const { id } = await running();
    await alice.goto(`/jobs/${id}`);
    await alice.submit('/pause', {});
    expect(web.room.records.get(id)!.view.state).toBe('paused');
    expect(alice.text).toContain('Paused. Everything copied so far is kept.');
    await alice.submit('/resume', {});
    expect(web.room.records.get(id)!.view.state).toBe('queued');
  });

  it('offers only what the state allows and helps', async () => {
    const { id } = await putJob(web, 'alice@new.test', { state: 'completed', outcome: 'complete', startedAt: STARTED });
    await alice.goto(`/jobs/${id}`);
    expect(alice.page.text).toContain(`/jobs/${id}/sync`);
    for (const action of ['retry', 'pause', 'cancel']) expect(alice.page.text).not.toContain(`/jobs/${id}/${action}`);
  });

  it('does not say "on its way" of one that has arrived', async () => {
    const { id } = await running();
    await alice.goto(`/jobs/${id}?done=start`);
    expect(alice.text).toContain('The migration is on its way.');
    web.room.change(id, { state: 'completed', outcome: 'complete' });
    await alice.goto(`/jobs/${id}?done=start`);
    expect(alice.text).not.toContain('on its way');
  });

  it('asks before it cancels', async () => {
    const { id } = await running();
    await alice.goto(`/jobs/${id}/cancel`);
    expect(alice.title).toBe('Cancel this migration?');
    expect(web.room.records.get(id)!.view.state).toBe('running');
    await alice.submit('/cancel', {});
    expect(web.room.records.get(id)!.view.state).toBe('cancelling');
  });

  it('says in words when the click came too late', async () => {
    const { id } = await running();
    await alice.goto(`/jobs/${id}`);
    web.room.change(id, { state: 'completed', outcome: 'complete' });
    await alice.submit('/pause', {});
    expect(alice.text).toContain('That is no longer possible');
  });

  it('changes nothing by GET, and nothing without the CSRF token', async () => {
    const { id } = await running();
    await alice.goto(`/jobs/${id}/pause`);
    expect(alice.page.status).toBe(404);
    await alice.goto(`/jobs/${id}`);
    await alice.submit('/pause', { _csrf: '' });
    expect(alice.page.status).toBe(403);
    expect(web.room.records.get(id)!.view.state).toBe('running');
  });

  it('takes the password again and goes on, and never shows it', async () => {
    const { id } = await putJob(web, 'alice@new.test', {
      state: 'needs-action',
      startedAt: STARTED,
      reason: reasonFor('AUTH_FAILED'),
    });
    await alice.goto(`/jobs/${id}`);
    await alice.submit('/credentials', { password: '' });
    expect(alice.page.status).toBe(422);
    expect(alice.error('password')).toBe('Please type the password.');
    await alice.submit('/credentials', { password: ' new canary ' });
    expect(web.room.records.get(id)!.secret).toEqual({ password: ' new canary ' });
    expect(web.room.records.get(id)!.view.state).toBe('queued');
    expect(alice.page.text).not.toContain('new canary');
  });

  it('asks for the password when a retry needs it, and retries with it', async () => {
    const { id } = await putJob(web, 'alice@new.test', {
      state: 'failed',
      startedAt: STARTED,
      reason: reasonFor('DESTINATION_UNAVAILABLE'),
    });
    await alice.goto(`/jobs/${id}`);
    const act = jest.spyOn(web.room.jobs as JobsApi, 'act');
    act.mockRejectedValueOnce(new JobError('CREDENTIALS_REQUIRED', 'The password is needed again.'));
    await alice.submit('/retry', {});
    expect(alice.text).toContain('The stored password has been erased for your safety.');
    await alice.submit('/credentials', { password: 'again' });
    expect(web.room.records.get(id)!.view.state).toBe('queued');
  });

  it('shows the log to support and to nobody else', async () => {
    const { id } = await running();
    web.room.records.get(id)!.log.push({ at: STARTED, level: 'info', message: 'Run 1 <started>' });
    await alice.goto(`/jobs/${id}`);
    expect(alice.text).not.toContain('Run 1');
    const sam = await new PagesVisitor(web, 'sam').goto(`/jobs/${id}`);
    expect(sam.page.text).toContain('Run 1 &lt;started&gt;');
  });

  it('accounts for every item in the report', async () => {
    const { id } = await putJob(web, 'alice@new.test', {
      state: 'completed',
      outcome: 'incomplete',
      startedAt: STARTED,
      finishedAt: STARTED,
      progress: { ...PROGRESS, copied: 7064, alreadyThere: 12, skipped: 21, failed: 3 },
      folders: FOLDERS,
    });
    web.room.records.get(id)!.items.push(
      ...Array.from({ length: 60 }, (_, i) => ({
        kind: 'mail' as const,
        folder: 'INBOX',
        subject: i === 0 ? '<img src=x>' : `Letter ${i}`,
        from: '"A" <a@old.example>',
        date: null,
        size: 1000,
        outcome: i < 50 ? ('skipped' as const) : ('failed' as const),
        code: 'FILTERED',
        message: 'Left out.',
      })),
    );
    await alice.goto(`/jobs/${id}/report`);
    expect(alice.text).toContain('7,100 Found = 7,064 Copied + 12 Already there + 21 Skipped + 3 Failed');
    expect(alice.text).toContain('Nothing is left over');
    expect(alice.page.text).toContain('&lt;img src&#x3D;x&gt;');
    expect(alice.page.text).toContain(`/migrate/api/v1/jobs/${id}/report.csv`);
    expect(alice.text).toContain('Page 1 of 2');
    expect(alice.text).not.toContain('What was there before');
    await alice.goto(`/jobs/${id}/report?page=2`);
    expect(alice.text).toContain('Letter 59');
    await alice.goto(`/jobs/${id}/report?outcome=failed`);
    expect(alice.text).not.toContain('Letter 12');
    expect(alice.text).toContain('Letter 55');
  });

  it('shows what a stopped migration did not come to as a term of its own', async () => {
    const { id } = await putJob(web, 'alice@new.test', {
      state: 'failed',
      startedAt: STARTED,
      progress: PROGRESS,
      reason: reasonFor('TIMEOUT'),
    });
    await alice.goto(`/jobs/${id}/report`);
    expect(alice.text).toContain('+ 1 Failed + 3,383 Still to come');
    expect(alice.text).not.toContain('Nothing is left over');
  });

  it('is nobody else’s: a stranger gets 404 everywhere', async () => {
    const { id } = await running();
    const bob = await new PagesVisitor(web, 'bob').goto('/');
    expect(bob.text).not.toContain('alice');
    const { text } = bob.page;
    for (const path of [
      `/jobs/${id}`,
      `/jobs/${id}/report`,
      `/jobs/${id}/cancel`,
      '/jobs/nonsense',
      '/domains/new.test',
    ]) {
      await bob.goto(path);
      expect([path, bob.page.status]).toEqual([path, path.startsWith('/domains') ? 403 : 404]);
    }
    const csrf = /name="_csrf" value="([^"]+)"/.exec(text)?.[1];
    const { default: request } = await import('supertest');
    for (const action of ['pause', 'cancel', 'credentials']) {
      const answer = await request(web.server)
        .post(`/migrate/jobs/${id}/${action}`)
        .set('x-test-panel-user', 'bob')
        .type('form')
        .send({ _csrf: csrf ?? (await tokenOf(bob)), password: 'x' });
      expect([action, answer.status]).toEqual([action, 404]);
    }
    expect(web.room.records.get(id)!.view.state).toBe('running');
  });
});

/** The token of a form that is sure to be there. */
async function tokenOf(visitor: PagesVisitor): Promise<string> {
  await visitor.goto('/new');
  return visitor.value('_csrf')!;
}

describe('the pages of support and of a domain admin', () => {
  let web: WebApp;

  beforeAll(async () => {
    web = await startWeb();
  });
  afterAll(() => web.close());
  beforeEach(() => web.room.records.clear());

  async function three() {
    const failed = await putJob(web, 'alice@new.test', {
      state: 'failed',
      startedAt: STARTED,
      reason: reasonFor('AUTH_FAILED'),
    });
    const running = await putJob(web, 'bob@new.test', { state: 'running', startedAt: STARTED });
    const done = await putJob(web, 'alice@new.test', { state: 'completed', outcome: 'complete', startedAt: STARTED });
    return { failed, running, done };
  }
  const links = (visitor: PagesVisitor) =>
    [...visitor.page.text.matchAll(/href="\/migrate\/jobs\/([0-9a-f-]{36})"/g)].map(([, id]) => id);

  it('lists all, and filters by state, mailbox, error and search', async () => {
    const { failed, running, done } = await three();
    const sam = await new PagesVisitor(web, 'sam').goto('/admin');
    expect(links(sam)).toEqual([done.id, running.id, failed.id]);
    for (const [query, ids] of [
      ['state=running', [running.id]],
      ['mailbox=bob@new.test', [running.id]],
      ['error=auth_failed', [failed.id]],
      ['q=bob', [running.id]],
      ['domain=other.test', []],
      ['state=nonsense', [done.id, running.id, failed.id]],
    ] as const) {
      await sam.goto(`/admin?${query}`);
      expect([query, links(sam)]).toEqual([query, ids]);
    }
    expect(sam.value('state')).toBe('');
  });

  it('cuts the list into pages on the server and keeps the filter', async () => {
    for (let i = 0; i < 51; i++) await putJob(web, 'alice@new.test', { state: 'queued' });
    const sam = await new PagesVisitor(web, 'sam').goto('/admin?state=queued');
    expect(links(sam)).toHaveLength(50);
    const next = /rel="next" href="\/migrate([^"]+)"/.exec(sam.page.text)![1]!.replace(/&#x3D;/g, '=');
    await sam.goto(next.replace(/&amp;/g, '&'));
    expect(sam.path).toMatch(/^\/admin\?state=queued&after=/);
    expect(links(sam)).toHaveLength(1);
  });

  it('acts on the ticked ones after it has said which it would touch', async () => {
    const { failed, running, done } = await three();
    const sam = await new PagesVisitor(web, 'sam').goto('/admin?q=new.test');
    await sam.submit('/admin/bulk', { ids: [running.id, done.id], action: 'pause' });
    expect(sam.title).toBe('Pause one migration?');
    expect(sam.text).toContain('bob@new.test');
    expect(sam.text).toContain('Left as they are: Completed: 1');
    expect(web.room.records.get(running.id)!.view.state).toBe('running');
    await sam.submit('/admin/bulk', { action: 'pause' });
    expect(sam.path).toBe('/admin?q=new.test&bulk=done&n=1&refused=1');
    expect(sam.text).toContain('Done for one migration.');
    expect(sam.text).toContain('One was not in a state for that');
    expect(web.room.records.get(running.id)!.view.state).toBe('paused');
    await sam.submit('/admin/bulk', { action: 'retry' });
    expect(sam.text).toContain('Please tick at least one migration first.');
    await sam.submit('/admin/bulk', { ids: [failed.id], action: 'cancel' });
    expect(sam.title).toBe('Cancel one migration?');
    expect(web.room.records.get(failed.id)!.view.state).toBe('failed');
    await sam.submit('/admin/bulk', { action: 'cancel' });
    expect(web.room.records.get(failed.id)!.view.state).toBe('cancelled');
  });

  it('acts on all that the filter finds, and on no other', async () => {
    const { failed, running } = await three();
    const other = await putJob(web, 'bob@new.test', { state: 'running', startedAt: STARTED });
    const sam = await new PagesVisitor(web, 'sam').goto('/admin?mailbox=bob@new.test');
    await sam.submit('/admin/bulk', { scope: 'all', action: 'pause' });
    expect(sam.title).toBe('Pause 2 migrations?');
    await sam.submit('/admin/bulk', { action: 'pause' });
    expect(sam.path).toBe('/admin?mailbox=bob%40new.test&bulk=done&n=2&refused=0');
    const states = [failed, running, other].map(({ id }) => web.room.records.get(id)!.view.state);
    expect(states).toEqual(['failed', 'paused', 'paused']);
  });

  it('does not follow a way back that a form made up', async () => {
    const sam = await new PagesVisitor(web, 'sam');
    await three();
    await sam.goto('/admin');
    await sam.submit('/admin/bulk', { action: 'pause', back: '//evil.example/?q=x' });
    expect(sam.path).toBe('/admin?bulk=none');
  });

  it('is for support only', async () => {
    for (const who of ['alice', 'dora']) {
      const visitor = await new PagesVisitor(web, who).goto('/admin');
      expect(visitor.page.status).toBe(403);
    }
  });

  it('shows a domain admin the domain that is hers, and no other', async () => {
    const { running } = await three();
    const dora = await new PagesVisitor(web, 'dora').goto('/domains/new.test?state=running');
    expect(links(dora)).toEqual([running.id]);
    await dora.goto('/domains/other.test');
    expect(dora.page.status).toBe(404);
    await dora.goto('/domains/new.test');
    await dora.submit('/new', { mailbox: 'bob@new.test' });
    expect(dora.path).toMatch(/^\/new\/[0-9a-f-]{36}\/type$/);
  });
});
