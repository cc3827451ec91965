import type {
  DestinationFolder,
  DestinationFolderId,
  FolderId,
  FolderPlan,
  FolderRole,
  SourceFolder,
  SourceFolderId,
} from '../mailbox/folder.js';
import type { SyncState } from '../mailbox/item.js';
import type { ItemKind } from '../mailbox/kinds.js';
import type { FolderMap, KnownDestinationFolder, KnownFolder, LinkId } from './ledger.js';
import type { Query } from './queries.js';
import { arrayText, clean } from './rows.js';

export interface SavedDestination {
  readonly folder: DestinationFolder;
  readonly mark: { readonly epoch: string; readonly mark: string };
  readonly follows?: DestinationFolderId;
}

interface MapRow {
  id: string;
  source_id: string;
  path: string[];
  kind: ItemKind;
  role: FolderRole | null;
  epoch: string | null;
  object_id: string | null;
  key_scope: 'folder' | 'account';
  selectable: boolean;
  subscribed: boolean;
  sync_state: SyncState | null;
  dest_folder: string | null;
  dest_path: string[] | null;
}
interface DestinationRow {
  id: string;
  name: string;
  path: string[];
  kind: ItemKind;
  role: FolderRole | null;
  object_id: string | null;
  epoch: string;
  pre_existing: boolean;
  first_mark: string;
  mark: string;
}

/** @param fresh what the source says now: it knows more of a folder than the ledger keeps. */
export async function readFolderMap(
  query: Query,
  link: LinkId,
  fresh: readonly SourceFolder[] = [],
): Promise<FolderMap> {
  const rows = await query<MapRow>(
    `SELECT id, source_id, path, kind, role, epoch, object_id, key_scope, selectable, subscribed, sync_state, dest_folder,
       dest_path
     FROM mailferry.folders WHERE link = $1 ORDER BY id`,
    [link],
  );
  const destinations = await query<DestinationRow>(
    `SELECT id, name, path, kind, role, object_id, epoch, pre_existing, first_mark, mark
     FROM mailferry.dest_folders WHERE id = ANY($1::bigint[])`,
    [rows.map((row) => row.dest_folder).filter((id) => id !== null)],
  );
  const freshById = new Map(fresh.map((folder) => [clean(folder.id), folder]));
  const sourceOf = (row: MapRow): SourceFolder => freshById.get(row.source_id) ?? toSource(row);
  const known = new Map<string, KnownDestinationFolder>();
  for (const row of destinations) {
    const sources = rows.filter((r) => r.dest_folder === row.id).map((r) => sourceOf(r).id);
    known.set(row.id, toDestination(row, sources));
  }
  const folders = rows.map((row): KnownFolder => ({
    id: row.id as FolderId,
    source: sourceOf(row),
    state: row.sync_state,
    destination: row.dest_folder === null ? null : (known.get(row.dest_folder) ?? null),
    path: row.dest_path,
  }));
  return { folders };
}

function toSource(row: MapRow): SourceFolder {
  return {
    id: row.source_id as SourceFolderId,
    path: row.path,
    kind: row.kind,
    ...(row.role && { role: row.role }),
    epoch: row.epoch,
    ...(row.object_id !== null && { objectId: row.object_id }),
    keyScope: row.key_scope,
    selectable: row.selectable,
    subscribed: row.subscribed,
    complete: true,
    items: null,
    bytes: null,
  };
}

function toDestination(row: DestinationRow, sources: readonly SourceFolderId[]): KnownDestinationFolder {
  return {
    id: row.id as DestinationFolderId,
    folder: {
      name: row.name,
      path: row.path,
      kind: row.kind,
      ...(row.role && { role: row.role }),
      epoch: row.epoch,
      ...(row.object_id !== null && { objectId: row.object_id }),
      preExisting: row.pre_existing,
      sources,
    },
    firstMark: { epoch: row.epoch, mark: row.first_mark },
    mark: row.mark,
  };
}

export async function saveFolderMap(
  query: Query,
  link: LinkId,
  mailbox: string,
  plan: FolderPlan,
  destinations: readonly SavedDestination[],
  renamed: readonly { folder: FolderId; source: SourceFolderId }[],
): Promise<FolderMap> {
  await renameSources(query, link, renamed);

  const rows = await query<DestinationRow>(
    `SELECT id, name, path, kind, role, object_id, epoch, pre_existing, first_mark, mark
     FROM mailferry.dest_folders WHERE dest_mailbox = $1 ORDER BY id`,
    [mailbox],
  );
  const bySource = new Map<SourceFolderId, string>();
  for (const destination of destinations) {
    const id = await saveDestination(query, mailbox, rows, destination);
    for (const source of destination.folder.sources) bySource.set(source, id);
  }

  const mappings = [...new Map(plan.mappings.map((m) => [clean(m.source.id), m])).values()];
  await query(
    `INSERT INTO mailferry.folders AS f
       (link, source_id, path, kind, role, epoch, object_id, key_scope, selectable, subscribed, dest_folder, dest_path)
     SELECT $1, k.source_id, k.path::text[], k.kind, k.role, k.epoch, k.object_id, k.key_scope, k.selectable,
       k.subscribed, k.dest_folder, k.dest_path::text[]
     FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::boolean[],
       $10::bigint[], $11::text[], $12::text[])
       AS k(source_id, path, kind, role, epoch, key_scope, selectable, subscribed, dest_folder, dest_path, object_id)
     ON CONFLICT (link, source_id) DO UPDATE SET path = excluded.path, kind = excluded.kind, role = excluded.role,
       epoch = excluded.epoch, object_id = excluded.object_id, key_scope = excluded.key_scope, selectable = excluded.selectable,
       subscribed = excluded.subscribed, dest_folder = COALESCE(excluded.dest_folder, f.dest_folder),
       dest_path = COALESCE(f.dest_path, excluded.dest_path)`,
    [
      link,
      mappings.map((m) => clean(m.source.id)),
      mappings.map((m) => arrayText(m.source.path)),
      mappings.map((m) => m.source.kind),
      mappings.map((m) => m.source.role ?? null),
      mappings.map((m) => m.source.epoch),
      mappings.map((m) => m.source.keyScope),
      mappings.map((m) => m.source.selectable),
      mappings.map((m) => m.source.subscribed),
      mappings.map((m) => bySource.get(m.source.id) ?? null),
      mappings.map((m) => arrayText(m.path)),
      mappings.map((m) => (m.source.objectId === undefined ? null : clean(m.source.objectId))),
    ],
  );
  return readFolderMap(
    query,
    link,
    plan.mappings.map((m) => m.source),
  );
}

/** In two steps: two folders that swapped their names must not meet on the way. */
async function renameSources(
  query: Query,
  link: LinkId,
  renamed: readonly { folder: FolderId; source: SourceFolderId }[],
): Promise<void> {
  if (renamed.length === 0) return;
  const folders = renamed.map(({ folder }) => folder);
  await query(`UPDATE mailferry.folders SET source_id = 'renaming:' || id WHERE link = $1 AND id = ANY($2::bigint[])`, [
    link,
    folders,
  ]);
  await query(
    `UPDATE mailferry.folders f SET source_id = k.source_id FROM unnest($2::bigint[], $3::text[]) AS k(id, source_id)
     WHERE f.link = $1 AND f.id = k.id`,
    [link, folders, renamed.map(({ source }) => clean(source))],
  );
}

/** Finds the folder's row, or makes one. `rows` is kept up to date. */
async function saveDestination(
  query: Query,
  mailbox: string,
  rows: DestinationRow[],
  { folder, mark, follows }: SavedDestination,
): Promise<string> {
  const name = clean(folder.name);
  const known =
    rows.find((row) => row.id === follows) ??
    rows.find((row) => folder.objectId !== undefined && row.object_id === clean(folder.objectId)) ??
    rows.find((row) => row.name === name);
  if (!known) {
    const made = await query<DestinationRow>(
      `INSERT INTO mailferry.dest_folders
         (dest_mailbox, name, path, kind, role, object_id, epoch, pre_existing, first_mark, mark)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
       RETURNING id, name, path, kind, role, object_id, epoch, pre_existing, first_mark, mark`,
      [mailbox, name, ...described(folder), mark.epoch, folder.preExisting, mark.mark],
    );
    rows.push(...made);
    return made[0]!.id;
  }
  // The folder that had the name before is gone, or has another name that we have not heard of yet.
  const displaced = rows.find((row) => row !== known && row.name === name);
  if (displaced) {
    displaced.name = `gone:${displaced.id}:${name}`;
    displaced.object_id = null;
    await query(`UPDATE mailferry.dest_folders SET name = $2, object_id = NULL WHERE id = $1`, [
      displaced.id,
      displaced.name,
    ]);
  }
  known.name = name;
  known.object_id = folder.objectId === undefined ? null : clean(folder.objectId);
  await query(
    `UPDATE mailferry.dest_folders SET name = $2, path = $3, kind = $4, role = $5, object_id = $6 WHERE id = $1`,
    [known.id, name, ...described(folder)],
  );
  return known.id;
}

function described(folder: DestinationFolder): unknown[] {
  const objectId = folder.objectId === undefined ? null : clean(folder.objectId);
  return [folder.path.map(clean), folder.kind, folder.role ?? null, objectId];
}
