import request from 'supertest';
import { Batch, InvitationsResult } from '../../../src/web/api/batch-schemas.js';
import { CSV, putBatch } from '../../browser/batch-pages.js';
import { startWeb, type WebApp } from '../web-app.js';

const SECRET = 'canary-of-the-admin';
const NOBODYS = '8d7f2f2e-52a1-4f4b-9d1b-0b8f6a1f0f00';

describe('a batch by the JSON API', () => {
  let web: WebApp;
  let dora: string;
  beforeAll(async () => {
    web = await startWeb();
    dora = `Bearer ${await web.token({ sub: 'dora', role: 'domain-admin', domain: 'new.test' })}`;
  });
  afterAll(() => web.close());
  beforeEach(() => {
    web.batches.acts.length = web.batches.passwords.length = 0;
  });

  const call = (method: 'get' | 'post' | 'put' | 'patch', path: string, body?: object) =>
    request(web.server)[method](`/migrate/api/v1/batches/${path}`).set('Authorization', dora).send(body);

  it('is finished anyway only when it is said', async () => {
    const { id } = await putBatch(web, CSV, undefined, { state: 'active' });
    const answer = await call('post', `${id}/finish`, { anyway: true });
    expect(answer.status).toBe(202);
    expect(web.batches.acts).toMatchObject([{ action: 'finish', options: { anyway: true } }]);
    expect((await call('post', `${id}/finish`, { anyway: 'yes' })).status).toBe(422);
    // A batch ends as a whole.
    expect((await call('post', `${id}/sync`, { last: true, ids: [NOBODYS] })).status).toBe(422);
  });

  it('has its hours, its connection and its password changed', async () => {
    const { id } = await putBatch(web, CSV, undefined, { state: 'paused' });
    const changed = await call('patch', id, {
      source: { port: 143, security: 'starttls' },
      options: { atOnce: 4, hours: { from: '22:00', to: '06:00', timeZone: 'UTC' }, syncEveryHours: null },
    });
    expect([changed.status, Batch.parse(changed.body)]).toMatchObject([
      200,
      { source: { port: 143, security: 'starttls' }, options: { atOnce: 4, hours: { from: '22:00' } } },
    ]);
    expect((await call('patch', id, { password: SECRET })).status).toBe(422);
    expect((await call('patch', id, { source: { port: 143, security: 'tls', host: 'evil.test' } })).status).toBe(422);
    const given = await call('put', `${id}/credentials`, { password: SECRET });
    expect([given.status, web.batches.passwords]).toEqual([200, [SECRET]]);
    expect(given.text).not.toContain(SECRET);
    expect((await call('patch', NOBODYS, { source: { port: 143, security: 'tls' } })).status).toBe(404);
  });

  it('asks the users, and gives the links where the panel does not send them', async () => {
    const { id } = await putBatch(web, CSV, { kind: 'ask-user' });
    web.batches.linksOf = [
      { mailbox: 'ben@new.test', username: 'ben', token: 'a.b', expiresAt: '2027-01-01T00:00:00.000Z' },
    ];
    const made = await call('post', `${id}/invitations`, { days: 3 });
    expect(made.status).toBe(201);
    const { count, links } = InvitationsResult.parse(made.body);
    expect(count).toBe(web.batches.batches.get(id)!.counts.accepted);
    expect(links[0]).toMatchObject({ mailbox: 'ben@new.test', username: 'ben' });
    expect(links[0]!.link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/migrate\/links\/a\.b$/);
    const sent = await call('post', `${id}/invitations`, { send: true });
    expect([sent.status, sent.body.links]).toEqual([201, []]);
    expect((await call('post', `${id}/invitations`, { days: 31 })).status).toBe(422);
    expect((await call('post', `${NOBODYS}/invitations`)).status).toBe(404);
  });
});
