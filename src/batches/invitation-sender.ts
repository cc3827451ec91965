import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { Invitations } from '../jobs/invitations.js';
import type { HostPanel } from '../panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';

/** Told in one round: the panel sends a mail for each. */
const AT_ONCE = 20;

/** Has the panel tell people their links. One that it does not take is tried again in the next round. */
@Injectable()
export class InvitationSender {
  private readonly logger = new Logger('mailferry:invitations');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(Invitations) private readonly invitations: Invitations,
  ) {}

  async send(): Promise<void> {
    const { publicUrl, basePath } = this.options;
    if (publicUrl === null) return;
    const due = await this.db.query<{ id: string; mailbox: string; host: string; username: string; expiresAt: Date }[]>(
      `SELECT i.id, j.mailbox, j.source->>'host' AS host, j.source->>'username' AS username, i.expires_at AS "expiresAt"
       FROM mailferry.invitations i JOIN mailferry.jobs j ON j.id = i.job
       WHERE i.to_send AND i.used_at IS NULL AND i.expires_at > now() ORDER BY i.created_at, i.id LIMIT ${AT_ONCE}`,
    );
    for (const { id, mailbox, host, username, expiresAt } of due) {
      const link = new URL(`${basePath}/invitations/${this.invitations.token(id)}`, publicUrl).href;
      try {
        await this.panel.notify(mailbox, 'invitation', {
          mailbox,
          host,
          username,
          link,
          expiresAt: expiresAt.toISOString(),
        });
      } catch (error) {
        this.logger.warn(`the panel did not take an invitation: ${(error as Error).message}`);
        return;
      }
      await this.db.query(`UPDATE mailferry.invitations SET to_send = false, sent_at = now() WHERE id = $1`, [id]);
    }
  }
}
