import type { DestinationFolderId, FolderId } from '../mailbox/folder.js';
import type { ItemKey } from '../mailbox/item.js';
import { freeClaims, raiseMarks, setIds } from './claim-ids.js';
import { addCounts } from './counts.js';
import type { Binding } from './ledger.js';
import type { Query } from './queries.js';
import { dropRefusals } from './refusals.js';
import { hex, type ItemId } from './rows.js';
import { CountsDeltas } from './settlement.js';

/**
 * Of several that want one key the first gets it; a key that is taken stays. What is bound under its new key has arrived:
 * that the job refused it, when the folder was numbered anew in the middle of a run, is no longer true.
 */
export async function rekeyBindings(
  query: Query,
  { mailbox, job, refusals }: { readonly mailbox: string; readonly job: string; readonly refusals: boolean },
  folder: FolderId,
  moved: readonly { from: ItemKey; to: ItemKey }[],
): Promise<void> {
  const first = new Map<ItemKey, ItemKey>();
  for (const { from, to } of moved) if (!first.has(to)) first.set(to, from);
  await query(
    `UPDATE mailferry.bindings b SET key = k.key
     FROM unnest($3::bytea[], $4::bytea[]) AS k(old, key)
     WHERE b.dest_mailbox = $1 AND b.folder = $2 AND b.key = k.old AND NOT EXISTS (
       SELECT 1 FROM mailferry.bindings o WHERE o.dest_mailbox = $1 AND o.folder = $2 AND o.key = k.key)`,
    [mailbox, folder, [...first.values()].map(hex), [...first.keys()].map(hex)],
  );
  if (!refusals) return;
  const deltas = new CountsDeltas();
  await dropRefusals(
    query,
    job,
    [...first.keys()].map((key) => ({ folder, key })),
    deltas,
  );
  await addCounts(query, job, deltas);
}

/** The destination folder was made anew: what was found in it again is bound to where it is now. */
export async function rebindFolder(
  query: Query,
  mailbox: string,
  folder: DestinationFolderId,
  epoch: string,
  moved: readonly { binding: Binding; id: ItemId }[],
): Promise<void> {
  const here = await query<{ folder: string; key: string }>(
    `SELECT b.folder, encode(b.key, 'hex') AS key FROM unnest($3::bigint[], $4::bytea[]) AS k(folder, key)
     JOIN mailferry.bindings b ON b.dest_mailbox = $1 AND b.folder = k.folder AND b.key = k.key
     WHERE b.dest_folder = $2`,
    [mailbox, folder, moved.map((m) => m.binding.folder), moved.map((m) => hex(m.binding.key))],
  );
  const names = new Set(here.map((row) => `${row.folder}/${row.key}`));
  const wanted = moved
    .filter((m) => names.has(`${m.binding.folder}/${m.binding.key}`))
    .map((m) => ({ folder: m.binding.folder, key: m.binding.key, destination: folder as string, id: m.id }));
  await setIds(query, mailbox, await freeClaims(query, mailbox, wanted));
  await query(
    `UPDATE mailferry.bindings SET epoch = NULL, uid = NULL, href = NULL,
       state = CASE WHEN state IN ('verified', 'existing') THEN 'removed' ELSE state END
     WHERE dest_mailbox = $1 AND dest_folder = $2 AND epoch <> $3`,
    [mailbox, folder, epoch],
  );
  // What is unclaimed under the new epoch may be anybody's: nothing of it counts as there before the first write.
  await query(`UPDATE mailferry.dest_folders SET epoch = $2, first_mark = 0, mark = 0 WHERE id = $1 AND epoch <> $2`, [
    folder,
    epoch,
  ]);
  await raiseMarks(
    query,
    moved.map(({ id }) => ({ destination: folder, id })),
  );
}
