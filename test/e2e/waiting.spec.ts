import pg from 'pg';
import { fixtureMailbox } from '../fixtures/mailbox.js';
import { appendMessages, hoster, oldProvider, readMailbox, type TestAccount } from '../servers/dovecot.js';
import { type ImapProxy, imapProxy, type Rule, type Ruling } from '../servers/imap-proxy.js';
import { type Api, type Stack, startStack } from './stack.js';

const MINUTE = 60_000;
const MESSAGES = 25;

let stack: Stack;
let fresh: ImapProxy;
/** The admin of the new mailboxes' domain. */
let api: Api;
const proxies: ImapProxy[] = [];

beforeAll(async () => {
  fresh = await proxyOf(hoster.imapPort);
  stack = await startStack({
    config: {
      destination: {
        imap: { host: '127.0.0.1', port: fresh.port, security: 'none' },
        domains: ['new.test'],
        access: { kind: 'imap-authzid', authcid: hoster.master.name, secretEnv: 'TEST_MASTER_SECRET' },
      },
    },
    env: { MAILFERRY_ALLOW_PLAINTEXT: 'true' },
  });
  api = await stack.api(null, { role: 'domain-admin', domain: 'new.test' });
});
afterAll(async () => {
  await stack?.stop();
  for (const proxy of proxies) await proxy.close();
});

async function proxyOf(port: number): Promise<ImapProxy> {
  const proxy = await imapProxy(port);
  proxies.push(proxy);
  return proxy;
}

interface Moving {
  readonly from: TestAccount;
  readonly to: TestAccount;
  readonly old: ImapProxy;
  readonly order: Record<string, unknown>;
}

/** A small mailbox, its old server behind a proxy of its own, and a new mailbox. */
async function moving(seed: number): Promise<Moving> {
  const from = oldProvider.account();
  const to = hoster.account({ name: from.user.split('@')[0]! });
  const old = await proxyOf(oldProvider.imapPort);
  await appendMessages(from, fixtureMailbox(MESSAGES, seed));
  const where = { type: 'imap', host: '127.0.0.1', port: old.port, security: 'none' };
  const source = { ...where, username: from.user, password: from.password };
  return { from, to, old, order: { mailbox: to.user, source, items: ['mail'], existing: 'keep', start: true } };
}

async function inDatabase(sql: string, parameters: readonly unknown[]): Promise<number> {
  const client = new pg.Client({ connectionString: stack.database.url });
  await client.connect();
  try {
    return (await client.query(sql, [...parameters])).rowCount ?? 0;
  } finally {
    await client.end();
  }
}

/** As if the time were over: the clock is the database's. */
async function passTime(id: string): Promise<void> {
  await inDatabase(`UPDATE mailferry.jobs SET until = clock_timestamp() WHERE id = $1 AND state = 'waiting'`, [id]);
}

async function arrived({ from, to }: Moving): Promise<void> {
  const seen = async (account: TestAccount) =>
    (await readMailbox(account))
      .filter(({ messages }) => messages.length)
      .map(({ path, messages }) => [path, messages]);
  expect(await seen(to)).toEqual(await seen(from));
}

const at =
  (command: string, ruling: Ruling): Rule =>
  ({ name }) =>
    name === command ? ruling : null;
const no = (command: string, text: string): Rule => at(command, { do: 'answer', text });

const OLD: readonly (readonly [why: string, rule: Rule, code: string, waitMs: number])[] = [
  [
    'a used-up volume',
    no('UID FETCH', 'NO [OVERQUOTA] Account exceeded command or bandwidth limits.'),
    'VOLUME_EXHAUSTED',
    180 * MINUTE,
  ],
  [
    'a back-off time as NO',
    no('UID FETCH', 'NO Request is throttled. Suggested Backoff Time: 2500 milliseconds'),
    'THROTTLED',
    2_500,
  ],
  [
    'a back-off time as BAD',
    no('UID FETCH', 'BAD Request is throttled. Suggested Backoff Time: 2500 milliseconds'),
    'THROTTLED',
    2_500,
  ],
  ['[INUSE]', no('EXAMINE', 'NO [INUSE] Mailbox is locked'), 'MAILBOX_BUSY', MINUTE / 2],
  ['[LIMIT]', no('UID FETCH', 'NO [LIMIT] UID FETCH Rate limit hit.'), 'THROTTLED', MINUTE],
  ['[UNAVAILABLE]', no('EXAMINE', 'NO [UNAVAILABLE] Service is not available'), 'SERVER_BUSY', MINUTE / 2],
  [
    'a goodbye that says so',
    at('LIST', { do: 'bye', text: 'Temporary problem, please try again later' }),
    'SERVER_BUSY',
    MINUTE / 2,
  ],
  [
    'too many connections',
    no('AUTHENTICATE', 'NO [ALERT] Too many simultaneous connections. (Failure)'),
    'TOO_MANY_CONNECTIONS',
    MINUTE,
  ],
  [
    '[THROTTLED] at the end of every OK',
    () => ({ do: 'reword', reword: (answer) => `${answer} [THROTTLED]` }),
    'THROTTLED',
    MINUTE,
  ],
];

describe('an old server that wants us to wait', () => {
  // Side by side: most of it is waiting.
  const flows = new Map<string, Promise<void>>();
  beforeAll(() => {
    for (const [why, ...what] of OLD) flows.set(why, begun(waitsFor(...what)));
  });

  it.each(OLD)(
    'by %s is waited for, with the reason and the time, and the migration goes on by itself',
    (why) => flows.get(why),
    180_000,
  );
});

/** Whoever awaits it hears of an error; until then it does not count as unhandled. */
function begun(flow: Promise<void>): Promise<void> {
  flow.catch(() => undefined);
  return flow;
}

async function waitsFor(rule: Rule, code: string, waitMs: number): Promise<void> {
  const one = await moving(code.length);
  one.old.rule = rule;
  const { body } = await api.post('/jobs', one.order);
  const waiting = await api.until(body.id, ['waiting', 'failed', 'needs-action', 'completed'], 120_000);
  expect(waiting).toMatchObject({
    state: 'waiting',
    reason: { code, message: expect.stringMatching(/\.$/), action: expect.stringMatching(/by itself\.$/) },
  });
  // The time named; some of it has passed meanwhile.
  const left = Date.parse(waiting.until!) - Date.now();
  expect(left).toBeGreaterThan(waitMs * 0.9 - 20_000);
  expect(left).toBeLessThanOrEqual(waitMs * 1.3);
  one.old.calm();
  if (waitMs > 5_000) await passTime(body.id);
  const done = await api.until(body.id, ['completed', 'failed', 'needs-action'], 120_000);
  expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: MESSAGES } });
  await arrived(one);
}

it('the volume that Gmail lets an account read in a day is not used up: we wait before Gmail says so, and go on by ourselves', async () => {
  const one = await moving(31);
  const source = { ...(one.order['source'] as object), provider: 'gmail' };
  const { body } = await api.post('/jobs', { ...one.order, source, options: { keepForSync: true } });
  const first = await api.until(body.id, ['waiting', 'failed', 'needs-action', 'completed'], 120_000);
  expect(first).toMatchObject({ state: 'completed', progress: { copied: MESSAGES } });
  // It was metered; as if it had been much more, some hours ago.
  const ofAccount = `account = (SELECT 'imap:' || l.account_hash FROM mailferry.links l
    JOIN mailferry.jobs j ON j.link = l.id WHERE j.id = $1)`;
  const used = `UPDATE mailferry.read_volume SET bytes = 2400000000, hour = hour - interval '3 hours' WHERE ${ofAccount}`;
  expect(await inDatabase(used, [body.id])).toBe(1);
  await appendMessages(one.from, fixtureMailbox(5, 32));
  expect((await api.post(`/jobs/${body.id}/sync`)).status).toBe(202);
  const waiting = await api.until(body.id, ['waiting', 'failed', 'needs-action', 'completed'], 120_000);
  expect(waiting).toMatchObject({
    state: 'waiting',
    reason: {
      code: 'VOLUME_EXHAUSTED',
      message: expect.stringMatching(/\.$/),
      action: expect.stringMatching(/by itself\.$/),
    },
    progress: { copied: MESSAGES },
  });
  // The hour in which it was read is 24 hours old in 20 to 21.
  const left = Date.parse(waiting.until!) - Date.now();
  expect(left).toBeGreaterThan(20 * 60 * MINUTE - 5 * MINUTE);
  expect(left).toBeLessThanOrEqual(21 * 60 * MINUTE * 1.3);
  await inDatabase(`UPDATE mailferry.read_volume SET hour = hour - interval '24 hours' WHERE ${ofAccount}`, [body.id]);
  await passTime(body.id);
  const done = await api.until(body.id, ['completed', 'failed', 'needs-action'], 120_000);
  expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: MESSAGES + 5 } });
  await arrived(one);
}, 240_000);

describe('a new server that wants us to wait', () => {
  afterEach(() => fresh.calm());

  it.each([
    ['a back-off time', 'NO Request is throttled. Suggested Backoff Time: 2500 milliseconds', 'DESTINATION_THROTTLED'],
    ['[INUSE]', 'NO [INUSE] Timeout while waiting for lock', 'MAILBOX_BUSY'],
    ['[UNAVAILABLE]', 'NO [UNAVAILABLE] Backend is away', 'DESTINATION_UNAVAILABLE'],
    ['[LIMIT]', 'NO [LIMIT] Rate limit hit.', 'DESTINATION_THROTTLED'],
  ])(
    'by %s is waited for, and nothing is stored twice',
    async (_why, text, code) => {
      const one = await moving(77);
      fresh.rule = no('APPEND', text);
      const { body } = await api.post('/jobs', one.order);
      const waiting = await api.until(body.id, ['waiting', 'failed', 'needs-action', 'completed']);
      expect(waiting).toMatchObject({ state: 'waiting', reason: { code } });
      expect(Date.parse(waiting.until!)).toBeGreaterThan(Date.now() - 1_000);
      fresh.calm();
      if (!text.includes('milliseconds')) await passTime(body.id);
      const done = await api.until(body.id, ['completed', 'failed', 'needs-action']);
      expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: MESSAGES } });
      await arrived(one);
    },
    120_000,
  );
});

const ASKS: readonly (readonly [text: string, code: string, action: RegExp])[] = [
  ['[ALERT] Application-specific password required', 'AUTH_NEEDS_APP_PASSWORD', /app password/],
  ['account does not have IMAP access enabled', 'IMAP_DISABLED', /Switch on IMAP/],
  ['[AUTHENTICATIONFAILED] Invalid credentials', 'AUTH_FAILED', /password/],
];

describe('an old provider that wants something of its customer', () => {
  const flows = new Map<string, Promise<void>>();
  beforeAll(() => {
    for (const [text, ...means] of ASKS) flows.set(text, begun(asksFor(text, ...means)));
  });

  it.each(ASKS)(
    'by "%s" is told exactly, and when it is done the migration goes on',
    (text) => flows.get(text),
    180_000,
  );
});

async function asksFor(text: string, code: string, action: RegExp): Promise<void> {
  const one = await moving(code.length);
  const { source, mailbox } = one.order;
  const tested = await api.post<{ ok: boolean; id: string }>('/connection-tests', { source, mailbox });
  expect(tested.status).toBeLessThan(300);
  await testPassed(tested.body.id);
  const signIns = one.old.count('AUTHENTICATE');
  one.old.rule = no('AUTHENTICATE', `NO ${text}`);
  const { body } = await api.post('/jobs', one.order);
  const asked = await api.until(body.id, ['waiting', 'failed', 'needs-action', 'completed'], 120_000);
  expect(asked).toMatchObject({ state: 'needs-action', reason: { code, action: expect.stringMatching(action) } });
  // A loop of refused sign-ins would lock the account.
  expect(one.old.count('AUTHENTICATE') - signIns).toBe(1);
  one.old.calm();
  expect((await api.put(`/jobs/${body.id}/credentials`, { password: one.from.password })).status).toBe(200);
  await api.post(`/jobs/${body.id}/resume`);
  const done = await api.until(body.id, ['completed', 'failed', 'needs-action'], 120_000);
  expect(done).toMatchObject({ state: 'completed', outcome: 'complete', progress: { copied: MESSAGES } });
  await arrived(one);
}

/** A slow machine answers 202 first. */
async function testPassed(id: string): Promise<void> {
  for (;;) {
    const { body } = await api.get<{ ok?: boolean }>(`/connection-tests/${id}`);
    if (body.ok !== undefined) return expect(body).toMatchObject({ ok: true });
    await new Promise((done) => setTimeout(done, 100));
  }
}
