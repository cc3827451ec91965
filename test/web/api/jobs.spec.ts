import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { Job, JobsPage, Report, ItemsPage, Test as TestSchema } from '../../../src/web/api/reply-schemas.js';
import { startWeb, type WebApp } from '../web-app.js';

const SOURCE = {
  type: 'imap',
  host: 'imap.old.test',
  port: 993,
  security: 'tls',
  username: 'alice',
  password: 'pw-canary',
};

let web: WebApp;
let alice: string;
beforeAll(async () => {
  web = await startWeb();
});
afterAll(() => web.close());
beforeEach(async () => {
  alice = `Bearer ${await web.token({ sub: 'alice', mailbox: 'alice@new.test' })}`;
});

const api = (path: string): string => `/migrate/api/v1${path}`;
const post = (path: string, body?: object) =>
  request(web.server).post(api(path)).set('Authorization', alice).send(body);
const get = (path: string) => request(web.server).get(api(path)).set('Authorization', alice);
async function make(extra: object = {}): Promise<string> {
  const made = await post('/jobs', {
    mailbox: 'alice@new.test',
    source: SOURCE,
    items: ['mail'],
    existing: 'keep',
    ...extra,
  });
  expect(made.status).toBe(201);
  return (made.body as { id: string }).id;
}

describe('POST /jobs', () => {
  it('makes a draft, answers 201 with it and its address, and never shows the password again', async () => {
    const made = await post('/jobs', { mailbox: 'alice@new.test', source: SOURCE, items: ['mail'], existing: 'keep' });
    expect(made.status).toBe(201);
    expect(Job.parse(made.body)).toMatchObject({
      mailbox: 'alice@new.test',
      state: 'draft',
      actions: ['start', 'cancel'],
    });
    expect(made.headers['location']).toBe(api(`/jobs/${made.body.id}`));
    expect(made.headers['content-type']).toMatch(/application\/json/);
    expect(made.text).not.toContain('pw-canary');
    expect((await get(`/jobs/${made.body.id}`)).text).not.toContain('pw-canary');
  });

  it('gives the same job for the same Idempotency-Key', async () => {
    const body = { mailbox: 'alice@new.test', source: SOURCE };
    const first = await post('/jobs', body).set('Idempotency-Key', 'k-1');
    const again = await post('/jobs', body).set('Idempotency-Key', 'k-1');
    const other = await post('/jobs', body).set('Idempotency-Key', 'k-2');
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body.id).toBe(first.body.id);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(other.body.id).not.toBe(first.body.id);
  });

  it('starts at once when asked', async () => {
    const made = await post('/jobs', { mailbox: 'alice@new.test', source: SOURCE, start: true });
    expect(made.body).toMatchObject({ state: 'queued' });
  });

  it.each([
    [{ mailbox: 'alice@new.test', source: { ...SOURCE, port: 99999 } }, 'source.port'],
    [{ mailbox: 'alice@new.test', source: { ...SOURCE, colour: 'red' } }, 'source.colour'],
    [{ mailbox: 'alice@new.test', source: SOURCE, sourse: 1 }, 'sourse'],
    [{ source: SOURCE }, 'mailbox'],
    [{ mailbox: 'nobody', source: SOURCE }, 'mailbox'],
    [{ mailbox: 'alice@new.test' }, 'source'],
    [{ mailbox: 'alice@new.test', source: { ...SOURCE, username: 'alice\r\nA1 DELETE INBOX' } }, 'source.username'],
    [{ mailbox: 'alice@new.test', source: { ...SOURCE, security: 'maybe' } }, 'source.security'],
    [{ mailbox: 'alice@new.test', source: SOURCE, items: ['spam'] }, 'items.0'],
    [{ mailbox: 'alice@new.test', source: SOURCE, items: [] }, 'items'],
    [{ mailbox: 'alice@new.test', source: SOURCE, existing: 'burn' }, 'existing'],
    [{ mailbox: 'alice@new.test', source: SOURCE, filters: { since: 'yesterday' } }, 'filters.since'],
    [{ mailbox: 'alice@new.test', source: SOURCE, existing: 'replace', confirm: 'bob@new.test' }, 'confirm'],
  ])('refuses %j with 422 VALIDATION that names %s and quotes nothing secret', async (body, field) => {
    const answer = await post('/jobs', body);
    expect(answer.status).toBe(422);
    expect(answer.body.error.code).toBe('VALIDATION');
    expect(Object.keys(answer.body.error.details)).toContain(field);
    expect(answer.body.error.message).toContain(field);
    expect(answer.text).not.toContain('pw-canary');
  });

  it('refuses what is no JSON with 400, and what is too large with 413', async () => {
    const broken = await request(web.server)
      .post(api('/jobs'))
      .set('Authorization', alice)
      .set('Content-Type', 'application/json')
      .send('{"mailbox": "pw-canary');
    expect([broken.status, broken.body.error.code]).toEqual([400, 'MALFORMED']);
    expect(broken.text).not.toContain('pw-canary');
    const large = await post('/jobs', { mailbox: 'x'.repeat(1_100_000) });
    expect([large.status, large.body.error.code]).toEqual([413, 'TOO_LARGE']);
  });

  it('refuses a strange Idempotency-Key', async () => {
    const answer = await post('/jobs', { mailbox: 'alice@new.test', source: SOURCE }).set(
      'Idempotency-Key',
      'x'.repeat(300),
    );
    expect([answer.status, answer.body.error.code]).toEqual([422, 'VALIDATION']);
  });
});

describe('one job', () => {
  it('goes through its actions with 202, and what the table forbids is 409 INVALID_STATE', async () => {
    const id = await make();
    expect((await post(`/jobs/${id}/pause`)).status).toBe(409);
    const started = await post(`/jobs/${id}/start`);
    expect([started.status, started.body.state]).toEqual([202, 'queued']);
    expect((await post(`/jobs/${id}/pause`)).body).toMatchObject({ state: 'paused' });
    expect((await post(`/jobs/${id}/resume`)).body).toMatchObject({ state: 'queued' });
    const cancelled = await post(`/jobs/${id}/cancel`);
    expect([cancelled.status, cancelled.body.state]).toEqual([202, 'cancelled']);
    const again = await post(`/jobs/${id}/start`);
    expect([again.status, again.body.error.code]).toEqual([409, 'INVALID_STATE']);
    expect((await post(`/jobs/${id}/explode`)).status).toBe(404);
  });

  it('is changed while a draft, and 409 afterwards', async () => {
    const id = await make();
    const patched = await request(web.server)
      .patch(api(`/jobs/${id}`))
      .set('Authorization', alice)
      .send({ items: ['mail', 'notes'] });
    expect([patched.status, patched.body.items]).toEqual([200, ['mail', 'notes']]);
    await post(`/jobs/${id}/start`);
    const late = await request(web.server)
      .patch(api(`/jobs/${id}`))
      .set('Authorization', alice)
      .send({ items: ['mail'] });
    expect(late.status).toBe(409);
    const unknown = await request(web.server)
      .patch(api(`/jobs/${id}`))
      .set('Authorization', alice)
      .send({ mailbox: 'x@y.z' });
    expect([unknown.status, unknown.body.error.details]).toEqual([422, { mailbox: 'is not known here' }]);
  });

  it('takes passwords again and shows none', async () => {
    const id = await make();
    const put = await request(web.server)
      .put(api(`/jobs/${id}/credentials`))
      .set('Authorization', alice)
      .send({ password: 'new-canary' });
    expect(put.status).toBe(200);
    expect(put.text).not.toContain('new-canary');
    const empty = await request(web.server)
      .put(api(`/jobs/${id}/credentials`))
      .set('Authorization', alice)
      .send({});
    expect(empty.status).toBe(422);
  });

  it('is erased when it is final, with 204', async () => {
    const id = await make();
    const erase = () =>
      request(web.server)
        .delete(api(`/jobs/${id}`))
        .set('Authorization', alice);
    expect((await erase()).status).toBe(409);
    await post(`/jobs/${id}/cancel`);
    expect((await erase()).status).toBe(204);
    expect((await get(`/jobs/${id}`)).status).toBe(404);
  });

  it('that nobody has is 404, also with an id that is none', async () => {
    for (const id of ['8d7f2f2e-52a1-4f4b-9d1b-0b8f6a1f0f00', 'x', '__proto__', '%00', '..%2f..'])
      expect([id, (await get(`/jobs/${id}`)).status]).toEqual([id, 404]);
  });
});

describe('GET /jobs', () => {
  it('filters and pages', async () => {
    const id = await make();
    await post(`/jobs/${id}/start`);
    const list = await get('/jobs?state=queued,running&mailbox=alice@new.test&page=1&perPage=2');
    expect(list.status).toBe(200);
    expect(JobsPage.parse(list.body)).toMatchObject({ page: 1, perPage: 2 });
    expect(list.body.jobs.map((job: { id: string }) => job.id)).toContain(id);
    expect((await get('/jobs?state=completed')).body.total).toBe(0);
  });

  it.each(['state=dancing', 'perPage=100000', 'page=0', 'colour=red'])('refuses ?%s', async (query) => {
    const answer = await get(`/jobs?${query}`);
    expect([answer.status, answer.body.error.code]).toEqual([422, 'VALIDATION']);
  });
});

describe('POST /jobs/bulk', () => {
  it('says what was done and what was refused', async () => {
    const [fresh, gone] = [await make(), await make()];
    await post(`/jobs/${gone}/cancel`);
    const answer = await post('/jobs/bulk', { action: 'cancel', ids: [fresh, gone] });
    expect([answer.status, answer.body.done]).toEqual([200, [fresh]]);
    expect(answer.body.refused).toEqual([{ id: gone, code: 'INVALID_STATE', message: expect.any(String) }]);
  });

  it('takes ids or a filter, not both and not neither', async () => {
    expect((await post('/jobs/bulk', { action: 'cancel' })).status).toBe(422);
    expect((await post('/jobs/bulk', { action: 'cancel', ids: [await make()], filter: {} })).status).toBe(422);
  });
});

describe('the report', () => {
  it('comes as JSON, by pages, and as CSV', async () => {
    const id = await make();
    web.room.records.get(id)!.items.push({
      kind: 'mail',
      folder: 'Sent',
      subject: 'Größe, "quoted"',
      from: 'a@b.c',
      date: '2026-01-02T03:04:05.000Z',
      size: 7,
      outcome: 'failed',
      code: 'MESSAGE_TOO_LARGE',
      message: 'Too large.',
    });
    const report = await get(`/jobs/${id}/report`);
    expect(Report.parse(report.body).items).toHaveLength(1);
    const items = await get(`/jobs/${id}/items?outcome=failed`);
    expect(ItemsPage.parse(items.body)).toMatchObject({ total: 1, page: 1 });
    expect((await get(`/jobs/${id}/items?outcome=skipped`)).body.total).toBe(0);
    const csv = await get(`/jobs/${id}/report.csv`);
    expect(csv.headers['content-type']).toBe('text/csv; charset=utf-8');
    expect(csv.headers['content-disposition']).toContain(`migration-${id}.csv`);
    expect(csv.text.split('\r\n')[0]).toBe('kind,folder,subject,date,size,outcome,code,message');
    expect(csv.text).toContain('Größe');
  });
});

describe('connection tests', () => {
  const body = { source: SOURCE, mailbox: 'alice@new.test', items: ['mail'] };

  it('answer 200 with what they found, also when they failed', async () => {
    const good = await post('/connection-tests', body);
    expect(good.status).toBe(200);
    expect(TestSchema.parse(good.body)).toMatchObject({ ok: true, totals: { folders: 1 } });
    web.room.nextTest = {
      ok: false,
      code: 'AUTH_FAILED',
      message: 'No.',
      folders: [],
      totals: { folders: 0, items: 0, bytes: 0 },
    };
    const bad = await post('/connection-tests', body);
    expect([bad.status, bad.body.ok, bad.body.code]).toEqual([200, false, 'AUTH_FAILED']);
    expect((await get(`/connection-tests/${bad.body.id}`)).body).toEqual(bad.body);
  });

  it('that take longer are 202 with their id', async () => {
    web.room.nextTest = 'never';
    const slow = await post('/connection-tests', body);
    expect([slow.status, slow.body]).toEqual([202, { id: expect.any(String), state: 'running' }]);
    expect((await get(`/connection-tests/${slow.body.id}`)).status).toBe(202);
  });

  it('of somebody else are 404', async () => {
    web.room.nextTest = 'never';
    const { id } = (await post('/connection-tests', body)).body as { id: string };
    const bob = `Bearer ${await web.token({ sub: 'bob' })}`;
    expect(
      (
        await request(web.server)
          .get(api(`/connection-tests/${id}`))
          .set('Authorization', bob)
      ).status,
    ).toBe(404);
  });
});

describe('an unforeseen error', () => {
  it('is 500 INTERNAL with a reference, and neither stack nor cause leaves the house', async () => {
    const broken = web.room.jobs.get;
    web.room.jobs.get = () => Promise.reject(new Error('secret-canary at line\nbreak \u001b[31m'));
    const answer = await get('/jobs/8d7f2f2e-52a1-4f4b-9d1b-0b8f6a1f0f00');
    web.room.jobs.get = broken;
    expect([answer.status, answer.body.error.code]).toEqual([500, 'INTERNAL']);
    expect(answer.text).not.toMatch(/canary|stack|at .*\.ts/);
    const line = web.log.find((text) => text.includes(answer.body.error.details.reference as string));
    expect(line).toBeDefined();
    // SECURITY case 45: one line, no escape codes.
    expect(line).not.toMatch(/[\n\r\u001b]/);
  });

  it('of a database that is away is 503 UNAVAILABLE', async () => {
    const broken = web.room.jobs.get;
    web.room.jobs.get = () => Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }));
    const answer = await get('/jobs/8d7f2f2e-52a1-4f4b-9d1b-0b8f6a1f0f00');
    web.room.jobs.get = broken;
    expect([answer.status, answer.body.error.code]).toEqual([503, 'UNAVAILABLE']);
  });
});

it('a path that is none is 404 in our shape', async () => {
  const answer = await get('/batches');
  expect([answer.status, answer.body.error.code]).toEqual([404, 'NOT_FOUND']);
});
