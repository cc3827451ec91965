import type { EntityManager } from 'typeorm';
import { clearRows } from './row-writer.js';

/** A batch that was set up and never started (d). */
const DRAFT_DAYS = 7;
const AT_ONCE = 20;

/**
 * Removes batches that nobody has gone on with for a week, and every secret of theirs. One whose users were asked lately, or
 * have given a password since, is still waited for. Inside a transaction. @returns what went
 */
export async function removeOldDrafts(
  manager: EntityManager,
): Promise<{ readonly id: string; readonly tenant: string; readonly domain: string; readonly erased: number }[]> {
  const old: { id: string; tenant: string; domain: string }[] = await manager.query(
    `SELECT b.id, b.tenant, b.domain FROM mailferry.batches b
     WHERE b.state = 'draft' AND b.updated_at < now() - make_interval(days => $1)
       AND NOT EXISTS (SELECT 1 FROM mailferry.jobs j JOIN mailferry.credentials c ON c.owner = j.id
         WHERE j.batch = b.id AND c.created_at > now() - make_interval(days => $1))
       AND NOT EXISTS (SELECT 1 FROM mailferry.jobs j JOIN mailferry.password_links l ON l.job = j.id
         WHERE j.batch = b.id AND l.used_at IS NULL AND l.revoked_at IS NULL AND l.expires_at > now())
     ORDER BY b.updated_at LIMIT ${AT_ONCE} FOR UPDATE SKIP LOCKED`,
    [DRAFT_DAYS],
  );
  const gone = [];
  for (const batch of old) {
    const ofRows = await clearRows(manager, batch.id);
    const [, own]: [unknown[], number] = await manager.query(`DELETE FROM mailferry.credentials WHERE owner = $1`, [
      batch.id,
    ]);
    await manager.query(`DELETE FROM mailferry.batches WHERE id = $1`, [batch.id]);
    gone.push({ ...batch, erased: ofRows + own });
  }
  return gone;
}
