import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import type { HostPanel, JobNotice, NotifyTemplate, Principal, SafeText } from '../../panel/host-panel.js';
import { inTime } from '../../panel/in-time.js';
import { HOST_PANEL, PLUGIN_OPTIONS, type ResolvedOptions } from '../../panel/options.js';
import { ConnectError } from '../../protocols/connect-error.js';
import { postWebhook, WebhookRefused } from './webhook.js';

/** Messages that are on their way at once, in one process. */
const AT_ONCE = 20;
/** Nobody else sends a message that a worker took so lately (s); when that worker died, it is sent after that. */
const HOLD_S = 60;
const PANEL_MS = 10_000;
/** Some thirty hours. */
const MAX_ATTEMPTS = 12;
const FIRST_WAIT_S = 10;
const LONGEST_WAIT_S = 6 * 3_600;
/** Addresses that a digest names. */
const MAX_NAMED = 20;
const MAX_ERROR = 300;
/** Codes that time does not heal: somebody must change the setting. */
const HOPELESS: readonly string[] = ['TARGET_NOT_ALLOWED', 'PORT_NOT_ALLOWED', 'TLS_REQUIRED', 'VALIDATION'];

/** SQL: one message tells it with others of the same batch. */
const DIGESTED = `(channel = 'notify' AND batch IS NOT NULL AND template <> 'batch-needs-action')`;

interface Row {
  readonly id: string;
  readonly tenant: string;
  readonly channel: 'notify' | 'webhook';
  readonly target: string;
  readonly template: JobNotice | 'batch-needs-action';
  readonly batch: string | null;
  readonly data: Readonly<Record<string, unknown>>;
  readonly created_at: Date;
  readonly attempts: number;
}

/**
 * Sends what lies in the outbox, at least once: a row is taken by moving its time, and marked once the other side has
 * taken it. What a batch has to say goes as one message to whoever made it.
 */
@Injectable()
export class OutboxSender {
  private readonly logger = new Logger('mailferry:notices');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  /** Sends what is due. @returns how many messages left. */
  async send(signal: AbortSignal): Promise<number> {
    const rows = await this.take();
    const sent = await Promise.all(rows.map((row) => this.deliver([row], () => this.one(row, signal))));
    const digests = await this.digests();
    return sent.concat(digests).filter(Boolean).length;
  }

  private async take(): Promise<Row[]> {
    const [rows] = await this.db.query<[Row[], number]>(
      `WITH due AS (
         SELECT id FROM mailferry.outbox
         WHERE sent_at IS NULL AND failed_at IS NULL AND due_at <= clock_timestamp()
           AND NOT ${DIGESTED}
         ORDER BY due_at LIMIT ${AT_ONCE} FOR UPDATE SKIP LOCKED)
       UPDATE mailferry.outbox o SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => ${HOLD_S})
       FROM due WHERE o.id = due.id RETURNING o.*`,
    );
    return rows;
  }

  private one(row: Row, signal: AbortSignal): Promise<void> {
    if (row.channel === 'notify' && row.template === 'batch-needs-action')
      return this.tellOwner(row.batch!, row.template, texts(row.data));
    if (row.channel === 'notify') return this.tell(row.target, row.template, texts(row.data));
    const webhook = this.options.webhooks.find(({ url }) => url === row.target);
    // It was taken out of the settings since.
    if (webhook === undefined) return Promise.resolve();
    const event = {
      id: row.id,
      type: `migration.${row.template}`,
      at: row.created_at,
      tenant: row.tenant,
      data: row.data,
    };
    return postWebhook(webhook, event, this.options.egress, signal);
  }

  private async digests(): Promise<boolean[]> {
    const due = await this.db.query<{ batch: string }[]>(
      `SELECT batch FROM mailferry.outbox
       WHERE ${DIGESTED} AND sent_at IS NULL AND failed_at IS NULL
       GROUP BY batch HAVING min(due_at) <= clock_timestamp() LIMIT ${AT_ONCE}`,
    );
    return Promise.all(due.map(({ batch }) => this.digest(batch)));
  }

  private async digest(batch: string): Promise<boolean> {
    const [rows] = await this.db.query<[Row[], number]>(
      `WITH all_of_it AS (
         SELECT id FROM mailferry.outbox WHERE batch = $1 AND ${DIGESTED} AND sent_at IS NULL AND failed_at IS NULL
         FOR UPDATE SKIP LOCKED)
       UPDATE mailferry.outbox o SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => ${HOLD_S})
       FROM all_of_it WHERE o.id = all_of_it.id RETURNING o.*`,
      [batch],
    );
    if (rows.length === 0) return false;
    return this.deliver(rows, () => this.tellOwner(batch, 'batch-progress', summary(rows)));
  }

  /** Whoever made a batch, as the panel knows him now; one whom it does not know any more is told nothing. */
  private async tellOwner(batch: string, template: NotifyTemplate, data: SafeText): Promise<void> {
    const [made] = await this.db.query<{ tenant: string; owner: string; domain: string; principal: Principal }[]>(
      `SELECT tenant, owner, domain, principal FROM mailferry.batches WHERE id = $1`,
      [batch],
    );
    if (made === undefined) return;
    const { tenant, owner, domain, principal } = made;
    const claimed: Principal =
      principal.sub === owner
        ? principal
        : { sub: owner, tenantId: tenant, role: 'domain-admin', domains: [], mailboxes: [], locale: 'en' };
    const now = await inTime(() => this.panel.currentPrincipal(claimed), PANEL_MS);
    if (now === null) return;
    await this.tell(owner, template, { ...data, batchId: batch, domain, address: now.mailboxes[0] ?? '' });
  }

  private async deliver(rows: readonly Row[], send: () => Promise<void>): Promise<boolean> {
    const ids = rows.map(({ id }) => id);
    try {
      await send();
    } catch (error) {
      await this.failed(ids, Math.min(...rows.map(({ attempts }) => attempts)), error as Error, rows[0]!);
      return false;
    }
    await this.db.query(`UPDATE mailferry.outbox SET sent_at = clock_timestamp(), error = NULL WHERE id = ANY($1)`, [
      ids,
    ]);
    return true;
  }

  private async failed(ids: readonly string[], attempts: number, error: Error, row: Row): Promise<void> {
    const hopeless =
      attempts >= MAX_ATTEMPTS ||
      (error instanceof WebhookRefused && error.forGood) ||
      (error instanceof ConnectError && HOPELESS.includes(error.code));
    const wait = Math.min(FIRST_WAIT_S * 3 ** (attempts - 1), LONGEST_WAIT_S);
    const why = error.message.slice(0, MAX_ERROR);
    if (hopeless)
      this.logger.error(JSON.stringify({ event: 'notice-given-up', channel: row.channel, notice: row.template, why }));
    await this.db.query(
      `UPDATE mailferry.outbox SET error = $2, due_at = clock_timestamp() + make_interval(secs => $3),
         failed_at = CASE WHEN $4 THEN clock_timestamp() END WHERE id = ANY($1)`,
      [ids, why, wait, hopeless],
    );
  }

  private tell(to: string, template: NotifyTemplate, data: SafeText): Promise<void> {
    return inTime(() => this.panel.notify(to, template, data), PANEL_MS);
  }
}

function texts(data: Row['data']): SafeText {
  return Object.fromEntries(Object.entries(data).map(([name, value]) => [name, String(value ?? '')]));
}

/** How many of each, and who needs somebody. Of several news of one mailbox the last one counts. */
function summary(rows: readonly Row[]): SafeText {
  const last = new Map<string, Row>();
  for (const row of [...rows].sort((a, b) => a.created_at.getTime() - b.created_at.getTime()))
    last.set(String(row.data['mailbox']), row);
  const of = (template: JobNotice): string[] =>
    [...last].filter(([, row]) => row.template === template).map(([mailbox]) => mailbox);
  const needing = [...of('needs-action'), ...of('failed')];
  return {
    started: String(of('started').length),
    finished: String(of('finished').length),
    failed: String(of('failed').length),
    needsAction: String(of('needs-action').length),
    mailboxes: needing.slice(0, MAX_NAMED).join(', '),
  };
}
