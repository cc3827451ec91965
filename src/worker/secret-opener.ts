import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, In } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { open, OpenError, rewrap } from '../credentials/open.js';
import type { DestinationSecret, SourceSecret } from '../jobs/contract.js';
import { CredentialEntity } from '../jobs/entities.js';
import type { SourceSettings } from '../jobs/job.js';
import { reasonFor } from '../jobs/messages.js';
import { ADMIN_SECRET_OWNER, FILE_KEY, type SecretField } from '../jobs/secrets.js';
import { KEYRING } from '../jobs/tokens.js';
import { type ErrorSide, TransferError } from '../mailbox/transfer-error.js';

export interface OpenedSecrets {
  readonly source: SourceSecret;
  readonly destination: DestinationSecret | null;
}

/** Rows re-wrapped in one go. */
const REWRAP_BATCH = 200;

/** The only place where a sealed secret becomes readable. */
@Injectable()
export class SecretOpener {
  private readonly logger = new Logger('mailferry:credentials');

  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(KEYRING) private readonly keyring: Keyring,
  ) {}

  /** What is sealed for a connection test or a sign-in and not expired. @throws TransferError SECRET_UNREADABLE */
  async openTest(tenant: string, test: string): Promise<OpenedSecrets> {
    return this.openOf(test, await this.ids(`owner = $1 AND tenant = $2`, [test, tenant]));
  }

  /**
   * What is sealed for a job and not expired, an administrator's password of its batch included.
   * @param dialled where the caller is about to send it. The job may have changed since that was written down: a
   * password that was given for the job as it is now must not go to a server the job had once.
   * @throws TransferError SECRET_UNREADABLE; SOURCE_CHANGED where the job's source is not what is dialled
   */
  async openJob(tenant: string, job: string, dialled: SourceSettings): Promise<OpenedSecrets> {
    const [same] = await this.db.query<{ same: boolean; ids: string[] }[]>(
      `SELECT (j.source = $3::jsonb) AS same, ARRAY(
         SELECT c.id FROM mailferry.credentials c WHERE (c.owner = $1 OR c.owner = ${ADMIN_SECRET_OWNER})
           AND c.tenant = $2 AND (c.expires_at IS NULL OR c.expires_at > now())) AS ids
       FROM mailferry.jobs j WHERE j.id = $1 AND j.tenant = $2`,
      [job, tenant, JSON.stringify(dialled)],
    );
    if (same === undefined || !same.same) throw unusable('SOURCE_CHANGED', 'source');
    return this.openOf(job, same.ids);
  }

  private async openOf(owner: string, ids: readonly string[]): Promise<OpenedSecrets> {
    const rows = await this.db.manager.findBy(CredentialEntity, { id: In([...ids]) });
    // The job's own comes last and counts: somebody gave it for this job.
    rows.sort((a, b) => Number(a.owner === owner) - Number(b.owner === owner));
    const found = new Map<string, string>();
    for (const row of rows) {
      found.set(row.field, this.open(row));
      await this.renew(row);
    }
    const files = [...found].filter(([field]) => field.startsWith(FILE_KEY));
    const fileKeys = Object.fromEntries(files.map(([field, key]) => [field.slice(FILE_KEY.length), key]));
    const get = (field: SecretField): string | undefined => found.get(field);
    const password = get('source-password');
    const token = get('source-token');
    const username = get('destination-username');
    const secret = get('destination-password');
    return {
      source: {
        ...(password === undefined ? {} : { password }),
        ...(token === undefined ? {} : { token }),
        ...(files.length === 0 ? {} : { fileKeys }),
      },
      destination: secret === undefined ? null : { ...(username === undefined ? {} : { username }), password: secret },
    };
  }

  /** Wraps everything anew that an older master key holds. @returns how many. */
  async rewrapAll(): Promise<number> {
    let done = 0;
    let after = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const rows = await this.db.manager
        .createQueryBuilder(CredentialEntity, 'c')
        .where('c.key_id <> :key AND c.id > :after', { key: this.keyring.sealing.id, after })
        .orderBy('c.id')
        .limit(REWRAP_BATCH)
        .getMany();
      for (const row of rows) if (await this.renew(row)) done++;
      if (rows.length < REWRAP_BATCH) return done;
      after = rows[rows.length - 1]!.id;
    }
  }

  private open(row: CredentialEntity): string {
    try {
      return open(this.keyring, row, row);
    } catch (error) {
      const why = error instanceof OpenError ? error.why : 'unknown';
      this.logger.error(`a sealed secret does not open (${why}, master key ${row.keyId})`);
      throw unusable('SECRET_UNREADABLE', row.field.startsWith('source') ? 'source' : 'destination');
    }
  }

  private async ids(where: string, params: readonly unknown[]): Promise<string[]> {
    const rows = await this.db.query<{ id: string }[]>(
      `SELECT id FROM mailferry.credentials WHERE ${where} AND (expires_at IS NULL OR expires_at > now())`,
      [...params],
    );
    return rows.map(({ id }) => id);
  }

  private async renew(row: CredentialEntity): Promise<boolean> {
    if (row.keyId === this.keyring.sealing.id) return false;
    try {
      const renewed = rewrap(this.keyring, row, row);
      if (renewed === null) return false;
      const { affected } = await this.db.manager.update(
        CredentialEntity,
        { id: row.id, keyId: row.keyId },
        { keyId: renewed.keyId, wrappedKey: renewed.wrappedKey },
      );
      return affected === 1;
    } catch (error) {
      this.logger.warn(`a sealed secret could not be wrapped anew: ${(error as Error).message}`);
      return false;
    }
  }
}

function unusable(code: string, side: ErrorSide): TransferError {
  return new TransferError(reasonFor(code).message, { side, scope: 'job', retry: 'user', code });
}
