import { ConnectionTestsService } from '../../src/jobs/connection-tests.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import type { Redeemed } from '../../src/jobs/contract.js';
import { PasswordLinks } from '../../src/jobs/password-links.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { alice, CANARY, dora, jobsRoom, newJob, newKeys, refusal, sam, SOURCE, type Room, until } from './support.js';

let room: Room;
let jobs: JobsService;
let links: PasswordLinks;
beforeAll(async () => {
  room = await jobsRoom({ limits: { testWaitMs: 300 } });
  jobs = room.get(JobsService);
  links = room.get(PasswordLinks);
});
beforeEach(() => room.clear());
afterAll(() => room.close());

/** A migration that stopped because its password is wrong, and is gone by now. */
async function stuck(): Promise<string> {
  const { job } = await jobs.create(alice, newJob({ start: true }));
  await room.db.query(`UPDATE mailferry.jobs SET state = 'needs-action', reason = $2 WHERE id = $1`, [
    job.id,
    JSON.stringify(reasonFor('AUTH_FAILED')),
  ]);
  await room.db.query(`DELETE FROM mailferry.credentials WHERE owner = $1`, [job.id]);
  return job.id;
}

/** Answers the connection test that a password is tried with, as the worker would. */
async function answerTest(code: string): Promise<void> {
  const [{ id }] = await until(async () => {
    const rows = await room.db.query<[{ id: string }]>(
      `SELECT id FROM mailferry.connection_tests WHERE state = 'queued'`,
    );
    return rows.length > 0 && rows;
  });
  await room.db.query(`UPDATE mailferry.connection_tests SET state = 'done', result = $2 WHERE id = $1`, [
    id,
    JSON.stringify({ ok: code === 'OK', code, message: '', folders: [], totals: { folders: 0, items: 0, bytes: 0 } }),
  ]);
}

const stateOf = async (id: string) => (await jobs.get(sam.visibility, id))!.state;
const sealed = async (id: string): Promise<unknown[]> =>
  room.db.query(`SELECT 1 FROM mailferry.credentials WHERE owner = $1 AND field = 'source-password'`, [id]);

/** As from the page that was just opened. */
async function redeem(
  at: PasswordLinks,
  token: string,
  secrets: { password: string; destination?: string },
  ip: string,
): Promise<Redeemed> {
  const page = await at.look(token);
  return at.redeem(token, { ...secrets, seen: page.is === 'open' ? page.seen : '' }, ip);
}

describe('a link for a password', () => {
  test('takes nothing for another server than the page named, nor for one it was turned to while it was tried', async () => {
    const evil = { ...SOURCE, host: 'imap.evil.test' };
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    const page = await links.look(token);
    const { seen } = page as Extract<typeof page, { is: 'open' }>;
    await jobs.patch(alice, id, { source: evil });
    expect(await links.redeem(token, { password: CANARY, seen }, '::1')).toEqual({
      is: 'refused',
      code: 'SOURCE_CHANGED',
    });
    await jobs.patch(alice, id, { source: SOURCE });
    const tests = room.get(ConnectionTestsService);
    const wait = tests.wait.bind(tests);
    tests.wait = async () => {
      await jobs.patch(alice, id, { source: evil });
      return null;
    };
    const tried = links.redeem(token, { password: CANARY, seen }, '::1').finally(() => (tests.wait = wait));
    expect(await tried).toEqual({ is: 'refused', code: 'SOURCE_CHANGED' });
    expect(await sealed(id)).toEqual([]);
    expect((await links.look(token)).is).toBe('open');
  });

  test('keeps what its holder typed for him: nobody else sends it by another port or to another certificate', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, null);
    const given = redeem(links, token, { password: CANARY }, '::1');
    await answerTest('OK');
    expect(await given).toMatchObject({ is: 'done' });
    expect(await sealed(id)).toHaveLength(1);
    await jobs.act(alice, id, 'pause');
    await jobs.patch(alice, id, { source: { ...SOURCE, caFingerprint: 'ab'.repeat(32) } });
    expect(await sealed(id)).toEqual([]);
  });

  test('lets its holder type the one password that is missing, and the migration goes on', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    expect(await links.look(token)).toEqual({
      is: 'open',
      mailbox: 'alice@new.test',
      username: 'alice@old.test',
      host: 'imap.old.test',
      expiresAt: expect.stringMatching(/Z$/),
      asksDestination: false,
      seen: expect.stringMatching(/^.{40,}$/),
    });
    const redeemed = redeem(links, token, { password: CANARY }, '192.0.2.9');
    await answerTest('OK');
    expect(await redeemed).toEqual({ is: 'done', goesOn: true });
    expect(await sealed(id)).toHaveLength(1);
    expect(await stateOf(id)).toBe('queued');
    const trail = await room.db.query<{ action: string; sub: string; ip: string }[]>(
      `SELECT action, sub, ip FROM mailferry.audit WHERE job = $1 AND action LIKE ANY ('{link.%,credentials.set}') ORDER BY id`,
      [id],
    );
    expect(trail).toEqual([
      { action: 'link.made', sub: 'sam', ip: '192.0.2.1' },
      { action: 'credentials.set', sub: expect.stringMatching(/^link:/), ip: '192.0.2.9' },
      { action: 'link.used', sub: expect.stringMatching(/^link:/), ip: '192.0.2.9' },
    ]);
  });

  test('works once, also for two who type at the same moment', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, null);
    const both = await Promise.all([
      redeem(links, token, { password: 'one' }, '::1'),
      redeem(links, token, { password: 'two' }, '::1'),
    ]);
    expect(both.map(({ is }) => is).sort()).toEqual(['done', 'used']);
    expect(await links.look(token)).toEqual({ is: 'used' });
    expect(await redeem(links, token, { password: CANARY }, '::1')).toEqual({ is: 'used' });
  });

  test('stays as it was when the old server does not take the password', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    const redeemed = redeem(links, token, { password: 'wrong' }, '::1');
    await answerTest('AUTH_FAILED');
    expect(await redeemed).toEqual({ is: 'refused', code: 'AUTH_FAILED' });
    expect(await sealed(id)).toHaveLength(0);
    expect(await links.look(token)).toMatchObject({ is: 'open' });
  });

  test('ends with its time, with a newer one, and when nothing waits for it any more', async () => {
    const id = await stuck();
    const past = await links.make(sam, id, 'resume', -1_000);
    expect(await links.look(past.token)).toEqual({ is: 'expired' });
    const older = await links.make(sam, id, 'resume');
    const newer = await links.make(sam, id, 'resume');
    expect(await links.look(older.token)).toEqual({ is: 'expired' });
    expect(await redeem(links, older.token, { password: 'x' }, '::1')).toEqual({ is: 'expired' });
    await jobs.act(alice, id, 'cancel');
    expect(await links.look(newer.token)).toEqual({ is: 'needless' });
    expect(await links.last(id)).toMatchObject({ state: 'open', madeBy: 'Sam' });
  });

  test('cannot be made up: not by guessing, not by changing its day, not from the database', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume', 60_000);
    const [name, expiry, signature] = token.split('.') as [string, string, string];
    const later = (parseInt(expiry, 36) + 86_400).toString(36);
    for (const forged of ['', 'x', `${name}.${later}.${signature}`, `${name}.${expiry}.${'A'.repeat(43)}`, `${token}A`])
      expect(await links.look(forged)).toEqual({ is: 'unknown' });
    const other = await jobsRoom({ keys: newKeys() });
    try {
      const foreign = await other.get(JobsService).create(alice, newJob());
      const made = await other.get(PasswordLinks).make(sam, foreign.job.id, null);
      expect(await links.look(made.token)).toEqual({ is: 'unknown' });
    } finally {
      await other.close();
    }
  });

  test('is made only by whoever sees the migration, and only for what its state allows', async () => {
    const id = await stuck();
    expect(
      await refusal(links.make({ ...alice, visibility: { ...alice.visibility, mailboxes: [] } }, id, 'resume')),
    ).toBe('NOT_FOUND');
    expect(await refusal(links.make(dora, id, 'retry'))).toBe('INVALID_STATE');
    expect(await refusal(links.make(dora, id, 'resume'))).toBe('done');
  });

  test('goes on from the state in which the password finds the migration', async () => {
    for (const [state, then] of [
      ['failed', 'resume'],
      ['needs-action', 'retry'],
      ['failed', null],
      ['needs-action', null],
    ] as const) {
      const id = await stuck();
      const made = await links.make(sam, id, null);
      await room.db.query(`UPDATE mailferry.jobs SET state = $2 WHERE id = $1`, [id, state]);
      await room.db.query(`UPDATE mailferry.password_links SET next_action = $2 WHERE job = $1`, [id, then]);
      expect(await redeem(links, made.token, { password: CANARY }, '::1')).toEqual({ is: 'done', goesOn: true });
      expect(await stateOf(id)).toBe('queued');
      await room.clear();
    }
  });

  test('is for nothing once its migration is under way or over, and unknown once it is erased', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, null);
    for (const state of ['queued', 'running', 'cancelling', 'cancelled']) {
      await room.db.query(`UPDATE mailferry.jobs SET state = $2 WHERE id = $1`, [id, state]);
      expect([state, await links.look(token)]).toEqual([state, { is: 'needless' }]);
      expect([state, await redeem(links, token, { password: CANARY }, '::1')]).toEqual([state, { is: 'needless' }]);
    }
    expect(await sealed(id)).toHaveLength(0);
    await jobs.erase(sam, id);
    expect(await links.look(token)).toEqual({ is: 'unknown' });
    expect(await redeem(links, token, { password: CANARY }, '::1')).toEqual({ is: 'unknown' });
  });

  test('says the same of an expired one whether its migration is there or not', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, null, -1_000);
    expect(await redeem(links, token, { password: CANARY }, '::1')).toEqual({ is: 'expired' });
    await room.db.query(`DELETE FROM mailferry.jobs WHERE id = $1`, [id]);
    expect(await redeem(links, token, { password: CANARY }, '::1')).toEqual({ is: 'expired' });
  });

  test('is not used up, and nothing is changed, by looking at it', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    const everything = async (): Promise<string> =>
      JSON.stringify(
        await room.db.query(
          `SELECT (SELECT jsonb_agg(l) FROM mailferry.password_links l) AS links, (SELECT jsonb_agg(j) FROM mailferry.jobs j) AS jobs,
             (SELECT count(*) FROM mailferry.audit) AS audit, (SELECT count(*) FROM mailferry.connection_tests) AS tests`,
        ),
      );
    const before = await everything();
    for (let i = 0; i < 3; i++) expect(await links.look(token)).toMatchObject({ is: 'open' });
    expect(await everything()).toBe(before);
  });

  test('may be tried only so often, and stays good', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    const codes: unknown[] = [];
    for (let i = 0; i < room.options.limits.testsPerMinute + 1; i++) {
      const tried = redeem(links, token, { password: 'wrong' }, '::1');
      if (i < room.options.limits.testsPerMinute) await answerTest('AUTH_FAILED');
      codes.push(await tried);
    }
    expect(codes.slice(0, -1)).toEqual(codes.slice(0, -1).map(() => ({ is: 'refused', code: 'AUTH_FAILED' })));
    expect(codes.at(-1)).toEqual({ is: 'refused', code: 'RATE_LIMITED' });
    expect(await links.look(token)).toMatchObject({ is: 'open' });
  });

  test('tries the password of the new mailbox, too, where the panel cannot open it', async () => {
    const asking = await jobsRoom({ limits: { testWaitMs: 300 }, destinationNeedsSecret: true });
    try {
      const own = asking.get(PasswordLinks);
      const { job } = await asking.get(JobsService).create(alice, newJob());
      const { token } = await own.make(sam, job.id, null);
      expect(await own.look(token)).toMatchObject({ is: 'open', asksDestination: true });
      expect(await refusal(redeem(own, token, { password: CANARY }, '::1'))).toBe('CREDENTIALS_REQUIRED');
      const given = redeem(own, token, { password: CANARY, destination: CANARY }, '::1');
      const [{ id }] = await until(async () => {
        const rows = await asking.db.query<[{ id: string }]>(`SELECT id FROM mailferry.connection_tests`);
        return rows.length > 0 && rows;
      });
      const result = { ok: false, code: 'DESTINATION_AUTH_FAILED', message: '', folders: [], totals: {} };
      await asking.db.query(`UPDATE mailferry.connection_tests SET state = 'done', result = $2 WHERE id = $1`, [
        id,
        JSON.stringify(result),
      ]);
      expect(await given).toEqual({ is: 'refused', code: 'DESTINATION_AUTH_FAILED' });
      expect(await own.look(token)).toMatchObject({ is: 'open' });
    } finally {
      await asking.close();
    }
  });

  test('asks nobody whose account an administrator opens', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    const login = { method: 'composite', username: 'cyrus' };
    await room.db.query(`UPDATE mailferry.jobs SET source = source || $2 WHERE id = $1`, [
      id,
      JSON.stringify({ login }),
    ]);
    expect(await refusal(links.make(sam, id, 'resume'))).toBe('BATCH_LOGIN');
    expect(await redeem(links, token, { password: CANARY }, '::1')).toEqual({ is: 'needless' });
    expect(await room.db.query(`SELECT 1 FROM mailferry.connection_tests`)).toEqual([]);
  });
});
