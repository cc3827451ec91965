import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { Doorbell } from '../queue/doorbell.js';
import { AuditTrail, by, SYSTEM } from './audit.js';
import { JobError, type Actor } from './contract.js';
import type { JobEntity } from './entities.js';
import { FINAL_STATES, isFinal, type JobEvent } from './job-state.js';
import { hasSource } from './job-view.js';
import { HARD_LIMIT_MS, HOUR_MS, inMs, keepAfter } from './keeping.js';
import { Outbox } from './outbox.js';
import { SecretStore } from './secrets.js';
import { cancelledDrafts, type Circumstances, transition } from './transition.js';

/** A transaction on jobs, and what happens once it is committed. */
export interface Change {
  readonly manager: EntityManager;
  after(work: () => void): void;
}

/** Events after which a job goes to work: no second one on the same pair may be under way then. */
const ENTERING: readonly JobEvent[] = ['start', 'retry', 'sync'];
/** Too many and of no interest to an auditor: the runs tell them. */
const UNRECORDED: readonly JobEvent[] = ['claim', 'requeue', 'wait', 'wake'];
/**
 * Every change of a job's state, a person's or the worker's: the state, what happens to the secrets, the audit line,
 * the ring and the notices belong together.
 */
@Injectable()
export class JobChanges {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(Outbox) private readonly outbox: Outbox,
    @Inject(Doorbell) private readonly doorbell: Doorbell,
  ) {}

  /** What `after` collects is done when everything is committed; it can fail nothing any more. */
  async transact<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const later: (() => void)[] = [];
    const result = await this.db.transaction((manager) => work({ manager, after: (step) => void later.push(step) }));
    for (const step of later) step();
    return result;
  }

  /**
   * @param who null: nobody at a keyboard.
   * @throws JobError NOT_FOUND, INVALID_STATE
   */
  async apply(
    change: Change,
    id: string,
    event: JobEvent,
    who: Actor | null,
    circumstances: Circumstances = {},
  ): Promise<JobEntity> {
    const { manager } = change;
    const { from, job } = await transition(manager, id, event, circumstances);
    if (ENTERING.includes(event)) await this.beAlone(manager, job);
    await this.dealWithSecrets(manager, job, who);
    if (!UNRECORDED.includes(event))
      await this.audit.record(
        {
          ...(who === null ? { tenant: job.tenant, sub: SYSTEM } : by(who)),
          action: `job.${event}`,
          job: id,
          mailbox: job.mailbox,
          detail: { from, to: job.state, ...(job.reason === null ? {} : { code: job.reason.code }) },
        },
        manager,
      );
    await this.outbox.put(manager, job, event);
    if (job.state === 'queued') change.after(() => this.ring(job));
    return job;
  }

  ring(job: Pick<JobEntity, 'id' | 'queuedAt'>): void {
    void this.doorbell.ringRun(job.id, String(job.queuedAt?.getTime() ?? 0));
  }

  /** The database holds it too, once the link is known (jobs_one_per_link); this holds before the first run. */
  private async beAlone(manager: EntityManager, job: JobEntity): Promise<void> {
    if (!hasSource(job)) return;
    await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 11))`, [`${job.tenant} ${job.mailbox}`]);
    const others: unknown[] = await manager.query(
      `SELECT 1 FROM mailferry.jobs WHERE tenant = $1 AND mailbox = $2 AND id <> $3 AND state <> ALL($4)
         AND source->>'type' = $5 AND source_host = $6 AND lower(source->>'username') = lower($7) LIMIT 1`,
      [
        job.tenant,
        job.mailbox,
        job.id,
        ['draft', ...FINAL_STATES],
        job.source.type,
        job.source.host.toLowerCase(),
        job.source.username,
      ],
    );
    if (others.length > 0)
      throw new JobError('INVALID_STATE', 'Another migration from this account into this mailbox is under way.');
  }

  private async dealWithSecrets(manager: EntityManager, job: JobEntity, who: Actor | null): Promise<void> {
    if (job.state === 'queued' && who !== null && who.scheduled !== true)
      await this.secrets.keepUntil(manager, job.id, inMs(HARD_LIMIT_MS));
    if (!isFinal(job.state)) return;
    const keepForSync = job.options.keepForSync === true;
    const until = keepAfter(
      { state: job.state, outcome: job.outcome, keepForSync, batch: job.batch },
      this.options.limits.keepSecretsHours,
    );
    if (until === 'erase') return this.eraseSecrets(manager, job, job.state, who);
    // Never for longer than since somebody last wanted it.
    if (until !== 'as-is')
      await manager.query(`UPDATE mailferry.credentials SET expires_at = LEAST(expires_at, $2) WHERE owner = $1`, [
        job.id,
        until,
      ]);
  }

  async eraseSecrets(manager: EntityManager, job: JobEntity, why: string, who: Actor | null): Promise<void> {
    const erased = await this.secrets.erase(manager, job.id);
    if (erased === 0) return;
    await this.audit.record(
      {
        ...(who === null ? { tenant: job.tenant, sub: SYSTEM } : by(who)),
        action: 'credentials.erased',
        job: job.id,
        mailbox: job.mailbox,
        detail: { why, count: String(erased) },
      },
      manager,
    );
  }

  /** The drafts of a batch, or some of them, at once; what was sealed for them goes along. Inside a transaction. */
  async cancelDrafts(manager: EntityManager, batch: string, ids: readonly string[] | null): Promise<void> {
    const cancelled: { id: string }[] = await cancelledDrafts(manager, batch, ids);
    await manager.query(`DELETE FROM mailferry.credentials WHERE owner = ANY($1)`, [cancelled.map(({ id }) => id)]);
  }

  /**
   * Every secret of a batch: its administrator's, and those of its migrations that are over. Inside a transaction.
   * @param keepFailed but for some hours what opens those that failed or lack something, as with a single migration
   */
  async eraseBatch(
    manager: EntityManager,
    batch: { readonly id: string; readonly tenant: string; readonly domain: string },
    who: Actor | null,
    keepFailed: boolean,
  ): Promise<void> {
    const hours = this.options.limits.keepSecretsHours;
    const until = keepFailed && hours > 0 ? inMs(hours * HOUR_MS) : null;
    const kept = `SELECT id FROM mailferry.jobs WHERE batch = $1 AND $2::timestamptz IS NOT NULL
      AND (state = 'failed' OR outcome = 'incomplete')`;
    await manager.query(
      `UPDATE mailferry.credentials SET expires_at = LEAST(expires_at, $2::timestamptz)
       WHERE owner IN (${kept}) OR (owner = $1 AND EXISTS (${kept}))`,
      [batch.id, until],
    );
    const [, erased]: [unknown[], number] = await manager.query(
      `DELETE FROM mailferry.credentials c WHERE (c.owner = $1 AND NOT EXISTS (${kept})) OR c.owner IN
         (SELECT id FROM mailferry.jobs WHERE batch = $1 AND state IN ('completed', 'failed', 'cancelled', 'paused', 'needs-action')
          EXCEPT ${kept})`,
      [batch.id, until],
    );
    if (erased === 0) return;
    await this.audit.record(
      {
        ...(who === null ? { tenant: batch.tenant, sub: SYSTEM } : by(who)),
        action: 'credentials.erased',
        detail: { why: 'batch', batch: batch.id, domain: batch.domain, count: String(erased) },
      },
      manager,
    );
  }
}
