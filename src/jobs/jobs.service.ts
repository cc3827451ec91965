import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager, type QueryDeepPartialEntity } from 'typeorm';
import { Admission, jobError } from './admission.js';
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
import type { JobAction, JobView } from './job.js';
import { keepNumbers, notOfOpenBatch } from './batch-rows.js';
import { JobChanges } from './job-changes.js';
import { JobCredentials } from './job-credentials.js';
import { JobGate } from './job-gate.js';
import { checkConfirmation, JobSettings } from './job-settings.js';
import { countByState, findJobs, idsFor, MAX_PER_PAGE, sparesComplete } from './job-list.js';
import { isFinal, next } from './job-state.js';
import { isUuid, JobReader } from './job-view.js';
import { SecretStore } from './secrets.js';
import { checkAddress, checkSettings, invalid } from './settings.js';
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
@Injectable()
export class JobsService implements JobsApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(JobGate) private readonly gate: JobGate,
    @Inject(JobSettings) private readonly settings: JobSettings,
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
    checkConfirmation(settings, address, job.form === undefined);
    if (settings.source !== undefined) await this.gate.dialable(settings.source, address);

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
      await this.gate.admit(who, draft, {
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
        who.sub,
      );
      await this.audit.record({ ...by(who), action: 'job.create', job: id, mailbox: address }, manager);
      return job.start ? this.changes.apply(change, id, 'start', who) : manager.findOneByOrFail(JobEntity, { id });
    });
    // Somebody sent the same key at the same moment.
    if (made === null) return { job: (await this.replay(who, key!))!, replayed: true };
    return { job: await this.reader.view(made), replayed: false };
  }

  async patch(who: Actor, id: string, patch: JobPatch): Promise<JobView> {
    return this.reader.view(await this.settings.change(who, await this.visible(who.visibility, id), patch));
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
      passedAt: held.source ? ((await this.gate.passed(job))?.toISOString() ?? null) : null,
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

  /** @param first what else happens, or must hold, in the same transaction; when it throws, nothing happens. */
  async act(
    who: Actor,
    id: string,
    action: JobAction,
    first: (manager: EntityManager) => Promise<void> = async () => undefined,
  ): Promise<JobView> {
    const job = await this.visible(who.visibility, id);
    if (next(job.state, action) === null) throw jobError('INVALID_STATE', { state: job.state, action });
    if (DIALS.includes(action)) await this.gate.admit(who, job, await this.secrets.held(id));
    const after = await this.changes.transact(async (change) => {
      await first(change.manager);
      return this.changes.apply(change, id, action, who);
    });
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

function idempotencyKey(key: string | undefined): string | null {
  if (key === undefined || key === '') return null;
  if (key.length > MAX_IDEMPOTENCY_KEY) throw invalid({ 'Idempotency-Key': 'is too long' });
  return key;
}
