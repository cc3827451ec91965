import { JobsService } from '../../src/jobs/jobs.service.js';
import { PasswordLinks } from '../../src/jobs/password-links.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { alice, CANARY, dora, jobsRoom, newJob, newKeys, refusal, sam, type Room, until } from './support.js';

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

describe('a link for a password', () => {
  test('lets its holder type the one password that is missing, and the migration goes on', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    expect(await links.look(token)).toEqual({
      is: 'open',
      mailbox: 'alice@new.test',
      username: 'alice@old.test',
      host: 'imap.old.test',
    });
    const redeemed = links.redeem(token, CANARY, '192.0.2.9');
    await answerTest('OK');
    expect(await redeemed).toEqual({ is: 'done', goesOn: true });
    expect(await sealed(id)).toHaveLength(1);
    expect(await stateOf(id)).toBe('queued');
    const trail = await room.db.query<{ action: string; sub: string; ip: string }[]>(
      `SELECT action, sub, ip FROM mailferry.audit WHERE job = $1 AND action IN ('link.made', 'credentials.set') ORDER BY id`,
      [id],
    );
    expect(trail).toEqual([
      { action: 'link.made', sub: 'sam', ip: '192.0.2.1' },
      { action: 'credentials.set', sub: expect.stringMatching(/^link:/), ip: '192.0.2.9' },
    ]);
  });

  test('works once, also for two who type at the same moment', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, null);
    const both = await Promise.all([links.redeem(token, 'one', '::1'), links.redeem(token, 'two', '::1')]);
    expect(both.map(({ is }) => is).sort()).toEqual(['done', 'used']);
    expect(await links.look(token)).toEqual({ is: 'used' });
    expect(await links.redeem(token, CANARY, '::1')).toEqual({ is: 'used' });
  });

  test('stays as it was when the old server does not take the password', async () => {
    const id = await stuck();
    const { token } = await links.make(sam, id, 'resume');
    const redeemed = links.redeem(token, 'wrong', '::1');
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
    expect(await links.redeem(older.token, 'x', '::1')).toEqual({ is: 'expired' });
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
});
