import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { HostPanel, SafeText } from '../panel/host-panel.js';
import { inTime } from '../panel/in-time.js';
import { HOST_PANEL } from '../panel/options.js';
import { JobError, type Actor } from './contract.js';
import { wordsFor } from './messages.js';

/** Who did it, where nobody at a keyboard did. */
export const SYSTEM = 'mailferry';

export interface AuditLine {
  readonly tenant: string;
  readonly sub: string;
  readonly actor?: string;
  readonly ip?: string;
  /** e.g. 'job.start', 'credentials.erased'. */
  readonly action: string;
  readonly job?: string;
  readonly mailbox?: string;
  readonly detail?: SafeText;
}

/** How long the panel may take to record a line (ms). */
const PANEL_MS = 5_000;

/** Our own table, which nobody can change, and the panel's. */
@Injectable()
export class AuditTrail {
  private readonly logger = new Logger('mailferry:audit');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(HOST_PANEL) private readonly panel: HostPanel,
  ) {}

  /** Never fails because of the panel: its refusal is logged. */
  async record(line: AuditLine, manager: EntityManager = this.db.manager): Promise<void> {
    await this.insert(line, manager);
    void this.tell(line).catch((error: Error) =>
      this.logger.error(`the panel did not take an audit line: ${error.message}`),
    );
  }

  /**
   * Before a dangerous action: both must have recorded it, else it is not done.
   * @throws JobError AUDIT_UNAVAILABLE
   */
  async demand(line: AuditLine): Promise<void> {
    await this.insert(line, this.db.manager);
    try {
      await this.tell(line);
    } catch (error) {
      this.logger.error(`the panel did not take an audit line: ${(error as Error).message}`);
      throw new JobError('AUDIT_UNAVAILABLE', wordsFor('AUDIT_UNAVAILABLE').message);
    }
  }

  private async insert(line: AuditLine, manager: EntityManager): Promise<void> {
    await manager.query(
      `INSERT INTO mailferry.audit (tenant, sub, actor, action, job, mailbox, ip, detail)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [
        line.tenant,
        line.sub,
        line.actor ?? null,
        line.action,
        line.job ?? null,
        line.mailbox ?? null,
        line.ip ?? null,
        line.detail ? JSON.stringify(line.detail) : null,
      ],
    );
  }

  private async tell({ tenant, job, ...line }: AuditLine): Promise<void> {
    const event = { ...line, at: new Date(), tenantId: tenant, ...(job === undefined ? {} : { jobId: job }) };
    await inTime(() => this.panel.audit(event), PANEL_MS);
  }
}

export function by(who: Actor): Pick<AuditLine, 'tenant' | 'sub' | 'actor' | 'ip'> {
  const { tenant, sub, actor, ip } = who;
  return { tenant, sub, ...(actor === undefined ? {} : { actor }), ...(ip === undefined ? {} : { ip }) };
}
