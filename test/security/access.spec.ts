import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { ACCESS, type Decision } from '../../src/web/auth/access-table.js';
import { PANEL_USER } from '../fakes/fake-panel.js';
import { allRoutes } from '../web/routes.js';
import { startWeb, type WebApp } from '../web/web-app.js';

const SOURCE = { type: 'imap', host: 'imap.old.test', port: 993, security: 'tls', username: 'alice', password: 'pw' };
const NOBODYS = '8d7f2f2e-52a1-4f4b-9d1b-0b8f6a1f0f00';

let web: WebApp;
beforeAll(async () => {
  web = await startWeb();
});
afterAll(() => web.close());

const routes = allRoutes();
function decision(access: string | undefined): Decision | undefined {
  return access === undefined ? undefined : (ACCESS as Record<string, Decision>)[access];
}
const fill = (path: string): string =>
  `/migrate${path.replace(':action', 'start').replace(/\*\w+/, 'nowhere').replace(/:\w+/g, NOBODYS)}`;
function send(method: string, path: string) {
  const verb = method === 'ALL' ? 'get' : (method.toLowerCase() as 'get' | 'post');
  return request(web.server)[verb](path);
}

describe('every route', () => {
  it('is found by this test', () => {
    expect(routes.length).toBeGreaterThan(20);
    expect(routes.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/api/v1/jobs/:id/report', '/health', '/sign-in']),
    );
  });

  it.each(routes)('$method $path ($controller.$handler) has a decision in the access table', ({ access }) => {
    expect(decision(access)).toBeDefined();
  });

  it.each(routes)('$method $path changes nothing by GET, unless it is a reading name', ({ method, handler }) => {
    if (method === 'GET')
      expect(handler).not.toMatch(/^(delete|erase|start|stop|cancel|pause|retry|act|save|update|create)/i);
  });

  const closed = routes.filter(({ access }) => decision(access)?.who === 'people');
  it.each(closed)('$method $path is closed to nobody in particular', async ({ method, path }) => {
    const answer = await send(method, fill(path));
    expect(answer.status).toBe(401);
    expect(answer.text).not.toMatch(/stack|node_modules/);
  });

  it.each(closed)('$method $path is closed to somebody without its role', async ({ method, path, access }) => {
    const rule = decision(access);
    const outsiders = (['alice', 'dora', 'sam'] as const).filter((sub) => {
      const role = web.panel.people.get(sub)!.role;
      return rule?.who === 'people' && rule.roles[role] === undefined;
    });
    for (const sub of outsiders)
      expect([sub, (await send(method, fill(path)).set(PANEL_USER, sub)).status]).toEqual([sub, 403]);
  });

  const changing = closed.filter(({ method }) => method !== 'GET');
  it.each(changing)(
    '$method $path refuses a change without the CSRF token (case 30)',
    async ({ method, path, access }) => {
      const rule = decision(access);
      const sub = rule?.who === 'people' && rule.roles.user === undefined ? 'sam' : 'alice';
      const answer = await send(method, fill(path)).set(PANEL_USER, sub).set('Accept', 'application/json').send({});
      expect([answer.status, answer.body.error?.code]).toEqual([403, 'CSRF']);
    },
  );
});

describe("somebody else's job (case 24)", () => {
  it.each([
    ['get', ''],
    ['get', '/report'],
    ['get', '/report.csv'],
    ['get', '/recovery'],
    ['get', `/recovery/${NOBODYS}`],
    ['get', '/items'],
    ['get', '/events'],
    ['post', '/cancel'],
    ['post', '/pause'],
    ['patch', ''],
    ['put', '/credentials'],
    ['delete', ''],
  ] as const)('is 404 by %s %s, exactly like one that does not exist', async (verb, path) => {
    const bob = `Bearer ${await web.token({ sub: 'bob' })}`;
    const alice = `Bearer ${await web.token({ sub: 'alice' })}`;
    const made = await request(web.server)
      .post('/migrate/api/v1/jobs')
      .set('Authorization', alice)
      .send({ mailbox: 'alice@new.test', source: SOURCE });
    const body = path === '/credentials' ? { password: 'x' } : {};
    const ask = (id: string) => {
      const call = request(web.server)[verb](`/migrate/api/v1/jobs/${id}${path}`).set('Authorization', bob);
      return verb === 'get' ? call : call.send(body);
    };
    const [theirs, nobodys] = [await ask(made.body.id as string), await ask(NOBODYS)];
    expect(theirs.status).toBe(404);
    expect(theirs.body.error.code).toBe('NOT_FOUND');
    expect({ ...theirs.body, status: theirs.status }).toEqual({ ...nobodys.body, status: nobodys.status });
  });

  it('is not in the list, but is in that of the domain admin and of support', async () => {
    const list = async (sub: string) =>
      (
        await request(web.server)
          .get('/migrate/api/v1/jobs')
          .set('Authorization', `Bearer ${await web.token({ sub })}`)
      ).body.total as number;
    expect(await list('bob')).toBe(0);
    expect(await list('dora')).toBeGreaterThan(0);
    expect(await list('sam')).toBe(await list('dora'));
  });

  it('cannot be reached by a token that claims more than the panel gives (the panel decides, not the token)', async () => {
    const greedy = await web.token({ sub: 'bob', role: 'support', mailbox: 'alice@new.test', domain: 'new.test' });
    const answer = await request(web.server).get('/migrate/api/v1/jobs').set('Authorization', `Bearer ${greedy}`);
    expect(answer.body.total).toBe(0);
  });
});

describe('a role that is taken away while somebody is signed in (case 28)', () => {
  it('ends what he may at his next request', async () => {
    const panel = web.panel;
    const before = panel.people.get('sam')!;
    const bearer = `Bearer ${await web.token({ sub: 'sam', role: 'support' })}`;
    const count = async () =>
      (await request(web.server).get('/migrate/api/v1/jobs').set('Authorization', bearer)).body.total as number;
    expect(await count()).toBeGreaterThan(0);
    panel.people.set('sam', { ...before, role: 'user' });
    expect(await count()).toBe(0);
    panel.people.delete('sam');
    expect((await request(web.server).get('/migrate/api/v1/jobs').set('Authorization', bearer)).status).toBe(401);
    panel.people.set('sam', before);
    panel.forbidden.add('migration.all');
    expect((await request(web.server).get('/migrate/api/v1/jobs').set('Authorization', bearer)).status).toBe(403);
    panel.forbidden.clear();
    expect(await count()).toBeGreaterThan(0);
  });
});

describe('spoofed headers (case 29)', () => {
  it.each([
    'X-User-ID',
    'X-Remote-User',
    'Remote-User',
    'X-Forwarded-User',
    'X-Auth-Request-User',
    'X-Forwarded-Email',
  ])('%s makes nobody of anybody', async (header) => {
    const answer = await request(web.server)
      .get('/migrate/api/v1/jobs')
      .set(header, 'sam')
      .set('X-Forwarded-For', '127.0.0.1');
    expect(answer.status).toBe(401);
  });

  it('X-Forwarded-Proto and X-Forwarded-Host change neither the cookie nor an address', async () => {
    const token = await web.token({ sub: 'alice' }, { aud: 'mailferry/sso' });
    const answer = await request(web.server)
      .post('/migrate/sign-in')
      .type('form')
      .set('X-Forwarded-Proto', 'https')
      .set('X-Forwarded-Host', 'evil.test')
      .send({ token });
    expect(answer.headers['location']).toBe('/migrate');
    expect(String(answer.headers['set-cookie'])).toMatch(/^mailferry=/);
  });
});
