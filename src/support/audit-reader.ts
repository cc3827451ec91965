import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { AuditTrail, by } from '../jobs/audit.js';
import type { Actor, Visibility } from '../jobs/contract.js';
import { isUuid } from '../jobs/job-view.js';
import { csvLine } from '../reports/csv.js';
import type { AuditApi, AuditPage, AuditQuery, AuditRow } from './contract.js';
import { onlySupport } from './only-support.js';

const MAX_PER_PAGE = 200;
/** Rows the CSV reads at a time. */
const CSV_PAGE = 2_000;
const CSV_HEADER = 'at,who,actor,action,job,mailbox,ip,detail\r\n';
const NOBODY = '00000000-0000-0000-0000-000000000000';
const DAY = /^\d{4}-\d\d-\d\d$/;

interface Row extends Omit<AuditRow, 'at' | 'who' | 'detail'> {
  at: Date;
  sub: string;
  detail: Record<string, string> | null;
}

/** Reads the audit trail; nobody can change it. */
@Injectable()
export class AuditReader implements AuditApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(AuditTrail) private readonly trail: AuditTrail,
  ) {}

  async search(
    visibility: Visibility,
    query: AuditQuery,
    { after, limit }: { after?: string; limit: number },
  ): Promise<AuditPage> {
    onlySupport(visibility);
    const most = Math.min(Math.max(1, Math.trunc(limit)), MAX_PER_PAGE);
    const rows = await this.page(visibility.tenant, query, after ?? null, most + 1);
    const shown = rows.slice(0, most);
    return { rows: shown, next: rows.length > most ? shown.at(-1)!.id : null };
  }

  async csv(who: Actor, query: AuditQuery): Promise<AsyncIterable<string>> {
    onlySupport(who.visibility);
    await this.trail.demand({ ...by(who), action: 'audit.export', detail: { ...query } });
    // Read before anything is sent: a file that breaks off at its head must not look like a whole one.
    return this.lines(who.tenant, query, await this.page(who.tenant, query, null, CSV_PAGE));
  }

  /** Page after page: however long the trail is, one page is in memory. */
  private async *lines(tenant: string, query: AuditQuery, first: AuditRow[]): AsyncIterable<string> {
    yield CSV_HEADER;
    for (let rows = first; ; rows = await this.page(tenant, query, rows.at(-1)!.id, CSV_PAGE)) {
      if (rows.length > 0) yield rows.map(csvRow).join('');
      if (rows.length < CSV_PAGE) return;
    }
  }

  private async page(tenant: string, query: AuditQuery, after: string | null, limit: number): Promise<AuditRow[]> {
    const params: unknown[] = [tenant];
    const where = ['tenant = $1', ...conditions(query, params)];
    if (after !== null && /^\d{1,18}$/.test(after)) where.push(`id < $${params.push(after)}`);
    const rows = await this.db.query<Row[]>(
      `SELECT id, at, sub, actor, action, job, mailbox, ip, detail FROM mailferry.audit
       WHERE ${where.join(' AND ')} ORDER BY id DESC LIMIT ${limit}`,
      params,
    );
    return rows.map(({ at, sub, detail, ...row }) => ({
      ...row,
      at: at.toISOString(),
      who: sub,
      detail: detail ?? {},
    }));
  }
}

function conditions({ who, action, mailbox, job, from, to }: AuditQuery, params: unknown[]): string[] {
  const found: string[] = [];
  const and = (sql: (at: string) => string, value: unknown): void => {
    found.push(sql(`$${params.push(value)}`));
  };
  if (who) and((at) => `(sub = ${at} OR actor = ${at})`, who);
  if (action) and((at) => `(action = ${at} OR action LIKE ${at.concat(` || '.%'`)})`, action.replace(/[^a-z.-]/gi, ''));
  if (mailbox) and((at) => `mailbox = ${at}`, mailbox.toLowerCase());
  if (job) and((at) => `job = ${at}::uuid`, isUuid(job) ? job : NOBODY);
  if (from && isDay(from)) and((at) => `at >= ${at}::date`, from);
  if (to && isDay(to)) and((at) => `at < ${at}::date + 1`, to);
  return found;
}

/** A day that exists: Postgres refuses the 30th of February. */
function isDay(text: string): boolean {
  if (!DAY.test(text)) return false;
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

function csvRow({ at, who, actor, action, job, mailbox, ip, detail }: AuditRow): string {
  return csvLine([at, who, actor, action, job, mailbox, ip, detailText(detail)]);
}

function detailText(detail: AuditRow['detail']): string {
  return Object.entries(detail)
    .map(([name, value]) => `${name}=${value}`)
    .join('; ');
}
