import type { JobView } from '../../src/jobs/job.js';
import { sheet, table } from '../../src/standalone/commands/jobs/table.js';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { actOnJobs, listJobs, showJob } from '../../src/standalone/commands/jobs/jobs.js';
import { rotateKeysCommand } from '../../src/standalone/commands/rotate-keys.js';
import { UsageError } from '../../src/standalone/commands/usage.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { StandaloneStore } from '../../src/standalone/store.js';
import { RunJob } from '../../src/worker/run-job.js';
import { alice, CANARY, newJob, TENANT } from '../jobs/support.js';
import { WORKER, workerRoom, type WorkerRoom } from '../worker/support.js';

const OLD = `k1:${Buffer.alloc(32, 1).toString('base64')}`;
const NEW = `k2:${Buffer.alloc(32, 2).toString('base64')}`;
const before = { ...process.env };
let dir: string;
let room: WorkerRoom;
let lines: string[];
const say = (line: string): void => void lines.push(line);
const here = { tenant: TENANT } as const;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'mailferry-jobs-'));
  room = await workerRoom({ keys: OLD });
  // No Redis and no keys: neither is needed.
  process.env = {
    ...before,
    MAILFERRY_DATA_DIR: dir,
    MAILFERRY_DATABASE_URL: room.database.url,
    MAILFERRY_DESTINATION: JSON.stringify({ imap: { host: 'mail.new.test' }, access: { kind: 'user-secret' } }),
    MAILFERRY_ALLOW_PRIVATE_TARGETS: 'true',
  };
  const store = new StandaloneStore(room.database.url);
  await store.tell(TENANT, 'domain', ['new.test']);
  await store.close();
});
beforeEach(() => {
  lines = [];
});
afterEach(() => room.clear());
afterAll(async () => {
  process.env = before;
  await room.close();
  rmSync(dir, { recursive: true, force: true });
});

const started = async (): Promise<string> => {
  const destination = { password: 'own password' };
  const { job } = await room.get(JobsService).create(alice, newJob({ start: true, destination }));
  return job.id;
};

describe('mailferry jobs, without Redis', () => {
  it('lists and shows what there is, as a table and as JSON, and never a password', async () => {
    const id = await started();
    expect(await listJobs({ ...here }, say)).toBe(0);
    expect(lines[0]).toMatch(/^id {2,}\S*.*state/);
    expect(lines.join('\n')).toMatch(new RegExp(`${id} +queued +alice@new.test`));
    lines = [];
    await listJobs({ ...here, state: 'completed,failed', json: true }, say);
    expect(lines).toEqual([]);
    await showJob(id, { json: true, log: true }, say);
    expect(JSON.parse(lines[0]!)).toMatchObject({ id, state: 'queued', actions: ['pause', 'cancel'], log: [] });
    await showJob(id, {}, say);
    expect(lines.join('\n')).toContain('can       pause, cancel');
    expect(lines.join('\n')).not.toContain(CANARY);
  });

  it('names the files of a migration from files, which has no server', async () => {
    const id = await started();
    await showJob(id, { json: true }, say);
    const job = JSON.parse(lines[0]!) as JobView;
    const source = { ...job.source, type: 'files', username: 'Home.ics', host: '', port: 0 };
    expect(table([{ ...job, source }])).toMatch(/alice@new\.test +Home\.ics +0/);
    expect(sheet({ ...job, source })).toContain('from      Home.ics\n');
    expect(sheet(job)).toContain(`from      ${job.source.username} at ${job.source.host}:${job.source.port} (tls)`);
  });

  it('pauses, resumes and cancels by the table of states, and says why not', async () => {
    const id = await started();
    expect(await actOnJobs('pause', [id], here, say)).toBe(0);
    expect(await actOnJobs('resume', [id], here, say)).toBe(0);
    expect(await actOnJobs('retry', [id], here, say)).toBe(1);
    expect(await actOnJobs('cancel', [id, 'nonsense'], { ...here, json: true }, say)).toBe(1);
    expect(lines.slice(0, 2)).toEqual([`${id}  paused`, `${id}  queued`]);
    expect(lines[2]).toMatch(/INVALID_STATE/);
    expect(lines.slice(3).map((line) => (JSON.parse(line) as { code: string }).code)).toEqual(['OK', 'NOT_FOUND']);
    const audit = await room.db.query<{ sub: string }[]>(`SELECT sub FROM mailferry.audit WHERE action = 'job.pause'`);
    expect(audit.at(-1)!.sub).toMatch(/^shell:/);
  });

  it('acts on all that a filter finds only with --yes, and on nothing without a filter', async () => {
    const id = await started();
    await actOnJobs('cancel', [], { ...here, state: 'queued' }, say);
    expect(lines).toEqual([expect.stringContaining('1 migrations fit; nothing was done')]);
    expect((await room.get(JobsService).get(alice.visibility, id))!.state).toBe('queued');
    await actOnJobs('cancel', [], { ...here, state: 'queued', yes: true }, say);
    expect((await room.get(JobsService).get(alice.visibility, id))!.state).toBe('cancelled');
    await expect(async () => actOnJobs('cancel', [], here, say)).rejects.toThrow(UsageError);
    await expect(async () => listJobs({ ...here, state: 'sleeping' }, say)).rejects.toThrow(/--state must be one of/);
  });
});

describe('mailferry rotate-keys', () => {
  const keyIds = (): Promise<{ key_id: string }[]> =>
    room.db.query(`SELECT DISTINCT key_id FROM mailferry.credentials ORDER BY key_id`);
  const rotate = (keys: string): Promise<boolean> => {
    process.env['MAILFERRY_KEYS'] = keys;
    return rotateKeysCommand(say).finally(() => delete process.env['MAILFERRY_KEYS']);
  };

  it('wraps the passwords of a migration anew while it runs, and the migration goes to its end', async () => {
    room.outside.fill(3);
    const id = await started();
    let rotated: boolean | null = null;
    room.outside.onScan = async () => {
      rotated ??= await rotate(`${NEW},${OLD}`);
      expect(await keyIds()).toEqual([{ key_id: 'k2' }]);
    };
    await room.get(RunJob).execute(id, WORKER, new AbortController().signal);
    expect(rotated).toBe(true);
    expect(await room.get(JobsService).get(alice.visibility, id)).toMatchObject({
      state: 'completed',
      outcome: 'complete',
    });
    expect(lines[0]).toBe(`2 secrets are now held by key 'k2'`);
  });

  it('says which key is missing, and ends with a failure', async () => {
    await started();
    expect(await rotate(NEW)).toBe(false);
    expect(lines.join('\n')).toMatch(/2 secrets are held by key 'k1', which is not set/);
    expect(await rotate(`${NEW},${OLD}`)).toBe(true);
    expect(await rotate(NEW)).toBe(true);
    expect(lines.join('\n')).toMatch(/nothing to do: key 'k2' holds everything/);
  });
});
