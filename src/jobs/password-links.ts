import { createHmac, hkdfSync, randomUUID, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { jobError } from './admission.js';
import { AuditTrail, by } from './audit.js';
import { ConnectionTestsService } from './connection-tests.service.js';
import { JobError, type Actor } from './contract.js';
import { JobEntity } from './entities.js';
import type { JobAction, SourceSettings } from './job.js';
import { next } from './job-state.js';
import { JobsService } from './jobs.service.js';
import { hasSource, isUuid } from './job-view.js';
import { checkSettings } from './settings.js';

/** How long a link counts (ms): somebody who is on holiday for a week can still use it. */
export const LINK_MS = 7 * 24 * 60 * 60 * 1000;
/** Codes by which a server says that it is the password; a server that is away does not say that it is wrong. */
const REFUSES = /^(AUTH_\w+|IMAP_DISABLED|RATE_LIMITED)$/;
const TOKEN = /^([A-Za-z0-9_-]{22})\.([0-9a-z]{6,9})\.([A-Za-z0-9_-]{43})$/;

export type LinkAction = Extract<JobAction, 'start' | 'resume' | 'retry'>;
/** What the page of a link shows: nothing that its owner does not know. */
export interface LinkView {
  readonly mailbox: string;
  readonly username: string;
  readonly host: string;
}
export type LinkLook =
  | ({ readonly is: 'open' } & LinkView)
  | { readonly is: 'unknown' }
  | { readonly is: 'used' }
  | { readonly is: 'expired' }
  /** Nothing waits for a password any more. */
  | { readonly is: 'needless' };
export type Redeemed =
  { readonly is: 'done'; readonly goesOn: boolean } | { readonly is: 'refused'; readonly code: string } | LinkLook;

/** What the pages need of it. */
export interface LinksApi {
  make(who: Actor, job: string, then: LinkAction | null): Promise<{ token: string; expiresAt: Date }>;
  look(token: string): Promise<LinkLook>;
  redeem(token: string, password: string, ip: string): Promise<Redeemed>;
}

interface LinkRow {
  readonly id: string;
  readonly tenant: string;
  readonly job: string;
  readonly made_by: string;
  readonly next_action: LinkAction | null;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly used_at: Date | null;
  readonly revoked_at: Date | null;
}

/**
 * Links by which the owner of an old account types its password without signing in: signed, so that nobody can make one;
 * for one job; until a day; used once. Whoever made it never sees what was typed.
 *
 * The token is `id.expiry.mac`: the row's UUID, Unix seconds in base 36, HMAC-SHA-256 by a key derived from the master
 * keys. The database alone makes no link.
 */
@Injectable()
export class PasswordLinks implements LinksApi {
  private readonly keys: readonly Buffer[];

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(ConnectionTestsService) private readonly tests: ConnectionTestsService,
  ) {
    this.keys = options.keys.split(',').map((entry) => {
      const master = Buffer.from(entry.slice(entry.indexOf(':') + 1).trim(), 'base64');
      return Buffer.from(hkdfSync('sha256', master, '', 'mailferry/password-link', 32));
    });
  }

  /**
   * A new link; those made before for the same job count no more.
   * @param then what follows once the password is there; null: nothing.
   * @returns the token, which is stored nowhere. @throws JobError NOT_FOUND, INVALID_STATE
   */
  async make(
    who: Actor,
    jobId: string,
    then: LinkAction | null,
    ms = LINK_MS,
  ): Promise<{ token: string; expiresAt: Date }> {
    const job = await this.jobs.get(who.visibility, jobId);
    if (job === null) throw jobError('NOT_FOUND');
    if (then !== null && next(job.state, then) === null) throw jobError('INVALID_STATE', { state: job.state });
    const id = randomUUID();
    const seconds = Math.floor((Date.now() + ms) / 1000);
    const expiresAt = new Date(seconds * 1000);
    await this.db.transaction(async (manager) => {
      await manager.query(
        `UPDATE mailferry.password_links SET revoked_at = now()
         WHERE job = $1 AND used_at IS NULL AND revoked_at IS NULL`,
        [jobId],
      );
      await manager.query(
        `INSERT INTO mailferry.password_links (id, tenant, job, made_by, next_action, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)`,
        [id, who.tenant, jobId, who.principal?.name ?? who.sub, then, expiresAt],
      );
      await this.audit.record({ ...by(who), action: 'link.made', job: jobId, mailbox: job.mailbox }, manager);
    });
    return { token: this.sign(id, seconds), expiresAt };
  }

  /** Changes nothing: mail programs look into links before people do. */
  async look(token: string): Promise<LinkLook> {
    const found = await this.find(token);
    return 'is' in found ? found : { is: 'open', ...viewOf(found.job) };
  }

  /**
   * Tries the password at the old server, seals it with the job, uses the link up, and lets the job go on. A password that
   * the server does not take leaves the link as it was.
   */
  async redeem(token: string, password: string, ip: string): Promise<Redeemed> {
    const found = await this.find(token);
    if ('is' in found) return found;
    const { link, job } = found;
    const { secret } = checkSettings({ secret: { password } });
    const who: Actor = {
      sub: `link:${link.id}`,
      tenant: link.tenant,
      ip,
      visibility: { tenant: link.tenant, all: false, mailboxes: [job.mailbox], domains: [] },
    };
    const code = await this.refusal(who, job, password);
    if (code !== null) return { is: 'refused', code };
    // Used up first: of two who type at the same moment one is told so.
    const [, taken] = await this.db.query<[unknown[], number]>(
      `UPDATE mailferry.password_links SET used_at = now()
       WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now()`,
      [link.id],
    );
    if (taken !== 1) return { is: 'used' };
    try {
      await this.jobs.setCredentials(who, job.id, secret ?? { password });
    } catch (error) {
      await this.db.query(`UPDATE mailferry.password_links SET used_at = NULL WHERE id = $1`, [link.id]);
      if (error instanceof JobError && error.code === 'INVALID_STATE') return { is: 'needless' };
      throw error;
    }
    return { is: 'done', goesOn: await this.goOn(who, job.id, link.next_action) };
  }

  /** The last one that was made for a job. */
  async last(job: string): Promise<{
    madeAt: string;
    madeBy: string;
    expiresAt: string;
    state: 'open' | 'used' | 'expired' | 'revoked';
  } | null> {
    const [row] = await this.db.query<LinkRow[]>(
      `SELECT * FROM mailferry.password_links WHERE job = $1 ORDER BY created_at DESC LIMIT 1`,
      [job],
    );
    if (row === undefined) return null;
    const open = row.expires_at.getTime() > Date.now() ? 'open' : 'expired';
    return {
      madeAt: row.created_at.toISOString(),
      madeBy: row.made_by,
      expiresAt: row.expires_at.toISOString(),
      state: row.used_at !== null ? 'used' : row.revoked_at !== null ? 'revoked' : open,
    };
  }

  private async find(token: string): Promise<{ link: LinkRow; job: SourcedJob } | Exclude<LinkLook, { is: 'open' }>> {
    const id = this.verify(token);
    if (id === null) return { is: 'unknown' };
    const [link] = await this.db.query<LinkRow[]>(`SELECT * FROM mailferry.password_links WHERE id = $1`, [id]);
    if (link === undefined) return { is: 'unknown' };
    if (link.used_at !== null) return { is: 'used' };
    if (link.revoked_at !== null || link.expires_at.getTime() <= Date.now()) return { is: 'expired' };
    const job = await this.db.manager.findOneBy(JobEntity, { id: link.job, tenant: link.tenant });
    if (job === null || !hasSource(job)) return { is: 'unknown' };
    const { next_action: then } = link;
    return then !== null && next(job.state, then) === null ? { is: 'needless' } : { link, job };
  }

  /** Null: the server takes the password, or could not be asked; the run says so then. */
  private async refusal(who: Actor, job: SourcedJob, password: string): Promise<string | null> {
    try {
      const test = await this.tests.request(who, {
        source: job.source,
        secret: { password },
        mailbox: job.mailbox,
        items: job.items,
      });
      const result = await this.tests.wait(who, test, this.options.limits.testWaitMs);
      return result?.state === 'done' && !result.ok && REFUSES.test(result.code) ? result.code : null;
    } catch (error) {
      if (error instanceof JobError) return REFUSES.test(error.code) ? error.code : null;
      throw error;
    }
  }

  private async goOn(who: Actor, id: string, then: LinkAction | null): Promise<boolean> {
    if (then === null) return false;
    try {
      await this.jobs.act(who, id, then);
      return true;
    } catch (error) {
      // A replace needs somebody whom the panel knows: support sees that the password has come, and resumes it.
      if (error instanceof JobError) return false;
      throw error;
    }
  }

  private sign(id: string, seconds: number): string {
    const head = `${Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')}.${seconds.toString(36)}`;
    return `${head}.${mac(this.keys[0]!, head).toString('base64url')}`;
  }

  /** The row's id; null: not made by us, or expired. */
  private verify(token: string): string | null {
    const parts = TOKEN.exec(token);
    if (parts === null) return null;
    const [, id, seconds, signature] = parts;
    const given = Buffer.from(signature!, 'base64url');
    const ours = this.keys.some((key) => timingSafeEqual(mac(key, `${id}.${seconds}`), given));
    if (!ours) return null;
    const hex = Buffer.from(id!, 'base64url').toString('hex');
    const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    return isUuid(uuid) ? uuid : null;
  }
}

type SourcedJob = JobEntity & { source: SourceSettings };

function viewOf(job: SourcedJob): LinkView {
  return { mailbox: job.mailbox, username: job.source.username, host: job.source.host };
}

function mac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
