import { setTimeout as delay } from 'node:timers/promises';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { accountOn, appendMessages, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import {
  PRIVATE_MASTER,
  privateDovecot,
  privatePostgres,
  privateRedis,
  stopPrivateServers,
} from '../servers/private.js';
import { type Api, fingerprintOf, sourceOf, type Stack, startStack } from './stack.js';

const exact = async (account: TestAccount) =>
  (await readMailbox(account))
    .map(({ path, messages }) => ({ path, messages }))
    .filter(({ messages }) => messages.length);

/** Waits until some of the mailbox has arrived, so that the fault hits the middle. */
async function underWay(api: Api, id: string, least: number): Promise<void> {
  const end = Date.now() + 30_000;
  for (;;) {
    const { status, body } = await api.get(`/jobs/${id}`);
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
    if (body.progress.copied >= least || body.state === 'completed') return;
    if (Date.now() > end) throw new Error(`nothing moves: ${body.state} ${JSON.stringify(body.reason)}`);
    await delay(20);
  }
}

describe('a worker that is killed', () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({ shortLease: true });
  });
  afterAll(() => stack?.stop());

  it('in the middle of storing loses and doubles nothing, however often', async () => {
    const from = oldProvider.account();
    const to = hoster.account({ name: from.user.split('@')[0]! });
    await appendMessages(from, fixtureMailbox(1_500, 7));
    const api = await stack.api(to.user);
    const fingerprint = await fingerprintOf(oldProvider.imapsPort);
    const { body } = await api.post('/jobs', {
      mailbox: to.user,
      source: sourceOf(from, fingerprint),
      items: ['mail'],
      existing: 'keep',
      start: true,
    });
    for (const least of [1, 400, 800]) {
      await underWay(api, body.id, least);
      await stack.worker.kill();
      stack.worker.start();
    }
    const done = await api.until(body.id, ['completed', 'failed', 'needs-action'], 120_000);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { found: 1_500, copied: 1_500 } });
    expect(await exact(to)).toEqual(await exact(from));
  }, 240_000);

  it('is started anew by a stop and a start without waiting for its lease', async () => {
    const from = oldProvider.account();
    const to = hoster.account({ name: from.user.split('@')[0]! });
    await appendMessages(from, fixtureMailbox(1_000, 8));
    const api = await stack.api(to.user);
    const source = sourceOf(from, await fingerprintOf(oldProvider.imapsPort));
    const { body } = await api.post('/jobs', {
      mailbox: to.user,
      source,
      items: ['mail'],
      existing: 'keep',
      start: true,
    });
    await underWay(api, body.id, 1);
    expect(await stack.worker.end('SIGTERM')).toBe('SIGTERM');
    stack.worker.start();
    const done = await api.until(body.id, ['completed', 'failed', 'needs-action'], 120_000);
    expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: 1_000 } });
    expect(await exact(to)).toEqual(await exact(from));
  }, 240_000);

  it('leaves pause, resume and cancel to the owner', async () => {
    const from = oldProvider.account();
    const to = hoster.account({ name: from.user.split('@')[0]! });
    await appendMessages(from, fixtureMailbox(1_000, 9));
    const api = await stack.api(to.user);
    const source = sourceOf(from, await fingerprintOf(oldProvider.imapsPort));
    const { body } = await api.post('/jobs', {
      mailbox: to.user,
      source,
      items: ['mail'],
      existing: 'keep',
      start: true,
    });
    await underWay(api, body.id, 1);
    expect((await api.post(`/jobs/${body.id}/pause`)).body.state).toBe('paused');
    expect((await api.post(`/jobs/${body.id}/pause`)).status).toBe(409);
    expect((await api.post(`/jobs/${body.id}/resume`)).status).toBe(202);
    await api.until(body.id, ['running', 'completed']);
    await api.post(`/jobs/${body.id}/cancel`);
    const ended = await api.until(body.id, ['cancelled', 'completed']);
    const arrived = (await exact(to)).flatMap(({ messages }) => messages).length;
    expect(ended.progress.copied).toBeLessThanOrEqual(arrived);
    expect(arrived).toBeLessThanOrEqual(1_000);
  }, 120_000);
});

describe('servers that go away', () => {
  afterAll(stopPrivateServers);

  it('in the middle of a migration, one after another, cost nothing but time', async () => {
    const [postgres, redis] = await Promise.all([privatePostgres(), privateRedis()]);
    const [old, fresh] = await Promise.all([
      privateDovecot({ format: 'mdbox' }),
      privateDovecot({ escapeNames: true }),
    ]);
    const from = accountOn(old);
    const to = accountOn(fresh, {}, 'fresh.test');
    await appendMessages(from, fixtureMailbox(1_500, 10));
    const stack = await startStack({
      shortLease: true,
      databaseUrl: postgres.url,
      redisPath: redis.path,
      config: {
        destination: {
          imap: { host: '127.0.0.1', port: fresh.imapsPort, security: 'tls', caFile: `${fresh.dir}/ca.crt` },
          domains: ['fresh.test'],
          access: { kind: 'imap-authzid', authcid: PRIVATE_MASTER.name, secretEnv: 'PRIVATE_SECRET' },
        },
      },
      env: { PRIVATE_SECRET: PRIVATE_MASTER.password },
    });
    try {
      const api = await stack.api(to.user);
      const source = sourceOf(from, await fingerprintOf(old.imapsPort));
      const { body } = await api.post('/jobs', {
        mailbox: to.user,
        source,
        items: ['mail'],
        existing: 'keep',
        start: true,
      });
      await underWay(api, body.id, 1);
      for (const server of [redis, old, fresh, postgres]) {
        await server.kill();
        await delay(300);
        await server.restart();
        await delay(300);
      }
      let job = await stack
        .ready()
        .then(() => api.until(body.id, ['completed', 'failed', 'needs-action', 'waiting'], 120_000));
      if (job.state === 'waiting') {
        await api.post(`/jobs/${body.id}/resume`);
        job = await api.until(body.id, ['completed', 'failed', 'needs-action'], 120_000);
      }
      expect(job).toMatchObject({ state: 'completed', outcome: 'complete', progress: { found: 1_500, copied: 1_500 } });
      expect(await exact(to)).toEqual(await exact(from));
      expect(stack.web.alive && stack.worker.alive).toBe(true);
    } finally {
      await stack.stop();
    }
  }, 240_000);

  it('at the start are said in health and waited for', async () => {
    const [postgres, redis] = await Promise.all([privatePostgres(), privateRedis()]);
    const stack = await startStack({ databaseUrl: postgres.url, redisPath: redis.path });
    try {
      await redis.kill();
      await stack.ready(503);
      const parts = (await (await fetch(`${stack.base}/health`)).json()) as { parts: Record<string, string> };
      expect(parts.parts).toMatchObject({ web: 'ok', database: 'ok' });
      expect(parts.parts['queue']).not.toBe('ok');
      await redis.restart();
      await stack.ready(200);
      await postgres.kill();
      await stack.ready(503);
      const api = await stack.api('alice@new.test').catch(() => null);
      const page = await fetch(stack.base, { redirect: 'manual' });
      expect(page.status).toBeLessThan(600);
      expect(await page.text()).not.toMatch(/at .*\.js:\d+/);
      await postgres.restart();
      await stack.ready(200);
      expect(api === null || stack.web.alive).toBe(true);
    } finally {
      await stack.stop();
    }
  }, 120_000);
});
