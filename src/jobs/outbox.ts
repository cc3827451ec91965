import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { JobNotice } from '../panel/host-panel.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import type { JobEntity } from './entities.js';
import type { JobState, Reason } from './job.js';
import type { JobEvent } from './job-state.js';

/** Mail about a batch waits so long for more of the same (s): one message instead of a thousand. */
const DIGEST_S = 600;
const NOTICES: Readonly<Partial<Record<JobState, JobNotice>>> = {
  'needs-action': 'needs-action',
  completed: 'finished',
  failed: 'failed',
};

/**
 * Puts down, in the transaction of the change itself, who is to be told of it: the mailbox's owner through the panel, and
 * every webhook that wants to hear of it. A worker sends (worker/notices); nothing is told of a change that did not happen.
 */
@Injectable()
export class Outbox {
  constructor(@Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions) {}

  /** For whoever made the batch, at once: what has stopped waits for him. */
  async putBatch(
    manager: EntityManager,
    { id, tenant, domain, name, owner }: BatchNews,
    { code, message, action = '' }: Reason,
  ): Promise<void> {
    await manager.query(
      `INSERT INTO mailferry.outbox (tenant, channel, target, template, batch, data)
       VALUES ($1, 'notify', $2, 'batch-needs-action', $3, $4)`,
      [tenant, owner, id, JSON.stringify({ batchId: id, domain, name, code, message, action })],
    );
  }

  async put(manager: EntityManager, job: JobEntity, event: JobEvent): Promise<void> {
    const notice = event === 'start' ? 'started' : NOTICES[job.state];
    if (notice === undefined) return;
    const { code = '', message = '', action = '' } = job.reason ?? {};
    const text = {
      jobId: job.id,
      mailbox: job.mailbox,
      domain: job.domain,
      state: job.state,
      outcome: job.outcome ?? '',
      code,
      message,
      action,
    };
    const rows = [
      { channel: 'notify', target: job.mailbox, data: text },
      ...this.options.webhooks
        .filter(({ events }) => events === undefined || events.includes(notice))
        .map(({ url }) => ({ channel: 'webhook', target: url, data: { ...text, ...numbersOf(job) } })),
    ];
    for (const { channel, target, data } of rows)
      await manager.query(
        `INSERT INTO mailferry.outbox (tenant, channel, target, template, job, batch, data, due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, now() + make_interval(secs => $8))`,
        [
          job.tenant,
          channel,
          target,
          notice,
          job.id,
          job.batch,
          JSON.stringify(data),
          channel === 'notify' && job.batch !== null ? DIGEST_S : 0,
        ],
      );
  }
}

/** Of a batch, what its news need. */
export interface BatchNews {
  readonly id: string;
  readonly tenant: string;
  readonly domain: string;
  readonly name: string;
  /** `sub` of whoever made it. */
  readonly owner: string;
}

function numbersOf({ batch, found, copied, alreadyThere, skipped, failed, bytes }: JobEntity): Record<string, unknown> {
  return { batch, found, copied, alreadyThere, skipped, failed, bytes };
}
