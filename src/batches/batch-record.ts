import type { EntityManager } from 'typeorm';
import { jobError } from '../jobs/admission.js';
import type { Visibility } from '../jobs/contract.js';
import type { Reason } from '../jobs/job.js';
import { isUuid } from '../jobs/job-view.js';
import type { Principal } from '../panel/host-panel.js';
import type { BatchAuth, BatchOptions, BatchSource, BatchState } from './batch.js';

/** A row of `batches`. */
export interface BatchRecord {
  readonly id: string;
  readonly tenant: string;
  readonly domain: string;
  readonly name: string;
  /** `sub` of whoever made it. */
  readonly owner: string;
  /** Whoever started it last: the panel is asked about him before every migration of it starts. */
  readonly principal: Principal;
  readonly state: BatchState;
  readonly reason: Reason | null;
  readonly source: BatchSource;
  readonly auth: BatchAuth;
  readonly options: BatchOptions;
  readonly pass: number;
  readonly finishing: boolean;
  readonly inHours: boolean;
  readonly startAt: Date | null;
  readonly nextSyncAt: Date | null;
  readonly testing: boolean;
  readonly testsFrom: Date | null;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  /** When a person last wanted something started: what went wrong before does not count any more. */
  readonly resumedAt: Date | null;
  /** When the pass that is under way began. */
  readonly passFrom: Date | null;
  readonly finishedAt: Date | null;
}

export const BATCH_COLUMNS = `b.id, b.tenant, b.domain, b.name, b.owner, b.principal, b.state, b.reason, b.source, b.auth,
  b.options, b.pass, b.finishing, b.in_hours AS "inHours", b.start_at AS "startAt", b.next_sync_at AS "nextSyncAt",
  b.testing, b.tests_from AS "testsFrom", b.created_at AS "createdAt", b.started_at AS "startedAt",
  b.resumed_at AS "resumedAt", b.pass_from AS "passFrom", b.finished_at AS "finishedAt"`;

/** SQL over `batches b` and `batch_rows r`: the old account's password is there, the row's own or the administrator's. */
export const READY = `(b.auth->>'kind' <> 'ask-user'
  OR EXISTS (SELECT 1 FROM mailferry.credentials c WHERE c.owner = r.job AND c.expires_at > now()))`;

/** SQL over `jobs j` and `batch_rows r`: rests until a person does something about it, or gives it up. */
export const NEEDS_SOMEBODY = `(j.state IN ('paused', 'needs-action', 'failed') OR (j.state = 'draft' AND r.code IS NOT NULL))`;

/** Asks a database or a transaction. */
type Asks = Pick<EntityManager, 'query'>;

/** Null: not there, or not for these eyes. */
export async function findBatch(db: Asks, sees: Visibility, id: string): Promise<BatchRecord | null> {
  if (!isUuid(id)) return null;
  const [batch]: BatchRecord[] = await db.query(
    `SELECT ${BATCH_COLUMNS} FROM mailferry.batches b WHERE b.id = $1 AND b.tenant = $2`,
    [id, sees.tenant],
  );
  return batch !== undefined && mayUse(sees, batch.domain) ? batch : null;
}

/** Until the end of the transaction nobody else changes it. @throws JobError NOT_FOUND */
export async function lockBatch(manager: EntityManager, sees: Visibility, id: string): Promise<BatchRecord> {
  const batch = await findBatch(manager, sees, id);
  if (batch === null) throw jobError('NOT_FOUND');
  await manager.query(`SELECT 1 FROM mailferry.batches WHERE id = $1 FOR UPDATE`, [id]);
  // Read again: it may have changed while somebody else had it.
  const locked = await findBatch(manager, sees, id);
  if (locked === null) throw jobError('NOT_FOUND');
  return locked;
}

/** For those who look after it: as it is now, and until the end of the transaction. Null: not there any more. */
export async function lockAgain(manager: EntityManager, id: string): Promise<BatchRecord | null> {
  const [batch]: BatchRecord[] = await manager.query(
    `SELECT ${BATCH_COLUMNS} FROM mailferry.batches b WHERE b.id = $1 FOR UPDATE`,
    [id],
  );
  return batch ?? null;
}

export function isOver({ state }: Pick<BatchRecord, 'state'>): boolean {
  return state === 'finished' || state === 'cancelled';
}

/** A batch is its domain's: having a mailbox there is not enough. */
export function mayUse({ all, domains }: Visibility, domain: string): boolean {
  return all || domains.includes(domain);
}
