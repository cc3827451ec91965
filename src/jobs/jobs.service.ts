import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager, type QueryDeepPartialEntity } from 'typeorm';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { Admission, jobError } from './admission.js';
import { accountSubject, Attempts } from './attempts.js';
import { AuditTrail, by } from './audit.js';
import {
  JobError,
  type Actor,
  type BulkPreview,
  type BulkTarget,
  type DestinationSecret,
  type Draft,
  type JobPage,
  type JobPatch,
  type JobQuery,
  type JobsApi,
  type NewJob,
  type SourceSecret,
  type Visibility,
} from './contract.js';
import { JobEntity, JobLogEntity } from './entities.js';
import type { JobAction, JobState, JobView, SourceSettings } from './job.js';
import { keepNumbers, notOfBatchLogin, notOfOpenBatch } from './batch-rows.js';
import { JobChanges } from './job-changes.js';
import { JobCredentials } from './job-credentials.js';
import { countByState, findJobs, idsFor, MAX_PER_PAGE, sparesComplete } from './job-list.js';
import { isFinal, next } from './job-state.js';
import { hasSource, isUuid, JobReader } from './job-view.js';
import { SecretStore } from './secrets.js';
import { type CheckedSettings, checkAddress, checkSettings, invalid } from './settings.js';
import { mayKeepSecret, sameSource } from './source-change.js';
import { TEST_VALID_MS } from './source-hash.js';
import { lockJob } from './transition.js';
import { isVisible } from './visibility.js';

/** Jobs one bulk action may touch. */
const MAX_BULK = 1_000;
/** Addresses that a preview names. */
const SAMPLE = 20;
/** Lines of a job's log that are shown. */
const LOG_LINES = 500;
const MAX_IDEMPOTENCY_KEY = 200;
/** Actions after which somebody's mailbox is dialled again. */
const DIALS: readonly JobAction[] = ['start', 'resume', 'retry', 'sync'];
/** A draft, whole; one that rests, in what does not change whose account it is. */
const PATCHABLE: readonly JobState[] = ['draft', 'waiting', 'paused', 'needs-action', 'completed', 'failed'];

@Injectable()
export class JobsService implements JobsApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(Attempts) private readonly attempts: Attempts,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(JobCredentials) private readonly credentials: JobCredentials,
    @Inject(JobChanges) private readonly changes: JobChanges,
    @Inject(JobReader) private readonly reader: JobReader,
  ) {}

  async create(who: Actor, job: NewJob): Promise<{ job: JobView; replayed: boolean }> {
    const key = idempotencyKey(job.idempotencyKey);
    const earlier = key === null ? null : await this.replay(who, key);
    if (earlier !== null) return { job: earlier, replayed: true };

    const address = checkAddress(job.mailbox);
    const settings = checkSettings(job);
    const mailbox = await this.admission.mailbox({ tenantId: who.tenant, address });
    if (!isVisible(who.visibility, { tenant: who.tenant, mailbox: address, domain: mailbox.domain }))
      throw jobError('FORBIDDEN');
    this.confirmation(settings, address, job.form === undefined);
    if (settings.source !== undefined) await this.dialable(settings.source, address);

    const draft = this.db.manager.create(JobEntity, {
      tenant: who.tenant,
      domain: mailbox.domain,
      mailbox: address,
      owner: who.sub,
      state: 'draft',
      source: settings.source ?? {},
      sourceHash: this.credentials.hash(settings.source, settings.secret),
      items: [...(settings.items ?? ['mail'])],
      existing: settings.existing ?? 'keep',
      confirmed: settings.existing === 'replace' && settings.confirm !== undefined,
      filters: settings.filters ?? {},
      options: settings.options ?? {},
      form: { ...settings.form },
      idempotencyKey: key,
    });
    if (job.start)
      await this.admit(who, draft, {
        source: settings.secret !== undefined,
        destination: settings.destination !== undefined,
      });

    const made = await this.changes.transact(async (change) => {
      const { manager } = change;
      const inserted = await manager
        .createQueryBuilder()
        .insert()
        .into(JobEntity)
        .values(draft as QueryDeepPartialEntity<JobEntity>)
        .orIgnore()
        .returning('id')
        .execute();
      const id = (inserted.raw as { id: string }[])[0]?.id;
      if (id === undefined) return null;
      await this.credentials.seal(
        manager,
        { tenant: who.tenant, id, state: 'draft', batch: null, options: {} },
        settings,
      );
      await this.audit.record({ ...by(who), action: 'job.create', job: id, mailbox: address }, manager);
      return job.start ? this.changes.apply(change, id, 'start', who) : manager.findOneByOrFail(JobEntity, { id });
    });
    // Somebody sent the same key at the same moment.
    if (made === null) return { job: (await this.replay(who, key!))!, replayed: true };
    return { job: await this.reader.view(made), replayed: false };
  }

  async patch(who: Actor, id: string, patch: JobPatch): Promise<JobView> {
    const before = await this.visible(who.visibility, id);
    if (!PATCHABLE.includes(before.state)) throw jobError('INVALID_STATE', { state: before.state });
    const settings = checkSettings(patch);
    if (before.state !== 'draft') onlyAtRest(before, settings);
    if (settings.secret !== undefined || changesSource(before, settings)) await notOfBatchLogin(this.db.manager, id);
    this.confirmation(settings, before.mailbox, false);
    if (settings.source !== undefined) await this.dialable(settings.source, before.mailbox);
    const after = await this.changes.transact(async ({ manager }) => {
      const job = await lockJob(manager, id);
      if (job === null) throw jobError('NOT_FOUND');
      if (job.state !== before.state) throw jobError('INVALID_STATE', { state: job.state });
      if (job.state !== 'draft') await this.recordPatch(manager, job, settings, who);
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
    return this.reader.view(after);
  }

  async draft(who: Actor, id: string): Promise<Draft | null> {
    const job = await this.find(who.visibility, id);
    if (job === null || job.state !== 'draft') return null;
    const held = await this.secrets.held(id);
    const known = job.sourceHash !== null && job.testedHash === job.sourceHash && held.source;
    return {
      job: await this.reader.view(job),
      form: job.form,
      hasSecret: held.source,
      hasDestinationSecret: held.destination,
      test: known && job.testResult !== null ? { ...job.testResult, state: 'done' } : null,
      passedAt: held.source ? ((await this.passed(job))?.toISOString() ?? null) : null,
    };
  }

  get(visibility: Visibility, id: string): Promise<JobView | null> {
    return this.reader.get(visibility, id);
  }

  async list(visibility: Visibility, query: JobQuery): Promise<JobPage> {
    const perPage = Math.min(Math.max(1, Math.trunc(query.perPage)), MAX_PER_PAGE);
    const page = Math.min(Math.max(1, Math.trunc(query.page)), 1_000_000);
    const { ids, ...found } = await findJobs(this.db, visibility, { ...query, page, perPage });
    return { jobs: await this.reader.bare(ids), page, perPage, ...found };
  }

  async act(who: Actor, id: string, action: JobAction): Promise<JobView> {
    const job = await this.visible(who.visibility, id);
    if (next(job.state, action) === null) throw jobError('INVALID_STATE', { state: job.state, action });
    if (DIALS.includes(action)) await this.admit(who, job, await this.secrets.held(id));
    const after = await this.changes.transact((change) => this.changes.apply(change, id, action, who));
    return this.reader.view(after);
  }

  async bulk(who: Actor, action: JobAction, target: BulkTarget): ReturnType<JobsApi['bulk']> {
    const asked = 'ids' in target ? { ids: [...new Set(target.ids)] } : target;
    if ('ids' in asked && asked.ids.length > MAX_BULK) throw invalid({ ids: `are more than ${MAX_BULK}` });
    const ids =
      'ids' in asked ? asked.ids : (await idsFor(this.db, who.visibility, asked, action, MAX_BULK)).map(({ id }) => id);
    await this.audit.demand({ ...by(who), action: `job.bulk.${action}`, detail: { count: String(ids.length) } });
    const done: string[] = [];
    const refused: { id: string; code: string; message: string }[] = [];
    for (const id of ids) {
      try {
        await this.act(who, id, action);
        done.push(id);
      } catch (error) {
        if (!(error instanceof JobError)) throw error;
        refused.push({ id, code: error.code, message: error.message });
      }
    }
    return { done, refused };
  }

  async preview(visibility: Visibility, action: JobAction, target: BulkTarget): Promise<BulkPreview> {
    const [counts, first] = await Promise.all([
      countByState(this.db, visibility, target),
      idsFor(this.db, visibility, target, action, SAMPLE),
    ]);
    const spares = sparesComplete(action, target);
    const isTouched = ({ state, complete }: (typeof counts)[number]): boolean =>
      next(state, action) !== null && !(spares && complete);
    return {
      touched: counts.filter(isTouched).reduce((sum, { count }) => sum + count, 0),
      sample: first.map(({ mailbox }) => mailbox),
      left: counts.filter((found) => !isTouched(found)).map(({ state, count }) => ({ state, count })),
      limit: MAX_BULK,
    };
  }

  async setCredentials(
    who: Actor,
    id: string,
    secret: SourceSecret,
    destination?: DestinationSecret,
  ): Promise<JobView> {
    await this.visible(who.visibility, id);
    const settings = checkSettings({ secret, ...(destination === undefined ? {} : { destination }) });
    if (settings.secret === undefined && settings.destination === undefined)
      throw invalid({ 'secret.password': 'is missing' });
    const after = await this.db.transaction((manager) => this.credentials.set(manager, who, id, settings));
    return this.reader.view(after);
  }

  async erase(who: Actor, id: string): Promise<void> {
    const job = await this.visible(who.visibility, id);
    if (!isFinal(job.state)) throw jobError('INVALID_STATE', { state: job.state });
    await notOfOpenBatch(this.db.manager, id);
    await this.audit.demand({ ...by(who), action: 'job.erase', job: id, mailbox: job.mailbox });
    await this.changes.transact(async ({ manager }) => {
      const row = await lockJob(manager, id);
      if (row === null) throw jobError('NOT_FOUND');
      if (!isFinal(row.state)) throw jobError('INVALID_STATE', { state: row.state });
      await notOfOpenBatch(manager, id);
      await this.changes.eraseSecrets(manager, row, 'erased', who);
      await keepNumbers(manager, id);
      await manager.delete(JobEntity, { id });
    });
  }

  async log(visibility: Visibility, id: string): ReturnType<JobsApi['log']> {
    if ((await this.find(visibility, id)) === null) return null;
    const lines = await this.db.manager.find(JobLogEntity, {
      where: { job: id },
      order: { id: 'DESC' },
      take: LOG_LINES,
    });
    return lines.reverse().map(({ at, level, message, detail }) => ({
      at: at.toISOString(),
      level,
      message,
      ...(detail === null ? {} : { detail }),
    }));
  }

  /** Everything that must hold before a run, asked anew. @throws JobError */
  private async admit(who: Actor, job: JobEntity, held: { source: boolean; destination: boolean }): Promise<void> {
    if (!hasSource(job)) throw invalid({ source: 'is missing' });
    const { source, mailbox } = job;
    const replace = job.existing === 'replace';
    if (replace && !job.confirmed) throw invalid({ confirm: 'must be the address of the mailbox' });
    const ref = { tenantId: job.tenant, address: mailbox };
    const { domain } = await this.admission.mailbox(ref);
    await this.admission.may(who, ref, domain, replace);
    await this.dialable(source, mailbox);
    if (!held.source) throw jobError('CREDENTIALS_REQUIRED', { side: 'source' });
    if (this.options.destinationNeedsSecret && !held.destination)
      throw jobError('CREDENTIALS_REQUIRED', { side: 'destination' });
    if (await this.attempts.isLocked(accountSubject(source))) throw jobError('RATE_LIMITED');
    // A start without a test is one; those who start whole domains are held by the limits on accounts alone.
    const alone = !who.visibility.all && who.visibility.domains.length === 0;
    if (alone && (await this.passed(job)) === null && !(await this.attempts.takeTest(who.tenant, who.sub, source.host)))
      throw jobError('RATE_LIMITED');
    if (replace)
      await this.audit.demand({ ...by(who), action: 'job.replace', mailbox, ...(job.id ? { job: job.id } : {}) });
  }

  private async dialable(source: SourceSettings, mailbox: string): Promise<void> {
    this.admission.notItself(source, mailbox);
    await this.admission.target(source);
  }

  /** When a test of exactly these settings passed, if that is worth something still. */
  private async passed({ tenant, sourceHash: hash }: JobEntity): Promise<Date | null> {
    if (hash === null) return null;
    const [row] = await this.db.query<{ at: Date }[]>(
      `SELECT at FROM mailferry.passed_tests WHERE tenant = $1 AND source_hash = $2 AND at > $3`,
      [tenant, hash, new Date(Date.now() - TEST_VALID_MS)],
    );
    return row?.at ?? null;
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
      if (!mayKeepSecret(job.source, settings.source, who.sub === job.owner))
        await this.secrets.remove(manager, job.id, ['source-password', 'source-token']);
    }
    await this.credentials.seal(manager, job, settings);
  }

  private async recordPatch(
    manager: EntityManager,
    job: JobEntity,
    settings: CheckedSettings,
    who: Actor,
  ): Promise<void> {
    const runs: unknown[] = await manager.query(`SELECT 1 FROM mailferry.runs WHERE job = $1 AND state = 'running'`, [
      job.id,
    ]);
    if (runs.length > 0) throw jobError('INVALID_STATE', { state: job.state });
    const fields = Object.entries(settings).flatMap(([name, value]) => (value === undefined ? [] : name));
    const detail = { fields: fields.join(' '), ...(settings.source && { host: settings.source.host }) };
    await this.audit.record({ ...by(who), action: 'job.settings', job: job.id, mailbox: job.mailbox, detail }, manager);
  }

  /** @throws JobError VALIDATION when a replace is confirmed wrongly, or not at all where that is asked for. */
  private confirmation({ existing, confirm }: CheckedSettings, mailbox: string, needed: boolean): void {
    const wrong = confirm === undefined ? needed && existing === 'replace' : confirm.trim().toLowerCase() !== mailbox;
    if (wrong && existing !== 'keep') throw invalid({ confirm: 'must be the address of the mailbox' });
  }

  private async replay(who: Actor, key: string): Promise<JobView | null> {
    const job = await this.db.manager.findOneBy(JobEntity, {
      tenant: who.tenant,
      owner: who.sub,
      idempotencyKey: key,
    });
    return job === null || !isVisible(who.visibility, job) ? null : this.reader.view(job);
  }

  private async find(visibility: Visibility, id: string): Promise<JobEntity | null> {
    if (!isUuid(id)) return null;
    const job = await this.db.manager.findOneBy(JobEntity, { id, tenant: visibility.tenant });
    return job === null || !isVisible(visibility, job) ? null : job;
  }

  private async visible(visibility: Visibility, id: string): Promise<JobEntity> {
    const job = await this.find(visibility, id);
    if (job === null) throw jobError('NOT_FOUND');
    return job;
  }
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

function changesSource(job: JobEntity, { source }: CheckedSettings): boolean {
  return source !== undefined && hasSource(job) && !sameSource(job.source, source);
}

function confirmedAfter(job: JobEntity, { existing, confirm }: CheckedSettings): boolean {
  if ((existing ?? job.existing) !== 'replace') return false;
  return confirm !== undefined || (job.confirmed && job.existing === 'replace');
}

function idempotencyKey(key: string | undefined): string | null {
  if (key === undefined || key === '') return null;
  if (key.length > MAX_IDEMPOTENCY_KEY) throw invalid({ 'Idempotency-Key': 'is too long' });
  return key;
}
