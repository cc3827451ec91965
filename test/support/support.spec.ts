import { JobsService } from '../../src/jobs/jobs.service.js';
import { AuditReader } from '../../src/support/audit-reader.js';
import { FleetService } from '../../src/support/fleet.js';
import { SUPPORT_PROVIDERS } from '../../src/support/support.providers.js';
import { SupportService } from '../../src/support/support.service.js';
import { TENANT } from '../fakes/fake-panel.js';
import { alice, CANARY, dora, jobsRoom, newJob, refusal, sam, type Room, SOURCE } from '../jobs/support.js';

let room: Room;
let jobs: JobsService;
let support: SupportService;
beforeAll(async () => {
  room = await jobsRoom({}, SUPPORT_PROVIDERS);
  jobs = room.get(JobsService);
  support = room.get(SupportService);
});
beforeEach(() => room.clear());
afterAll(() => room.close());

/** A migration that ended with items that failed: three too large, two lost, one left out by its owner. */
async function ended(state = 'completed', username: string = SOURCE.username): Promise<string> {
  const { job } = await jobs.create(alice, newJob({ start: true, source: { ...SOURCE, username } }));
  await room.db.query(`UPDATE mailferry.jobs SET state = $2, outcome = $3 WHERE id = $1`, [
    job.id,
    state,
    state === 'completed' ? 'incomplete' : null,
  ]);
  await room.db.query(
    `WITH d AS (INSERT INTO mailferry.dest_mailboxes (tenant, address) VALUES ($2, $1::text) RETURNING id),
       l AS (INSERT INTO mailferry.links (dest_mailbox, source_kind, account_hash) SELECT id, 'imap', 'h' FROM d RETURNING id),
       f AS (INSERT INTO mailferry.folders (link, source_id, path, kind, key_scope, selectable, subscribed)
             SELECT id, n, ARRAY[n], 'mail', 'folder', true, true FROM l, unnest('{INBOX,Sent}'::text[]) n RETURNING id, source_id),
       r AS (INSERT INTO mailferry.refusals (job, folder, key, outcome, code, message, server_text, size)
             SELECT $1::uuid, f.id, decode(k.key, 'hex'), k.outcome, k.code, '', k.said, 1000
             FROM (VALUES ('INBOX', '01', 'failed', 'MESSAGE_TOO_LARGE', 'NO too big'), ('INBOX', '02', 'failed', 'MESSAGE_TOO_LARGE', null),
                ('Sent', '03', 'failed', 'MESSAGE_TOO_LARGE', null), ('Sent', '04', 'failed', 'LOST_AT_DESTINATION', null),
                ('Sent', '05', 'failed', 'LOST_AT_DESTINATION', null), ('Sent', '06', 'skipped', 'FILTERED_DATE', null))
               AS k(folder, key, outcome, code, said) JOIN f ON f.source_id = k.folder RETURNING folder, outcome)
     INSERT INTO mailferry.job_folders (job, folder, found, failed, skipped)
     SELECT $1::uuid, folder, count(*), count(*) FILTER (WHERE outcome = 'failed'), count(*) FILTER (WHERE outcome = 'skipped')
     FROM r GROUP BY folder`,
    [job.id, TENANT],
  );
  return job.id;
}

describe('one migration as support sees it', () => {
  test('what did not arrive is grouped by reason, what failed first', async () => {
    const { groups } = (await support.look(sam.visibility, await ended()))!;
    expect(groups.map(({ code, items, bytes, folders }) => [code, items, bytes, folders])).toEqual([
      ['MESSAGE_TOO_LARGE', 3, 3000, ['INBOX', 'Sent']],
      ['LOST_AT_DESTINATION', 2, 2000, ['Sent']],
      ['FILTERED_DATE', 1, 1000, ['Sent']],
    ]);
    expect(groups[0]!.serverText).toBe('NO too big');
    expect(groups[0]!.message).toMatch(/larger/);
  });

  test('items that share a reason are left out together, with the reason, and a retry leaves them', async () => {
    const id = await ended();
    expect(await support.leaveOut(sam, id, 'MESSAGE_TOO_LARGE', 'the owner\r\nagrees')).toBe(3);
    const { groups } = (await support.look(sam.visibility, id))!;
    expect(groups.map(({ outcome, code, items }) => [outcome, code, items])).toEqual([
      ['failed', 'LOST_AT_DESTINATION', 2],
      ['skipped', 'LEFT_OUT', 3],
      ['skipped', 'FILTERED_DATE', 1],
    ]);
    expect(groups[1]!.message).toBe('Left out by support: the owner  agrees (MESSAGE_TOO_LARGE)');
    const { progress, folders } = (await jobs.get(sam.visibility, id))!;
    expect([progress.found, progress.failed, progress.skipped]).toEqual([6, 2, 4]);
    for (const folder of folders) expect(folder.found).toBe(folder.failed + folder.skipped);
    expect(await support.leaveOut(sam, id, 'MESSAGE_TOO_LARGE', 'again')).toBe(0);
  });

  test('nothing is left out while a run counts, without a reason, or by others', async () => {
    const id = await ended('running');
    expect(await refusal(support.leaveOut(sam, id, 'MESSAGE_TOO_LARGE', 'x'))).toBe('INVALID_STATE');
    await room.db.query(`UPDATE mailferry.jobs SET state = 'paused' WHERE id = $1`, [id]);
    await room.db.query(`INSERT INTO mailferry.runs (job, kind) VALUES ($1, 'first')`, [id]);
    expect(await refusal(support.leaveOut(sam, id, 'MESSAGE_TOO_LARGE', 'x'))).toBe('INVALID_STATE');
    expect(await refusal(support.leaveOut(sam, id, 'MESSAGE_TOO_LARGE', ' \n'))).toBe('VALIDATION');
    for (const who of [alice, dora]) {
      expect(await refusal(support.leaveOut(who, id, 'MESSAGE_TOO_LARGE', 'x'))).toBe('FORBIDDEN');
      expect(await refusal(support.look(who.visibility, id))).toBe('FORBIDDEN');
      expect(await refusal(support.note(who, id, 'x', true))).toBe('FORBIDDEN');
    }
    const stranger = { ...sam, tenant: 't2', visibility: { ...sam.visibility, tenant: 't2' } };
    expect(await support.look(stranger.visibility, id)).toBeNull();
    expect(await refusal(support.note(stranger, id, 'x', true))).toBe('NOT_FOUND');
  });

  test('is dealt with until something happens to it again', async () => {
    const id = await ended('failed');
    const open = async () => (await jobs.list(sam.visibility, { open: true, page: 1, perPage: 10 })).total;
    expect(await open()).toBe(1);
    await support.note(sam, id, 'called the owner', false);
    expect(await open()).toBe(1);
    await support.note(sam, id, 'will be done by hand', true);
    expect(await open()).toBe(0);
    expect((await support.look(sam.visibility, id))!.notes.map(({ text, author }) => [author, text])).toEqual([
      ['Sam', 'will be done by hand'],
      ['Sam', 'called the owner'],
    ]);
    await jobs.act(sam, id, 'retry');
    await room.db.query(`UPDATE mailferry.jobs SET state = 'failed' WHERE id = $1`, [id]);
    expect(await open()).toBe(1);
  });

  test('its time line has runs and actions, newest first', async () => {
    const id = await ended('failed');
    await room.db.query(
      `INSERT INTO mailferry.runs (job, kind, state, reason, started_at, finished_at)
       VALUES ($1, 'first', 'failed', '{"code": "TIMEOUT", "message": "The server did not answer in time."}', now() + interval '1 s', now() + interval '2 s')`,
      [id],
    );
    const { events } = (await support.look(sam.visibility, id))!;
    expect(events.map(({ kind, what }) => [kind, what])).toEqual([
      ['run-ended', 'first'],
      ['run-began', 'first'],
      ['action', 'job.start'],
      ['action', 'job.create'],
    ]);
    expect(events[0]).toMatchObject({ state: 'failed', code: 'TIMEOUT' });
  });
});

describe('settings of a migration that has begun', () => {
  const source = { ...SOURCE, port: 143, security: 'starttls' as const };

  test('may change in the way to the account and in what is left out, and say so in the trail', async () => {
    const id = await ended('failed');
    const after = await jobs.patch(alice, id, { source, filters: { excludeFolders: [['Spam']] } });
    expect(after.source).toMatchObject({ port: 143, security: 'starttls' });
    expect(after.filters).toEqual({ excludeFolders: [['Spam']] });
    const [line] = await room.db.query<{ detail: object }[]>(
      `SELECT detail FROM mailferry.audit WHERE action = 'job.settings' AND job = $1`,
      [id],
    );
    expect(line!.detail).toEqual({ fields: 'source filters', host: SOURCE.host });
  });

  test('keep the password for whoever typed it, and lose it for anybody else', async () => {
    const id = await ended('failed');
    const held = async () => (await support.look(sam.visibility, id))!.hasPassword;
    await jobs.patch(alice, id, { source });
    expect(await held()).toBe(true);
    await jobs.patch(sam, id, { source: SOURCE });
    expect(await held()).toBe(false);
    expect(await refusal(jobs.act(sam, id, 'retry'))).toBe('CREDENTIALS_REQUIRED');
  });

  test('never make it another account, nor another server once something was copied', async () => {
    const id = await ended('failed');
    expect(await refusal(jobs.patch(sam, id, { source: { ...SOURCE, username: 'bob@old.test' } }))).toBe('VALIDATION');
    expect(await refusal(jobs.patch(sam, id, { source: { ...SOURCE, host: 'imap2.old.test' } }))).toBe('done');
    await room.db.query(`UPDATE mailferry.jobs SET copied = 1 WHERE id = $1`, [id]);
    expect(await refusal(jobs.patch(sam, id, { source: { ...SOURCE, host: 'imap3.old.test' } }))).toBe('VALIDATION');
    expect(await refusal(jobs.patch(sam, id, { secret: { password: CANARY } }))).toBe('VALIDATION');
    expect(await refusal(jobs.patch(sam, id, { existing: 'replace', confirm: 'alice@new.test' }))).toBe('VALIDATION');
    await room.db.query(`UPDATE mailferry.jobs SET state = 'running' WHERE id = $1`, [id]);
    expect(await refusal(jobs.patch(sam, id, { filters: {} }))).toBe('INVALID_STATE');
  });
});

describe('the queue and the workers', () => {
  const W = ['11111111-0000-4000-8000-000000000001', '11111111-0000-4000-8000-000000000002'] as const;

  test('who runs what, who is silent, and what has no worker', async () => {
    const id = await ended('running');
    const lost = await ended('running', 'other');
    await jobs.create(alice, newJob({ start: true, source: { ...SOURCE, username: 'else' } }));
    await room.db.query(
      `INSERT INTO mailferry.workers (id, host, pid, rss_bytes, beat_at) VALUES ($1, 'a', 1, 5000, now()), ($2, 'b', 2, 0, now() - interval '1 hour')`,
      [...W],
    );
    await room.db.query(
      `INSERT INTO mailferry.runs (job, kind, worker, beat_at) VALUES ($1, 'first', $3, clock_timestamp()), ($2, 'first', $4, now() - interval '1 hour')`,
      [id, lost, ...W],
    );
    const fleet = await room.get(FleetService).look(sam.visibility);
    expect(fleet.workers.map(({ host, state, runs }) => [host, state, runs.map(({ job }) => job)])).toEqual([
      ['a', 'well', [id]],
      ['b', 'silent', [lost]],
    ]);
    expect(fleet.jobs).toEqual({ queued: 1, running: 2, waiting: 0, stalled: 1 });
    expect(fleet.oldestQueuedAt).not.toBeNull();
    const abroad = await room.get(FleetService).look({ ...sam.visibility, tenant: 't2' });
    expect(abroad.workers.map(({ runs, otherRuns }) => [runs, otherRuns])).toEqual([
      [[], 1],
      [[], 1],
    ]);
    expect(await refusal(room.get(FleetService).look(dora.visibility))).toBe('FORBIDDEN');
  });

  test('only a worker that is there is drained, and it is recorded', async () => {
    await room.db.query(`INSERT INTO mailferry.workers (id, host, pid) VALUES ($1, 'a', 1)`, [W[0]]);
    const fleet = room.get(FleetService);
    expect(await refusal(fleet.drain(sam, W[1], true))).toBe('NOT_FOUND');
    expect(await refusal(fleet.drain(dora, W[0], true))).toBe('FORBIDDEN');
    await fleet.drain(sam, W[0], true);
    expect((await fleet.look(sam.visibility)).workers[0]).toMatchObject({ drain: true, state: 'draining' });
    const [line] = await room.db.query<{ action: string }[]>(
      `SELECT action FROM mailferry.audit ORDER BY id DESC LIMIT 1`,
    );
    expect(line!.action).toBe('worker.drain');
  });
});

describe('the audit trail', () => {
  test('is searched by who, what, whose and when, page by page', async () => {
    await room.db.query(
      `INSERT INTO mailferry.audit (tenant, at, sub, actor, action, mailbox, ip)
       SELECT CASE WHEN i % 10 = 9 THEN 't2' ELSE $1 END, now() - make_interval(days => i), 'user' || (i % 2), CASE WHEN i % 5 = 0 THEN 'sam' END,
         CASE WHEN i % 3 = 0 THEN 'job.cancel' ELSE 'job' || (i % 3) || '.start' END, 'm' || (i % 4) || '@new.test', '192.0.2.7'
       FROM generate_series(0, 99) i`,
      [TENANT],
    );
    const audit = room.get(AuditReader);
    const count = async (query: object) => (await audit.search(sam.visibility, query, { limit: 200 })).rows.length;
    expect(await count({})).toBe(90);
    expect(await count({ who: 'sam' })).toBe(20);
    expect(await count({ action: 'job.cancel' })).toBe(30);
    expect(await count({ action: 'job' })).toBe(30);
    expect(await count({ action: `x' OR '1'='1` })).toBe(0);
    expect(await count({ mailbox: 'M1@new.test' })).toBe(20);
    // A day that does not exist filters nothing, as nonsense does not.
    expect(await count({ from: '2026-13-45' })).toBe(90);
    expect(await count({ to: '2026-02-30' })).toBe(90);
    const day = new Date(Date.now() - 9.5 * 86_400_000).toISOString().slice(0, 10);
    const older = await count({ to: day });
    expect(older + (await count({ from: day }))).toBeGreaterThanOrEqual(90);
    expect(older).toBeLessThan(90);
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await audit.search(sam.visibility, {}, { limit: 40, ...(after && { after }) });
      seen.push(...page.rows.map(({ id }) => id));
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(new Set(seen).size).toBe(90);
    expect(await refusal(audit.search(dora.visibility, {}, { limit: 1 }))).toBe('FORBIDDEN');
  });

  test('is exported without cells that a spreadsheet would run, and the export is in it', async () => {
    await room.db.query(
      `INSERT INTO mailferry.audit (tenant, sub, action, detail) VALUES ($1, '=cmd()', 'job.cancel', '{"a": "b"}')`,
      [TENANT],
    );
    let text = '';
    for await (const lines of await room.get(AuditReader).csv(sam, { action: 'job.cancel' })) text += lines;
    expect(text.split('\r\n')).toHaveLength(3);
    expect(text).toContain(`,'=cmd(),,job.cancel,,,,a=b`);
    const [last] = await room.db.query<{ action: string; sub: string }[]>(
      `SELECT action, sub FROM mailferry.audit ORDER BY id DESC LIMIT 1`,
    );
    expect(last).toEqual({ action: 'audit.export', sub: 'sam' });
  });
});
