import { Inject, Injectable } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import { DataSource, type EntityManager } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { seal } from '../credentials/seal.js';
import type { DestinationSecret, SourceSecret } from './contract.js';
import { CredentialEntity } from './entities.js';
import { KEYRING } from './tokens.js';

/** The secrets a job or a connection test can have. */
export const SECRET_FIELDS = [
  'source-password',
  'source-token',
  'destination-username',
  'destination-password',
] as const;
export type SecretField = (typeof SECRET_FIELDS)[number];
/** Keys of uploaded files: one for each, named by the file's id. */
export const FILE_KEY = 'source-file/';
/**
 * The batch whose administrator opens the job's old account ($1 is the job): his password is sealed once, with the batch.
 * Only while the job's source is exactly what the batch made of it: whoever may change a job must not be able to turn
 * that password to another server or to somebody else's mail. Who dials compares what he dials, too (SecretOpener):
 * the job may have been another one when that was written down.
 */
export const ADMIN_SECRET_OWNER = `(SELECT b.id FROM mailferry.jobs j
    JOIN mailferry.batches b ON b.id = j.batch
    JOIN mailferry.batch_rows r ON r.batch = b.id AND r.job = j.id
  WHERE j.id = $1 AND b.source ? 'login'
    AND j.source = b.source || jsonb_build_object('username', r.source_username))`;
export interface SecretOwner {
  readonly tenant: string;
  readonly owner: string;
  /** Who typed it (Actor.sub). */
  readonly typedBy: string;
}

/** Seals, lists and erases. Nothing here can open: only the worker does. */
@Injectable()
export class SecretStore {
  constructor(
    @Inject(getDataSourceToken('mailferry')) private readonly db: DataSource,
    @Inject(KEYRING) private readonly keyring: Keyring,
  ) {}

  /** Replaces what was sealed for the source, as a whole. */
  async putSource(manager: EntityManager, at: SecretOwner, secret: SourceSecret, until: Date): Promise<void> {
    await this.remove(manager, at.owner, ['source-password', 'source-token']);
    if (secret.password !== undefined) await this.put(manager, at, 'source-password', secret.password, until);
    if (secret.token !== undefined) await this.put(manager, at, 'source-token', secret.token, until);
  }

  async putDestination(manager: EntityManager, at: SecretOwner, secret: DestinationSecret, until: Date): Promise<void> {
    await this.remove(manager, at.owner, ['destination-username', 'destination-password']);
    if (secret.username !== undefined) await this.put(manager, at, 'destination-username', secret.username, until);
    await this.put(manager, at, 'destination-password', secret.password, until);
  }

  /** The file goes with it: see the table `uploaded_files`. @returns the row's id. */
  putFileKey(manager: EntityManager, at: SecretOwner, file: string, key: string, until: Date): Promise<string> {
    return this.put(manager, at, `${FILE_KEY}${file}`, key, until);
  }

  /** Everything that was sealed for the source, files included. */
  async removeSource(manager: EntityManager, owner: string): Promise<void> {
    await manager.query(`DELETE FROM mailferry.credentials WHERE owner = $1 AND field LIKE 'source-%'`, [owner]);
  }

  async removeFile(manager: EntityManager, owner: string, file: string): Promise<void> {
    await manager.query(`DELETE FROM mailferry.credentials WHERE owner = $1 AND field = $2`, [owner, FILE_KEY + file]);
  }

  /** What is there for a job and not expired, an administrator's password sealed with its batch included. */
  async held(
    owner: string,
    manager: EntityManager = this.db.manager,
  ): Promise<{ source: boolean; destination: boolean }> {
    const rows: { field: string }[] = await manager.query(
      `SELECT field FROM mailferry.credentials WHERE (owner = $1 OR owner = ${ADMIN_SECRET_OWNER})
         AND (expires_at IS NULL OR expires_at > now())`,
      [owner],
    );
    const fields = rows.map(({ field }) => field);
    return {
      source: fields.some(
        (field) => field === 'source-password' || field === 'source-token' || field.startsWith(FILE_KEY),
      ),
      destination: fields.includes('destination-password'),
    };
  }

  /** True: nobody but he typed what is sealed for the source of these jobs, tests or batches. */
  async typedBy(manager: EntityManager, owners: readonly string[], sub: string): Promise<boolean> {
    const others: unknown[] = await manager.query(
      `SELECT 1 FROM mailferry.credentials WHERE owner = ANY($1) AND field IN ('source-password', 'source-token')
         AND typed_by IS DISTINCT FROM $2 LIMIT 1`,
      [owners, sub],
    );
    return others.length === 0;
  }

  /** The moment they are erased at, whatever happens. What has expired already is not there any more. */
  async keepUntil(manager: EntityManager, owner: string, until: Date): Promise<void> {
    await manager.query(
      `UPDATE mailferry.credentials SET expires_at = $2 WHERE owner = $1 AND (expires_at IS NULL OR expires_at > now())`,
      [owner, until],
    );
  }

  /** @returns how many were there. */
  async erase(manager: EntityManager, owner: string): Promise<number> {
    return (await manager.delete(CredentialEntity, { owner })).affected ?? 0;
  }

  async remove(manager: EntityManager, owner: string, fields: readonly SecretField[]): Promise<void> {
    await manager.query(`DELETE FROM mailferry.credentials WHERE owner = $1 AND field = ANY($2)`, [owner, fields]);
  }

  private async put(
    manager: EntityManager,
    { tenant, owner, typedBy }: SecretOwner,
    field: SecretField | `${typeof FILE_KEY}${string}`,
    secret: string,
    until: Date,
  ): Promise<string> {
    const { keyId, wrappedKey, nonce, ciphertext } = seal(this.keyring, secret, { tenant, owner, field });
    const [row]: { id: string }[] = await manager.query(
      `INSERT INTO mailferry.credentials (tenant, owner, field, key_id, wrapped_key, nonce, ciphertext, expires_at, typed_by)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
      [tenant, owner, field, keyId, wrappedKey, nonce, ciphertext, until, typedBy],
    );
    return row!.id;
  }
}
