import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { jobError } from '../jobs/admission.js';
import { AuditTrail, by } from '../jobs/audit.js';
import type { Actor } from '../jobs/contract.js';
import { PasswordLinks } from '../jobs/password-links.js';
import { invalid } from '../jobs/settings.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { findBatch, isOver, lockBatch } from './batch-record.js';
import type { InvitationLink } from './contract.js';

const MAX_INVITATION_DAYS = 30;
const DAY_MS = 24 * 60 * 60 * 1000;

/** The links by which the users of a batch give their own passwords. */
@Injectable()
export class BatchInvites {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly plugin: ResolvedOptions,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(PasswordLinks) private readonly passwordLinks: PasswordLinks,
  ) {}

  async invite(
    who: Actor,
    id: string,
    { days, send }: { readonly days: number; readonly send: boolean },
  ): Promise<number> {
    if (!Number.isInteger(days) || days < 1 || days > MAX_INVITATION_DAYS)
      throw invalid({ days: `must be 1 to ${MAX_INVITATION_DAYS}` });
    if (send && this.plugin.publicUrl === null) throw jobError('NO_PUBLIC_URL');
    return this.db.transaction(async (manager) => {
      const batch = await lockBatch(manager, who.visibility, id);
      if (batch.auth.kind !== 'ask-user' || isOver(batch)) throw jobError('INVALID_STATE', { state: batch.state });
      const open: { job: string }[] = await manager.query(
        `SELECT j.id AS job FROM mailferry.batch_rows r JOIN mailferry.jobs j ON j.id = r.job
         WHERE r.batch = $1 AND ((j.state IN ('failed', 'needs-action')
             AND j.reason->>'code' IN ('AUTH_FAILED', 'CREDENTIALS_REQUIRED', 'AUTH_NEEDS_APP_PASSWORD'))
           OR (j.state IN ('draft', 'waiting', 'paused', 'needs-action', 'failed', 'completed') AND NOT EXISTS
             (SELECT 1 FROM mailferry.credentials c WHERE c.owner = j.id AND c.expires_at > now())))`,
        [id],
      );
      const jobs = open.map(({ job }) => job);
      await this.passwordLinks.makeFor(manager, who, jobs, { until: new Date(Date.now() + days * DAY_MS), send });
      await this.audit.record(
        {
          ...by(who),
          action: 'batch.invite',
          detail: { batch: id, domain: batch.domain, count: String(jobs.length), sent: String(send) },
        },
        manager,
      );
      return jobs.length;
    });
  }

  async links(who: Actor, id: string): Promise<InvitationLink[]> {
    if ((await findBatch(this.db, who.visibility, id)) === null) throw jobError('NOT_FOUND');
    const rows = await this.db.query<{ id: string; mailbox: string; username: string; until: Date }[]>(
      `SELECT l.id, r.mailbox, r.source_username AS username, l.expires_at AS until FROM mailferry.batch_rows r
       JOIN mailferry.password_links l ON l.job = r.job
       WHERE r.batch = $1 AND l.used_at IS NULL AND l.revoked_at IS NULL AND l.expires_at > now() ORDER BY r.row`,
      [id],
    );
    await this.audit.record({ ...by(who), action: 'batch.links', detail: { batch: id, count: String(rows.length) } });
    return rows.map(({ id: link, mailbox, username, until }) => ({
      mailbox,
      username,
      token: this.passwordLinks.token(link, until),
      expiresAt: until.toISOString(),
    }));
  }
}
