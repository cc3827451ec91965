import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { PLUGIN_OPTIONS, type ResolvedOptions } from '../panel/options.js';
import { Admission, jobError } from './admission.js';
import { accountSubject, Attempts } from './attempts.js';
import { AuditTrail, by } from './audit.js';
import type { Actor } from './contract.js';
import type { JobEntity } from './entities.js';
import type { SourceSettings } from './job.js';
import { hasSource } from './job-view.js';
import { invalid, isOfFiles } from './settings.js';
import { TEST_VALID_MS } from './source-hash.js';

/** What must hold before somebody's mailbox is dialled for a job. */
@Injectable()
export class JobGate {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(PLUGIN_OPTIONS) private readonly options: ResolvedOptions,
    @Inject(Admission) private readonly admission: Admission,
    @Inject(Attempts) private readonly attempts: Attempts,
    @Inject(AuditTrail) private readonly audit: AuditTrail,
  ) {}

  /** Everything that must hold before a run, asked anew. @throws JobError */
  async admit(who: Actor, job: JobEntity, held: { source: boolean; destination: boolean }): Promise<void> {
    if (!hasSource(job)) throw invalid({ source: 'is missing' });
    const { source, mailbox } = job;
    const replace = job.existing === 'replace';
    if (replace && !job.confirmed) throw invalid({ confirm: 'must be the address of the mailbox' });
    const ref = { tenantId: job.tenant, address: mailbox };
    const { domain } = await this.admission.mailbox(ref);
    await this.admission.may(who, ref, domain, replace);
    await this.dialable(source, mailbox);
    if (!held.source) throw jobError(missingSecret(source), { side: 'source' });
    if (this.options.destinationNeedsSecret && !held.destination)
      throw jobError('CREDENTIALS_REQUIRED', { side: 'destination' });
    if (await this.attempts.isLocked(accountSubject(source))) throw jobError('RATE_LIMITED');
    // A start without a test is one; those who start whole domains are held by the limits on accounts alone.
    const alone = !who.visibility.all && who.visibility.domains.length === 0;
    if (
      alone &&
      (await this.passed(job)) === null &&
      !(await this.attempts.takeTest(who.tenant, who.sub, source.host || undefined))
    )
      throw jobError('RATE_LIMITED');
    if (replace)
      await this.audit.demand({ ...by(who), action: 'job.replace', mailbox, ...(job.id ? { job: job.id } : {}) });
  }

  /** @throws JobError SAME_MAILBOX, TARGET_NOT_ALLOWED, PORT_NOT_ALLOWED, HOST_NOT_FOUND */
  async dialable(source: SourceSettings, mailbox: string): Promise<void> {
    if (isOfFiles(source)) return;
    this.admission.notItself(source, mailbox);
    await this.admission.target(source);
  }

  /** When a test of exactly these settings passed, if that is worth something still. */
  async passed({ tenant, sourceHash: hash }: JobEntity): Promise<Date | null> {
    if (hash === null) return null;
    const [row] = await this.db.query<{ at: Date }[]>(
      `SELECT at FROM mailferry.passed_tests WHERE tenant = $1 AND source_hash = $2 AND at > $3`,
      [tenant, hash, new Date(Date.now() - TEST_VALID_MS)],
    );
    return row?.at ?? null;
  }
}

/** What is wrong when nothing is sealed for the source. */
export function missingSecret(source: SourceSettings): string {
  if (!isOfFiles(source)) return 'CREDENTIALS_REQUIRED';
  return source.files.length === 0 ? 'FILES_MISSING' : 'FILES_GONE';
}
