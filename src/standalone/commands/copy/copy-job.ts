import { userInfo } from 'node:os';
import type { DataSource } from 'typeorm';
import { JobEntity } from '../../../jobs/entities.js';
import type { JobChanges } from '../../../jobs/job-changes.js';
import { FINAL_STATES, type JobEvent } from '../../../jobs/job-state.js';
import { reasonFor } from '../../../jobs/messages.js';
import { SHELL_TENANT } from './shell-panel.js';
import { type CopyWish, sourceOf } from './wish.js';

/** What brings a job that was left in some state back to where it can be claimed. */
const BACK: Readonly<Partial<Record<JobEntity['state'], JobEvent>>> = {
  draft: 'start',
  running: 'requeue',
  waiting: 'wake',
  paused: 'resume',
  'needs-action': 'resume',
};

/**
 * The job of this pair, ready to run: the one that an earlier command left in the middle, with the settings of this one,
 * else a new one. Only for whoever holds the CopyLock of the mailbox: a run that is still open then belongs to nobody alive.
 */
export async function readyJob(
  db: DataSource,
  changes: JobChanges,
  wish: CopyWish,
  mailbox: string,
): Promise<{ id: string; resumed: boolean }> {
  const source = sourceOf(wish.from);
  const left = await db.manager
    .createQueryBuilder(JobEntity, 'j')
    .where(`j.runner = 'shell' AND j.tenant = :tenant AND j.mailbox = :mailbox AND j.state <> ALL(:final)`, {
      tenant: SHELL_TENANT,
      mailbox,
      final: FINAL_STATES,
    })
    .andWhere(`j.source->>'host' = :host AND lower(j.source->>'username') = lower(:username)`, source)
    .andWhere(`(j.source->>'port')::int = :port`, source)
    .orderBy('j.createdAt', 'DESC')
    .getOne();
  if (left === null) return { id: await newJob(db, changes, wish, mailbox), resumed: false };
  await changes.transact(async (change) => {
    const { manager } = change;
    await manager.query(
      `UPDATE mailferry.runs SET state = 'interrupted', reason = $2, finished_at = clock_timestamp()
       WHERE job = $1 AND state = 'running'`,
      [left.id, JSON.stringify(reasonFor('INTERRUPTED'))],
    );
    if (left.state === 'cancelling') {
      await changes.apply(change, left.id, 'stopped', null);
      return;
    }
    await manager.query(
      `UPDATE mailferry.jobs SET source = $2, items = $3, existing = $4, confirmed = $5, filters = $6, options = $7,
         version = version + 1 WHERE id = $1`,
      [left.id, ...columns(wish)],
    );
    const event = BACK[left.state];
    if (event !== undefined) await changes.apply(change, left.id, event, null);
  });
  if (left.state === 'cancelling') return { id: await newJob(db, changes, wish, mailbox), resumed: false };
  return { id: left.id, resumed: true };
}

async function newJob(db: DataSource, changes: JobChanges, wish: CopyWish, mailbox: string): Promise<string> {
  return changes.transact(async (change) => {
    const [made]: { id: string }[] = await change.manager.query(
      `INSERT INTO mailferry.jobs
         (source, items, existing, confirmed, filters, options, tenant, domain, mailbox, owner, runner)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'shell') RETURNING id`,
      [...columns(wish), SHELL_TENANT, wish.to.host, mailbox, userInfo().username],
    );
    await changes.apply(change, made!.id, 'start', null);
    return made!.id;
  });
}

function columns({ from, items, existing, filters, options }: CopyWish): unknown[] {
  return [
    JSON.stringify(sourceOf(from)),
    [...items],
    existing,
    existing === 'replace',
    JSON.stringify(filters),
    JSON.stringify(options),
  ];
}
