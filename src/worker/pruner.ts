import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { removeOldDrafts } from '../batches/old-drafts.js';
import { AuditTrail, SYSTEM } from '../jobs/audit.js';
import { DRAFT_MS } from '../jobs/keeping.js';
import { TEST_VALID_MS } from '../jobs/source-hash.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { SecretOpener } from './secret-opener.js';

const BATCH = 500;
/** A worker that has been silent for a day is of no interest any more (h). */
const WORKER_HOURS = 24;
/** No upload takes longer (h). */
const UPLOAD_HOURS = 1;
/** Volumes count for a day (h). */
const VOLUME_HOURS = 48;
/** What was sent, or could not be sent, and links that nobody used are kept so long (d). */
const NOTICE_DAYS = 14;

/** Removes what is past its time. Each step stands alone: one that fails does not keep the others from their work. */
@Injectable()
export class Pruner {
  private readonly logger = new Logger('mailferry:pruner');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(SecretOpener) private readonly opener: SecretOpener,
  ) {}

  async prune(): Promise<void> {
    await this.step('expired secrets', () => this.secrets());
    await this.step('old drafts', () => this.drafts());
    await this.step('batches that were never started', () => this.draftBatches());
    await this.step('tests', () => this.run(`DELETE FROM mailferry.connection_tests WHERE expires_at < now()`));
    await this.step('passed tests', () =>
      this.run(`DELETE FROM mailferry.passed_tests WHERE at < now() - make_interval(secs => $1)`, [
        TEST_VALID_MS / 1000,
      ]),
    );
    await this.step('attempts', () =>
      this.run(`DELETE FROM mailferry.attempts WHERE at < now() - make_interval(mins => $1)`, [
        Math.max(this.options.limits.lockMinutes, 1) + 1,
      ]),
    );
    await this.step('sessions', () => this.run(`DELETE FROM mailferry.sessions WHERE expires_at < now()`));
    await this.step('tokens', () => this.run(`DELETE FROM mailferry.used_tokens WHERE expires_at < now()`));
    await this.step('workers', () =>
      this.run(`DELETE FROM mailferry.workers WHERE beat_at < now() - make_interval(hours => $1)`, [WORKER_HOURS]),
    );
    await this.step('slots', () => this.run(`DELETE FROM mailferry.source_slots WHERE until < clock_timestamp()`));
    await this.step('turns', () => this.run(`DELETE FROM mailferry.turns WHERE at < now() - interval '7 days'`));
    await this.step('volumes', () =>
      this.run(`DELETE FROM mailferry.read_volume WHERE hour < now() - make_interval(hours => $1)`, [VOLUME_HOURS]),
    );
    await this.step('notices', () =>
      this.run(`DELETE FROM mailferry.outbox WHERE created_at < now() - make_interval(days => $1)`, [NOTICE_DAYS]),
    );
    await this.step('links', () =>
      // One that was used stays with its job: the admin of a batch sees by it who has given his password.
      this.run(
        `DELETE FROM mailferry.password_links WHERE used_at IS NULL AND expires_at < now() - make_interval(days => $1)`,
        [NOTICE_DAYS],
      ),
    );
    await this.step('uploads that broke off', () =>
      this.run(
        `DELETE FROM mailferry.uploaded_files WHERE credential IS NULL AND created_at < now() - make_interval(hours => $1)`,
        [UPLOAD_HOURS],
      ),
    );
    await this.step('old master keys', () => this.opener.rewrapAll());
  }

  /** With a line in the audit trail for each job or batch; those of a test go without. */
  private async secrets(): Promise<void> {
    await this.db.transaction(async (manager) => {
      const [gone] = await manager.query<[{ owner: string; tenant: string; mailbox: string | null }[], number]>(
        `DELETE FROM mailferry.credentials c USING (
           SELECT c.id, COALESCE(j.mailbox, b.domain) AS mailbox FROM mailferry.credentials c
             LEFT JOIN mailferry.jobs j ON j.id = c.owner LEFT JOIN mailferry.batches b ON b.id = c.owner
           WHERE c.expires_at < now() LIMIT ${BATCH} FOR UPDATE OF c SKIP LOCKED) past
         WHERE c.id = past.id RETURNING c.owner, c.tenant, past.mailbox`,
      );
      const jobs = new Map(gone.filter(({ mailbox }) => mailbox !== null).map((row) => [row.owner, row]));
      for (const { owner, tenant, mailbox } of jobs.values())
        await this.audit.record(
          {
            tenant,
            sub: SYSTEM,
            action: 'credentials.erased',
            job: owner,
            ...(mailbox === null ? {} : { mailbox }),
            detail: { why: 'deadline' },
          },
          manager,
        );
    });
  }

  /** Drafts of a batch wait for their admin; nobody else's waits longer than a day. */
  private async drafts(): Promise<void> {
    await this.db.transaction(async (manager) => {
      const [gone] = await manager.query<[{ id: string; tenant: string; mailbox: string }[], number]>(
        `DELETE FROM mailferry.jobs WHERE id IN (
           SELECT id FROM mailferry.jobs WHERE state = 'draft' AND batch IS NULL
             AND updated_at < now() - make_interval(secs => $1) LIMIT ${BATCH} FOR UPDATE SKIP LOCKED)
         RETURNING id, tenant, mailbox`,
        [DRAFT_MS / 1000],
      );
      for (const { id, tenant, mailbox } of gone) {
        const [, erased] = await manager.query<[unknown[], number]>(
          `DELETE FROM mailferry.credentials WHERE owner = $1`,
          [id],
        );
        if (erased > 0)
          await this.audit.record(
            { tenant, sub: SYSTEM, action: 'credentials.erased', job: id, mailbox, detail: { why: 'old draft' } },
            manager,
          );
      }
    });
  }

  private async draftBatches(): Promise<void> {
    await this.db.transaction(async (manager) => {
      for (const { id, tenant, domain, erased } of await removeOldDrafts(manager))
        await this.audit.record(
          {
            tenant,
            sub: SYSTEM,
            action: 'batch.discard',
            detail: { batch: id, domain, why: 'old draft', secrets: String(erased) },
          },
          manager,
        );
    });
  }

  private run(sql: string, params: unknown[] = []): Promise<unknown> {
    return this.db.query(sql, params);
  }

  private async step(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.error(`${what} could not be removed: ${(error as Error).message}`);
    }
  }
}
