import type { DataSource, QueryRunner } from 'typeorm';

/** Runs one statement and gives its rows. */
export type Query = <Row>(sql: string, parameters?: readonly unknown[]) => Promise<Row[]>;

export function queryOf(runner: QueryRunner): Query {
  return async <Row>(sql: string, parameters: readonly unknown[] = []) =>
    (await runner.query(sql, [...parameters], true)).records as Row[];
}

/** One statement on any connection. */
export async function queryOnce<Row>(
  dataSource: DataSource,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const runner = dataSource.createQueryRunner();
  try {
    return await queryOf(runner)<Row>(sql, parameters);
  } finally {
    await runner.release();
  }
}

/** One column of many rows that are given at once. */
export interface Column {
  readonly name: string;
  /** Of one value, as it is given. */
  readonly type: string;
  readonly values: readonly unknown[];
  /** The type it gets afterwards: unnest() would flatten an array of arrays. */
  readonly as?: string;
}

/** Collects the parameters of one statement. */
export class Parameters {
  readonly values: unknown[] = [];

  one(value: unknown, type: string): string {
    return `$${this.values.push(value)}::${type}`;
  }

  /** Rows, for a FROM; named k. */
  rows(columns: readonly Column[]): string {
    const given = columns.map(({ values, type }) => this.one(values, `${type}[]`));
    return `unnest(${given.join(', ')}) AS k(${columnNames(columns)})`;
  }
}

export function columnNames(columns: readonly Column[]): string {
  return columns.map(({ name }) => name).join(', ');
}

/** The same, of the rows k. */
export function columnValues(columns: readonly Column[]): string {
  return columns.map(({ name, as }) => `k.${name}${as === undefined ? '' : `::${as}`}`).join(', ');
}

/** Node's codes of a lost connection. */
const SOCKET_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOENT',
  'EHOSTUNREACH',
  'ENOTFOUND',
]);
/**
 * SQLSTATE: connection exceptions (08), too many connections (53300), the server going down or coming up (57P0x),
 * a standby before its promotion (25006), a transaction that idled (25P03), serialization failures and deadlocks (40).
 */
const SQL_STATES = /^(08...|53300|57P0.|25006|25P03|40001|40P01)$/;
/** What pg and pg-pool say without a code. */
const MESSAGES = /connection terminated|timeout exceeded when trying to connect|connection error|not queryable/i;

/** True: the same work may well succeed in a moment, on another connection. */
export function isPassing(error: unknown): boolean {
  // By shape: Node's own errors may be of another realm than ours, and of several addresses they come together.
  if (typeof error !== 'object' || error === null) return false;
  const { code, message, errors } = error as { code?: unknown; message?: unknown; errors?: unknown };
  if (Array.isArray(errors) && errors.length > 0) return errors.every(isPassing);
  if (typeof code === 'string' && (SOCKET_CODES.has(code) || SQL_STATES.test(code))) return true;
  return typeof message === 'string' && MESSAGES.test(message);
}

/** An error of the database as it may stand in a log. */
export interface DatabaseTrouble {
  /** SQLSTATE, or Node's code. */
  readonly code: string;
  /** Left out where it could quote what was written. */
  readonly message?: string;
  readonly table?: string;
  readonly constraint?: string;
}

/** SQLSTATE class 22: its messages quote the value that does not fit. */
const QUOTES_DATA = /^22/;

export function troubleOf(error: unknown): DatabaseTrouble {
  const { code, message, table, constraint } = Object(error) as Readonly<Record<string, unknown>>;
  const trouble = { code, message: QUOTES_DATA.test(String(code)) ? undefined : message, table, constraint };
  const told = Object.entries(trouble).filter(([, value]) => typeof value === 'string');
  return { code: 'UNKNOWN', ...Object.fromEntries(told) };
}
