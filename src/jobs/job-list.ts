import type { DataSource } from 'typeorm';
import type { BulkTarget, JobAge, JobFilterQuery, JobQuery, JobSort, Visibility } from './contract.js';
import type { JobAction, JobState } from './job.js';
import { statesFor } from './job-state.js';
import { isUuid } from './job-view.js';
import { visibleSql } from './visibility.js';

export const MAX_PER_PAGE = 200;
/** Rows that are counted one by one; of a longer list the planner's estimate is told. */
export const COUNTED = 10_000;

/** Columns with an index that ends with the id; `type` is what a cursor's value is cast to. */
const ORDERS = {
  created: { column: 'j.created_at', type: 'timestamptz' },
  changed: { column: 'j.changed_at', type: 'timestamptz' },
  mailbox: { column: 'j.mailbox', type: 'text' },
  failed: { column: 'j.failed', type: 'bigint' },
} as const;
const FORMS: Readonly<Record<string, RegExp>> = {
  timestamptz: /^\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/,
  text: /^[^\u0000]{0,400}$/,
  bigint: /^\d{1,18}$/,
};
const AGES: Readonly<Record<JobAge, string>> = {
  day: `> now() - interval '1 day'`,
  week: `> now() - interval '7 days'`,
  month: `> now() - interval '30 days'`,
  older: `<= now() - interval '30 days'`,
};

export interface FoundJobs {
  readonly ids: readonly string[];
  readonly total: number;
  readonly estimated: boolean;
  readonly next: string | null;
  readonly previous: string | null;
}

/** One page of ids. A cursor names the row it begins after, so the millionth page costs what the first one does. */
export async function findJobs(db: DataSource, visibility: Visibility, query: JobQuery): Promise<FoundJobs> {
  const { page, perPage, sort = '-created' } = query;
  const after = readCursor(query.after, sort);
  const before = after === null ? readCursor(query.before, sort) : null;
  const cursor = after ?? before;
  const { column, type, down } = orderOf(sort);
  const backwards = before !== null;
  const sign = down !== backwards ? '<' : '>';
  const direction = down !== backwards ? 'DESC' : 'ASC';

  const params: unknown[] = [];
  const where = conditions(visibility, query, params, await isCommon(db, query.error));
  const countParams = [...params];
  const from =
    cursor === null
      ? ''
      : ` AND (${column}, j.id) ${sign} ($${params.push(cursor.value)}::${type}, $${params.push(cursor.id)}::uuid)`;
  // Together, and awaited together: a promise left alone that fails ends the process.
  const listed = db.query<{ id: string; at: string }[]>(
    `SELECT j.id, ${column}::text AS at FROM mailferry.jobs j WHERE ${where}${from}
     ORDER BY ${column} ${direction}, j.id ${direction}
     LIMIT ${perPage + 1} OFFSET ${cursor === null ? (page - 1) * perPage : 0}`,
    params,
  );
  const [counted, rows] = await Promise.all([countJobs(db, where, countParams), listed]);
  const more = rows.length > perPage;
  const shown = rows.slice(0, perPage);
  if (backwards) shown.reverse();
  const hasNext = backwards || more;
  const hasPrevious = backwards ? more : after !== null || page > 1;
  const [first, last] = [shown[0], shown.at(-1)];
  return {
    ids: shown.map(({ id }) => id),
    ...counted,
    next: hasNext && last !== undefined ? writeCursor(last, sort) : null,
    previous: hasPrevious && first !== undefined ? writeCursor(first, sort) : null,
  };
}

/** A code of very many items is looked for row by row of the list, a rare one by its own index. */
async function isCommon(db: DataSource, code: string | undefined): Promise<boolean> {
  if (!code) return false;
  const [row] = await db.query<{ n: string }[]>(
    `SELECT count(*) AS n FROM (SELECT 1 FROM mailferry.refusals WHERE code = $1 LIMIT ${COUNTED}) found`,
    [code],
  );
  return Number(row!.n) >= COUNTED;
}

/** What an action on many would find: how many there are of each state. Counted up to COUNTED. */
export async function countByState(
  db: DataSource,
  visibility: Visibility,
  target: BulkTarget,
): Promise<{ state: JobState; complete: boolean; count: number }[]> {
  const params: unknown[] = [];
  const rows = await db.query<{ state: JobState; complete: boolean; n: string }[]>(
    `SELECT state, complete, count(*) AS n FROM (
       SELECT j.state, j.outcome IS NOT DISTINCT FROM 'complete' AS complete
       FROM mailferry.jobs j WHERE ${targeted(visibility, target, params)} LIMIT ${COUNTED}) found
     GROUP BY state, complete ORDER BY count(*) DESC, state`,
    params,
  );
  return rows.map(({ n, ...found }) => ({ ...found, count: Number(n) }));
}

/** The oldest first: what has waited longest is dealt with first. */
export async function idsFor(
  db: DataSource,
  visibility: Visibility,
  target: BulkTarget,
  action: JobAction,
  limit: number,
): Promise<{ id: string; mailbox: string }[]> {
  const params: unknown[] = [];
  const where = targeted(visibility, target, params);
  const states = statesFor(action);
  return db.query(
    `SELECT j.id, j.mailbox FROM mailferry.jobs j WHERE ${where} AND j.state = ANY($${params.push(states)})
     ${sparesComplete(action, target) ? `AND j.outcome IS DISTINCT FROM 'complete'` : ''}
     ORDER BY j.created_at, j.id LIMIT ${limit}`,
    params,
  );
}

/** Whoever retries all that a filter finds does not mean those that lack nothing. */
export function sparesComplete(action: JobAction, target: BulkTarget): boolean {
  return action === 'retry' && 'filter' in target;
}

function targeted(visibility: Visibility, target: BulkTarget, params: unknown[]): string {
  if ('filter' in target) return conditions(visibility, target.filter, params);
  return `${visibleSql(visibility, params)} AND j.id = ANY($${params.push(target.ids.filter(isUuid))}::uuid[])`;
}

async function countJobs(
  db: DataSource,
  where: string,
  params: readonly unknown[],
): Promise<{ total: number; estimated: boolean }> {
  const rows = `SELECT 1 FROM mailferry.jobs j WHERE ${where}`;
  const [counted] = await db.query<{ n: string }[]>(`SELECT count(*) AS n FROM (${rows} LIMIT ${COUNTED + 1}) found`, [
    ...params,
  ]);
  const total = Number(counted!.n);
  if (total <= COUNTED) return { total, estimated: false };
  const [plan] = await db.query<{ 'QUERY PLAN': { Plan: { 'Plan Rows': number } }[] }[]>(
    `EXPLAIN (FORMAT JSON) ${rows}`,
    [...params],
  );
  return { total: Math.max(total, Math.round(plan!['QUERY PLAN'][0]!.Plan['Plan Rows'])), estimated: true };
}

function conditions(visibility: Visibility, query: JobFilterQuery, params: unknown[], common = false): string {
  const found: string[] = [visibleSql(visibility, params)];
  const and = (sql: (at: string) => string, value: unknown): void => {
    found.push(sql(`$${params.push(value)}`));
  };
  if (query.state?.length) and((at) => `j.state = ANY(${at})`, [...query.state]);
  if (query.domain) and((at) => `j.domain = ${at}`, query.domain.toLowerCase());
  if (query.mailbox) and((at) => `j.mailbox = ${at}`, query.mailbox.toLowerCase());
  if (query.host) and((at) => `j.source_host = ${at}`, query.host.toLowerCase());
  if (query.batch) and((at) => `j.batch = ${at}::uuid`, isUuid(query.batch) ? query.batch : NOBODY);
  if (query.age) found.push(`j.created_at ${AGES[query.age]}`);
  if (query.open)
    found.push(`j.handled_at IS NULL AND (j.state IN ('failed', 'needs-action') OR j.outcome = 'incomplete')`);
  if (query.q) and((at) => `j.search LIKE ${at}`, `%${query.q.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`);
  if (query.error)
    and(
      (at) =>
        common
          ? `(j.reason->>'code' = ${at} OR EXISTS (SELECT 1 FROM mailferry.refusals r WHERE r.job = j.id AND r.code = ${at}))`
          : `j.id IN (SELECT k.id FROM mailferry.jobs k WHERE k.tenant = $1 AND k.reason->>'code' = ${at}
               UNION SELECT r.job FROM mailferry.refusals r WHERE r.code = ${at})`,
      query.error,
    );
  return found.join(' AND ');
}

function orderOf(sort: JobSort): { column: string; type: string; down: boolean } {
  const name = sort.replace('-', '') as keyof typeof ORDERS;
  return { ...ORDERS[name], down: sort.startsWith('-') };
}

interface Cursor {
  readonly value: string;
  readonly id: string;
}

function writeCursor({ id, at }: { id: string; at: string }, sort: JobSort): string {
  return Buffer.from(JSON.stringify([sort, at, id])).toString('base64url');
}

/** Null: none, one of another order, or nothing of ours; the list then begins at its beginning. */
function readCursor(text: string | undefined, sort: JobSort): Cursor | null {
  if (text === undefined) return null;
  try {
    const parts = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as unknown;
    if (!Array.isArray(parts) || parts[0] !== sort) return null;
    const [, value, id] = parts as unknown[];
    const fits = typeof value === 'string' && FORMS[orderOf(sort).type]!.test(value);
    return fits && typeof id === 'string' && isUuid(id) ? { value, id } : null;
  } catch {
    return null;
  }
}

const NOBODY = '00000000-0000-0000-0000-000000000000';
