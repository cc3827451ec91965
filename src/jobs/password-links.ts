import { Inject, Injectable, Optional } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { jobError } from './admission.js';
import { AuditTrail, by } from './audit.js';
import { ConnectionTestsService } from './connection-tests.service.js';
import {
  JobError,
  type Actor,
  type LinkAction,
  type LinkLook,
  type LinkOver,
  type LinksApi,
  type LinkSecrets,
  type LinkState,
  type Redeemed,
  type Steering,
} from './contract.js';
import { JobEntity } from './entities.js';
import { JobCredentials, TAKES_CREDENTIALS } from './job-credentials.js';
import type { JobState, SourceSettings } from './job.js';
import { next } from './job-state.js';
import { JobsService } from './jobs.service.js';
import { hasSource } from './job-view.js';
import { linkToken, readLinkToken } from './link-token.js';
import { type CheckedSettings, checkSettings } from './settings.js';
import { sameSource } from './source-change.js';
import { sourceHash } from './source-hash.js';
import { KEYRING, STEERING } from './tokens.js';
import { lockJob } from './transition.js';

/** How long a link counts unless said otherwise (ms): somebody who is on holiday for a week can still use it. */
export const LINK_MS = 7 * 24 * 60 * 60 * 1000;
/** Codes by which a server says that it is the password; a server that is away does not say that it is wrong. */
const REFUSES = /^(AUTH_\w+|IMAP_DISABLED|RATE_LIMITED|DESTINATION_AUTH_FAILED)$/;

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
type SourcedJob = JobEntity & { source: SourceSettings };

/**
 * Links by which the owner of an old account types its password without signing in: signed, so that nobody can make one;
 * for one job; until a day; used once. Whoever made it never sees what was typed.
 */
@Injectable()
export class PasswordLinks implements LinksApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(KEYRING) private readonly keyring: Keyring,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(JobCredentials) private readonly credentials: JobCredentials,
    @Inject(ConnectionTestsService) private readonly tests: ConnectionTestsService,
    @Optional() @Inject(STEERING) private readonly steering: Steering | null = null,
  ) {}

  /**
   * A new link for one job, which the panel is to send where its address is known.
   * @param then what follows once the password is there, where the job's state does not say it; null: nothing
   * @throws JobError NOT_FOUND, INVALID_STATE; BATCH_LOGIN where an administrator opens the account
   */
  async make(
    who: Actor,
    jobId: string,
    then: LinkAction | null,
    ms = LINK_MS,
  ): Promise<{ token: string; expiresAt: Date }> {
    const job = await this.jobs.get(who.visibility, jobId);
    if (job === null) throw jobError('NOT_FOUND');
    if (job.source.login !== undefined) throw jobError('BATCH_LOGIN');
    if (then !== null && next(job.state, then) === null) throw jobError('INVALID_STATE', { state: job.state });
    const until = new Date(Date.now() + ms);
    const send = this.options.publicUrl !== null;
    const [made] = await this.db.transaction(async (manager) => {
      const links = await this.makeFor(manager, who, [jobId], { until, send, then });
      await this.audit.record({ ...by(who), action: 'link.made', job: jobId, mailbox: job.mailbox }, manager);
      return links;
    });
    return { token: this.token(made!.id, made!.expires_at), expiresAt: made!.expires_at };
  }

  /** One for each job; those made before for the same job count no more. `send`: the panel is to tell its owner. */
  async makeFor(
    manager: EntityManager,
    who: Actor,
    jobs: readonly string[],
    { until, send, then = null }: { readonly until: Date; readonly send: boolean; readonly then?: LinkAction | null },
  ): Promise<Pick<LinkRow, 'id' | 'expires_at'>[]> {
    // Jobs before links, as everywhere: who gives a password at this moment holds them in that order.
    await manager.query(`SELECT 1 FROM mailferry.jobs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`, [jobs]);
    await manager.query(
      `UPDATE mailferry.password_links SET revoked_at = now(), to_send = false
       WHERE job = ANY($1) AND used_at IS NULL AND revoked_at IS NULL`,
      [jobs],
    );
    return manager.query(
      `INSERT INTO mailferry.password_links (tenant, job, made_by, next_action, expires_at, to_send)
       SELECT $2, job, $3, $4, date_trunc('second', $5::timestamptz), $6 FROM unnest($1::uuid[]) AS job
       RETURNING id, expires_at`,
      [jobs, who.tenant, who.principal?.name ?? who.sub, then, until, send],
    );
  }

  /** @param id, expiresAt the row's. */
  token(id: string, expiresAt: Date): string {
    return linkToken(this.keyring, id, expiresAt);
  }

  /** Changes nothing: mail programs look into links before people do. */
  async look(token: string): Promise<LinkLook> {
    const found = await this.find(token);
    if ('is' in found) return found;
    const { link, job } = found;
    return {
      is: 'open',
      mailbox: job.mailbox,
      username: job.source.username,
      host: job.source.host,
      expiresAt: link.expires_at.toISOString(),
      asksDestination: this.options.destinationNeedsSecret,
      seen: this.seen(job.source),
    };
  }

  /**
   * Tries the password at the old server, seals it with the job, uses the link up, and lets the job go on. A password that
   * the server does not take leaves the link as it was.
   * @throws JobError VALIDATION, CREDENTIALS_REQUIRED
   */
  async redeem(token: string, { password, destination, seen }: LinkSecrets, ip: string): Promise<Redeemed> {
    const found = await this.find(token);
    if ('is' in found) return found;
    const { link, job } = found;
    if (this.seen(job.source) !== seen) return { is: 'refused', code: 'SOURCE_CHANGED' };
    if (this.options.destinationNeedsSecret && destination === undefined)
      throw jobError('CREDENTIALS_REQUIRED', { side: 'destination' });
    const settings = checkSettings({
      secret: { password },
      ...(destination !== undefined && { destination: { password: destination } }),
    });
    const who: Actor = {
      sub: `link:${link.id}`,
      tenant: link.tenant,
      ip,
      visibility: { tenant: link.tenant, all: false, mailboxes: [job.mailbox], domains: [] },
    };
    const code = await this.refusal(who, job, settings);
    if (code !== null) return { is: 'refused', code };
    let after: JobEntity | null;
    try {
      after = await this.take(who, link, job.source, settings);
    } catch (error) {
      if (error instanceof JobError && error.code === 'INVALID_STATE') return { is: 'needless' };
      if (error instanceof JobError && error.code === 'SOURCE_CHANGED') return { is: 'refused', code: error.code };
      throw error;
    }
    // Of two who type at the same moment one is told so.
    if (after === null) return this.over(token);
    return { is: 'done', goesOn: await this.goOn(who, job.id, onward(after.state, link.next_action)) };
  }

  /** The last one that was made for a job. */
  async last(job: string): Promise<LinkState | null> {
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

  private async find(token: string): Promise<{ link: LinkRow; job: SourcedJob } | { is: LinkOver }> {
    const signed = readLinkToken(this.keyring, token);
    if (signed === null) return { is: 'unknown' };
    // The same whether its row, or its job, is still there.
    if (signed.expired) return { is: 'expired' };
    const [link] = await this.db.query<LinkRow[]>(`SELECT * FROM mailferry.password_links WHERE id = $1`, [signed.id]);
    if (link === undefined) return { is: 'unknown' };
    if (link.used_at !== null) return { is: 'used' };
    if (link.revoked_at !== null || link.expires_at.getTime() <= Date.now()) return { is: 'expired' };
    const job = await this.db.manager.findOneBy(JobEntity, { id: link.job, tenant: link.tenant });
    if (job === null || !hasSource(job)) return { is: 'unknown' };
    // Nobody's own password goes out with an administrator's name.
    if (job.source.login !== undefined || !TAKES_CREDENTIALS.includes(job.state)) return { is: 'needless' };
    const wished = link.next_action;
    return wished !== null && onward(job.state, wished) === null ? { is: 'needless' } : { link, job };
  }

  private async over(token: string): Promise<{ is: LinkOver }> {
    const now = await this.find(token);
    return 'is' in now ? now : { is: 'used' };
  }

  private seen(source: SourceSettings): string {
    return sourceHash(this.keyring, source, {});
  }

  /** Null: the servers take the passwords, or could not be asked; the run says so then. */
  private async refusal(who: Actor, job: SourcedJob, settings: CheckedSettings): Promise<string | null> {
    try {
      const test = await this.tests.request(who, {
        source: job.source,
        secret: settings.secret!,
        mailbox: job.mailbox,
        items: job.items,
        ...(settings.destination !== undefined && { destination: settings.destination }),
      });
      const result = await this.tests.wait(who, test, this.options.limits.testWaitMs);
      return result?.state === 'done' && !result.ok && REFUSES.test(result.code) ? result.code : null;
    } catch (error) {
      if (error instanceof JobError) return REFUSES.test(error.code) ? error.code : null;
      throw error;
    }
  }

  /** Both or neither: the link is used up, and the password is with the job. Null: somebody was faster. */
  private take(
    who: Actor,
    { id, job }: LinkRow,
    tried: SourceSettings,
    settings: CheckedSettings,
  ): Promise<JobEntity | null> {
    return this.db.transaction(async (manager) => {
      const now = await lockJob(manager, job);
      // Somebody may have turned it to another server while the password was tried at this one.
      if (now !== null && !sameSource(now.source as SourceSettings, tried)) throw jobError('SOURCE_CHANGED');
      const [, taken]: [unknown[], number] = await manager.query(
        `UPDATE mailferry.password_links SET used_at = now(), to_send = false
         WHERE id = $1 AND used_at IS NULL AND revoked_at IS NULL AND expires_at > now()`,
        [id],
      );
      if (taken !== 1) return null;
      const after = await this.credentials.set(manager, who, job, settings);
      await this.audit.record({ ...by(who), action: 'link.used', job, mailbox: after.mailbox }, manager);
      return after;
    });
  }

  private async goOn(who: Actor, id: string, action: LinkAction | null): Promise<boolean> {
    const steered = (await this.steering?.passwordCame(id, action)) ?? null;
    if (steered !== null || action === null) return steered === true;
    try {
      await this.jobs.act(who, id, action);
      return true;
    } catch (error) {
      // A replace needs somebody whom the panel knows: support sees that the password has come, and resumes it.
      if (error instanceof JobError) return false;
      throw error;
    }
  }
}

/** Links that nobody may use any more: those of a batch that is over. */
export async function revokeLinksOfBatch(manager: EntityManager, batch: string): Promise<void> {
  await manager.query(
    `UPDATE mailferry.password_links SET revoked_at = now(), to_send = false
     WHERE used_at IS NULL AND revoked_at IS NULL AND job IN (SELECT id FROM mailferry.jobs WHERE batch = $1)`,
    [batch],
  );
}

/** How a job goes on once its password is there: it waits for it, or somebody wished so and its state allows it. */
function onward(state: JobState, wished: LinkAction | null): LinkAction | null {
  if (state === 'needs-action') return 'resume';
  if (state === 'failed') return 'retry';
  return wished !== null && next(state, wished) !== null ? wished : null;
}
