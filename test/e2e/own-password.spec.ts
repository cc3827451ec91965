import { join } from 'node:path';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { appendMessages, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { fingerprintOf, sourceOf, type Stack, startStack } from './stack.js';
import { Visitor } from './visitor.js';

describe('where the new mailbox is opened by its own password', () => {
  let stack: Stack;
  let fingerprint: string;
  beforeAll(async () => {
    fingerprint = await fingerprintOf(oldProvider.imapsPort);
    stack = await startStack({
      config: {
        // So that what stops a guesser here is the limit on wrong passwords, which lasts longer than a minute.
        testsPerMinute: 1_000,
        destination: {
          imap: {
            host: '127.0.0.1',
            port: hoster.imapsPort,
            security: 'tls',
            caFile: join(hoster.dir, 'ca.crt'),
          },
          domains: ['new.test'],
          access: { kind: 'user-secret' },
        },
      },
    });
  });
  afterAll(() => stack?.stop());

  it('its owner signs in by it, and only by it', async () => {
    const to = hoster.account();
    const visitor = new Visitor(stack.url);
    await visitor.get('/');
    const wrong = await visitor.submit('/panel/sign-in', { name: to.user, password: 'not it' });
    expect(wrong.status).toBe(401);
    expect(wrong.text).not.toContain('not it');
    const unknown = await visitor.submit('/panel/sign-in', { name: 'nobody@new.test', password: 'not it' });
    expect([unknown.status, words(unknown.text)]).toEqual([401, words(wrong.text)]);
    expect((await visitor.get('/mail-settings')).status).toBe(303);
    await visitor.get('/');
    const right = await visitor.submit('/panel/sign-in', { name: to.user.toUpperCase(), password: to.password });
    expect(right).toMatchObject({ status: 303, location: '/mail-settings' });
    expect((await visitor.get('/migrate')).status).toBe(200);
  });

  it('guessing it ends with 429, also for the right password', async () => {
    const to = hoster.account();
    const visitor = new Visitor(stack.url);
    await visitor.get('/');
    const statuses: number[] = [];
    for (let n = 0; n < 25 && statuses.at(-1) !== 429; n++)
      statuses.push((await visitor.submit('/panel/sign-in', { name: to.user, password: `guess ${n}` })).status);
    expect(statuses.at(-1)).toBe(429);
    expect((await visitor.submit('/panel/sign-in', { name: to.user, password: to.password })).status).toBe(429);
  }, 120_000);

  it('a migration asks for it, stops when it is wrong, and goes on with the right one', async () => {
    const from = oldProvider.account();
    const to = hoster.account();
    await appendMessages(from, fixtureMailbox(20, 31));
    const api = await stack.api(to.user);
    const job = { mailbox: to.user, source: sourceOf(from, fingerprint), start: true };
    const without = await api.post<{ error: { code: string; details: unknown } }>('/jobs', job);
    expect([without.status, without.body.error]).toEqual([
      422,
      expect.objectContaining({ code: 'CREDENTIALS_REQUIRED', details: { side: 'destination' } }),
    ]);

    const { body } = await api.post('/jobs', { ...job, destination: { password: 'not it' } });
    const stuck = await api.until(body.id, ['needs-action', 'failed', 'completed']);
    expect([stuck.state, stuck.reason?.code]).toEqual(['needs-action', 'DESTINATION_AUTH_FAILED']);

    expect((await api.put(`/jobs/${body.id}/credentials`, { destination: { password: to.password } })).status).toBe(
      200,
    );
    expect((await api.post(`/jobs/${body.id}/resume`)).status).toBe(202);
    const done = await api.until(body.id, ['completed', 'failed', 'needs-action']);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { found: 20, copied: 20 } });
    expect(await exact(to)).toEqual(await exact(from));
  }, 60_000);
});

const words = (html: string): string =>
  html
    .replace(/<input[^>]*>/g, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

const exact = async (account: TestAccount) =>
  (await readMailbox(account))
    .map(({ path, messages }) => ({ path, messages }))
    .filter(({ messages }) => messages.length > 0);
