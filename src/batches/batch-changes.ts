import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource, EntityManager } from 'typeorm';
import { Admission, jobError } from '../jobs/admission.js';
import { AuditTrail, by } from '../jobs/audit.js';
import type { Actor } from '../jobs/contract.js';
import { HARD_LIMIT_MS, inMs } from '../jobs/keeping.js';
import { SecretStore } from '../jobs/secrets.js';
import { checkSettings, invalid } from '../jobs/settings.js';
import type { BatchOptions, BatchSource } from './batch.js';
import { isOver, lockBatch, type BatchRecord } from './batch-record.js';
import type { Connection, Schedule } from './contract.js';
import { type CheckedBatch, checkConnection, checkSchedule } from './settings.js';

/** What of a batch may be changed after it was started: when it copies, its administrator's password, the way to its server. */
@Injectable()
export class BatchChanges {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(SecretStore) private readonly secrets: SecretStore,
  ) {}

  async reschedule(who: Actor, id: string, schedule: Schedule): Promise<void> {
    const { atOnce, hours, syncEveryHours } = checkSchedule(schedule);
    await this.db.transaction(async (manager) => {
      const batch = await this.lockOpen(manager, who, id);
      const next: BatchOptions = { ...batch.options, atOnce, hours, syncEveryHours };
      await manager.query(
        `UPDATE mailferry.batches SET options = $2, updated_at = now(),
           next_sync_at = CASE WHEN $3::int IS NULL THEN NULL WHEN pass = 0 THEN NULL
             ELSE LEAST(COALESCE(next_sync_at, 'infinity'), now() + make_interval(hours => $3)) END WHERE id = $1`,
        [id, JSON.stringify(next), syncEveryHours],
      );
      const detail = {
        batch: id,
        domain: batch.domain,
        atOnce: String(atOnce),
        hours: hours === null ? '' : `${hours.from}-${hours.to} ${hours.timeZone}`,
        syncEveryHours: String(syncEveryHours ?? ''),
      };
      await this.audit.record({ ...by(who), action: 'batch.schedule', detail }, manager);
    });
  }

  async setPassword(who: Actor, id: string, password: string): Promise<void> {
    const { secret } = checkSettings({ secret: { password } });
    if (secret === undefined) throw invalid({ password: 'is missing' });
    await this.db.transaction(async (manager) => {
      const batch = await this.lockOpen(manager, who, id);
      if (batch.auth.kind !== 'admin') throw jobError('INVALID_STATE', { state: batch.state });
      await this.replacePassword(manager, who, batch, { secret });
      await manager.query(
        `UPDATE mailferry.batches SET reason = NULL, resumed_at = clock_timestamp(), updated_at = now() WHERE id = $1`,
        [id],
      );
    });
  }

  /** @throws JobError BATCH_BUSY, ENCRYPTION_KEPT, INVALID_STATE, VALIDATION, TARGET_NOT_ALLOWED and what else Admission says */
  async reconnect(who: Actor, id: string, connection: Connection): Promise<void> {
    const { secret } = checkSettings(
      connection.password === undefined ? {} : { secret: { password: connection.password } },
    );
    await this.db.transaction(async (manager) => {
      const batch = await this.lockOpen(manager, who, id);
      if (batch.state === 'draft' || (secret !== undefined && batch.auth.kind !== 'admin'))
        throw jobError('INVALID_STATE', { state: batch.state });
      const source = checkConnection(batch.source, connection);
      if (source.security === 'none' && batch.source.security !== 'none' && secret === undefined)
        throw jobError('ENCRYPTION_KEPT');
      await this.admission.target({ ...source, username: '' });
      await manager.query(
        `UPDATE mailferry.batches SET source = $2, reason = NULL, resumed_at = clock_timestamp(), updated_at = now() WHERE id = $1`,
        [id, JSON.stringify(source)],
      );
      const carried = await carry(manager, batch, source);
      if (secret !== undefined) await this.replacePassword(manager, who, batch, { secret });
      else if (!(await this.secrets.typedBy(manager, [id, ...carried], who.sub)))
        await this.forget(manager, who, batch, carried);
      const { port, security, caFingerprint } = source;
      const detail = {
        batch: id,
        domain: batch.domain,
        port: String(port),
        security,
        certificate: caFingerprint ?? '',
      };
      await this.audit.record({ ...by(who), action: 'batch.settings', detail }, manager);
    });
  }

  /** The administrator's password, sealed with the batch instead of an earlier one. */
  async sealAdmin(
    manager: EntityManager,
    { tenant, sub }: Actor,
    id: string,
    { secret }: Pick<CheckedBatch, 'secret'>,
  ): Promise<void> {
    const at = { tenant, owner: id, typedBy: sub };
    if (secret !== undefined) await this.secrets.putSource(manager, at, secret, inMs(HARD_LIMIT_MS));
  }

  private async replacePassword(
    manager: EntityManager,
    who: Actor,
    { id, domain }: BatchRecord,
    secret: Pick<CheckedBatch, 'secret'>,
  ): Promise<void> {
    await this.sealAdmin(manager, who, id, secret);
    await this.audit.record({ ...by(who), action: 'credentials.set', detail: { batch: id, domain } }, manager);
  }

  /** Passwords that others typed for another port or certificate go nowhere else. */
  private async forget(
    manager: EntityManager,
    who: Actor,
    { id, domain }: BatchRecord,
    jobs: readonly string[],
  ): Promise<void> {
    const [, erased]: [unknown[], number] = await manager.query(
      `DELETE FROM mailferry.credentials WHERE owner = ANY($1) AND field IN ('source-password', 'source-token')`,
      [[id, ...jobs]],
    );
    if (erased === 0) return;
    const detail = { why: 'settings', batch: id, domain, count: String(erased) };
    await this.audit.record({ ...by(who), action: 'credentials.erased', detail }, manager);
  }

  private async lockOpen(manager: EntityManager, who: Actor, id: string): Promise<BatchRecord> {
    const batch = await lockBatch(manager, who.visibility, id);
    if (isOver(batch)) throw jobError('INVALID_STATE', { state: batch.state });
    return batch;
  }
}

/**
 * Gives the rows' migrations the batch's new source, as far as theirs is what the batch made of it. They are locked by that,
 * so that none can begin meanwhile. @returns their ids @throws JobError BATCH_BUSY
 */
async function carry(manager: EntityManager, batch: BatchRecord, source: BatchSource): Promise<string[]> {
  const [rows]: [{ id: string; state: string }[], number] = await manager.query(
    `UPDATE mailferry.jobs j SET source = $3::jsonb || jsonb_build_object('username', r.source_username), source_hash = NULL,
       version = j.version + 1, updated_at = now()
     FROM mailferry.batch_rows r WHERE r.batch = $1 AND r.job = j.id AND j.state <> 'cancelled'
       AND j.source = $2::jsonb || jsonb_build_object('username', r.source_username) RETURNING j.id, j.state`,
    [batch.id, JSON.stringify(batch.source), JSON.stringify(source)],
  );
  if (rows.some(({ state }) => ['queued', 'running', 'waiting', 'cancelling'].includes(state)))
    throw jobError('BATCH_BUSY');
  return rows.map(({ id }) => id);
}
