import type { DestinationFolder, FolderPlan, SourceFolder } from '../mailbox/folder.js';
import type { FolderMap, KnownFolder } from '../ledger/ledger.js';
import { TransferError } from '../mailbox/transfer-error.js';
import { isExcluded } from './filters.js';
import { Lane } from './lane.js';
import { rekeyFolder } from './rekey.js';
import { rematchFolder } from './rematch.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';

export interface Folders {
  readonly lanes: Lane[];
  /** Left out by the person: their items are listed and counted as skipped. */
  readonly excluded: KnownFolder[];
  readonly all: readonly KnownFolder[];
}

/** Lists the source, plans, makes what is missing at the destination, and saves the map. */
export async function prepareFolders(run: Run): Promise<Folders> {
  const listed = (await withRetries(run, 'list folders', () => run.source.listFolders(run.signal))).filter((folder) =>
    run.options.kinds.includes(folder.kind),
  );
  if (listed.length === 0) throw nothingListed();
  await run.step('listed');
  const before = await run.ledger.folderMap();
  for (const folder of listed) await rekeyIfNew(run, before, folder);

  const planned = keepMapping(await run.destination.planFolders(listed), before);
  run.listener.planned(planned);
  const out = (folder: SourceFolder) => isExcluded(folder.path, run.options.excludeFolders);
  const copied = { ...planned, mappings: planned.mappings.filter((mapping) => !out(mapping.source)) };
  const made = await withRetries(run, 'make folders', () => run.destination.ensureFolders(copied, run.signal));
  await run.step('folders-ensured');
  const marked: { folder: DestinationFolder; mark: { epoch: string; mark: string } }[] = [];
  for (const folder of made) {
    const mark = await withRetries(run, 'mark', () => run.destination.mark(folder, run.signal));
    marked.push({ folder: { ...folder, epoch: mark.epoch }, mark });
  }
  const map = await run.ledger.saveFolders(planned, marked);
  await reportPlan(run, planned, map);
  return { ...(await makeLanes(run, map, listed, marked, out)), all: map.folders };
}

function nothingListed(): TransferError {
  return new TransferError('The old mailbox shows no folders of what you chose to import.', {
    side: 'source',
    scope: 'job',
    retry: 'later',
    code: 'LISTING_EMPTY',
  });
}

async function rekeyIfNew(run: Run, before: FolderMap, folder: SourceFolder): Promise<void> {
  const known = before.folders.find((one) => one.source.id === folder.id);
  if (!known || !folder.selectable || known.source.epoch === null || known.source.epoch === folder.epoch) return;
  await withRetries(run, 'recognise', () => rekeyFolder(run, known, folder));
}

/** A folder goes where it went the first time, whatever the plan would say today. */
function keepMapping(plan: FolderPlan, before: FolderMap): FolderPlan {
  const paths = new Map(before.folders.map((known) => [known.source.id, known.path]));
  return { ...plan, mappings: plan.mappings.map((m) => ({ ...m, path: paths.get(m.source.id) ?? m.path })) };
}

async function reportPlan(run: Run, plan: FolderPlan, map: FolderMap): Promise<void> {
  for (const { source, code, message } of plan.leftOut)
    await run.ledger.remark(null, [{ code, detail: `${source.path.join('/')}: ${message}` }]);
  for (const { source, path, changed } of plan.mappings) {
    const known = map.folders.find((folder) => folder.source.id === source.id);
    if (changed) await run.ledger.remark(known?.id ?? null, [{ code: 'FOLDER_RENAMED', detail: path.join('/') }]);
    if (!source.complete)
      await run.ledger.remark(known?.id ?? null, [{ code: 'LISTING_PARTIAL', detail: source.note ?? '' }]);
  }
}

async function makeLanes(
  run: Run,
  map: FolderMap,
  listed: readonly SourceFolder[],
  marked: readonly { folder: DestinationFolder; mark: { epoch: string; mark: string } }[],
  out: (folder: SourceFolder) => boolean,
): Promise<Pick<Folders, 'lanes' | 'excluded'>> {
  const now = new Map(listed.map((folder) => [folder.id, folder]));
  const current = map.folders.flatMap((known) => {
    const source = now.get(known.source.id);
    return source?.selectable ? [{ ...known, source }] : [];
  });
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
