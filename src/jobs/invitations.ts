import { timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import type { ItemKind } from '../mailbox/kinds.js';
import { AuditTrail, by } from './audit.js';
import { jobError } from './admission.js';
import type { Actor, DestinationSecret, SourceSecret } from './contract.js';
import type { JobState, SourceSettings } from './job.js';
import { isUuid } from './job-view.js';
import { JobsService } from './jobs.service.js';
import { KEYRING } from './tokens.js';

/** What a link is good for, and for whom. */
export interface Invitation {
  readonly id: string;
  readonly tenant: string;
  readonly job: string;
  readonly mailbox: string;
  readonly domain: string;
  readonly source: SourceSettings;
  readonly items: readonly ItemKind[];
  readonly jobState: JobState;
  /** `closed`: the migration is over, or under way with another password. */
  readonly state: 'open' | 'used' | 'expired' | 'closed';
  readonly expiresAt: string;
}

/** What the page behind a link asks. */
export interface InvitationsApi {
  find(token: string): Promise<Invitation | null>;
  actor(invitation: Invitation, ip: string | undefined): Actor;
  redeem(
    invitation: Invitation,
    who: Actor,
    secret: SourceSecret,
    destination: DestinationSecret | undefined,
  ): Promise<void>;
}

const PURPOSE = 'invitations';
/** States in which a password of the old account is of use. */
const ASKS: readonly JobState[] = ['draft', 'waiting', 'paused', 'needs-action', 'failed', 'completed'];

/**
 * Links by which a person gives the password of his own old account and nothing else. The link is the row's id, signed:
 * whoever has the database cannot make one, and it can be shown again without having been kept.
 */
@Injectable()
export class Invitations implements InvitationsApi {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(KEYRING) private readonly keyring: Keyring,
    @Inject(JobsService) private readonly jobs: JobsService,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** One for each job, until then; earlier ones that were not used stop working. `send`: the panel is to tell them. */
  async make(
    manager: EntityManager,
    who: Actor,
    jobs: readonly string[],
    { until, send }: { readonly until: Date; readonly send: boolean },
  ): Promise<void> {
    await manager.query(
      `UPDATE mailferry.invitations SET expires_at = now(), to_send = false
       WHERE job = ANY($1) AND used_at IS NULL AND expires_at > now()`,
      [jobs],
    );
    await manager.query(
      `INSERT INTO mailferry.invitations (tenant, job, created_by, expires_at, to_send)
       SELECT $2, job, $3, $4, $5 FROM unnest($1::uuid[]) AS job`,
      [jobs, who.tenant, who.sub, until, send],
    );
  }

  /** The part of the link that cannot be guessed. */
  token(id: string): string {
    return `${Buffer.from(id.replaceAll('-', ''), 'hex').toString('base64url')}.${sign(this.keyring.mac(PURPOSE, id))}`;
  }

  /** Null: no link of ours. */
  async find(token: string): Promise<Invitation | null> {
    const id = this.verified(token);
    if (id === null) return null;
    const [row] = await this.db.query<(Omit<Invitation, 'state' | 'expiresAt'> & { used: boolean; until: Date })[]>(
      `SELECT i.id, i.tenant, i.job, j.mailbox, j.domain, j.source, j.items, j.state AS "jobState",
         i.used_at IS NOT NULL AS used, i.expires_at AS until
       FROM mailferry.invitations i JOIN mailferry.jobs j ON j.id = i.job WHERE i.id = $1`,
      [id],
    );
    if (row === undefined) return null;
    const { used, until, ...rest } = row;
    const state = used
      ? 'used'
      : until.getTime() <= Date.now()
        ? 'expired'
        : ASKS.includes(row.jobState)
          ? 'open'
          : 'closed';
    return { ...rest, state, expiresAt: until.toISOString() };
  }

  /** Whoever holds the link: he may test and give the password of this one account. */
  actor({ id, tenant, mailbox }: Invitation, ip: string | undefined): Actor {
    return {
      sub: `invitation:${id}`,
      tenant,
      ...(ip === undefined ? {} : { ip }),
      visibility: { tenant, all: false, mailboxes: [mailbox], domains: [] },
    };
  }

  /**
   * Seals the password to the job and closes the link. Of two at the same moment one is told that it was used.
   * @throws JobError LINK_USED, INVALID_STATE, VALIDATION
   */
  async redeem(
    invitation: Invitation,
    who: Actor,
    secret: SourceSecret,
    destination: DestinationSecret | undefined,
  ): Promise<void> {
    const [, claimed] = await this.db.query<[unknown[], number]>(
      `UPDATE mailferry.invitations SET used_at = now(), to_send = false
       WHERE id = $1 AND used_at IS NULL AND expires_at > now()`,
      [invitation.id],
    );
    if (claimed !== 1) throw jobError('LINK_USED');
    try {
      await this.jobs.setCredentials(who, invitation.job, secret, destination);
    } catch (error) {
      await this.db.query(`UPDATE mailferry.invitations SET used_at = NULL WHERE id = $1`, [invitation.id]);
      throw error;
    }
    await this.audit.record({
      ...by(who),
      action: 'invitation.used',
      job: invitation.job,
      mailbox: invitation.mailbox,
    });
  }

  private verified(token: string): string | null {
    const [name = '', signature = ''] = token.split('.');
    const hex = Buffer.from(name, 'base64url').toString('hex');
    const id = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
    if (!isUuid(id)) return null;
    const given = Buffer.from(signature);
    const right = this.keyring.macs(PURPOSE, id).some((mac) => {
      const wanted = Buffer.from(sign(mac));
      return wanted.length === given.length && timingSafeEqual(wanted, given);
    });
    return right ? id : null;
  }
}

function sign(mac: string): string {
  return Buffer.from(mac, 'hex').toString('base64url');
}
