import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { type EntityManager } from 'typeorm';
import { Admission, jobError } from '../jobs/admission.js';
import { AuditTrail, by } from '../jobs/audit.js';
import { JobError, type Actor, type Visibility } from '../jobs/contract.js';
import { wordsFor } from '../jobs/messages.js';
import { SecretStore } from '../jobs/secrets.js';
import type { HostPanel } from '../panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import type { BatchAction, BatchSummary, BatchView, RefusedRow, RowView } from './batch.js';
import { BatchActions } from './batch-actions.js';
import { BatchChanges } from './batch-changes.js';
import { BatchInvites } from './batch-invites.js';
import { BatchReader } from './batch-reader.js';
import { findBatch, lockBatch, mayUse, type BatchRecord } from './batch-record.js';
import type {
  ActOptions,
  BatchesApi,
  BatchRows,
  BatchSettings,
  Connection,
  Filled,
  InvitationLink,
  NewBatch,
  RowsQuery,
  Schedule,
} from './contract.js';
import { MAX_ROWS, readCsv, type GivenRow } from './csv-rows.js';
import { listDomain } from './known-mailboxes.js';
import { RowChecks } from './row-checks.js';
import { clearRows, RowWriter } from './row-writer.js';
import { type CheckedBatch, checkBatch } from './settings.js';

const MAX_NAME = 120;

/** A domain's migrations, set up and steered together. What is wanted is written down; BatchRunner does it. */
@Injectable()
export class BatchesService implements BatchesApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly plugin: ResolvedOptions,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(SecretStore) private readonly secrets: SecretStore,
    @Inject(BatchActions) private readonly actions: BatchActions,
    @Inject(BatchChanges) private readonly changes: BatchChanges,
    @Inject(BatchInvites) private readonly invites: BatchInvites,
    @Inject(BatchReader) private readonly reader: BatchReader,
    @Inject(RowChecks) private readonly checks: RowChecks,
    @Inject(RowWriter) private readonly writer: RowWriter,
  ) {}

  async create(who: Actor, batch: NewBatch): Promise<BatchView> {
    const domain = batch.domain.trim().toLowerCase().replace(/\.$/, '');
    if (!mayUse(who.visibility, domain)) throw jobError('FORBIDDEN');
    const settings = await this.checked(batch);
    const id = await this.db.transaction(async (manager) => {
      const [made]: { id: string }[] = await manager.query(
        `INSERT INTO mailferry.batches (tenant, domain, name, owner, principal, source, auth, options)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
        [
          who.tenant,
          domain,
          nameOf(batch.name),
          who.sub,
          JSON.stringify(who.principal ?? {}),
          JSON.stringify(settings.source),
          JSON.stringify(settings.auth),
          JSON.stringify(settings.options),
        ],
      );
      await this.changes.sealAdmin(manager, who, made!.id, settings);
      await this.audit.record({ ...by(who), action: 'batch.create', detail: { batch: made!.id, domain } }, manager);
      return made!.id;
    });
    return this.mustGet(who.visibility, id);
  }

  async change(who: Actor, id: string, batch: BatchSettings & { readonly name?: string }): Promise<BatchView> {
    const settings = await this.checked(batch);
    await this.db.transaction(async (manager) => {
      await this.lockDraft(manager, who.visibility, id);
      await clearRows(manager, id);
      await manager.query(
        `UPDATE mailferry.batches SET name = $2, source = $3, auth = $4, options = $5, reason = NULL, testing = false,
           updated_at = now() WHERE id = $1`,
        [
          id,
          nameOf(batch.name),
          JSON.stringify(settings.source),
          JSON.stringify(settings.auth),
          JSON.stringify(settings.options),
        ],
      );
      await this.secrets.erase(manager, id);
      await this.changes.sealAdmin(manager, who, id, settings);
    });
    return this.mustGet(who.visibility, id);
  }

  async fill(who: Actor, id: string, rows: BatchRows): Promise<Filled> {
    const batch = await this.find(who.visibility, id);
    if (batch.state !== 'draft') throw jobError('INVALID_STATE', { state: batch.state });
    const given = await this.given(who, batch, rows);
    const checked = await this.checks.check(who, batch, given.rows);
    const refused = [...given.refused, ...checked.refused].sort((a, b) => a.row - b.row);
    await this.db.transaction(async (manager) => {
      const now = await this.lockDraft(manager, who.visibility, id);
      await clearRows(manager, id);
      await this.writer.write(manager, now, given.rows, checked.accepted, refused, who.sub);
      await manager.query(
        `UPDATE mailferry.batches SET testing = false, reason = NULL, updated_at = now() WHERE id = $1`,
        [id],
      );
    });
    return { batch: await this.mustGet(who.visibility, id), refused, notChecked: checked.notChecked };
  }

  list(visibility: Visibility, domain: string): Promise<BatchSummary[]> {
    return this.reader.list(visibility, domain);
  }
  get(visibility: Visibility, id: string): Promise<BatchView | null> {
    return this.reader.get(visibility, id);
  }
  rows(visibility: Visibility, id: string, query: RowsQuery): Promise<{ rows: RowView[]; total: number } | null> {
    return this.reader.rows(visibility, id, query);
  }
  worst(visibility: Visibility, id: string): Promise<RowView[] | null> {
    return this.reader.worst(visibility, id);
  }

  async act(who: Actor, id: string, action: BatchAction, options: ActOptions = {}): Promise<BatchView> {
    await this.actions.act(who, id, action, options);
    return this.mustGet(who.visibility, id);
  }

  async reschedule(who: Actor, id: string, schedule: Schedule): Promise<BatchView> {
    await this.changes.reschedule(who, id, schedule);
    return this.mustGet(who.visibility, id);
  }
  async setPassword(who: Actor, id: string, password: string): Promise<BatchView> {
    await this.changes.setPassword(who, id, password);
    return this.mustGet(who.visibility, id);
  }
  async reconnect(who: Actor, id: string, connection: Connection): Promise<BatchView> {
    await this.changes.reconnect(who, id, connection);
    return this.mustGet(who.visibility, id);
  }
  invite(who: Actor, id: string, options: { readonly days: number; readonly send: boolean }): Promise<number> {
    return this.invites.invite(who, id, options);
  }
  links(who: Actor, id: string): Promise<InvitationLink[]> {
    return this.invites.links(who, id);
  }

  async discard(who: Actor, id: string): Promise<void> {
    await this.db.transaction(async (manager) => {
      const batch = await this.lockDraft(manager, who.visibility, id);
      await clearRows(manager, id);
      await this.secrets.erase(manager, id);
      await manager.query(`DELETE FROM mailferry.batches WHERE id = $1`, [id]);
      await this.audit.record(
        { ...by(who), action: 'batch.discard', detail: { batch: id, domain: batch.domain } },
        manager,
      );
    });
  }

  /** Settings that may be used: their form, and whether the server may be dialled. */
  private async checked(batch: BatchSettings): Promise<CheckedBatch> {
    const settings = checkBatch(batch);
    // An administrator opens the old accounts; who opens the new ones where the panel does not?
    if (this.plugin.destinationNeedsSecret && settings.auth.kind !== 'ask-user')
      throw new JobError('ASK_USER_ONLY', wordsFor('ASK_USER_ONLY').message);
    await this.admission.target({ ...settings.source, username: '' });
    return settings;
  }

  private async given(
    who: Actor,
    batch: BatchRecord,
    rows: BatchRows,
  ): Promise<{ rows: readonly GivenRow[]; refused: RefusedRow[] }> {
    if ('csv' in rows)
      return readCsv(rows.csv, batch.auth.kind === 'per-row' ? ['mailbox', 'source_password'] : ['mailbox']);
    if ('rows' in rows) {
      if (rows.rows.length > MAX_ROWS) throw tooMany();
      return { rows: rows.rows, refused: [] };
    }
    if (who.principal === undefined) throw jobError('FORBIDDEN');
    const addresses =
      rows.panel === 'all'
        ? (await listDomain(this.panel, who.principal, batch.domain, MAX_ROWS + 1)).addresses
        : rows.panel;
    if (addresses.length > MAX_ROWS) throw tooMany();
    return {
      rows: addresses.map((mailbox, i) => ({ row: i + 1, mailbox, username: '', password: '' })),
      refused: [],
    };
  }

  private async lockDraft(manager: EntityManager, sees: Visibility, id: string): Promise<BatchRecord> {
    const batch = await lockBatch(manager, sees, id);
    if (batch.state !== 'draft') throw jobError('INVALID_STATE', { state: batch.state });
    return batch;
  }

  private async find(sees: Visibility, id: string): Promise<BatchRecord> {
    const batch = await findBatch(this.db, sees, id);
    if (batch === null) throw jobError('NOT_FOUND');
    return batch;
  }

  private async mustGet(sees: Visibility, id: string): Promise<BatchView> {
    const view = await this.reader.get(sees, id);
    if (view === null) throw jobError('NOT_FOUND');
    return view;
  }
}

function tooMany(): JobError {
  const row = MAX_ROWS + 1;
  return new JobError('CSV_TOO_MANY_ROWS', `Row ${row}: ${wordsFor('CSV_TOO_MANY_ROWS').message}`, { row });
}

function nameOf(name = ''): string {
  return name
    .replace(/[\u0000-\u001f\u007f]|\p{Surrogate}/gu, ' ')
    .trim()
    .slice(0, MAX_NAME);
}
