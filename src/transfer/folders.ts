import {
  displayPath,
  type DestinationFolder,
  type DestinationFolderId,
  type FolderMapping,
  type FolderPlan,
  type SourceFolder,
  type SourceFolderId,
} from '../mailbox/folder.js';
import type { FolderMap, KnownFolder } from '../ledger/ledger.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { findDestinations, type Place } from './destination-renames.js';
import { isLeftOut } from './filters.js';
import { Lane } from './lane.js';
import { asMade, keepMapping } from './mapping.js';
import { rekeyFolder } from './rekey.js';
import { rematchFolder } from './rematch.js';
import { restRemoved } from './resting.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';
import { followSourceNames } from './source-renames.js';

export interface Folders {
  readonly lanes: Lane[];
  /** Left out by the person: their items are listed and counted as skipped. */
  readonly excluded: KnownFolder[];
  readonly all: readonly KnownFolder[];
  /** True: the source shows a folder of the person's own that it does not let us read. */
  readonly closed: boolean;
  /** The destination does not let us make where they go: their items are listed and counted as failed. */
  readonly unmade: readonly { readonly folder: KnownFolder; readonly error: TransferError }[];
  /** What the source shows today. */
  readonly listed: ReadonlySet<SourceFolderId>;
  /**
   * Gives bindings of source folders with a new UIDVALIDITY their new keys. After the recovery, which binds under
   * the old keys, and before anything is copied; only then the new UIDVALIDITY is saved, so that a crash in between
   * does it again.
   */
  readonly followSources: () => Promise<void>;
}

/** Why a folder of one's own is left out that should have come. */
const CLOSED: readonly string[] = ['NOT_PERMITTED', 'FOLDER_NAME'];

/** Lists the source, plans, makes what is missing at the destination, and saves the map. */
export async function prepareFolders(run: Run): Promise<Folders> {
  const listed = (await withRetries(run, 'list folders', () => run.source.listFolders(run.signal))).filter((folder) =>
    run.options.kinds.includes(folder.kind),
  );
  if (listed.length === 0) throw nothingListed();
  await run.step('listed');
  run.source.expect?.(
    listed.filter((folder) => folder.selectable),
    run.signal,
  );
  const { before, renamed, told } = await followSourceNames(run, await run.ledger.folderMap(), listed);
  const places = await findDestinations(run, before);
  const planned = keepMapping(await run.destination.planFolders(listed), before, places);
  run.listener.planned(planned);
  const out = (folder: SourceFolder) => isLeftOut(folder, run.options);
  const resting = await restRemoved(run, before, places, listed);
  const isCopied = ({ source }: FolderMapping) => !out(source) && !resting.has(source.id);
  const copied = { ...planned, mappings: planned.mappings.filter(isCopied) };
  const ensured = await withRetries(run, 'make folders', () => run.destination.ensureFolders(copied, run.signal));
  const made = ensured.filter(({ refused }) => refused === undefined);
  const placed = asMade(planned, made);
  await run.step('folders-ensured');
  const marked = await Promise.all(
    made.map(async (folder) => {
      const mark = await withRetries(run, 'mark', () => run.destination.mark(folder, run.signal));
      return { folder: { ...folder, epoch: mark.epoch }, mark, follows: followed(folder, before, places) };
    }),
  );
  // A folder with a new UIDVALIDITY is saved under the old one until its items are known again: see followSources.
  const renumbered = listed.flatMap((folder) => {
    const known = before.folders.find((one) => one.source.id === folder.id);
    const isNew = known && known.source.epoch !== null && known.source.epoch !== folder.epoch && folder.selectable;
    return isNew ? [{ known, folder }] : [];
  });
  const old = new Map(renumbered.map(({ known, folder }) => [folder.id, known.source.epoch]));
  const asBefore = {
    ...placed,
    mappings: placed.mappings.map((m) => ({
      ...m,
      source: { ...m.source, epoch: old.get(m.source.id) ?? m.source.epoch },
    })),
  };
  const map = await run.ledger.saveFolders(asBefore, marked, renamed);
  await reportPlan(run, placed, map);
  for (const { folder, from, to } of told)
    await run.ledger.remark(folder, [{ code: 'SOURCE_FOLDER_RENAMED', detail: `${from} -> ${to}` }]);
  await reportRenamed(run, before, places);
  const { lanes, excluded } = await makeLanes(run, map, listed, marked, out);
  const unmade = ensured.flatMap(({ refused: error, sources }) =>
    error === undefined
      ? []
      : foldersToday(map, listed).flatMap((folder) => (sources.includes(folder.source.id) ? [{ folder, error }] : [])),
  );
  const followSources = async () => {
    if (renumbered.length === 0) return;
    for (const { known, folder } of renumbered)
      await withRetries(run, 'recognise', () => rekeyFolder(run, known, folder));
    await run.ledger.saveFolders(placed, marked);
  };
  for (const lane of lanes) for (const source of lane.sources) run.flagWishes.set(source.id, lane.flagChanges);
  const all = map.folders.map((known) => withFresh(known, listed));
  const closed = placed.leftOut.some(({ source, code }) => CLOSED.includes(code) && !out(source));
  return { lanes, excluded, unmade, followSources, all, closed, listed: new Set(listed.map(({ id }) => id)) };
}

/** The ledger's row with what the source says of the folder today. */
function withFresh(known: KnownFolder, listed: readonly SourceFolder[]): KnownFolder {
  return { ...known, source: listed.find((folder) => folder.id === known.source.id) ?? known.source };
}

function nothingListed(): TransferError {
  return new TransferError('The old mailbox shows no folders of what you chose to import.', {
    side: 'source',
    scope: 'job',
    retry: 'later',
    code: 'LISTING_EMPTY',
  });
}

/** The row of the folder that the person renamed; undefined: the ledger finds it by its name. */
function followed(
  folder: DestinationFolder,
  before: FolderMap,
  places: ReadonlyMap<DestinationFolderId, Place>,
): DestinationFolderId | undefined {
  const known = before.folders.find(({ source }) => folder.sources.includes(source.id))?.destination;
  return known && places.get(known.id)?.is === 'renamed' ? known.id : undefined;
}

async function reportRenamed(
  run: Run,
  before: FolderMap,
  places: ReadonlyMap<DestinationFolderId, Place>,
): Promise<void> {
  for (const { id, destination } of before.folders) {
    const place = destination && places.get(destination.id);
    if (place?.is !== 'renamed') continue;
    const detail = `${displayPath(destination!.folder.path)} -> ${displayPath(place.to.path)}`;
    await run.ledger.remark(id, [{ code: 'DESTINATION_FOLDER_RENAMED', detail }]);
  }
}

async function reportPlan(run: Run, plan: FolderPlan, map: FolderMap): Promise<void> {
  // A service that is missing shows no folder of which anything could be said.
  for (const kind of run.options.kinds)
    if (!run.sourceFacts.gives.includes(kind))
      await run.ledger.remark(null, [{ code: 'KIND_NOT_GIVEN', detail: kind }]);
  for (const { source, code, message } of plan.leftOut)
    await run.ledger.remark(null, [{ code, detail: `${source.path.join('/')}: ${message}` }]);
  for (const { source, path, changed } of plan.mappings) {
    const known = map.folders.find((folder) => folder.source.id === source.id);
    if (changed) await run.ledger.remark(known?.id ?? null, [{ code: 'FOLDER_RENAMED', detail: path.join('/') }]);
    if (!source.complete)
      await run.ledger.remark(known?.id ?? null, [{ code: 'LISTING_PARTIAL', detail: source.note ?? '' }]);
  }
}

/** Those that hold items, as the source shows them. */
function foldersToday(map: FolderMap, listed: readonly SourceFolder[]): KnownFolder[] {
  const now = new Map(listed.map((folder) => [folder.id, folder]));
  return map.folders.flatMap((known) => {
    const source = now.get(known.source.id);
    return source?.selectable ? [{ ...known, source }] : [];
  });
}

async function makeLanes(
  run: Run,
  map: FolderMap,
  listed: readonly SourceFolder[],
  marked: readonly { folder: DestinationFolder; mark: { epoch: string; mark: string } }[],
  out: (folder: SourceFolder) => boolean,
): Promise<Pick<Folders, 'lanes' | 'excluded'>> {
  const current = foldersToday(map, listed);
  const excluded = current.filter((known) => out(known.source));
  const lanes: Lane[] = [];
  for (const { folder, mark } of marked) {
    const sources = current.filter((known) => folder.sources.includes(known.source.id) && !excluded.includes(known));
    const known = sources[0]?.destination;
    if (!known) continue;
    if (known.folder.epoch !== mark.epoch) {
      await withRetries(run, 'recognise', () => rematchFolder(run, known.id, folder, known.folder.epoch, sources));
      const fresh = { ...known, folder, firstMark: { epoch: mark.epoch, mark: '0' }, mark: mark.mark };
      lanes.push(new Lane(run, fresh, folder, mark.mark, sources));
    } else lanes.push(new Lane(run, known, folder, mark.mark, sources));
  }
  return { lanes, excluded };
}
