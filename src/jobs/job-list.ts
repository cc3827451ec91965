import type { DataSource } from 'typeorm';
import type { JobQuery, Visibility } from './contract.js';
import { isUuid } from './job-view.js';
import { visibleSql } from './visibility.js';

export const MAX_PER_PAGE = 200;

/** Ids of the jobs that a query finds, newest first. `limit` null: all of them. */
export async function findJobs(
  db: DataSource,
  visibility: Visibility,
  query: Omit<JobQuery, 'page' | 'perPage'>,
  window: { limit: number; offset: number },
): Promise<{ ids: string[]; total: number }> {
  const params: unknown[] = [];
  const where = [visibleSql(visibility, params), ...conditions(query, params)].join(' AND ');
  const [rows, [count]] = await Promise.all([
    db.query<{ id: string }[]>(
      `SELECT j.id FROM mailferry.jobs j WHERE ${where} ORDER BY j.created_at DESC, j.id
       LIMIT ${Number(window.limit)} OFFSET ${Number(window.offset)}`,
      params,
    ),
    db.query<{ n: string }[]>(`SELECT count(*) AS n FROM mailferry.jobs j WHERE ${where}`, params),
  ]);
  return { ids: rows.map(({ id }) => id), total: Number(count!.n) };
}

function conditions(query: Omit<JobQuery, 'page' | 'perPage'>, params: unknown[]): string[] {
  const found: string[] = [];
  const and = (sql: (at: string) => string, value: unknown): void => {
    found.push(sql(`$${params.push(value)}`));
  };
  if (query.state?.length) and((at) => `j.state = ANY(${at})`, [...query.state]);
  if (query.domain) and((at) => `j.domain = ${at}`, query.domain.toLowerCase());
  if (query.mailbox) and((at) => `j.mailbox = ${at}`, query.mailbox.toLowerCase());
  if (query.batch) and((at) => `j.batch = ${at}::uuid`, isUuid(query.batch) ? query.batch : NOBODY);
  if (query.q)
    and(
      (at) => `(j.mailbox ILIKE ${at} OR j.source->>'host' ILIKE ${at} OR j.source->>'username' ILIKE ${at})`,
      `%${query.q.replace(/[\\%_]/g, '\\$&')}%`,
    );
  if (query.error)
    and(
      (at) =>
        `(j.reason->>'code' = ${at} OR EXISTS (SELECT 1 FROM mailferry.refusals r WHERE r.job = j.id AND r.code = ${at}))`,
      query.error,
    );
  return found;
}

const NOBODY = '00000000-0000-0000-0000-000000000000';
