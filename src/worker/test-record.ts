import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import type { SourceSecret } from '../jobs/contract.js';
import { ConnectionTestEntity } from '../jobs/entities.js';
import type { SourceSettings } from '../jobs/job.js';
import { SecretStore } from '../jobs/secrets.js';
import { sourceHash } from '../jobs/source-hash.js';
import { KEYRING } from '../jobs/tokens.js';
import { lockJob } from '../jobs/transition.js';
import { wasOpened } from './opened-before.js';

/** The row of a connection test, from the claim to the result. */
@Injectable()
export class TestRecord {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(KEYRING) private readonly keyring: Keyring,
    @Inject(SecretStore) private readonly secrets: SecretStore,
  ) {}

  /** Null: done, taken or expired. */
  async claim(id: string): Promise<ConnectionTestEntity | null> {
    const [, claimed] = await this.db.query<[unknown[], number]>(
      `UPDATE mailferry.connection_tests SET state = 'running', started_at = now()
       WHERE id = $1 AND state = 'queued' AND expires_at > now()`,
      [id],
    );
    return claimed === 1 ? this.db.manager.findOneBy(ConnectionTestEntity, { id }) : null;
  }

  openedBefore({ tenant, mailbox }: ConnectionTestEntity): Promise<boolean> {
    return wasOpened(this.db, tenant, mailbox ?? '');
  }

  /** Result in, ciphertext out; what passed is remembered, and a draft knows what was said about its settings. */
  async finish(
    test: ConnectionTestEntity,
    result: Readonly<Record<string, unknown>>,
    secret: SourceSecret | null,
  ): Promise<void> {
    const tested = test.purpose === 'test' && secret !== null;
    // A draft's own hash may be unknown to the web process: only here is the secret at hand.
    const hash = tested ? sourceHash(this.keyring, test.source as SourceSettings, secret) : null;
    await this.db.transaction(async (manager) => {
      await manager.query(
        `UPDATE mailferry.connection_tests SET state = 'done', result = $2, finished_at = now()
         WHERE id = $1 AND state = 'running'`,
        [test.id, JSON.stringify(result)],
      );
      await this.secrets.erase(manager, test.id);
      if (hash === null) return;
      if (result['ok'] === true)
        await manager.query(
          `INSERT INTO mailferry.passed_tests (tenant, source_hash, at) VALUES ($1, $2, now())
           ON CONFLICT (tenant, source_hash) DO UPDATE SET at = EXCLUDED.at`,
          [test.tenant, hash],
        );
      if (test.job === null) return;
      const job = await lockJob(manager, test.job);
      // Changed while it was tested: the result is about something else.
      const current = job !== null && isDeepStrictEqual(job.source, test.source) && job.sourceHash === test.sourceHash;
      if (!current) return;
      await manager.query(
        `UPDATE mailferry.jobs SET test_result = $2, tested_hash = $3, source_hash = $3, tested_at = now(),
           version = version + 1, updated_at = now() WHERE id = $1`,
        [test.job, JSON.stringify({ ...result, id: test.id }), hash],
      );
    });
  }
}
