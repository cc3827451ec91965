import { addCounts, addRemarks, type PlacedNote } from './counts.js';
import { freeClaims, raiseMarks, type NewClaim } from './claim-ids.js';
import { takeFromIntents } from './intents.js';
import type { ItemPlace, LinkId, Settled } from './ledger.js';
import { columnNames, columnValues, Parameters, type Column, type Query } from './queries.js';
import { dropRefusals, refuse } from './refusals.js';
import {
  arrayText,
  BINDING_COLUMNS,
  clean,
  hex,
  hrefColumn,
  offsetColumn,
  rowId,
  secondsColumn,
  sizeColumn,
  uidColumn,
  type BindingRow,
  type ItemId,
  placeColumns,
} from './rows.js';
import {
  CountsDeltas,
  decide,
  isBound,
  lastOfEach,
  placeName,
  stateOf,
  type Bound,
  type Refused,
} from './settlement.js';

export interface SettleScope {
  readonly link: LinkId;
  readonly mailbox: string;
  readonly job: string;
  /** False: the job has no refusals that an outcome could end. */
  readonly refusals: boolean;
}
interface FolderRow {
  id: string;
  link: string;
  dest_folder: string | null;
}

/** LedgerSession.settle(), inside a transaction that holds the lease. */
export async function settleOutcomes(
  query: Query,
  scope: SettleScope,
  given: readonly Settled[],
): Promise<{ unbound: ItemPlace[]; done: ItemPlace[] }> {
  const outcomes = lastOfEach(given);
  if (outcomes.length === 0) return { unbound: [], done: [] };
  const folders = await readFolders(query, outcomes);
  const bindings = await readBindings(query, scope.mailbox, outcomes);

  const toBind: Bound[] = [];
  const toMove: Bound[] = [];
  const toRefuse: Refused[] = [];
  const done: ItemPlace[] = [];
  for (const outcome of outcomes) {
    const own = folderOf(folders, outcome).link === scope.link;
    const row = bindings.get(placeName(outcome));
    const what = decide(outcome, row ? { state: row.state, id: rowId(row) } : null, own);
    if (isBound(outcome)) {
      if (what === 'bind') toBind.push(outcome);
      if (what === 'move') toMove.push(outcome);
    } else if (what === 'refuse') toRefuse.push(outcome);
    if (own || isBound(outcome)) done.push({ folder: outcome.folder, key: outcome.key });
  }

  const deltas = new CountsDeltas();
  const bound = await bind(query, scope, folders, toBind);
  const ofOurs = bound.filter((outcome) => folderOf(folders, outcome).link === scope.link);
  for (const outcome of ofOurs) deltas.add(outcome.folder, outcome.is, sizeColumn(outcome.size), 1);
  await move(query, scope, folders, bindings, toMove, deltas);
  if (scope.refusals) await dropRefusals(query, scope.job, ofOurs, deltas);
  await refuse(query, scope.job, toRefuse, deltas);
  await addCounts(query, scope.job, deltas);
  await addRemarks(query, scope.job, ofOurs.flatMap(notesOf));

  const boundNames = new Set(bound.map(placeName));
  const unbound = toBind.filter((outcome) => !boundNames.has(placeName(outcome)));
  const left = new Set(unbound.map(placeName));
  const ended = done.filter((place) => !left.has(placeName(place)));
  const links = [...new Set([...folders.values()].map((folder) => folder.link))];
  await takeFromIntents(query, links, ended);
  return { unbound: unbound.map(({ folder, key }) => ({ folder, key })), done: ended };
}

async function readFolders(query: Query, outcomes: readonly Settled[]): Promise<Map<string, FolderRow>> {
  const rows = await query<FolderRow>(
    `SELECT id, link, dest_folder FROM mailferry.folders WHERE id = ANY($1::bigint[])`,
    [[...new Set(outcomes.map((outcome) => outcome.folder))]],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

function folderOf(folders: ReadonlyMap<string, FolderRow>, { folder }: ItemPlace): FolderRow {
  const row = folders.get(folder);
  if (!row) throw new Error(`no folder ${folder}`);
  return row;
}

function destinationOf(folders: ReadonlyMap<string, FolderRow>, place: ItemPlace): string {
  const destination = folderOf(folders, place).dest_folder;
  if (destination === null) throw new Error(`folder ${place.folder} has no destination yet`);
  return destination;
}

async function readBindings(
  query: Query,
  mailbox: string,
  places: readonly ItemPlace[],
): Promise<Map<string, BindingRow>> {
  const rows = await query<BindingRow>(
    `SELECT ${BINDING_COLUMNS} FROM unnest($2::bigint[], $3::bytea[]) AS k(folder, key)
     JOIN mailferry.bindings b ON b.dest_mailbox = $1 AND b.folder = k.folder AND b.key = k.key`,
    [mailbox, ...placeColumns(places)],
  );
  return new Map(rows.map((row) => [`${row.folder}/${row.key}`, row]));
}

/**
 * Inserts; where the destination item is claimed already, a copied item is bound without its id.
 * @returns what was bound.
 */
async function bind(
  query: Query,
  scope: SettleScope,
  folders: ReadonlyMap<string, FolderRow>,
  outcomes: readonly Bound[],
): Promise<Bound[]> {
  if (outcomes.length === 0) return [];
  const rows = outcomes.map((outcome) => ({
    outcome,
    id: outcome.id as ItemId | null,
    state: stateOf(outcome) as string,
    destination: destinationOf(folders, outcome),
    job: folderOf(folders, outcome).link === scope.link ? scope.job : null,
  }));
  const inserted = await insertBindings(query, scope.mailbox, rows);
  const raised = rows.filter((row) => row.outcome.is === 'copied' && row.id && inserted.has(placeName(row.outcome)));
  await raiseMarks(query, raised as { destination: string; id: ItemId }[]);
  const homeless = rows.filter((row) => row.outcome.is === 'copied' && !inserted.has(placeName(row.outcome)));
  const placed = await insertBindings(
    query,
    scope.mailbox,
    homeless.map((row) => ({ ...row, id: null, state: 'claimed' })),
  );
  return outcomes.filter((outcome) => inserted.has(placeName(outcome)) || placed.has(placeName(outcome)));
}

interface NewBinding {
  readonly outcome: Bound;
  readonly id: ItemId | null;
  readonly state: string;
  readonly destination: string;
  readonly job: string | null;
}
async function insertBindings(query: Query, mailbox: string, rows: readonly NewBinding[]): Promise<Set<string>> {
  if (rows.length === 0) return new Set();
  const given = new Parameters();
  const columns: Column[] = [
    { name: 'job', type: 'uuid', values: rows.map((row) => row.job) },
    { name: 'dest_folder', type: 'bigint', values: rows.map((row) => row.destination) },
    ...bindingColumns(rows),
  ];
  const inserted = await query<{ folder: string; key: string }>(
    `INSERT INTO mailferry.bindings (dest_mailbox, ${columnNames(columns)})
     SELECT ${given.one(mailbox, 'bigint')}, ${columnValues(columns)} FROM ${given.rows(columns)}
     ON CONFLICT DO NOTHING RETURNING folder, encode(key, 'hex') AS key`,
    given.values,
  );
  return new Set(inserted.map((row) => `${row.folder}/${row.key}`));
}

/** What an outcome says of its binding. */
export function bindingColumns(rows: readonly Pick<NewBinding, 'outcome' | 'id' | 'state'>[]): Column[] {
  const outcomes = rows.map((row) => row.outcome);
  const [folders, keys] = placeColumns(outcomes);
  const [etags, sizes, digests, flags, seconds, offsets] = contentColumns(outcomes);
  return [
    { name: 'folder', type: 'bigint', values: folders },
    { name: 'key', type: 'bytea', values: keys },
    { name: 'state', type: 'text', values: rows.map((row) => row.state) },
    { name: 'epoch', type: 'text', values: rows.map((row) => row.id?.epoch ?? null) },
    { name: 'uid', type: 'numeric', values: rows.map((row) => uidColumn(row.id)) },
    { name: 'href', type: 'text', values: rows.map((row) => hrefColumn(row.id)) },
    { name: 'etag', type: 'text', values: etags },
    { name: 'size', type: 'bigint', values: sizes },
    { name: 'digest', type: 'bytea', values: digests },
    { name: 'flags', type: 'text', values: flags, as: 'text[]' },
    { name: 'date_seconds', type: 'bigint', values: seconds },
    { name: 'date_offset', type: 'smallint', values: offsets },
  ];
}

/** etag, size, digest, flags, date */
function contentColumns(
  outcomes: readonly Bound[],
): [unknown[], unknown[], unknown[], unknown[], unknown[], unknown[]] {
  const dates = outcomes.map((o) => (o.is === 'copied' ? o.date : null));
  return [
    outcomes.map((o) => (o.is === 'copied' && o.etag !== undefined ? clean(o.etag) : null)),
    outcomes.map((o) => sizeColumn(o.size)),
    outcomes.map((o) => (o.digest === null ? null : hex(o.digest))),
    outcomes.map((o) => arrayText(o.flags)),
    dates.map(secondsColumn),
    dates.map(offsetColumn),
  ];
}

/** Claims that were never verified get what was stored in their stead. */
async function move(
  query: Query,
  scope: SettleScope,
  folders: ReadonlyMap<string, FolderRow>,
  bindings: ReadonlyMap<string, BindingRow>,
  outcomes: readonly Bound[],
  deltas: CountsDeltas,
): Promise<void> {
  if (outcomes.length === 0) return;
  const wanted = outcomes.map((outcome) => ({
    folder: outcome.folder,
    key: outcome.key,
    destination: destinationOf(folders, outcome),
    id: outcome.id as ItemId,
    outcome,
  }));
  const free = new Set<NewClaim>(await freeClaims(query, scope.mailbox, wanted));
  await query(
    `UPDATE mailferry.bindings b SET dest_folder = k.dest_folder, state = k.state, epoch = k.epoch, uid = k.uid,
       href = k.href, etag = k.etag, size = k.size, digest = k.digest, flags = k.flags::text[],
       date_seconds = k.date_seconds, date_offset = k.date_offset
     FROM unnest($2::bigint[], $3::bytea[], $4::bigint[], $5::text[], $6::text[], $7::numeric[], $8::text[], $9::text[],
       $10::bigint[], $11::bytea[], $12::text[], $13::bigint[], $14::smallint[])
       AS k(folder, key, dest_folder, state, epoch, uid, href, etag, size, digest, flags, date_seconds, date_offset)
     WHERE b.dest_mailbox = $1 AND b.folder = k.folder AND b.key = k.key`,
    [
      scope.mailbox,
      ...placeColumns(outcomes),
      wanted.map((w) => w.destination),
      wanted.map((w) => (free.has(w) ? stateOf(w.outcome) : 'claimed')),
      wanted.map((w) => (free.has(w) ? w.id.epoch : null)),
      wanted.map((w) => (free.has(w) ? uidColumn(w.id) : null)),
      wanted.map((w) => (free.has(w) ? hrefColumn(w.id) : null)),
      ...contentColumns(outcomes),
    ],
  );
  await raiseMarks(query, [...free]);
  for (const outcome of outcomes) {
    const before = bindings.get(placeName(outcome));
    if (before?.job !== scope.job) continue;
    deltas.add(outcome.folder, 'copied', Number(before.size), -1);
    deltas.add(outcome.folder, 'copied', sizeColumn(outcome.size), 1);
  }
}

export function notesOf(outcome: Bound): PlacedNote[] {
  return outcome.is === 'copied' ? outcome.notes.map((note) => ({ ...note, folder: outcome.folder })) : [];
}
