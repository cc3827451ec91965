import { BatchRunner } from '../../src/batches/batch-runner.js';
import type { SourceSettings } from '../../src/jobs/job.js';
import type { Redeemed } from '../../src/jobs/contract.js';
import { reasonFor } from '../../src/jobs/messages.js';
import { PasswordLinks } from '../../src/jobs/password-links.js';
import { SecretStore } from '../../src/jobs/secrets.js';
import { SecretOpener } from '../../src/worker/secret-opener.js';
import { DORA, SAM } from '../fakes/fake-panel.js';
import { actor, alice, CANARY, dora, newJob, refusal, sam, TENANT } from '../jobs/support.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { ADMIN, batchRoom, type BatchRoom, OLD_SERVER } from './support.js';

const NAMES = ['ann', 'ben', 'cem', 'dan', 'eva', 'fay', 'gus'];

describe('the batches of a domain', () => {
  let room: BatchRoom;
  let runner: BatchRunner;
  beforeAll(async () => {
    room = await batchRoom({ publicUrl: 'https://panel.example.test', limits: { testWaitMs: 0 } });
    runner = room.get(BatchRunner);
  });
  beforeEach(() => room.clear());
  afterAll(() => room?.close());

  const settle: BatchRoom['settle'] = (id) => room.settle(id);
  const run: BatchRoom['run'] = (job, outcome) => room.run(job, outcome);
  const secrets = (): Promise<number> => room.secrets();
  /** The source password the worker would use for a job as it is now, or as it was when its source was `dialled`. */
  const password = async (job: string, dialled?: SourceSettings): Promise<string | undefined> => {
    const [now] = await room.db.query<{ source: SourceSettings }[]>(`SELECT source FROM mailferry.jobs WHERE id = $1`, [
      job,
    ]);
    return (await room.get(SecretOpener).openJob(TENANT, job, dialled ?? now!.source)).source.password;
  };

  it('refuses bad rows one by one, with the reason, and takes the rest', async () => {
    room.panel.gone.add('nobody@new.test');
    await room.get(JobsService).create(alice, newJob({ start: true }));
    const made = await room.batches.create(dora, {
      domain: 'new.test',
      source: { ...OLD_SERVER, host: 'mail.new.test' },
      auth: { kind: 'per-row' },
      options: { usernames: { rule: 'old-domain', domain: 'old.test' } },
    });
    const csv = [
      'mailbox,source_username,source_password',
      'ann@new.test,,pw-a',
      'ANN@new.test,,pw-a',
      'ann@new.test,other,pw-a',
      'ben@elsewhere.test,,pw',
      'nobody@new.test,,pw',
      'alice@new.test,,pw',
      'no-address,,pw',
      '=cmd()|x@new.test,,pw',
      'ben@new.test,,',
      `cem@new.test,,${CANARY}`,
      'dan@new.test,dan@new.test,pw',
      '<b>eva</b>@new.test,<script>,pw',
      'fay@new.test,"f\x01y",pw',
    ].join('\n');
    const { batch, refused } = await room.batches.fill(dora, made.id, { csv });
    expect(refused.map(({ row, code }) => [row, code])).toEqual([
      [2, 'DUPLICATE_ROW'],
      [3, 'MAILBOX_TWICE'],
      [4, 'FOREIGN_DOMAIN'],
      [5, 'DESTINATION_MISSING'],
      [6, 'ALREADY_MIGRATING'],
      [7, 'MAILBOX_INVALID'],
      [8, 'MAILBOX_INVALID'],
      [9, 'PASSWORD_MISSING'],
      [11, 'SAME_MAILBOX'],
      [12, 'MAILBOX_INVALID'],
      [13, 'USERNAME_INVALID'],
    ]);
    expect(batch.counts).toMatchObject({ rows: 13, accepted: 2, refused: 11 });
    const rows = await room.batches.rows(dora.visibility, made.id, { show: 'all', page: 1, perPage: 50 });
    expect(rows!.rows.filter(({ job }) => job !== null).map(({ row, username }) => [row, username])).toEqual([
      [1, 'ann@old.test'],
      [10, 'cem@old.test'],
    ]);
    expect(room.bell.runs).toHaveLength(1);
    // Sealed, and nowhere in clear.
    const [jobs] = await room.db.query<{ j: string; r: string }[]>(
      `SELECT (SELECT json_agg(j)::text FROM mailferry.jobs j) AS j, (SELECT json_agg(b)::text FROM mailferry.batch_rows b) AS r`,
    );
    expect(JSON.stringify(jobs)).not.toContain(CANARY);
    const [, cem] = await room.jobs(made.id);
    expect(await password(cem!)).toBe(CANARY);
  });

  it('takes ten thousand rows in a few statements', async () => {
    const { id } = await room.batches.create(dora, {
      domain: 'new.test',
      source: OLD_SERVER,
      auth: { kind: 'per-row' },
    });
    const rows = Array.from({ length: 10_000 }, (_, i) => `u${i}@new.test,,pw${i}`).join('\n');
    const statements = countStatements(room);
    let asked = 0;
    const getMailbox = room.panel.getMailbox.bind(room.panel);
    room.panel.getMailbox = (ref) => {
      asked += 1;
      return getMailbox(ref);
    };
    const filled = await room.batches.fill(dora, id, { csv: `mailbox,source_username,source_password\n${rows}` });
    const { batch, notChecked } = filled;
    // Too many to ask for each: they are taken, said, and asked for before each starts.
    expect([asked, notChecked]).toEqual([500, 9_500]);
    room.panel.getMailbox = getMailbox;
    expect(batch.counts).toMatchObject({ accepted: 10_000, refused: 0, ready: 10_000 });
    expect(statements.stop()).toBeLessThan(100);
    await room.batches.act(dora, id, 'cancel');
    expect(await secrets()).toBe(0);
  }, 60_000);

  it('is nobody else’s: a stranger is told that there is none, and a mailbox in the domain is not enough', async () => {
    const { id } = await room.batch(['alice']);
    const stranger = actor({ ...DORA, sub: 'eve', domains: ['other.test'] });
    for (const who of [stranger, alice]) {
      expect(await room.batches.get(who.visibility, id)).toBeNull();
      expect(await room.batches.rows(who.visibility, id, { show: 'all', page: 1, perPage: 5 })).toBeNull();
      expect(await refusal(room.batches.act(who, id, 'start'))).toBe('NOT_FOUND');
      expect(await refusal(room.batches.links(who, id))).toBe('NOT_FOUND');
      expect(await refusal(room.batches.create(who, { domain: 'new.test', source: OLD_SERVER, auth: ADMIN }))).toBe(
        'FORBIDDEN',
      );
    }
    expect((await room.batches.get(sam.visibility, id))?.id).toBe(id);
  });

  it('copies at most so many at once, and begins carefully until one got in', async () => {
    const { id } = await room.batch(NAMES, { options: { atOnce: 4 } });
    await room.batches.act(dora, id, 'start');
    expect(await settle(id)).toEqual(['queued', 'queued', 'queued', 'draft', 'draft', 'draft', 'draft']);
    const [first] = await room.jobs(id);
    await run(first!);
    expect(await settle(id)).toEqual(['completed', 'queued', 'queued', 'queued', 'queued', 'draft', 'draft']);
    expect(await refusal(room.batches.act(dora, id, 'start'))).toBe('INVALID_STATE');
  });

  it('starts at its time, and those that were chosen first', async () => {
    const { id } = await room.batch(NAMES.slice(0, 3));
    const [ann, ben] = await room.jobs(id);
    await room.batches.act(dora, id, 'start', { ids: [ann!], at: new Date(Date.now() + 3_600_000).toISOString() });
    expect(await settle(id)).toEqual(['draft', 'draft', 'draft']);
    const { startAt } = (await room.batches.get(dora.visibility, id))!;
    expect(startAt).not.toBeNull();
    // Whoever is added keeps to the time, and cannot change it for the others.
    await room.batches.act(dora, id, 'start', { ids: [ben!] });
    expect(await settle(id)).toEqual(['draft', 'draft', 'draft']);
    expect(await refusal(room.batches.act(dora, id, 'start', { at: new Date().toISOString() }))).toBe('VALIDATION');
    expect((await room.batches.get(dora.visibility, id))!.startAt).toBe(startAt);
    await room.db.query(`UPDATE mailferry.batches SET start_at = now()`);
    expect(await settle(id)).toEqual(['queued', 'queued', 'draft']);
    expect((await room.batches.get(dora.visibility, id))!.actions).toContain('start');
  });

  it('pauses, resumes and cancels all of it or one row', async () => {
    const { id } = await room.batch(NAMES.slice(0, 3));
    const [ann, ben] = await room.jobs(id);
    await room.batches.act(dora, id, 'start');
    await settle(id);
    await room.batches.act(dora, id, 'pause', { ids: [ben!] });
    expect(await settle(id)).toEqual(['queued', 'paused', 'queued']);
    await room.batches.act(dora, id, 'pause');
    expect(await settle(id)).toEqual(['paused', 'paused', 'paused']);
    // One that a person resumes meanwhile runs on.
    await room.get(JobsService).act(dora, ann!, 'resume');
    expect(await settle(id)).toEqual(['queued', 'paused', 'paused']);
    await room.batches.act(dora, id, 'resume');
    expect(await settle(id)).toEqual(['queued', 'queued', 'queued']);
    await room.batches.act(dora, id, 'cancel', { ids: [ann!] });
    expect(await settle(id)).toEqual(['cancelled', 'queued', 'queued']);
    expect((await room.batches.get(dora.visibility, id))!.state).toBe('active');
    await room.batches.act(dora, id, 'cancel');
    expect(await settle(id)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(await secrets()).toBe(0);
    expect(await refusal(room.batches.act(dora, id, 'resume'))).toBe('INVALID_STATE');
  });

  it('rests outside the allowed hours', async () => {
    const hours = (inside: boolean) => {
      const clock = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString().slice(11, 16);
      return inside
        ? { from: clock(-120), to: clock(120), timeZone: 'UTC' }
        : { from: clock(120), to: clock(240), timeZone: 'UTC' };
    };
    const { id } = await room.batch(NAMES.slice(0, 2), { options: { hours: hours(false) } });
    await room.batches.act(dora, id, 'start');
    expect(await settle(id)).toEqual(['draft', 'draft']);
    await room.batches.reschedule(dora, id, { atOnce: 5, hours: hours(true), syncEveryHours: null });
    expect(await settle(id)).toEqual(['queued', 'queued']);
    await room.batches.reschedule(dora, id, { atOnce: 5, hours: hours(false), syncEveryHours: null });
    expect(await settle(id)).toEqual(['paused', 'paused']);
    await room.batches.reschedule(dora, id, { atOnce: 5, hours: null, syncEveryHours: null });
    expect(await settle(id)).toEqual(['queued', 'queued']);
  });

  it('makes delta passes when they are due, tries again what is missing, and after the last one erases every secret', async () => {
    const { id } = await room.batch(NAMES.slice(0, 3), { options: { syncEveryHours: 6 } });
    const [ann, ben, cem] = await room.jobs(id);
    await room.batches.act(dora, id, 'start');
    await settle(id);
    await run(ann!);
    await run(ben!, 'incomplete');
    await room.happen(cem!, 'claim');
    await room.happen(cem!, 'fail', { reason: reasonFor('CONNECT_FAILED') });
    expect(await settle(id)).toEqual(['completed', 'completed', 'failed']);
    await room.db.query(`UPDATE mailferry.batches SET next_sync_at = now() - interval '1 minute'`);
    expect(await settle(id)).toEqual(['queued', 'queued', 'queued']);
    const kinds = await room.db.query<{ k: string }[]>(
      `SELECT j.next_run AS k FROM mailferry.batch_rows r JOIN mailferry.jobs j ON j.id = r.job ORDER BY r.row`,
    );
    expect(kinds.map(({ k }) => k)).toEqual(['sync', 'retry', 'retry']);
    expect(await refusal(room.batches.act(dora, id, 'finish'))).toBe('BATCH_BUSY');
    for (const job of [ann!, ben!, cem!]) await run(job);
    await settle(id);
    expect(await secrets()).toBe(1);
    await room.batches.act(dora, id, 'sync', { last: true });
    expect(await settle(id)).toEqual(['queued', 'queued', 'queued']);
    for (const job of [ann!, ben!, cem!]) await run(job);
    await settle(id);
    expect(await room.batches.get(dora.visibility, id)).toMatchObject({ state: 'finished', pass: 3, actions: [] });
    expect(await secrets()).toBe(0);
    expect(await refusal(room.get(JobsService).act(dora, ann!, 'sync'))).toBe('CREDENTIALS_REQUIRED');
    const lines = await room.db.query<{ detail: object }[]>(
      `SELECT detail FROM mailferry.audit WHERE action = 'credentials.erased'`,
    );
    expect(lines).toContainEqual({ detail: expect.objectContaining({ why: 'batch', count: '1' }) });
  });

  it('stops by itself when the administrator is refused, and goes on with a new password', async () => {
    const { id } = await room.batch(NAMES);
    await room.batches.act(dora, id, 'start');
    await settle(id);
    for (const job of (await room.jobs(id)).slice(0, 3)) {
      await room.happen(job, 'claim');
      await room.happen(job, 'need-action', { reason: reasonFor('AUTH_FAILED') });
    }
    expect((await settle(id)).filter((state) => state === 'draft')).toHaveLength(4);
    expect(await room.batches.get(dora.visibility, id)).toMatchObject({
      state: 'paused',
      reason: { code: 'SIGN_INS_REFUSED' },
    });
    await room.batches.setPassword(dora, id, `${CANARY}-2`);
    await room.batches.act(dora, id, 'resume');
    await room.batches.act(dora, id, 'retry');
    expect((await settle(id)).filter((state) => state === 'queued')).toHaveLength(3);
    const [ann] = await room.jobs(id);
    expect(await password(ann!)).toBe(`${CANARY}-2`);
  });

  it('stops when the domain is taken from its admin, and pauses what runs', async () => {
    const { id } = await room.batch(NAMES.slice(0, 4), { options: { atOnce: 2 } });
    await room.batches.act(dora, id, 'start');
    await settle(id);
    room.panel.people.set('dora', { ...DORA, domains: ['other.test'] });
    try {
      expect(await settle(id)).toEqual(['paused', 'paused', 'draft', 'draft']);
      expect(await room.batches.get(sam.visibility, id)).toMatchObject({
        state: 'paused',
        reason: { code: 'BATCH_NOT_ALLOWED' },
      });
      // It is none of her business any more.
      expect(await room.news()).toEqual([]);
    } finally {
      room.panel.people.set('dora', DORA);
    }
    // Somebody who may takes it over.
    await room.batches.act(actor(SAM), id, 'resume');
    expect(await settle(id)).toEqual(['queued', 'queued', 'draft', 'draft']);
  });

  it('tells a row that cannot be started, and starts it when it is tried again', async () => {
    const { id } = await room.batch(NAMES.slice(0, 2));
    room.panel.gone.add('ann@new.test');
    await room.batches.act(dora, id, 'start');
    expect(await settle(id)).toEqual(['draft', 'queued']);
    const [ann] = (await room.batches.worst(dora.visibility, id))!;
    expect(ann).toMatchObject({ mailbox: 'ann@new.test', reason: { code: 'DESTINATION_MISSING' } });
    room.panel.gone.clear();
    await room.batches.act(dora, id, 'retry');
    expect(await settle(id)).toEqual(['queued', 'queued']);
  });

  it('gives the administrator’s password only to a migration that is as the batch made it', async () => {
    const { id } = await room.batch(['ann']);
    const [job] = await room.jobs(id);
    const store = room.get(SecretStore);
    expect((await store.held(job!)).source).toBe(true);
    expect(await password(job!)).toBe(CANARY);
    const ann = actor({ ...DORA, sub: 'ann', role: 'user', domains: [], mailboxes: ['ann@new.test'] });
    const jobs = room.get(JobsService);
    const { source } = (await jobs.get(ann.visibility, job!))!;
    for (const change of [{ host: 'evil.test' }, { username: 'boss@new.test' }, { port: 143 }]) {
      expect(await refusal(jobs.patch(ann, job!, { source: { ...source, ...change } }))).toBe('BATCH_LOGIN');
      // Whoever went round the service gets nothing by it.
      await room.db.query(`UPDATE mailferry.jobs SET source = source || $2 WHERE id = $1`, [
        job,
        JSON.stringify(change),
      ]);
      expect((await store.held(job!)).source).toBe(false);
      expect(await password(job!)).toBeUndefined();
      expect(await refusal(jobs.act(ann, job!, 'start'))).toBe('CREDENTIALS_REQUIRED');
      await room.db.query(`UPDATE mailferry.jobs SET source = $2 WHERE id = $1`, [job, JSON.stringify(source)]);
    }
  });

  it('gives it to nobody who dials what the migration was for a moment', async () => {
    const { id } = await room.batch(['ann']);
    const [job] = await room.jobs(id);
    const jobs = room.get(JobsService);
    const { source } = (await jobs.get(dora.visibility, job!))!;
    const evil = { ...source, host: 'evil.test' };
    expect(await password(job!)).toBe(CANARY);
    await expect(password(job!, evil)).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
  });

  it('tests all rows a few at a time, and stops when the server locks us out', async () => {
    const { id } = await room.batch(NAMES);
    const finish = async (result: object): Promise<void> => {
      await room.db.query(
        `UPDATE mailferry.jobs j SET test_result = $1, tested_at = clock_timestamp() FROM mailferry.connection_tests t
         WHERE t.job = j.id AND t.state = 'queued'`,
        [JSON.stringify(result)],
      );
      await room.db.query(`UPDATE mailferry.connection_tests SET state = 'done'`);
    };
    const totals = { folders: 1, items: 4, bytes: 10 };
    await room.batches.act(dora, id, 'test');
    await runner.tick();
    expect(room.bell.tests).toHaveLength(3);
    const quota = { usedBytes: 0, limitBytes: 5, fits: false };
    await finish({
      ok: true,
      code: 'OK',
      message: '',
      folders: [],
      totals,
      plan: { totalItems: 4, totalBytes: 10, quota },
    });
    await runner.tick();
    expect(room.bell.tests).toHaveLength(7);
    expect((await room.batches.get(dora.visibility, id))!.counts).toMatchObject({ testsPassed: 3, tooBig: 3 });
    await finish({ ok: false, code: 'THROTTLED', message: 'Wait.', folders: [], totals });
    await runner.tick();
    expect(await room.batches.get(dora.visibility, id)).toMatchObject({ testing: false, state: 'draft' });
    const big = await room.batches.rows(dora.visibility, id, { show: 'too-big', page: 1, perPage: 10 });
    expect(big!.rows.map(({ test }) => test)).toEqual(
      Array(3).fill(expect.objectContaining({ ok: true, items: 4, bytes: 10, fits: false })),
    );

    await room.batches.act(dora, id, 'test');
    await runner.tick();
    await finish({ ok: false, code: 'RATE_LIMITED', message: '', folders: [], totals });
    await runner.tick();
    expect(await room.batches.get(dora.visibility, id)).toMatchObject({
      testing: false,
      reason: { code: 'SERVER_LOCKS_OUT' },
    });
  });

  describe('whose users give their own passwords', () => {
    const links = (): PasswordLinks => room.get(PasswordLinks);
    async function invited(send = false): Promise<{ id: string; tokens: string[] }> {
      const { id } = await room.batch(['ann', 'ben'], { auth: { kind: 'ask-user' } });
      expect(await room.batches.invite(dora, id, { days: 7, send })).toBe(2);
      return { id, tokens: (await room.batches.links(dora, id)).map(({ token }) => token) };
    }
    /** As from the page that was just opened. */
    async function redeemed(token: string, secrets: { password: string }, ip: string): Promise<Redeemed> {
      const page = await links().look(token);
      return links().redeem(token, { ...secrets, seen: page.is === 'open' ? page.seen : '' }, ip);
    }
    /** The old server cannot be asked here: it is believed. */
    const redeem = async (token: string): Promise<string> =>
      (await redeemed(token, { password: CANARY }, '192.0.2.7')).is;
    const look = async (token: string): Promise<string> => (await links().look(token)).is;

    it('starts each as soon as its password is there', async () => {
      const { id, tokens } = await invited();
      await room.batches.act(dora, id, 'start');
      expect(await settle(id)).toEqual(['draft', 'draft']);
      expect(await redeem(tokens[1]!)).toBe('done');
      expect(await settle(id)).toEqual(['draft', 'queued']);
      const rows = (await room.batches.rows(dora.visibility, id, { show: 'all', page: 1, perPage: 9 }))!.rows;
      expect(rows.map(({ ready, invitation }) => [ready, invitation?.used])).toEqual([
        [false, false],
        [true, true],
      ]);
      expect(JSON.stringify(rows)).not.toContain(CANARY);
    });

    it('each link once, until its end, and only as it was signed', async () => {
      const { id, tokens } = await invited();
      const [ann, ben] = tokens as [string, string];
      expect(await look(ann)).toBe('open');
      expect(await redeem(ann)).toBe('done');
      expect(await look(ann)).toBe('used');
      expect(await redeem(ann)).toBe('used');
      await room.db.query(`UPDATE mailferry.password_links SET expires_at = now() WHERE used_at IS NULL`);
      expect(await look(ben)).toBe('expired');
      expect(await redeem(ben)).toBe('expired');
      const [name, until, signature] = ben.split('.') as [string, string, string];
      const others = ann.split('.');
      for (const forged of [
        name,
        `${name}.${until}.`,
        `${name}.${until}.${others[2]}`,
        `${signature}.${until}.${name}`,
      ])
        expect(await look(forged)).toBe('unknown');
      // A new one for those who are missing; Ann has done hers.
      expect(await room.batches.invite(dora, id, { days: 1, send: false })).toBe(1);
      const [newer] = await room.batches.links(dora, id);
      await room.batches.act(dora, id, 'cancel');
      expect(await room.batches.links(dora, id)).toEqual([]);
      expect(await look(newer!.token)).toBe('expired');
    });

    it('of two at the same moment one is told that it was used', async () => {
      const { tokens } = await invited();
      expect((await Promise.all([redeem(tokens[0]!), redeem(tokens[0]!)])).sort()).toEqual(['done', 'used']);
    });

    it('starts nobody before the batch is started, and keeps the passwords until then', async () => {
      const { id, tokens } = await invited();
      expect(await redeemed(tokens[0]!, { password: CANARY }, '::1')).toEqual({ is: 'done', goesOn: false });
      expect(await settle(id)).toEqual(['draft', 'draft']);
      const [{ late }] = await room.db.query<[{ late: boolean }]>(
        `SELECT expires_at > now() + interval '29 days' AS late FROM mailferry.credentials
         WHERE owner IN (SELECT id FROM mailferry.jobs)`,
      );
      expect(late).toBe(true);
      await room.batches.act(dora, id, 'start');
      expect(await settle(id)).toEqual(['queued', 'draft']);
    });

    it.each([
      ['needs-action', 'need-action'],
      ['failed', 'fail'],
    ] as const)('goes on with one that is %s, as soon as the right password is there', async (state, event) => {
      const { id, tokens } = await invited();
      await room.batches.act(dora, id, 'start');
      await redeem(tokens[0]!);
      await settle(id);
      const [ann] = await room.jobs(id);
      await room.happen(ann!, 'claim');
      await room.happen(ann!, event, { reason: reasonFor('AUTH_FAILED') });
      expect(await settle(id)).toEqual([state, 'draft']);
      expect(await room.batches.invite(dora, id, { days: 7, send: false })).toBe(2);
      const [again] = await room.batches.links(dora, id);
      await room.batches.act(dora, id, 'pause');
      expect(await redeemed(again!.token, { password: CANARY }, '::1')).toEqual({ is: 'done', goesOn: false });
      expect(await settle(id)).toEqual([state, 'draft']);
      await room.batches.act(dora, id, 'resume');
      expect(await settle(id)).toEqual(['queued', 'draft']);
    });

    it('starts one that could not be started without its password', async () => {
      const { id } = await room.batch(['ann'], { auth: { kind: 'per-row' } });
      const [ann] = await room.jobs(id);
      await room.db.query(`DELETE FROM mailferry.credentials`);
      await room.batches.act(dora, id, 'start');
      expect(await settle(id)).toEqual(['draft']);
      const { token } = await links().make(sam, ann!, null);
      expect(await redeemed(token, { password: CANARY }, '::1')).toEqual({ is: 'done', goesOn: true });
      expect(await settle(id)).toEqual(['queued']);
    });

    it('does not go on with one that somebody is stopping', async () => {
      const { id, tokens } = await invited();
      await room.batches.act(dora, id, 'start');
      const [ann] = await room.jobs(id);
      await room.db.query(`UPDATE mailferry.batch_rows SET want = 'cancel' WHERE job = $1`, [ann]);
      expect(await redeemed(tokens[0]!, { password: CANARY }, '::1')).toEqual({ is: 'done', goesOn: false });
    });

    it('has the panel send the others when it refuses some', async () => {
      const { id } = await room.batch(['ann', 'ben', 'cem', 'dan'], { auth: { kind: 'ask-user' } });
      await room.batches.invite(dora, id, { days: 7, send: true });
      const sent: string[] = [];
      const notify = room.panel.notify.bind(room.panel);
      room.panel.notify = async (to?: string) => {
        if (to !== 'dan@new.test') throw new Error('no such mailbox');
        sent.push(to);
      };
      try {
        await runner.tick();
        await runner.tick();
      } finally {
        room.panel.notify = notify;
      }
      expect(sent).toEqual(['dan@new.test']);
      const { rows } = (await room.batches.rows(dora.visibility, id, { show: 'all', page: 1, perPage: 9 }))!;
      expect(rows.map(({ invitation }) => invitation!.sentAt === null)).toEqual([true, true, true, false]);
    });

    it('has the panel send the links, again when it did not take one', async () => {
      const { id } = await invited(true);
      const sent: string[] = [];
      const notify = room.panel.notify.bind(room.panel);
      room.panel.notify = async (to?: string, template?: never, data?: never) => {
        if (sent.length === 1 && to === 'ben@new.test' && !sent.includes('refused')) {
          sent.push('refused');
          throw new Error('no mail today');
        }
        sent.push(`${to} ${template} ${(data as { link: string } | undefined)?.link}`);
      };
      try {
        await runner.tick();
        await runner.tick();
      } finally {
        room.panel.notify = notify;
      }
      const made = await room.batches.links(dora, id);
      expect(sent.filter((line) => line !== 'refused').sort()).toEqual(
        made.map(({ mailbox, token }) => `${mailbox} invitation https://panel.example.test/migrate/links/${token}`),
      );
    });
  });

  it('refuses what cannot be done, in plain words', async () => {
    const create = (auth: never, more: object = {}): Promise<string> =>
      refusal(room.batches.create(dora, { domain: 'new.test', source: { ...OLD_SERVER, ...more }, auth }));
    expect(await create({ ...ADMIN, method: 'impersonation' } as never)).toBe('IMPERSONATION_UNSUPPORTED');
    expect(await create({ ...ADMIN, username: 'ad*min' } as never)).toBe('VALIDATION');
    expect(await create({ ...ADMIN, template: '{user}' } as never)).toBe('VALIDATION');
    expect(await create({ ...ADMIN, password: '' } as never)).toBe('VALIDATION');
    expect(await create({ kind: 'per-row' } as never, { host: 'not a host' })).toBe('VALIDATION');
    const { id } = await room.batch(['a%b', 'ann']);
    expect(await room.states(id)).toEqual(['-', 'draft']);
    await room.batches.discard(dora, id);
    expect(await room.batches.get(dora.visibility, id)).toBeNull();
    expect(await secrets()).toBe(0);
  });
});

/** Counts statements that reach the database. */
function countStatements(room: BatchRoom): { stop(): number } {
  let n = 0;
  const create = room.db.createQueryRunner.bind(room.db);
  room.db.createQueryRunner = (...args) => {
    const made = create(...args);
    const query = made.query.bind(made);
    made.query = ((...asked: Parameters<typeof query>) => {
      n += 1;
      return query(...asked);
    }) as typeof made.query;
    return made;
  };
  return {
    stop: () => {
      room.db.createQueryRunner = create;
      return n;
    },
  };
}
