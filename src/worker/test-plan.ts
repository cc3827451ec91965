import type { Destination, DestinationFacts } from '../destinations/destination.js';
import { displayPath, inPeoplesOrder, type SourceFolder } from '../mailbox/folder.js';
import type { JobFilters, TestFolder, TestPlan } from '../jobs/job.js';
import type { Source } from '../sources/source.js';
import { isLeftOut } from '../transfer/filters.js';

/** What one migration was measured to copy over an ordinary line, for the rough time only. */
const ITEMS_PER_SECOND = 40;
const BYTES_PER_SECOND = 2 * 1024 * 1024;
/** Sizes are counted for at most so many messages, so long (ms): a test must stay short. */
const MAX_COUNTED = 20_000;
const COUNT_MS = 5_000;

export interface Quota {
  readonly usedBytes: number;
  readonly limitBytes: number | null;
  readonly maxMessageBytes?: number;
}

export function testFolders(folders: readonly SourceFolder[]): TestFolder[] {
  return inPeoplesOrder(folders)
    .filter(({ selectable, leftOut }) => selectable && leftOut === undefined)
    .map(({ path, kind, role, optional, items, bytes }) => ({
      path: displayPath(path),
      levels: path,
      kind,
      ...(role === undefined ? {} : { role }),
      ...(optional === true ? { optional } : {}),
      items,
      bytes,
    }));
}

export function totalsOf(folders: readonly { items: number | null; bytes: number | null }[]): {
  folders: number;
  items: number;
  bytes: number;
} {
  return {
    folders: folders.length,
    items: folders.reduce((sum, { items }) => sum + (items ?? 0), 0),
    bytes: folders.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0),
  };
}

/** What will be copied: without containers, other kinds and what was left out. */
export function wanted(
  folders: readonly SourceFolder[],
  kinds: readonly string[],
  { excludeFolders = [], includeFolders = [] }: JobFilters,
): SourceFolder[] {
  const out = (folder: SourceFolder): boolean => isLeftOut(folder, { excludeFolders, includeFolders });
  return inPeoplesOrder(folders).filter((folder) => kinds.includes(folder.kind) && !out(folder));
}

/** A preview of the whole move. Changes nothing at either side. */
export async function planOf(
  parts: {
    source: Source;
    destination: Destination;
    facts: DestinationFacts;
    quota: Quota | null;
    filters: JobFilters;
  },
  folders: readonly SourceFolder[],
  signal: AbortSignal,
): Promise<TestPlan> {
  const { destination, facts, quota, filters } = parts;
  const plan = await destination.planFolders(folders);
  const going = plan.mappings.map(({ source }) => source).filter(({ selectable }) => selectable);
  const totals = totalsOf(going);
  const maxItemBytes = smallest(facts.maxBytes, quota?.maxMessageBytes ?? null, filters.maxItemBytes ?? null);
  return {
    folders: plan.mappings.map(({ source, path, exists, changed }) => ({
      from: displayPath(source.path),
      kind: source.kind,
      to: displayPath(path),
      exists,
      ...(changed === undefined ? {} : { changed }),
    })),
    leftOut: plan.leftOut.map(({ source, code, message }) => ({ path: displayPath(source.path), code, message })),
    totalItems: totals.items,
    totalBytes: totals.bytes,
    quota: fits(facts.quota, quota, totals.bytes),
    maxItemBytes,
    tooLarge: maxItemBytes === null ? 0 : await countTooLarge(parts.source, going, maxItemBytes, totals.items, signal),
    existingItems: (await destination.countExisting?.(plan, signal).catch(() => null)) ?? null,
    estimate: estimate(totals),
  };
}

function fits(seen: DestinationFacts['quota'], told: Quota | null, bytes: number): TestPlan['quota'] {
  // The mail server's own word before the panel's: it is what refuses a message.
  const quota = seen ?? (told?.limitBytes == null ? null : { usedBytes: told.usedBytes, limitBytes: told.limitBytes });
  if (quota === null) return null;
  const { usedBytes, limitBytes } = quota;
  return { usedBytes, limitBytes, fits: usedBytes + bytes <= limitBytes };
}

/** Null: too many to count in a short test. */
async function countTooLarge(
  source: Source,
  folders: readonly SourceFolder[],
  max: number,
  items: number,
  signal: AbortSignal,
): Promise<number | null> {
  if (items > MAX_COUNTED) return null;
  // No folder can hold a larger message than the folder is large.
  const able = folders.filter(({ bytes }) => bytes === null || bytes > max);
  const enough = AbortSignal.any([signal, AbortSignal.timeout(COUNT_MS)]);
  let [count, seen] = [0, 0];
  try {
    for (const folder of able)
      for await (const page of source.scan(folder, null, enough)) {
        count += page.items.filter(({ size }) => size > max).length;
        seen += page.items.length;
        if (seen > MAX_COUNTED || enough.aborted) return null;
      }
    return count;
  } catch {
    return null;
  }
}

function estimate({ items, bytes }: { items: number; bytes: number }): TestPlan['estimate'] {
  return {
    seconds: Math.max(1, Math.ceil(Math.max(items / ITEMS_PER_SECOND, bytes / BYTES_PER_SECOND))),
    basis: `at ${ITEMS_PER_SECOND} messages or ${BYTES_PER_SECOND / 1024 / 1024} MB a second, whichever takes longer; the old provider may be slower`,
  };
}

function smallest(...limits: (number | null)[]): number | null {
  const known = limits.filter((limit) => limit !== null);
  return known.length === 0 ? null : Math.min(...known);
}
