import { afterEach, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { PANEL_USER } from '../fakes/fake-panel.js';
import { startWeb, type WebApp } from './web-app.js';

const SOURCE = { type: 'imap', host: 'imap.old.test', port: 993, security: 'tls', username: 'alice', password: 'pw' };

let web: WebApp;
afterEach(() => web.close());

describe('in somebody else’s application', () => {
  it.each([
    ['one that parses bodies itself', { bodyParser: true }, '/migrate'],
    ['one that parses none', { bodyParser: false }, '/migrate'],
    ['one with a global prefix', { prefix: 'panel/v2' }, '/panel/v2/migrate'],
  ])('%s, the API and the links work', async (_, host, base) => {
    web = await startWeb({}, host);
    const bearer = `Bearer ${await web.token({ sub: 'alice' })}`;
    const made = await request(web.server)
      .post(`${base}/api/v1/jobs`)
      .set('Authorization', bearer)
      .send({ mailbox: 'alice@new.test', source: SOURCE });
    expect(made.status).toBe(201);
    expect(made.headers['location']).toBe(`${base}/api/v1/jobs/${made.body.id}`);
    const html = (await request(web.server).get(`${base}/new`).set(PANEL_USER, 'alice')).text;
    expect(html).toMatch(new RegExp(`href="${base}/assets/[0-9a-f]{16}/mailferry.css"`));
    const form = await request(web.server).post(`${base}/sign-in`).type('form').send({ token: 'x' });
    expect(form.status).toBe(401);
  });

  it('works at another base path, and at the root of a host name of its own', async () => {
    for (const basePath of ['/mail/move', '']) {
      web = await startWeb({ basePath });
      const html = (await request(web.server).get(`${basePath}/new`).set(PANEL_USER, 'alice')).text;
      expect(html).toMatch(new RegExp(`href="${basePath}/assets/[0-9a-f]{16}/mailferry.css"`));
      expect((await request(web.server).get(`${basePath}/health`)).status).toBe(200);
      if (basePath === '') await web.close();
    }
    web = await startWeb();
  });

  it('ignores a global interceptor that wraps every answer', async () => {
    const { map } = await import('rxjs');
    web = await startWeb(
      {},
      {
        prepare: (app) => {
          app.useGlobalInterceptors({
            intercept: (_, next) => next.handle().pipe(map((data: unknown) => ({ wrapped: data }))),
          });
        },
      },
    );
    const answer = await request(web.server).get('/migrate/health');
    expect(answer.body).toMatchObject({ status: 'ok' });
  });
});
