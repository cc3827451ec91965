import { BatchRunner } from '../../src/batches/batch-runner.js';
import { BATCH_WEB_PROVIDERS, BATCH_WORKER_PROVIDERS } from '../../src/batches/batches.providers.js';
import { BatchesService } from '../../src/batches/batches.service.js';
import type { BatchView } from '../../src/batches/batch.js';
import type { NewBatch } from '../../src/batches/contract.js';
import type { RunEntity } from '../../src/jobs/entities.js';
import { JobChanges } from '../../src/jobs/job-changes.js';
import type { JobEvent } from '../../src/jobs/job-state.js';
import type { Circumstances } from '../../src/jobs/transition.js';
import { SecretOpener } from '../../src/worker/secret-opener.js';
import { CANARY, dora, jobsRoom, type Room, type RoomOptions } from '../jobs/support.js';

export type { RunEntity };
export const OLD_SERVER = { type: 'imap', host: 'imap.old.test', port: 993, security: 'tls' } as const;
export const ADMIN = {
  kind: 'admin',
  method: 'composite',
  username: 'cyrus',
  password: CANARY,
} as const;

export interface BatchRoom extends Room {
  readonly batches: BatchesService;
  /** A batch with these mailboxes (local parts), by an administrator's password unless said otherwise. */
  batch(names: readonly string[], more?: Partial<NewBatch>): Promise<BatchView>;
  /** The states of its migrations, by row; '-': refused. */
  states(id: string): Promise<string[]>;
  jobs(id: string): Promise<string[]>;
  /** Ticks until nothing changes any more. @returns the states */
  settle(id: string): Promise<string[]>;
  /** A queued migration, done. */
  run(job: string, outcome?: 'complete' | 'incomplete'): Promise<void>;
  /** How many secrets are kept. */
  secrets(): Promise<number>;
  /** Who is told of a batch that needs somebody, and why. */
  news(): Promise<[string, string][]>;
  /** Something that happens to a job in the worker. */
  happen(job: string, event: JobEvent, circumstances?: Circumstances): Promise<void>;
}

export async function batchRoom(
  options: RoomOptions = {},
  more: NonNullable<Parameters<typeof jobsRoom>[1]> = [],
): Promise<BatchRoom> {
  const room = await jobsRoom(options, [
    ...new Set([...BATCH_WEB_PROVIDERS, ...BATCH_WORKER_PROVIDERS, SecretOpener, ...more]),
  ]);
  const batches = room.get(BatchesService);
  const jobs = async (id: string): Promise<string[]> =>
    (
      await room.db.query<{ job: string }[]>(
        `SELECT job FROM mailferry.batch_rows WHERE batch = $1 AND job IS NOT NULL ORDER BY row`,
        [id],
      )
    ).map(({ job }) => job);
  const states = async (id: string): Promise<string[]> => {
    const rows = await batches.rows(dora.visibility, id, { show: 'all', page: 1, perPage: 200 });
    return rows!.rows.map(({ state }) => state ?? '-');
  };
  const happen: BatchRoom['happen'] = async (job, event, circumstances) => {
    const changes = room.get(JobChanges);
    await changes.transact((change) => changes.apply(change, job, event, null, circumstances));
  };
  return {
    ...room,
    batches,
    jobs,
    states,
    happen,
    async settle(id) {
      for (let before = ''; ;) {
        await room.get(BatchRunner).tick();
        const now = await states(id);
        if (JSON.stringify(now) === before) return now;
        before = JSON.stringify(now);
      }
    },
    async run(job, outcome = 'complete') {
      await happen(job, 'claim');
      await happen(job, 'finish', { outcome });
    },
    news: async () =>
      (
        await room.db.query<{ target: string; code: string }[]>(
          `SELECT target, data->>'code' AS code FROM mailferry.outbox WHERE template = 'batch-needs-action' ORDER BY created_at`,
        )
      ).map(({ target, code }) => [target, code]),
    secrets: async () =>
      Number((await room.db.query<{ n: string }[]>(`SELECT count(*) AS n FROM mailferry.credentials`))[0]!.n),
    clear: async () => {
      await room.clear();
      await room.db.query(`TRUNCATE mailferry.batches CASCADE`);
    },
    async batch(names, more = {}) {
      const auth = more.auth ?? ADMIN;
      const made = await batches.create(dora, { domain: 'new.test', source: OLD_SERVER, auth, ...more });
      const rows = names.map((name, i) => ({
        row: i + 1,
        mailbox: `${name}@new.test`,
        username: '',
        password: auth.kind === 'per-row' ? CANARY : '',
      }));
      return (await batches.fill(dora, made.id, { rows })).batch;
    },
  };
}
