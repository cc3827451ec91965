import { createHmac, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import request from 'supertest';
import { ISSUER, now, startWeb, type WebApp } from '../web/web-app.js';

let web: WebApp;
beforeAll(async () => {
  web = await startWeb();
});
afterAll(() => web.close());

const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = (aud: string) => ({
  iss: ISSUER,
  aud,
  sub: 'alice',
  role: 'user',
  jti: randomUUID(),
  iat: now(),
  exp: now() + 50,
});
function sign(aud: string, change: Record<string, unknown> = {}, alg = 'ES256', key = web.privateKey): Promise<string> {
  return new SignJWT({ ...claims(aud), ...change } as never).setProtectedHeader({ alg }).sign(key);
}
const api = (token: string) => request(web.server).get('/migrate/api/v1/jobs').set('Authorization', `Bearer ${token}`);
const signIn = (token: string) => request(web.server).post('/migrate/sign-in').type('form').send({ token });

describe('a bad token (case 26) is 401, as API token and at the sign-in', () => {
  const bad: [string, (aud: string) => Promise<string> | string][] = [
    ['algorithm none', (aud) => `${b64({ alg: 'none' })}.${b64(claims(aud))}.`],
    ['algorithm None, spelled to slip through', (aud) => `${b64({ alg: 'nOnE' })}.${b64(claims(aud))}.`],
    [
      'HS256 with the public key as the secret',
      (aud) => {
        const text = `${b64({ alg: 'HS256', typ: 'JWT' })}.${b64(claims(aud))}`;
        return `${text}.${createHmac('sha256', web.publicKey).update(text).digest('base64url')}`;
      },
    ],
    ['a signature of another key', async (aud) => sign(aud, {}, 'ES256', (await generateKeyPair('ES256')).privateKey)],
    [
      'an algorithm that is not listed',
      async (aud) => sign(aud, {}, 'RS256', (await generateKeyPair('RS256')).privateKey),
    ],
    [
      'a key in its own header',
      async (aud) => {
        const pair = await generateKeyPair('ES256', { extractable: true });
        return new SignJWT(claims(aud) as never)
          .setProtectedHeader({ alg: 'ES256', jwk: (await exportJWK(pair.publicKey)) as never })
          .sign(pair.privateKey);
      },
    ],
    ['an end in the past', (aud) => sign(aud, { iat: now() - 120, exp: now() - 60 })],
    ['no end', (aud) => sign(aud, { exp: undefined })],
    ['no beginning', (aud) => sign(aud, { iat: undefined })],
    ['a life that is too long', (aud) => sign(aud, { exp: now() + 90_000 })],
    ['a beginning in the future', (aud) => sign(aud, { iat: now() + 600, exp: now() + 630 })],
    ['not-before in the future', (aud) => sign(aud, { nbf: now() + 600 })],
    ['no jti', (aud) => sign(aud, { jti: undefined })],
    ['no role', (aud) => sign(aud, { role: undefined })],
    ['a role of its own', (aud) => sign(aud, { role: 'root' })],
    ['another audience', () => sign('somebody/else')],
    ['another issuer', (aud) => sign(aud, { iss: 'https://evil.test' })],
    ['somebody the panel does not know', (aud) => sign(aud, { sub: 'mallory' })],
    ['no token at all', () => 'x.y.z'],
    ['a megabyte', () => 'a'.repeat(20_000)],
  ];

  it.each(bad)('%s', async (_, make) => {
    const [bearer, form] = [await make('mailferry/api'), await make('mailferry/sso')];
    const called = await api(bearer);
    // Node itself refuses header lines beyond its limit.
    expect([401, 431]).toContain(called.status);
    const entered = await signIn(form);
    expect(entered.headers['set-cookie']).toBeUndefined();
    expect([303, 401]).toContain(entered.status);
    expect(entered.text).not.toMatch(/JWS|JWT|claim/i);
  });

  it('an API token does not sign in, and a sign-in token does not call the API', async () => {
    expect((await signIn(await sign('mailferry/api'))).status).toBe(401);
    expect((await api(await sign('mailferry/sso'))).status).toBe(401);
  });

  it('and the good ones work, so the others failed for their own fault', async () => {
    expect((await api(await sign('mailferry/api', { exp: now() + 3600 }))).status).toBe(200);
    expect((await signIn(await sign('mailferry/sso'))).status).toBe(303);
  });
});

describe('a sign-in token', () => {
  it('works once (case 27), and the cookie it gives works', async () => {
    const token = await sign('mailferry/sso');
    const first = await signIn(token);
    expect(first.status).toBe(303);
    const cookie = String(first.headers['set-cookie']);
    expect(cookie).toMatch(/^mailferry=[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/);
    const again = await signIn(token);
    expect([again.status, again.headers['set-cookie']]).toEqual([401, undefined]);
    const used = await request(web.server).get('/migrate/api/v1/jobs').set('Cookie', cookie.split(';')[0]!);
    expect(used.status).toBe(200);
  });

  it('works once also when it is sent twice at the same time', async () => {
    const token = await sign('mailferry/sso');
    const answers = await Promise.all([signIn(token), signIn(token), signIn(token)]);
    expect(answers.filter(({ status }) => status === 303)).toHaveLength(1);
  });

  it('leads only to a page of ours', async () => {
    for (const to of [
      '//evil.test',
      'https://evil.test',
      '/\\evil.test',
      '/../admin',
      'javascript:alert(1)',
      '/a\r\nX: y',
    ]) {
      const answer = await request(web.server)
        .post('/migrate/sign-in')
        .type('form')
        .send({ token: await sign('mailferry/sso'), to });
      expect([to, answer.headers['location']]).toEqual([to, '/migrate']);
    }
    const answer = await request(web.server)
      .post('/migrate/sign-in')
      .type('form')
      .send({ token: await sign('mailferry/sso'), to: '/new' });
    expect(answer.headers['location']).toBe('/migrate/new');
  });

  it('is not taken from the address', async () => {
    const answer = await request(web.server).get(`/migrate/sign-in?token=${await sign('mailferry/sso')}`);
    expect([answer.status, answer.headers['set-cookie']]).toEqual([404, undefined]);
  });

  it('makes the session anew: an old one of the same browser is over', async () => {
    const first = String((await signIn(await sign('mailferry/sso'))).headers['set-cookie']).split(';')[0]!;
    await signIn(await sign('mailferry/sso')).set('Cookie', first);
    expect((await request(web.server).get('/migrate/api/v1/jobs').set('Cookie', first)).status).toBe(401);
  });
});

describe('the session cookie', () => {
  it('is __Host- and Secure where people use https', async () => {
    const secure = await startWeb({ publicUrl: 'https://migrate.panel.test' });
    const token = await secure.token({ sub: 'alice' }, { aud: 'mailferry/sso' });
    const answer = await request(secure.server).post('/migrate/sign-in').type('form').send({ token });
    expect(String(answer.headers['set-cookie'])).toMatch(
      /^__Host-mailferry=[\w-]{43}; .*HttpOnly; SameSite=Lax; Secure$/,
    );
    await secure.close();
  });

  it('is not made good by a bad API token beside it, nor the token by the cookie', async () => {
    const cookie = String((await signIn(await sign('mailferry/sso'))).headers['set-cookie']).split(';')[0]!;
    expect((await api('rubbish').set('Cookie', cookie)).status).toBe(401);
  });

  it('needs the CSRF token for a change, and has it on our pages (case 30)', async () => {
    const cookie = String((await signIn(await sign('mailferry/sso'))).headers['set-cookie']).split(';')[0]!;
    const refused = await request(web.server).post('/migrate/sign-out').set('Cookie', cookie).type('form').send({});
    expect(refused.status).toBe(403);
    const page = await request(web.server).get('/migrate/new').set('Cookie', cookie);
    const csrf = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1];
    expect(csrf).toBeDefined();
    const foreign = await request(web.server)
      .post('/migrate/api/v1/jobs/bulk')
      .set('Cookie', cookie)
      .set('X-CSRF-Token', `${csrf}x`)
      .send({});
    expect(foreign.body.error.code).toBe('CSRF');
    const cross = await request(web.server)
      .post('/migrate/api/v1/jobs/bulk')
      .set('Cookie', cookie)
      .set('X-CSRF-Token', csrf!)
      .set('Sec-Fetch-Site', 'cross-site')
      .send({});
    expect(cross.body.error.code).toBe('CSRF');
    const fine = await request(web.server)
      .post('/migrate/api/v1/jobs/bulk')
      .set('Cookie', cookie)
      .set('X-CSRF-Token', csrf!)
      .send({});
    expect(fine.body.error.code).toBe('VALIDATION');
    const out = await request(web.server)
      .post('/migrate/sign-out')
      .set('Cookie', cookie)
      .type('form')
      .send({ _csrf: csrf });
    expect(out.status).toBe(303);
    expect((await request(web.server).get('/migrate/api/v1/jobs').set('Cookie', cookie)).status).toBe(401);
  });
});
