import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Keyring } from '../credentials/keyring.js';
import { seal, type Sealed } from '../credentials/seal.js';
import { HARD_LIMIT_MS, inMs } from '../jobs/keeping.js';
import { KEYRING } from '../jobs/tokens.js';
import type { RefusedRow } from './batch.js';
import type { BatchRecord } from './batch-record.js';
import type { GivenRow } from './csv-rows.js';
import type { CheckedRow } from './row-checks.js';

/** Rows of one statement: enough to be few, and not so many that a statement is megabytes. */
const AT_ONCE = 1_000;
/** Of a refused row: enough to recognise it. */
const SHOWN = 320;

/** A batch's rows, their migrations as drafts, and their passwords sealed: a few statements however many they are. */
@Injectable()
export class RowWriter {
  constructor(@Inject(KEYRING) private readonly keyring: Keyring) {}

  async write(
    manager: EntityManager,
    batch: BatchRecord,
    given: readonly GivenRow[],
    accepted: readonly CheckedRow[],
    refused: readonly RefusedRow[],
    /** Who typed the passwords (Actor.sub). */
    typedBy: string,
  ): Promise<void> {
    for (const rows of slices(accepted)) await this.accept(manager, batch, rows, typedBy);
    const byRow = new Map(given.map((row) => [row.row, row]));
    for (const rows of slices(refused))
      await manager.query(
        `INSERT INTO mailferry.batch_rows (batch, row, mailbox, source_username, code, message)
         SELECT $1::uuid, * FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[])`,
        [
          batch.id,
          rows.map(({ row }) => row),
          rows.map(({ row }) => shown(byRow.get(row)?.mailbox)),
          rows.map(({ row }) => shown(byRow.get(row)?.username)),
          rows.map(({ code }) => code),
          rows.map(({ message }) => message),
        ],
      );
  }

  private async accept(
    manager: EntityManager,
    batch: BatchRecord,
    rows: readonly CheckedRow[],
    typedBy: string,
  ): Promise<void> {
    const { id, tenant, domain, owner, source, options } = batch;
    const jobs = rows.map((row) => ({ ...row, job: randomUUID() }));
    const { repair, deepVerify } = options;
    await manager.query(
      `INSERT INTO mailferry.jobs (id, tenant, domain, mailbox, owner, batch, state, source, items, filters, options)
       SELECT n.job, $1, $2, n.mailbox, $3, $4::uuid, 'draft', $5::jsonb || jsonb_build_object('username', n.username),
         $6::text[], $7::jsonb, $8::jsonb
       FROM unnest($9::uuid[], $10::text[], $11::text[]) AS n(job, mailbox, username)`,
      [
        tenant,
        domain,
        owner,
        id,
        JSON.stringify(source),
        options.items,
        JSON.stringify(options.filters),
        // Kept between the passes; finishing the batch erases them.
        JSON.stringify({ keepForSync: true, repair, deepVerify }),
        jobs.map(({ job }) => job),
        jobs.map(({ mailbox }) => mailbox),
        jobs.map(({ username }) => username),
      ],
    );
    await manager.query(
      `INSERT INTO mailferry.batch_rows (batch, row, mailbox, source_username, job)
       SELECT $1::uuid, * FROM unnest($2::int[], $3::text[], $4::text[], $5::uuid[])`,
      [
        id,
        jobs.map(({ row }) => row),
        jobs.map(({ mailbox }) => mailbox),
        jobs.map(({ username }) => username),
        jobs.map(({ job }) => job),
      ],
    );
    await this.seal(
      manager,
      { tenant, typedBy },
      jobs.flatMap(({ job, password }) => (password === null ? [] : [{ owner: job, password }])),
    );
  }

  private async seal(
    manager: EntityManager,
    { tenant, typedBy }: { readonly tenant: string; readonly typedBy: string },
    secrets: readonly { owner: string; password: string }[],
  ): Promise<void> {
    if (secrets.length === 0) return;
    const field = 'source-password';
    const sealed = secrets.map(({ owner, password }) => seal(this.keyring, password, { tenant, owner, field }));
    const column = <K extends keyof Sealed>(name: K): Sealed[K][] => sealed.map((one) => one[name]);
    await manager.query(
      `INSERT INTO mailferry.credentials (tenant, owner, field, key_id, wrapped_key, nonce, ciphertext, expires_at, typed_by)
       SELECT $1, n.owner, $2, n.key_id, n.wrapped_key, n.nonce, n.ciphertext, $3::timestamptz, $9
       FROM unnest($4::uuid[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[])
         AS n(owner, key_id, wrapped_key, nonce, ciphertext)`,
      [
        tenant,
        field,
        inMs(HARD_LIMIT_MS),
        secrets.map(({ owner }) => owner),
        column('keyId'),
        column('wrappedKey'),
        column('nonce'),
        column('ciphertext'),
        typedBy,
      ],
    );
  }
}

/**
 * The rows, their drafts and what was sealed for them. The drafts go first: a password that somebody gives at this moment is
 * sealed before, and found, or there is nothing any more to seal it for. @returns how many secrets went
 */
export async function clearRows(manager: EntityManager, batch: string): Promise<number> {
  const [jobs]: [{ id: string }[], number] = await manager.query(
    `DELETE FROM mailferry.jobs WHERE batch = $1 AND state = 'draft' RETURNING id`,
    [batch],
  );
  const [, erased]: [unknown[], number] = await manager.query(
    `DELETE FROM mailferry.credentials WHERE owner = ANY($1)`,
    [jobs.map(({ id }) => id)],
  );
  await manager.query(`DELETE FROM mailferry.batch_rows WHERE batch = $1`, [batch]);
  return erased;
}

function* slices<T>(list: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < list.length; at += AT_ONCE) yield list.slice(at, at + AT_ONCE);
}

/** What was written, as a database can hold it. */
function shown(text = ''): string {
  return text.slice(0, SHOWN).replace(/[\u0000-\u001f\u007f]|\p{Surrogate}/gu, '\ufffd');
}
