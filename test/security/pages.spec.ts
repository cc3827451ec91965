import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { PANEL_USER } from '../fakes/fake-panel.js';
import { startWeb, type WebApp } from '../web/web-app.js';

const SOURCE = { type: 'imap', host: 'imap.old.test', port: 993, security: 'tls', username: 'alice', password: 'pw' };

let web: WebApp;
beforeAll(async () => {
  web = await startWeb({ frameAncestors: ['https://panel.test'] });
});
afterAll(() => web.close());
const page = (path: string) => request(web.server).get(`/migrate${path}`).set(PANEL_USER, 'alice');

describe('headers', () => {
  it.each([
    '/new',
    '/widget',
    '/health',
    '/api/v1/jobs',
    '/nowhere',
    '/assets/x/mailferry.css',
    '/api/v1/jobs/x/report.csv',
  ])('of %s forbid what we do not use', async (path) => {
    const { headers } = await page(path);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("frame-ancestors 'self' https://panel.test");
    expect(policy).not.toMatch(/unsafe|upgrade-insecure|nonce/);
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('same-origin');
    // Whether there is https is the host's to know.
    expect(headers['strict-transport-security']).toBeUndefined();
  });

  it('keep what is personal out of every cache', async () => {
    for (const path of ['/new', '/widget', '/api/v1/jobs', '/api/v1/openapi.json'])
      expect([path, (await page(path)).headers['cache-control']]).toEqual([path, 'no-store']);
  });

  it('allow the logo of the panel, and nothing else of its origin', async () => {
    web.panel.brand = { name: 'Example', logoUrl: 'https://cdn.panel.test/logo.svg' };
    const policy = String((await page('/new')).headers['content-security-policy']);
    expect(policy).toContain("img-src 'self' data: https://cdn.panel.test;");
    expect(policy.match(/cdn\.panel\.test/g)).toHaveLength(1);
    web.panel.brand = { name: 'Example Hosting' };
  });
});

describe('what a stranger wrote is text (cases 17, 18)', () => {
  const HOSTILE = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '{{constructor.constructor("return 1")()}}',
    '</title><svg onload=alert(1)>',
    'javascript:alert(1)',
    'invoice\u202efdp.exe',
    '__proto__',
  ];

  it.each(HOSTILE)('%j as a user name, host, folder, message and person', async (text) => {
    const alice = `Bearer ${await web.token({ sub: 'alice' })}`;
    const made = await request(web.server)
      .post('/migrate/api/v1/jobs')
      .set('Authorization', alice)
      .send({ mailbox: 'alice@new.test', source: { ...SOURCE, username: text }, start: true });
    const id = made.body.id as string;
    web.room.change(id, {
      state: 'needs-action',
      source: { ...web.room.records.get(id)!.view.source, host: text },
      reason: { code: 'AUTH_FAILED', message: text, action: text },
      folders: [
        {
          path: text,
          destination: text,
          kind: 'mail',
          found: 1,
          copied: 1,
          alreadyThere: 0,
          skipped: 0,
          failed: 0,
          bytes: 1,
          totalBytes: 1,
        },
      ],
    });
    web.room.records.get(id)!.items.push({
      kind: 'mail',
      folder: text,
      subject: text,
      from: text,
      date: null,
      size: 1,
      outcome: 'failed',
      code: 'REFUSED',
      message: text,
    });
    web.room.records.get(id)!.log.push({ at: new Date().toISOString(), level: 'error', message: text });
    const before = web.panel.people.get('alice')!;
    web.panel.people.set('alice', { ...before, name: text });
    web.panel.brand = { name: text, homeUrl: text, logoUrl: text, supportUrl: text, accent: text };
    const shown: [string, string][] = [
      ['alice', ''],
      ['alice', '/widget'],
      ['alice', `/jobs/${id}`],
      ['alice', `/jobs/${id}/report`],
      ['alice', `/jobs/${id}/nowhere`],
      ['sam', '/admin'],
      ['sam', `/admin?q=${encodeURIComponent(text)}`],
      ['sam', `/jobs/${id}`],
      ['dora', '/domains/new.test'],
    ];
    for (const [sub, path] of shown) {
      const { text: html, status } = await page(path).set(PANEL_USER, sub);
      expect([path, status < 500]).toEqual([path, true]);
      expect(html).not.toMatch(/<script>alert|<img src=x|<svg onload/);
      expect(html).not.toMatch(/<[^>]*\son(error|load|mouseover)=/);
      expect(html).not.toMatch(/(href|src)="javascript:/);
      // In an attribute it is a name for the script; on the page it would turn our own words around.
      expect(html.replace(/<[^>]*>/g, '')).not.toContain('\u202e');
    }
    web.panel.people.set('alice', before);
    web.panel.brand = { name: 'Example Hosting' };
    web.room.records.delete(id);
  });
});

describe('somebody who is not signed in', () => {
  it('sees a page that says what to do, without a link where the panel names none', async () => {
    const answer = await request(web.server).get('/migrate/new').set('Accept', 'text/html');
    expect(answer.status).toBe(401);
    expect(answer.text).toContain('Please sign in');
  });

  it('is led to the panel where it names its address, but not inside a frame', async () => {
    web.panel.brand = { name: 'Example', homeUrl: '/panel' };
    const answer = await request(web.server).get('/migrate/new').set('Accept', 'text/html');
    expect([answer.status, answer.headers['location']]).toEqual([303, '/panel']);
    const framed = await request(web.server).get('/migrate/new').set('Sec-Fetch-Dest', 'iframe');
    expect(framed.status).toBe(401);
    expect(framed.text).toContain('href="/panel"');
    web.panel.brand = { name: 'Example', homeUrl: 'javascript:alert(1)' };
    expect((await request(web.server).get('/migrate/new').set('Accept', 'text/html')).status).toBe(401);
    web.panel.brand = { name: 'Example Hosting' };
  });
});

describe('an iframe', () => {
  it('gets the bare layout, a window the whole one', async () => {
    expect((await page('/new')).text).toContain('class="mf-top"');
    expect((await page('/new').set('Sec-Fetch-Dest', 'iframe')).text).not.toContain('class="mf-top"');
  });
});

describe('assets', () => {
  it('are linked by their content and kept for ever', async () => {
    const html = (await page('/new')).text;
    const links = [...html.matchAll(/(?:href|src)="(\/migrate\/assets\/[^"#]+)/g)].map(([, link]) => link!);
    expect(links.length).toBeGreaterThanOrEqual(4);
    for (const link of new Set(links)) {
      const asset = await request(web.server).get(link);
      expect([link, asset.status, asset.headers['cache-control']]).toEqual([
        link,
        200,
        'public, max-age=31536000, immutable',
      ]);
      const again = await request(web.server).get(link).set('If-None-Match', String(asset.headers['etag']));
      expect(again.status).toBe(304);
    }
  });

  it('are a fixed list: no path leads out of it', async () => {
    for (const name of [
      '../package.json',
      '..%2fpackage.json',
      '%2e%2e%2f%2e%2e%2fpackage.json',
      'constructor',
      '.env',
    ])
      expect([name, (await request(web.server).get(`/migrate/assets/x/${name}`)).status]).toEqual([name, 404]);
  });

  it('the panel’s colour is a style sheet of six digits and nothing else', async () => {
    web.panel.brand = { name: 'Example', accent: '#C0FFEE' };
    expect((await page('/new')).text).toContain('href="/migrate/theme/c0ffee.css"');
    const sheet = await request(web.server).get('/migrate/theme/c0ffee.css');
    expect(sheet.text).toBe(':root{--mf-accent:#c0ffee;--mf-on-accent:#10151f}\n');
    expect((await request(web.server).get('/migrate/theme/red;}.css')).status).toBe(404);
    web.panel.brand = { name: 'Example', accent: 'red;}body{display:none' };
    expect((await page('/new')).text).not.toContain('/theme/');
    web.panel.brand = { name: 'Example Hosting' };
  });
});
