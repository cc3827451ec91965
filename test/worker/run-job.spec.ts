import { JobsService } from '../../src/jobs/jobs.service.js';
import type { JobView } from '../../src/jobs/job.js';
import { Pruner } from '../../src/worker/pruner.js';
import { Sweeper } from '../../src/worker/sweeper.js';
import { alice, CANARY, newJob, newKeys, SOURCE, TENANT } from '../jobs/support.js';
import { failure, workerRoom, type WorkerRoom } from './support.js';

let room: WorkerRoom;
let jobs: JobsService;
beforeAll(async () => {
  room = await workerRoom();
  jobs = room.get(JobsService);
});
beforeEach(() => room.clear());
afterAll(() => room.close());

const view = async (id: string): Promise<JobView> => (await jobs.get(alice.visibility, id))!;
const start = async (more = {}): Promise<string> => (await jobs.create(alice, newJob({ start: true, ...more }))).job.id;
const passed = (id: string): Promise<unknown> =>
  room.db.query(
    `INSERT INTO mailferry.passed_tests (tenant, source_hash) SELECT tenant, source_hash FROM mailferry.jobs WHERE id = $1`,
    [id],
  );
const runsOf = async (id: string): Promise<string[]> =>
  (await view(id)).runs.map(({ kind, state }) => `${kind} ${state}`);
const secrets = (id: string): Promise<unknown[]> =>
  room.db.query(`SELECT 1 FROM mailferry.credentials WHERE owner = $1`, [id]);

/** Holds a run in its scan until it is let go or told to stop. */
function hold(): { reached: Promise<void>; go: () => void } {
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  let arrive = (): void => undefined;
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  room.outside.onScan = async (signal) => {
    arrive();
    await Promise.race([
      gate,
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    ]);
  };
  return { reached, go };
}

describe('a run', () => {
  test('copies the mailbox, adds up without a remainder, and leaves no secret behind', async () => {
    room.outside.fill(30);
    const id = await start();
    expect(await room.run(id)).toBe(true);
    const job = await view(id);
    expect(job).toMatchObject({ state: 'completed', outcome: 'complete', actions: ['retry', 'sync'] });
    expect(job.progress).toMatchObject({ found: 30, copied: 30, alreadyThere: 0, skipped: 0, failed: 0 });
    expect(job.folders).toMatchObject([{ path: 'INBOX', destination: 'INBOX', found: 30, copied: 30 }]);
    expect(job.startedAt).not.toBeNull();
    expect(job.finishedAt).not.toBeNull();
    expect(await runsOf(id)).toEqual(['first completed']);
    expect(room.outside.newMailbox.folder(['INBOX'])!.messages).toHaveLength(30);
    expect(room.outside.signedIn[0]!.secret).toEqual({ password: CANARY });
    expect(await secrets(id)).toEqual([]);
    const told = await room.db.query<{ template: string }[]>(
      `SELECT template FROM mailferry.outbox WHERE job = $1 ORDER BY created_at`,
      [id],
    );
    expect(told.map(({ template }) => template)).toEqual(['started', 'finished']);
    expect(room.panel.closed.sort()).toEqual(room.panel.opened.sort());
  });

  test('two workers that take the same job at once are one run', async () => {
    room.outside.fill(5);
    const id = await start();
    const taken = await Promise.all([room.run(id), room.run(id), room.run(id)]);
    expect(taken.filter(Boolean)).toHaveLength(1);
    expect(await runsOf(id)).toEqual(['first completed']);
    expect(await room.run(id)).toBe(false);
    expect(room.outside.newMailbox.folder(['INBOX'])!.messages).toHaveLength(5);
  });

  test('another migration into the same mailbox waits for its turn and is then rung for', async () => {
    room.outside.fill(2);
    const first = await start();
    const second = await start({ source: { ...SOURCE, username: 'other@old.test' } });
    const held = hold();
    const running = room.run(first);
    await held.reached;
    expect(await room.run(second)).toBe(false);
    room.bell.runs.length = 0;
    held.go();
    await running;
    expect(room.bell.runs.map(({ job }) => job)).toContain(second);
  });

  test('the panel is asked at every start: a mailbox that is gone stops before anything is dialled', async () => {
    const id = await start();
    room.panel.gone.add('alice@new.test');
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'needs-action', reason: { code: 'DESTINATION_MISSING' } });
    expect(room.outside.signedIn).toEqual([]);
    room.panel.gone.clear();
    room.panel.down = true;
    await room.db.query(`UPDATE mailferry.jobs SET state = 'queued' WHERE id = $1`, [id]);
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'waiting', reason: { code: 'DESTINATION_UNAVAILABLE' } });
  });

  test('the customer’s own password opens the new mailbox where the panel cannot', async () => {
    room.panel.kind = 'user-secret';
    room.outside.fill(1);
    const id = await start({ destination: { username: 'alice', password: 'mine' } });
    await room.run(id);
    expect((await view(id)).state).toBe('completed');
    const grant = room.outside.grants[0]!;
    expect(grant).toMatchObject({ kind: 'user-secret', login: 'alice' });
    expect(await grant.secret!.reveal()).toBe('mine');
  });

  test('without it, the job asks for it', async () => {
    room.panel.kind = 'user-secret';
    const id = await start();
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'needs-action', reason: { code: 'CREDENTIALS_REQUIRED' } });
  });

  test('the source that is the destination by another name is not dialled', async () => {
    const source = { ...SOURCE, host: '127.0.0.1', username: 'alice' };
    const id = await start({ source });
    room.panel.openDestination = async () => ({
      kind: 'imap-composite',
      grantId: 'g',
      expiresAt: new Date(),
      endpoint: { host: 'localhost', port: 143, security: 'starttls' },
      login: 'alice@new.test*admin',
      secret: { reveal: async () => 'x' },
    });
    await room.run(id);
    delete (room.panel as { openDestination?: unknown }).openDestination;
    expect(await view(id)).toMatchObject({ state: 'failed', reason: { code: 'SAME_MAILBOX' } });
    expect(room.outside.signedIn).toEqual([]);
  });
});

describe('what goes wrong', () => {
  test('the first run of untested settings is their test: it fails with that code', async () => {
    for (const code of ['AUTH_FAILED', 'CONNECT_FAILED', 'TLS_UNTRUSTED', 'HOST_NOT_FOUND']) {
      await room.clear();
      const id = await start();
      room.outside.onConnect = () => {
        throw failure(code, { retry: code.endsWith('FAILED') ? 'later' : 'user' });
      };
      await room.run(id);
      expect(await view(id)).toMatchObject({ state: 'failed', reason: { code, action: expect.any(String) } });
      expect(await runsOf(id)).toEqual(['first failed']);
    }
  });

  test('after a passed test the same thing asks a person, or waits and goes on by itself', async () => {
    const id = await start();
    await passed(id);
    room.outside.onConnect = () => {
      throw failure('AUTH_FAILED');
    };
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'needs-action', reason: { code: 'AUTH_FAILED' } });
    await jobs.setCredentials(alice, id, { password: 'new' });
    await passed(id);
    await jobs.act(alice, id, 'resume');
    room.outside.onConnect = () => {
      throw failure('CONNECT_FAILED', { retry: 'later', retryAfterMs: 1 });
    };
    await room.run(id);
    expect(await view(id)).toMatchObject({
      state: 'waiting',
      reason: { code: 'CONNECT_FAILED' },
      until: expect.any(String),
    });
    room.outside.onConnect = () => undefined;
    room.outside.fill(3);
    await room.get(Sweeper).sweep();
    expect((await view(id)).state).toBe('queued');
    await room.run(id);
    expect(await runsOf(id)).toEqual(['first needs-action', 'resume waiting', 'resume completed']);
  });

  test('a provider’s limit waits, even on the first run, and is no failure', async () => {
    const id = await start();
    room.outside.onConnect = () => {
      throw failure('THROTTLED', { retry: 'later', retryAfterMs: 3_600_000 });
    };
    await room.run(id);
    const { state, until: goesOn } = await view(id);
    expect(state).toBe('waiting');
    expect(Date.parse(goesOn!) - Date.now()).toBeGreaterThan(3_500_000);
  });

  test('a locked account is not signed in to', async () => {
    const id = await start();
    const limit = room.options.limits.wrongPasswords;
    const { accountSubject } = await import('../../src/jobs/attempts.js');
    await room.db.query(
      `INSERT INTO mailferry.attempts (subject, failed) SELECT $1, true FROM generate_series(1, $2)`,
      [accountSubject(SOURCE), limit],
    );
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'waiting', reason: { code: 'RATE_LIMITED' } });
    expect(room.outside.signedIn).toEqual([]);
  });

  test('a bug in one run costs that run a pause, and nothing else', async () => {
    const id = await start();
    room.outside.onDestination = () => {
      throw new Error(`cannot read properties of undefined near ${CANARY}`);
    };
    expect(await room.run(id)).toBe(true);
    expect(await view(id)).toMatchObject({ state: 'waiting', reason: { code: 'INTERNAL' } });
  });

  test('a secret that no longer opens asks for it again', async () => {
    const id = await start();
    await room.db.query(`UPDATE mailferry.credentials SET ciphertext = ciphertext || '\\x00'::bytea`);
    await room.run(id);
    expect((await view(id)).reason?.code).toBe('SECRET_UNREADABLE');
    expect(room.outside.signedIn).toEqual([]);
  });

  test('what a server echoes is masked in the log, and the report has our words', async () => {
    const id = await start();
    const echo = `LOGIN failed for ${CANARY} <script>\u001b[31m\r\nx ${Buffer.from(`\0${SOURCE.username}\0${CANARY}`).toString('base64')}`;
    room.outside.onConnect = () => {
      throw failure('AUTH_FAILED', { serverText: echo });
    };
    await room.run(id);
    const log = JSON.stringify(await jobs.log(alice.visibility, id));
    expect(log).toContain('<script>');
    expect(log).not.toContain(CANARY);
    expect(log).not.toMatch(/\\u001b|\\r|\\n/);
    expect(log).not.toContain(Buffer.from(CANARY).toString('base64').slice(4, 16));
    expect((await view(id)).reason!.message).not.toContain('<script>');
  });
});

describe('being told to stop', () => {
  test('a paused run stops, lets go of its grant, and goes on where it was', async () => {
    room.outside.fill(4);
    const id = await start();
    const held = hold();
    const running = room.run(id);
    await held.reached;
    await jobs.act(alice, id, 'pause');
    await running;
    expect((await view(id)).state).toBe('paused');
    expect(await runsOf(id)).toEqual(['first paused']);
    expect(room.panel.closed.sort()).toEqual(room.panel.opened.sort());
    room.outside.onScan = () => undefined;
    await jobs.act(alice, id, 'resume');
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'completed', progress: { copied: 4 } });
    expect(await runsOf(id)).toEqual(['first paused', 'resume completed']);
  });

  test('paused and resumed before the run has noticed: it is taken up again once the first run is over', async () => {
    room.outside.fill(2);
    const id = await start();
    const held = hold();
    const running = room.run(id);
    await held.reached;
    await jobs.act(alice, id, 'pause');
    await jobs.act(alice, id, 'resume');
    expect(await room.run(id)).toBe(false);
    room.bell.runs.length = 0;
    await running;
    expect(room.bell.runs.map(({ job }) => job)).toContain(id);
    room.outside.onScan = () => undefined;
    expect(await room.run(id)).toBe(true);
    expect((await view(id)).state).toBe('completed');
  });

  test('a cancelled run is cancelling until it has let go; then its secrets are gone', async () => {
    room.outside.fill(2);
    const id = await start();
    const held = hold();
    const running = room.run(id);
    await held.reached;
    expect((await jobs.act(alice, id, 'cancel')).state).toBe('cancelling');
    await running;
    expect((await view(id)).state).toBe('cancelled');
    expect(await runsOf(id)).toEqual(['first cancelled']);
    expect(await secrets(id)).toEqual([]);
  });

  test('a process that ends hands its run back', async () => {
    room.outside.fill(2);
    const id = await start();
    const held = hold();
    const shutdown = new AbortController();
    const running = room.run(id, shutdown.signal);
    await held.reached;
    shutdown.abort('shutdown');
    await running;
    expect((await view(id)).state).toBe('queued');
    expect(await runsOf(id)).toEqual(['first interrupted']);
    room.outside.onScan = () => undefined;
    await room.run(id);
    expect(await view(id)).toMatchObject({ state: 'completed', progress: { copied: 2 } });
  });
});

describe('the sweeper', () => {
  const silence = (id: string): Promise<unknown> =>
    room.db.query(`UPDATE mailferry.runs SET beat_at = now() - interval '1 hour' WHERE job = $1`, [id]);
  const orphan = async (state: string): Promise<string> => {
    const id = await start();
    await room.db.query(`UPDATE mailferry.jobs SET state = $2 WHERE id = $1`, [id, state]);
    await room.db.query(`INSERT INTO mailferry.runs (job, kind, worker) VALUES ($1, 'retry', gen_random_uuid())`, [id]);
    await silence(id);
    return id;
  };

  test.each([
    ['running', 'queued', 'interrupted'],
    ['cancelling', 'cancelled', 'cancelled'],
    ['paused', 'paused', 'paused'],
    ['queued', 'queued', 'interrupted'],
  ])('a %s job whose worker fell silent is %s afterwards', async (state, after, run) => {
    const id = await orphan(state);
    await room.get(Sweeper).sweep();
    expect((await view(id)).state).toBe(after);
    expect(await runsOf(id)).toEqual([`retry ${run}`]);
    if (after === 'cancelled') expect(await secrets(id)).toEqual([]);
  });

  test('a run that was taken back writes nothing about its end any more', async () => {
    room.outside.fill(2);
    const id = await start();
    const held = hold();
    const running = room.run(id);
    await held.reached;
    await room.db.query(`UPDATE mailferry.runs SET state = 'interrupted', finished_at = now() WHERE job = $1`, [id]);
    await room.get(Sweeper).sweep();
    expect((await view(id)).state).toBe('queued');
    await running;
    expect((await view(id)).state).toBe('queued');
    expect(await runsOf(id)).toEqual(['first interrupted']);
  });

  test('a run that beats is left alone', async () => {
    const id = await orphan('running');
    await room.db.query(`UPDATE mailferry.runs SET beat_at = clock_timestamp() WHERE job = $1`, [id]);
    await room.get(Sweeper).sweep();
    expect((await view(id)).state).toBe('running');
  });

  test('what is queued is rung for again, however often the rings are lost', async () => {
    const id = await start();
    for (let i = 0; i < 3; i++) {
      room.bell.runs.length = 0;
      await room.get(Sweeper).sweep();
      expect(room.bell.runs.map(({ job }) => job)).toEqual([id]);
    }
  });

  test('only one worker sweeps at a time', async () => {
    const swept = await Promise.all(Array.from({ length: 6 }, () => room.get(Sweeper).sweep()));
    expect(swept).toContain(true);
  });
});

describe('the pruner', () => {
  test('removes what is past its time, with a line for each secret', async () => {
    const draft = (await jobs.create(alice, newJob())).job.id;
    const failed = await start({ mailbox: 'alice@new.test' });
    await room.db.query(`UPDATE mailferry.jobs SET updated_at = now() - interval '25 hours' WHERE id = $1`, [draft]);
    await room.db.query(`UPDATE mailferry.jobs SET state = 'failed' WHERE id = $1`, [failed]);
    await room.db.query(`UPDATE mailferry.credentials SET expires_at = now() - interval '1 s' WHERE owner = $1`, [
      failed,
    ]);
    await room.get(Pruner).prune();
    expect(await jobs.get(alice.visibility, draft)).toBeNull();
    expect(await room.db.query(`SELECT 1 FROM mailferry.credentials`)).toEqual([]);
    expect(
      await room.db.query(
        `SELECT job, detail->>'why' AS why FROM mailferry.audit WHERE action = 'credentials.erased' ORDER BY why`,
      ),
    ).toEqual([
      { job: failed, why: 'deadline' },
      { job: draft, why: 'old draft' },
    ]);
  });
});

test('a master key rotated while a job runs: the job finishes, and what is sealed is wrapped anew', async () => {
  const old = newKeys('old');
  const first = await workerRoom({ keys: old });
  const { job } = await first.get(JobsService).create(alice, newJob({ start: true, options: { keepForSync: true } }));
  await first.module.close();
  const { SecretOpener } = await import('../../src/worker/secret-opener.js');
  const { Keyring } = await import('../../src/credentials/keyring.js');
  const rotated = new SecretOpener(first.db, Keyring.parse(`${newKeys('new')},${old}`));
  expect(await rotated.openJob(TENANT, job.id, SOURCE)).toMatchObject({ source: { password: CANARY } });
  expect(await first.db.query(`SELECT key_id FROM mailferry.credentials`)).toEqual([{ key_id: 'new' }]);
  expect(await rotated.openJob(TENANT, job.id, SOURCE)).toMatchObject({ source: { password: CANARY } });
  await first.db.destroy();
  await first.database.drop();
});

test('the canary is nowhere: not in the database, after success, cancel and failure', async () => {
  room.outside.fill(3);
  const done = await start();
  await room.run(done);
  const cancelled = await start({ source: { ...SOURCE, username: 'b' } });
  await jobs.act(alice, cancelled, 'cancel');
  const failed = await start({ source: { ...SOURCE, username: 'c' } });
  room.outside.onConnect = () => {
    throw failure('AUTH_FAILED', { serverText: `no ${CANARY}` });
  };
  await room.run(failed);
  const tables: { name: string }[] = await room.db.query(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'mailferry'`,
  );
  const needles = [
    CANARY,
    Buffer.from(CANARY).toString('hex'),
    Buffer.from(CANARY).toString('base64').replace(/=+$/, ''),
  ];
  for (const { name } of tables) {
    const rows = JSON.stringify(await room.db.query(`SELECT t::text FROM mailferry.${name} t`));
    for (const needle of needles) expect({ name, found: rows.includes(needle) }).toEqual({ name, found: false });
  }
  expect(JSON.stringify([room.panel.audited, room.bell])).not.toContain(CANARY);
});
