import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import type { SourceSettings } from './job.js';

const MINUTE_S = 60;
/** Tests a minute of one tenant, and to one server, for each that one person may do: a provider is many people's. */
const TENANT_FACTOR = 30;
const TARGET_FACTOR = 15;

/** A sign-in that was allowed to be tried; how it ended must be told. */
export interface Reservation {
  readonly subject: string;
  /** The row's moment, in microseconds, as Postgres wrote it. */
  readonly at: string;
}

/** Counts tries, in Postgres and so over all processes: 'Test connection is no oracle'. */
@Injectable()
export class Attempts {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
  ) {}

  /** Counts a connection test. False: past one of the limits. The target is counted only by host, whoever asks. */
  async takeTest(tenant: string, sub: string, host?: string): Promise<boolean> {
    const { testsPerMinute } = this.options.limits;
    if (!(await this.take(`user:${tenant}:${sub}`, testsPerMinute, MINUTE_S))) return false;
    if (!(await this.take(`tenant:${tenant}`, testsPerMinute * TENANT_FACTOR, MINUTE_S))) return false;
    return host === undefined || (await this.take(`target:${host}`, testsPerMinute * TARGET_FACTOR, MINUTE_S));
  }

  /** Whether sign-ins to this account are refused at the moment. */
  async isLocked(subject: string): Promise<boolean> {
    return (await this.failures(subject, this.db.manager)) >= this.options.limits.wrongPasswords;
  }

  /**
   * Right before a sign-in. Counts it as failed until `done` says otherwise, so that many at once cannot pass the limit
   * together. Null: locked, do not sign in.
   */
  reserve(subject: string): Promise<Reservation | null> {
    return this.db.transaction(async (manager) => {
      await lock(manager, subject);
      if ((await this.failures(subject, manager)) >= this.options.limits.wrongPasswords) return null;
      const [row]: { at: string }[] = await manager.query(
        `INSERT INTO mailferry.attempts (subject, at, failed) VALUES ($1, clock_timestamp(), true) RETURNING at::text`,
        [subject],
      );
      return { subject, at: row!.at };
    });
  }

  /** The password was not wrong: the reservation does not count. */
  async release({ subject, at }: Reservation): Promise<void> {
    await this.db.query(`DELETE FROM mailferry.attempts WHERE subject = $1 AND at = $2::timestamptz`, [subject, at]);
  }

  /** Counts one try; false when there were `limit` in the last seconds already. */
  take(subject: string, limit: number, seconds: number): Promise<boolean> {
    return this.db.transaction(async (manager) => {
      await lock(manager, subject);
      const [row]: { n: string }[] = await manager.query(
        `SELECT count(*) AS n FROM mailferry.attempts
         WHERE subject = $1 AND at > clock_timestamp() - make_interval(secs => $2)`,
        [subject, seconds],
      );
      if (Number(row!.n) >= limit) return false;
      await manager.query(`INSERT INTO mailferry.attempts (subject, at) VALUES ($1, clock_timestamp())`, [subject]);
      return true;
    });
  }

  private async failures(subject: string, manager: EntityManager): Promise<number> {
    const [row]: { n: string }[] = await manager.query(
      `SELECT count(*) AS n FROM mailferry.attempts
       WHERE subject = $1 AND failed AND at > clock_timestamp() - make_interval(mins => $2)`,
      [subject, this.options.limits.lockMinutes],
    );
    return Number(row!.n);
  }
}

/**
 * One remote account, however often its name is spelled otherwise. Hashed: names of strangers are not collected. An
 * administrator's sign-in counts for the account it opens: one that does not exist must not lock him out of the others.
 */
export function accountSubject({
  host,
  username,
  login,
  files = [],
}: Pick<SourceSettings, 'host' | 'username' | 'login' | 'files'>): string {
  // Nobody signs in to files: each migration's are an account of their own.
  if (files.length > 0) return `files:${files[0]!.id}`;
  const names = login === undefined ? [username] : [username, login.username];
  return `account:${hash([host, ...names].map((name) => name.toLowerCase()))}`;
}

export function signInSubjects(tenant: string, address: string, ip: string): string[] {
  return [`sign-in:${hash([tenant, address])}`, `sign-in-from:${ip}`];
}

function hash(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

async function lock(manager: EntityManager, subject: string): Promise<void> {
  await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 7))`, [subject]);
}
