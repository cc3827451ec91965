import type { FolderMap, KnownFolder } from '../ledger/ledger.js';
import type { DestinationFolder, DestinationFolderId, FolderMapping, FolderPlan } from '../mailbox/folder.js';
import type { Place } from './destination-renames.js';

/**
 * A folder goes where it went the first time, whatever the plan would say today and whatever either side calls it now;
 * what is new goes below the place of its parent, and never into the folder of one that was renamed.
 */
export function keepMapping(
  plan: FolderPlan,
  before: FolderMap,
  places: ReadonlyMap<DestinationFolderId, Place>,
): FolderPlan {
  const known = new Map(before.folders.map((folder) => [folder.source.id, folder]));
  const kept = new Map(
    plan.mappings.flatMap((mapping) => {
      const folder = known.get(mapping.source.id);
      const path = folder && pathNow(folder, places);
      return path ? [[mapping, path] as const] : [];
    }),
  );
  const moves = plan.mappings.flatMap((mapping) => {
    const to = kept.get(mapping);
    return to && !same(to, mapping.path) ? [{ from: mapping.path, to }] : [];
  });
  const elsewhere = new Set(moves.map(({ to }) => keyOf(to)));
  const taken = new Set([...[...kept.values()].map(keyOf), ...plan.mappings.map(({ path }) => keyOf(path))]);
  const mappings = plan.mappings.map((mapping): FolderMapping => {
    const path = kept.get(mapping);
    if (path) return { ...mapping, path, ...nameNow(known.get(mapping.source.id)!, places) };
    let free = belowParent(mapping.path, moves);
    if (elsewhere.has(keyOf(free))) free = freePath(free, taken);
    return same(free, mapping.path) ? mapping : { ...mapping, path: free, changed: mapping.changed ?? 'collision' };
  });
  return { ...plan, mappings: mappings.filter((mapping) => !isLeftBehind(mapping, mappings, known)) };
}

function pathNow({ path, destination }: KnownFolder, places: ReadonlyMap<DestinationFolderId, Place>) {
  const place = destination && places.get(destination.id);
  if (place?.is === 'renamed') return place.to.path;
  return place?.is === 'there' ? destination!.folder.path : path;
}

function nameNow({ destination }: KnownFolder, places: ReadonlyMap<DestinationFolderId, Place>): { known?: string } {
  const place = destination && places.get(destination.id);
  if (place?.is === 'renamed') return { known: place.to.name };
  return place?.is === 'there' ? { known: destination!.folder.name } : {};
}

/** The place of the nearest parent that goes elsewhere than planned. */
function belowParent(
  path: readonly string[],
  moves: readonly { from: readonly string[]; to: readonly string[] }[],
): readonly string[] {
  const above = moves
    .filter(({ from }) => from.length < path.length && from.every((level, i) => level === path[i]))
    .sort((a, b) => b.from.length - a.from.length)[0];
  return above ? [...above.to, ...path.slice(above.from.length)] : path;
}

function freePath(path: readonly string[], taken: Set<string>): readonly string[] {
  let free = path;
  for (let n = 2; taken.has(keyOf(free)); n++) free = [...path.slice(0, -1), `${path.at(-1)!} (${n})`];
  taken.add(keyOf(free));
  return free;
}

/** A container that is only the new name of one whose folders all stay where they are: nothing would ever be in it. */
function isLeftBehind(
  { source, path }: FolderMapping,
  all: readonly FolderMapping[],
  known: ReadonlyMap<string, KnownFolder>,
): boolean {
  if (source.selectable || known.has(source.id)) return false;
  const inside = (long: readonly string[], short: readonly string[]): boolean =>
    long.length > short.length && short.every((level, i) => level === long[i]);
  const children = all.filter((other) => inside(other.source.path, source.path));
  return children.length > 0 && !children.some((other) => inside(other.path, path));
}

/** Some servers refuse a name only when it is to be made: what it became is what is kept and told. */
export function asMade(plan: FolderPlan, made: readonly DestinationFolder[]): FolderPlan {
  const mappings = plan.mappings.map((mapping) => {
    const path = made.find((folder) => folder.sources.includes(mapping.source.id))?.path ?? mapping.path;
    return same(path, mapping.path)
      ? mapping
      : { ...mapping, path, changed: mapping.changed ?? ('illegal-name' as const) };
  });
  return { ...plan, mappings };
}

function keyOf(path: readonly string[]): string {
  return path.join('\0');
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return keyOf(a) === keyOf(b);
}
