import type { DestinationId, Fingerprint, FoundItem } from '../destinations/destination.js';
import type { DestinationFolder, DestinationFolderId } from '../mailbox/folder.js';
import type { Digest } from '../mailbox/digest.js';
import type { ZonedDate } from '../mailbox/item.js';
import { compareIds, minId, sameFlags } from './ids.js';
import type { Run } from './run.js';

/** Fingerprints asked for at once. */
const FINGERPRINT_IDS = 500;

/** Something that may be at the destination: what it would look like, and the lowest id it can have. */
export interface Wanted {
  readonly mark: string;
  readonly digest: Digest;
  /** Null: not known, so every candidate's body is read. */
  readonly headerDigest: Digest | null;
  readonly date: ZonedDate | null;
  readonly flags: readonly string[];
}

/** An item at the destination that nobody claims. */
export interface Unclaimed extends FoundItem {
  readonly digest: Digest;
}

export interface LookAt {
  readonly id: DestinationFolderId;
  readonly folder: DestinationFolder;
  readonly epoch: string;
}

/**
 * Looks for items among those at the destination that no binding claims: with k equal ones wanted and m there,
 * min(k, m) are found. Claims are left out first, else a twin that was stored and bound before would be taken for
 * the one that is looked for, and that one would be lost.
 * @returns for each of `wanted` that was found, what was found.
 */
export async function look<T extends Wanted>(run: Run, at: LookAt, wanted: readonly T[]): Promise<Map<T, FoundItem>> {
  if (wanted.length === 0) return new Map();
  const mark = wanted.map((w) => w.mark).reduce(minId);
  const candidates = await unclaimed(run, at, mark);
  return match(await identify(run, at.folder, candidates, wanted), wanted);
}

/** Items at or above the mark, and below the end if there is one, that no binding of any link claims. */
export async function unclaimed(run: Run, at: LookAt, mark: string, end?: string): Promise<FoundItem[]> {
  const claimed = new Set<string>();
  for await (const window of run.ledger.claims(at.id, at.epoch))
    for (const { id } of window) if (id && compareIds(id.id, mark) >= 0) claimed.add(id.id);
  const found: FoundItem[] = [];
  for await (const window of run.destination.list(at.folder, { epoch: at.epoch, mark }, run.signal))
    for (const item of window) {
      if (end !== undefined && compareIds(item.id.id, end) >= 0) return found;
      if (!claimed.has(item.id.id)) found.push(item);
    }
  return found;
}

/** Reads headers first, and bodies only where a header fits: people receive large mail meanwhile. */
async function identify(
  run: Run,
  folder: DestinationFolder,
  candidates: readonly FoundItem[],
  wanted: readonly Wanted[],
): Promise<Unclaimed[]> {
  const headers = new Set(wanted.map((w) => w.headerDigest));
  const byId = new Map(candidates.map((item) => [item.id.id, item]));
  let ids: DestinationId[] = candidates.map((item) => item.id);
  if (!headers.has(null)) {
    const fitting: DestinationId[] = [];
    for await (const print of fingerprints(run, folder, ids, 'header'))
      if (headers.has(print.headerDigest)) fitting.push(print.id);
    ids = fitting;
  }
  const identified: Unclaimed[] = [];
  for await (const print of fingerprints(run, folder, ids, 'body')) {
    const item = byId.get(print.id.id);
    if (item && print.digest) identified.push({ ...item, digest: print.digest });
  }
  return identified;
}

export async function* fingerprints(
  run: Run,
  folder: DestinationFolder,
  ids: readonly DestinationId[],
  depth: 'header' | 'body',
): AsyncIterable<Fingerprint> {
  for (let at = 0; at < ids.length; at += FINGERPRINT_IDS)
    yield* run.destination.fingerprint(folder, ids.slice(at, at + FINGERPRINT_IDS), depth, run.signal);
}

/** How alike two equal messages are besides their bytes, most alike first. */
const LIKENESS: readonly ((item: FoundItem, want: Wanted) => boolean)[] = [
  (item, want) => sameMoment(item.date, want.date) && sameFlags(item.flags, want.flags),
  (item, want) => sameMoment(item.date, want.date),
  () => true,
];

/**
 * One to one, by digest: as many as possible, and among equal messages the one with the same date and flags, so that
 * of two twins with other flags the one that is missing is stored again and not the other.
 */
export function match<T extends Wanted>(found: readonly Unclaimed[], wanted: readonly T[]): Map<T, FoundItem> {
  const alike = assign(found, wanted, LIKENESS);
  const most = assign(found, wanted, LIKENESS.slice(-1));
  return alike.size >= most.size ? alike : most;
}

/** What can be in the fewest places (the highest mark) chooses first; with one pass that finds the most. */
function assign<T extends Wanted>(
  found: readonly Unclaimed[],
  wanted: readonly T[],
  passes: typeof LIKENESS,
): Map<T, FoundItem> {
  const byDigest = new Map<Digest, Unclaimed[]>();
  for (const item of found) {
    const equal = byDigest.get(item.digest);
    if (equal) equal.push(item);
    else byDigest.set(item.digest, [item]);
  }
  const matched = new Map<T, FoundItem>();
  const inOrder = [...wanted].sort((a, b) => compareIds(b.mark, a.mark));
  for (const fits of passes)
    for (const want of inOrder) {
      if (matched.has(want)) continue;
      const free = byDigest.get(want.digest) ?? [];
      const at = free.findIndex((item) => compareIds(item.id.id, want.mark) >= 0 && fits(item, want));
      if (at >= 0) matched.set(want, free.splice(at, 1)[0]!);
    }
  return matched;
}

export function sameMoment(a: ZonedDate | null, b: ZonedDate | null): boolean {
  return a?.seconds === b?.seconds;
}
