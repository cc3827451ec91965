import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import type { Role } from '../../src/panel/host-panel.js';
import { ACCESS, type AccessName, type Decision } from '../../src/web/auth/access-table.js';
import { actorFor } from '../browser/stage.js';
import { PANEL_USER } from '../fakes/fake-panel.js';
import { allRoutes, type Route } from '../web/routes.js';
import { formsOf } from '../web/pages/visitor.js';
import { startWeb, type WebApp } from '../web/web-app.js';

/** Whose migration it is, seen from whoever asks. */
type ObjectOf = 'own' | 'in my domain' | 'of my tenant' | 'of another tenant';
/** Who reaches whose: everything that is not here is 404, as if it were not there. */
const REACHES: Readonly<Record<Role, readonly ObjectOf[]>> = {
  user: ['own'],
  'domain-admin': ['own', 'in my domain'],
  support: ['own', 'in my domain', 'of my tenant'],
};
const PEOPLE: Readonly<Record<Role, string>> = { user: 'alice', 'domain-admin': 'dora', support: 'sam' };
/** A migration of each kind, by its mailbox, for each role. `null`: there is none of that kind. */
const MAILBOXES: Readonly<Record<Role, Readonly<Record<ObjectOf, string | null>>>> = {
  user: {
    own: 'alice@new.test',
    'in my domain': null,
    'of my tenant': 'bob@new.test',
    'of another tenant': 'foreign@elsewhere.test',
  },
  'domain-admin': {
    own: null,
    'in my domain': 'alice@new.test',
    'of my tenant': 'eve@other.test',
    'of another tenant': 'foreign@elsewhere.test',
  },
  support: {
    own: null,
    'in my domain': null,
    'of my tenant': 'eve@other.test',
    'of another tenant': 'foreign@elsewhere.test',
  },
};

/** What was in a mailbox before a replace is its owner's alone. */
const FILE = '11111111-2222-4333-8444-555555555555';
const OWNERS_ALONE = '/recovery/:file';

let web: WebApp;
const jobs = new Map<string, string>();
beforeAll(async () => {
  web = await startWeb();
  for (const mailbox of ['alice@new.test', 'bob@new.test', 'eve@other.test', 'foreign@elsewhere.test']) {
    const tenant = mailbox.endsWith('elsewhere.test') ? 't2' : 't1';
    const who = actorFor(mailbox);
    const owner = { ...who, tenant, visibility: { ...who.visibility, tenant } };
    const { job } = await web.room.jobs.create(owner, { mailbox, secret: { password: 'x' } });
    jobs.set(mailbox, job.id);
    const about = { kind: 'calendars' as const, folder: 'Calendar', name: 'calendar.ics', items: 1, bytes: 5 };
    const file = { ...about, id: FILE, createdAt: new Date().toISOString(), content: 'hello' };
    web.room.reports.recovered.set(job.id, [file]);
  }
});
afterAll(() => web.close());

const decisionOf = ({ access }: Route): Decision | undefined => ACCESS[access as AccessName];
/** Routes about one migration: what they show or change belongs to somebody. */
const ABOUT_A_JOB = /^\/(api\/v1\/jobs|jobs|admin\/jobs)\/:id(\/|$)/;
const routes = allRoutes().filter((route) => ABOUT_A_JOB.test(route.path) && decisionOf(route)?.who === 'people');
const cases = routes.flatMap((route) =>
  (Object.keys(PEOPLE) as Role[]).flatMap((role) =>
    (Object.keys(MAILBOXES[role]) as ObjectOf[]).map((object) => ({ ...route, role, object })),
  ),
);

async function ask({ method, path }: Route, who: string, id: string): Promise<number> {
  const to = `/migrate${path.replace(':id', id).replace(':action', 'pause').replace(':file', FILE)}`;
  const verb = method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
  const agent = request(web.server);
  if (!path.startsWith('/api/')) {
    const page = agent[verb](to).set(PANEL_USER, who);
    return (await (verb === 'get' ? page : page.type('form').send({ _csrf: await csrf(who) }))).status;
  }
  // An event stream does not end by itself: its headers say enough.
  if (path.endsWith('/events')) return statusOfStream(to, who);
  const call = agent[verb](to).set('Authorization', `Bearer ${await web.token({ sub: who })}`);
  return (await (verb === 'get' ? call : call.send(path.endsWith('/credentials') ? { password: 'x' } : {}))).status;
}

async function statusOfStream(to: string, who: string): Promise<number> {
  if (!web.server.listening) await web.app.listen(0, '127.0.0.1');
  const { port } = web.server.address() as { port: number };
  const stop = new AbortController();
  const answer = await fetch(`http://127.0.0.1:${port}${to}`, {
    headers: { authorization: `Bearer ${await web.token({ sub: who })}` },
    signal: stop.signal,
  });
  stop.abort();
  return answer.status;
}

/** As the person's own pages have it. */
async function csrf(who: string): Promise<string> {
  for (const path of ['/migrate/new', '/migrate/admin', '/migrate/domains/new.test']) {
    const { text } = await request(web.server).get(path).set(PANEL_USER, who);
    const found = formsOf(text).find(({ fields }) => typeof fields['_csrf'] === 'string');
    if (found !== undefined) return found.fields['_csrf'] as string;
  }
  return '';
}

describe('role x object x action', () => {
  it('covers every route about a migration', () => {
    expect(routes.length).toBeGreaterThan(15);
    const others = allRoutes().filter(({ path }) => /:id/.test(path) && !ABOUT_A_JOB.test(path));
    // Routes with an id of something else; each has a test of its own for whose it is.
    const known = ['/new/', '/api/v1/connection-tests/', '/admin/workers/', '/api/v1/batches/', '/domains/'];
    expect(others.map(({ path }) => path).filter((path) => !known.some((start) => path.startsWith(start)))).toEqual([]);
  });

  it.each(cases)('$role, $object: $method $path', async ({ role, object, ...route }) => {
    const mailbox = MAILBOXES[role][object];
    if (mailbox === null) return;
    const id = jobs.get(mailbox)!;
    const decision = decisionOf(route);
    const allowed = decision?.who === 'people' && decision.roles[role] !== undefined;
    const status = await ask(route, PEOPLE[role], id);
    if (!allowed) expect(status).toBe(403);
    else if (!REACHES[role].includes(object)) expect(status).toBe(404);
    else if (route.path.endsWith(OWNERS_ALONE) && object !== 'own') expect(status).toBe(404);
    else expect([401, 403, 404, 500]).not.toContain(status);
    // What was asked for may have been done: it is there for the next one.
    if (web.room.records.get(id) === undefined) throw new Error(`${route.method} ${route.path} erased a draft`);
  });
});
