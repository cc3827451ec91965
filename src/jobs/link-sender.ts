import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { HostPanel } from '../panel/host-panel.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { PasswordLinks } from './password-links.js';

/** Told in one round: the panel sends a mail for each. */
const AT_ONCE = 20;
/** The panel is away, or will have none of it: the rest waits for the next round. */
const REFUSED_AT_ONCE = 3;

interface Due {
  readonly id: string;
  readonly job: string;
  readonly mailbox: string;
  readonly host: string;
  readonly username: string;
  readonly until: Date;
}

/**
 * Has the panel tell people their links for a password. One that it does not take is tried again, after those that it has
 * not refused yet. The link is made for the moment and kept nowhere.
 */
@Injectable()
export class LinkSender {
  private readonly logger = new Logger('mailferry:links');
  private readonly refused = new Set<string>();

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(PasswordLinks) private readonly links: PasswordLinks,
  ) {}

  async send(): Promise<void> {
    const { publicUrl, basePath } = this.options;
    if (publicUrl === null) return;
    const due = await this.due();
    if (due.length === 0) this.refused.clear();
    let failures = 0;
    for (const { id, job, mailbox, host, username, until } of due) {
      const link = new URL(`${basePath}/links/${this.links.token(id, until)}`, publicUrl).href;
      const data = { jobId: job, mailbox, host, username, link, expiresAt: until.toISOString() };
      try {
        await this.panel.notify(mailbox, 'invitation', data);
      } catch (error) {
        this.logger.warn(`the panel did not take a link: ${(error as Error).message}`);
        this.refused.add(id);
        if (++failures === REFUSED_AT_ONCE) return;
        continue;
      }
      await this.db.query(`UPDATE mailferry.password_links SET to_send = false, sent_at = now() WHERE id = $1`, [id]);
    }
  }

  private due(): Promise<Due[]> {
    return this.db.query(
      `SELECT l.id, l.job, j.mailbox, j.source->>'host' AS host, j.source->>'username' AS username, l.expires_at AS until
       FROM mailferry.password_links l JOIN mailferry.jobs j ON j.id = l.job
       WHERE l.to_send AND l.used_at IS NULL AND l.revoked_at IS NULL AND l.expires_at > now()
       ORDER BY l.id = ANY($1), l.created_at, l.id LIMIT ${AT_ONCE}`,
      [[...this.refused]],
    );
  }
}
