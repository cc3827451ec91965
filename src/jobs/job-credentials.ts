import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { notOfBatchLogin } from './batch-rows.js';
import { jobError } from './admission.js';
import { AuditTrail, by } from './audit.js';
import type { Actor, SourceSecret } from './contract.js';
import { JobEntity } from './entities.js';
import type { JobState, SourceSettings } from './job.js';
import { isFinal } from './job-state.js';
import { DRAFT_MS, HARD_LIMIT_MS, HOUR_MS, inMs } from './keeping.js';
import { SecretStore } from './secrets.js';
import { type CheckedSettings, isOfFiles } from './settings.js';
import { sourceHash } from './source-hash.js';
import { KEYRING } from './tokens.js';
import { lockJob } from './transition.js';

/** While a run holds the old account open another password would be of no use to it. */
export const TAKES_CREDENTIALS: readonly JobState[] = [
  'draft',
  'waiting',
  'paused',
  'needs-action',
  'completed',
  'failed',
];

/** The passwords of one job: sealed with it, and for how long. */
@Injectable()
export class JobCredentials {
  constructor(
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(KEYRING) private readonly keyring: Keyring,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** A person types them again, whoever he is: the caller knows that he may. @throws JobError NOT_FOUND, INVALID_STATE, BATCH_LOGIN */
  async set(manager: EntityManager, who: Actor, id: string, settings: CheckedSettings): Promise<JobEntity> {
    const job = await lockJob(manager, id);
    if (job === null) throw jobError('NOT_FOUND');
    if (!TAKES_CREDENTIALS.includes(job.state)) throw jobError('INVALID_STATE', { state: job.state });
    if (isOfFiles(job.source) && settings.secret !== undefined) throw jobError('FILES_GONE', { side: 'source' });
    if (settings.secret !== undefined) await notOfBatchLogin(manager, id);
    await this.seal(manager, job, settings, who.sub);
    await this.audit.record({ ...by(who), action: 'credentials.set', job: id, mailbox: job.mailbox }, manager);
    const hash = settings.secret === undefined ? job.sourceHash : this.hash(job.source, settings.secret);
    await manager.query(
      `UPDATE mailferry.jobs SET source_hash = $2, version = version + 1, updated_at = now() WHERE id = $1`,
      [id, hash],
    );
    return manager.findOneByOrFail(JobEntity, { id });
  }

  /** What is given replaces what was sealed of its side; what is not stays. */
  async seal(
    manager: EntityManager,
    job: Pick<JobEntity, 'tenant' | 'id' | 'state' | 'batch' | 'options'>,
    { secret, destination }: CheckedSettings,
    typedBy: string,
  ): Promise<void> {
    const at = { tenant: job.tenant, owner: job.id, typedBy };
    const hours = this.options.limits.keepSecretsHours;
    // A draft of a batch waits for its admin, and its password with it.
    const forgotten = job.state === 'draft' && job.batch === null;
    const over = isFinal(job.state) && job.options.keepForSync !== true;
    const keep = forgotten ? DRAFT_MS : over ? hours * HOUR_MS : HARD_LIMIT_MS;
    if (secret !== undefined) await this.secrets.putSource(manager, at, secret, inMs(keep));
    if (destination !== undefined) await this.secrets.putDestination(manager, at, destination, inMs(keep));
  }

  /** What a passed test is remembered by. Null: not all of it is known. */
  hash(source: JobEntity['source'] | undefined, secret: SourceSecret | undefined): string | null {
    if (source === undefined || !('host' in source) || secret === undefined) return null;
    return sourceHash(this.keyring, source as SourceSettings, secret);
  }
}
