import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager, type QueryDeepPartialEntity } from 'typeorm';
import { jobError } from './admission.js';
import { AuditTrail, by } from './audit.js';
import { notOfBatchLogin } from './batch-rows.js';
import type { Actor, JobPatch } from './contract.js';
import { JobEntity } from './entities.js';
import type { JobState } from './job.js';
import { JobCredentials } from './job-credentials.js';
import { JobGate } from './job-gate.js';
import { hasSource } from './job-view.js';
import { SecretStore } from './secrets.js';
import { type CheckedSettings, checkSettings, invalid, isOfFiles } from './settings.js';
import { mayKeepSecret, sameSource } from './source-change.js';
import { lockJob } from './transition.js';

/** A draft, whole; one that rests, in what does not change whose account it is. */
const PATCHABLE: readonly JobState[] = ['draft', 'waiting', 'paused', 'needs-action', 'completed', 'failed'];

/** Changes what a job is to do, as far as that may still be changed. */
@Injectable()
export class JobSettings {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(JobGate) private readonly gate: JobGate,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(JobCredentials) private readonly credentials: JobCredentials,
  ) {}

  /** @throws JobError INVALID_STATE, VALIDATION, BATCH_LOGIN, and why a server may not be dialled */
  async change(who: Actor, before: JobEntity, patch: JobPatch): Promise<JobEntity> {
    const { id } = before;
    if (!PATCHABLE.includes(before.state)) throw jobError('INVALID_STATE', { state: before.state });
    const settings = keepingFiles(before, checkSettings(patch));
    if (before.state !== 'draft') onlyAtRest(before, settings);
    if (settings.secret !== undefined || changesSource(before, settings)) await notOfBatchLogin(this.db.manager, id);
    checkConfirmation(settings, before.mailbox, false);
    if (settings.source !== undefined) await this.gate.dialable(settings.source, before.mailbox);
    return this.db.transaction(async (manager) => {
      const job = await lockJob(manager, id);
      if (job === null) throw jobError('NOT_FOUND');
      if (job.state !== before.state) throw jobError('INVALID_STATE', { state: job.state });
      if (job.state !== 'draft') await this.record(manager, job, settings, who);
      await this.patchSource(manager, job, settings, who);
      await manager
        .createQueryBuilder()
        .update(JobEntity)
        .set({
          source: (settings.source ?? job.source) as QueryDeepPartialEntity<JobEntity['source']>,
          sourceHash: job.sourceHash,
          items: [...(settings.items ?? job.items)],
          existing: settings.existing ?? job.existing,
          confirmed: confirmedAfter(job, settings),
          filters: settings.filters ?? job.filters,
          options: settings.options ?? job.options,
          form: () => ':form::jsonb',
          version: () => 'version + 1',
          updatedAt: () => 'now()',
        })
        .setParameter('form', JSON.stringify(settings.form ?? job.form))
        .where({ id })
        .execute();
      return manager.findOneByOrFail(JobEntity, { id });
    });
  }

  /** Changes `job.sourceHash`; erases the sealed password where it might now go to somebody else. */
  private async patchSource(
    manager: EntityManager,
    job: JobEntity,
    settings: CheckedSettings,
    who: Actor,
  ): Promise<void> {
    const source = settings.source ?? job.source;
    if (settings.secret !== undefined) job.sourceHash = this.credentials.hash(source, settings.secret);
    else if (settings.source !== undefined && hasSource(job) && changesSource(job, settings)) {
      job.sourceHash = null;
      const typedByHim = await this.secrets.typedBy(manager, [job.id], who.sub);
      if (!mayKeepSecret(job.source, settings.source, typedByHim)) await this.secrets.removeSource(manager, job.id);
    }
    await this.credentials.seal(manager, job, settings, who.sub);
  }

  private async record(manager: EntityManager, job: JobEntity, settings: CheckedSettings, who: Actor): Promise<void> {
    const runs: unknown[] = await manager.query(`SELECT 1 FROM mailferry.runs WHERE job = $1 AND state = 'running'`, [
      job.id,
    ]);
    if (runs.length > 0) throw jobError('INVALID_STATE', { state: job.state });
    const fields = Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : name));
    const detail = { fields: fields.join(' '), ...(settings.source && { host: settings.source.host }) };
    await this.audit.record({ ...by(who), action: 'job.settings', job: job.id, mailbox: job.mailbox, detail }, manager);
  }
}

/** @throws JobError VALIDATION when a replace is confirmed wrongly, or not at all where that is asked for. */
export function checkConfirmation({ existing, confirm }: CheckedSettings, mailbox: string, needed: boolean): void {
  const wrong = confirm === undefined ? needed && existing === 'replace' : confirm.trim().toLowerCase() !== mailbox;
  if (wrong && existing !== 'keep') throw invalid({ confirm: 'must be the address of the mailbox' });
}

/**
 * After the start only the way to the account and what is left out may change. The account is the ledger's: from another
 * server everything would be copied again. @throws JobError VALIDATION, INVALID_STATE
 */
function onlyAtRest(job: JobEntity, settings: CheckedSettings): void {
  const open = ['source', 'filters', 'options'];
  const closed = Object.entries(settings).find(([name, value]) => value !== undefined && !open.includes(name));
  if (closed !== undefined) throw invalid({ [closed[0]]: 'cannot be changed after the start' });
  const { source } = settings;
  if (source === undefined || !hasSource(job)) return;
  const { type, host, username } = job.source;
  if (source.type !== type || source.username.toLowerCase() !== username.toLowerCase())
    throw invalid({ 'source.username': 'cannot be changed after the start' });
  if (source.host !== host.toLowerCase() && job.copied + job.alreadyThere > 0)
    throw invalid({ 'source.host': 'cannot be changed once something was copied' });
}

/** A source of files stays what was uploaded: only Uploads changes that. */
function keepingFiles(job: JobEntity, settings: CheckedSettings): CheckedSettings {
  return isOfFiles(settings.source) && isOfFiles(job.source) ? { ...settings, source: undefined } : settings;
}

function changesSource(job: JobEntity, { source }: CheckedSettings): boolean {
  return source !== undefined && hasSource(job) && !sameSource(job.source, source);
}

function confirmedAfter(job: JobEntity, { existing, confirm }: CheckedSettings): boolean {
  if ((existing ?? job.existing) !== 'replace') return false;
  return confirm !== undefined || (job.confirmed && job.existing === 'replace');
}
