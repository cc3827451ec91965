import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { HostPanel } from '../panel/host-panel.js';
import { inTime } from '../panel/in-time.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { TAKES_CREDENTIALS } from './job-credentials.js';
import { PasswordLinks } from './password-links.js';

/** Told in one round: the panel sends a mail for each. */
const AT_ONCE = 20;
/** The panel is away, or will have none of it: the rest waits for the next round. */
const REFUSED_AT_ONCE = 3;
/** Nobody else mails a link that a worker took so lately (s); when that worker died, it is mailed after that. */
const HOLD_S = 60;
const PANEL_MS = 10_000;

interface Due {
  readonly id: string;
  readonly job: string;
  readonly mailbox: string;
  readonly host: string;
  readonly username: string;
  readonly until: Date;
}

/**
 * Has the panel tell people their links for a password, at least once: a link is taken by moving its time, so that no two
 * workers mail the same one. One that the panel does not take is tried again, after those that it has not refused yet. The
 * link is made for the moment and kept nowhere.
 */
@Injectable()
export class LinkSender {
  private readonly logger = new Logger('mailferry:links');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(PasswordLinks) private readonly links: PasswordLinks,
  ) {}

  async send(): Promise<void> {
    const { publicUrl, basePath } = this.options;
    if (publicUrl === null) return;
    const tried: string[] = [];
    let failures = 0;
    while (tried.length < AT_ONCE) {
      const due = await this.take(tried);
      if (due === null) return;
      const { id, job, mailbox, host, username, until } = due;
      tried.push(id);
      const token = this.links.token(id, until);
      // Of no use at this moment: its migration runs, or waits for no password. It may wait for one again.
      if ((await this.links.look(token)).is !== 'open') continue;
      const link = new URL(`${basePath}/links/${token}`, publicUrl).href;
      const data = { jobId: job, mailbox, host, username, link, expiresAt: until.toISOString() };
      try {
        await inTime(() => this.panel.notify(mailbox, 'invitation', data), PANEL_MS);
      } catch (error) {
        this.logger.warn(`the panel did not take a link: ${(error as Error).message}`);
        await this.db.query(`UPDATE mailferry.password_links SET send_after = clock_timestamp() WHERE id = $1`, [id]);
        if (++failures === REFUSED_AT_ONCE) return;
        continue;
      }
      await this.db.query(`UPDATE mailferry.password_links SET to_send = false, sent_at = now() WHERE id = $1`, [id]);
    }
  }

  /** The next one, as it is now. @param tried in this round. Null: none */
  private async take(tried: readonly string[]): Promise<Due | null> {
    const [[due]] = await this.db.query<[Due[], number]>(
      `WITH due AS (
         SELECT l.id, j.mailbox, j.source FROM mailferry.password_links l JOIN mailferry.jobs j ON j.id = l.job
         WHERE l.to_send AND l.used_at IS NULL AND l.revoked_at IS NULL AND l.expires_at > now()
           AND (l.send_after IS NULL OR l.send_after <= clock_timestamp()) AND l.id <> ALL($1) AND j.state = ANY($2)
         ORDER BY l.send_after NULLS FIRST, l.created_at, l.id LIMIT 1 FOR UPDATE OF l SKIP LOCKED)
       UPDATE mailferry.password_links l SET send_after = clock_timestamp() + make_interval(secs => ${HOLD_S})
       FROM due WHERE l.id = due.id
       RETURNING l.id, l.job, due.mailbox, due.source->>'host' AS host, due.source->>'username' AS username, l.expires_at AS until`,
      [tried, TAKES_CREDENTIALS],
    );
    return due ?? null;
  }
}
