import { Inject, Injectable, Logger } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, In } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { open, OpenError, rewrap } from '../credentials/open.js';
import type { DestinationSecret, SourceSecret } from '../jobs/contract.js';
import { CredentialEntity } from '../jobs/entities.js';
import { reasonFor } from '../jobs/messages.js';
import { ADMIN_SECRET_OWNER, type SecretField } from '../jobs/secrets.js';
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

  /** What is sealed for a job or a test and not expired. @throws TransferError SECRET_UNREADABLE */
  async openAll(tenant: string, owner: string): Promise<OpenedSecrets> {
    const ids = await this.db.query<{ id: string }[]>(
      `SELECT id FROM mailferry.credentials WHERE (owner = $1 OR owner = ${ADMIN_SECRET_OWNER}) AND tenant = $2
         AND (expires_at IS NULL OR expires_at > now())`,
      [owner, tenant],
    );
    const rows = await this.db.manager.findBy(CredentialEntity, { id: In(ids.map(({ id }) => id)) });
    // The job's own comes last and counts: somebody gave it for this job.
    rows.sort((a, b) => Number(a.owner === owner) - Number(b.owner === owner));
    const found = new Map<string, string>();
    for (const row of rows) {
      found.set(row.field, this.open(row));
      await this.renew(row);
    }
    const get = (field: SecretField): string | undefined => found.get(field);
    const password = get('source-password');
    const token = get('source-token');
    const username = get('destination-username');
    const secret = get('destination-password');
    return {
      source: { ...(password === undefined ? {} : { password }), ...(token === undefined ? {} : { token }) },
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
      const side: ErrorSide = row.field.startsWith('source') ? 'source' : 'destination';
      throw new TransferError(reasonFor('SECRET_UNREADABLE').message, {
        side,
        scope: 'job',
        retry: 'user',
        code: 'SECRET_UNREADABLE',
      });
    }
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
