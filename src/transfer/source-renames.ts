import type { FolderMap, KnownFolder } from '../ledger/ledger.js';
import type { Digest } from '../mailbox/digest.js';
import { displayPath, type FolderId, type SourceFolder, type SourceFolderId } from '../mailbox/folder.js';
import type { ItemKey, ItemMeta } from '../mailbox/item.js';
import { withRetries } from './retry.js';
import type { Run } from './run.js';

/** Of the items that both could have in common, so many must be the same. */
const OVERLAP = 0.8;
/** Bodies that are compared before a folder counts as another one's new name. */
const SAMPLE = 5;

export interface SourceRenames {
  /** The map with the names of today. */
  readonly before: FolderMap;
  /** For LedgerSession.saveFolders(). */
  readonly renamed: readonly { folder: FolderId; source: SourceFolderId }[];
  /** What the report says. */
  readonly told: readonly { readonly folder: FolderId; readonly from: string; readonly to: string }[];
}

/**
 * Which folders of the last run have another name today. By MAILBOXID (RFC 8474) where the server gives one; else the
 * name and UIDVALIDITY that were there stay together, and a folder that has the UIDVALIDITY of one that is missing is
 * that one if its UIDs and some of its bodies are the same. Where a server numbers a folder anew when it is renamed
 * (Courier), sizes and bodies alone tell. What has its old name and a new UIDVALIDITY, and is found nowhere else, is the
 * folder of that name, made or numbered anew.
 */
export async function followSourceNames(
  run: Run,
  before: FolderMap,
  listed: readonly SourceFolder[],
): Promise<SourceRenames> {
  const open = listed.filter((folder) => folder.selectable && folder.epoch !== null);
  const known = before.folders.filter(({ source }) => source.selectable && source.epoch !== null);
  const pairs = new Pairs(known, open);
  for (const one of pairs.leftOver()) {
    const { objectId } = one.source;
    const same = objectId === undefined ? [] : open.filter((folder) => folder.objectId === objectId);
    if (same.length === 1) pairs.join(one, same[0]!);
  }
  for (const one of pairs.leftOver()) {
    const there = open.find((folder) => folder.id === one.source.id && folder.epoch === one.source.epoch);
    if (there && pairs.isFree(there)) pairs.join(one, there);
  }
  for (const one of pairs.leftOver()) {
    const perhaps = pairs.candidates(one).filter((folder) => folder.epoch === one.source.epoch);
    // One whose name is still there was numbered anew rather than renamed.
    const only = perhaps.length === 1 && !open.some((folder) => folder.id === one.source.id);
    await pairs.joinFirst(one, perhaps, (folder) => recognise(run, () => hasSameUids(run, one, folder, only)));
  }
  for (const one of pairs.leftOver()) {
    const perhaps = pairs.candidates(one);
    // With nothing but its own name left there is nothing to tell apart.
    if (perhaps.every((folder) => folder.id === one.source.id)) continue;
    await pairs.joinFirst(one, perhaps, (folder) => recognise(run, () => hasSameContent(run, one, folder)));
  }
  return renames(before, pairs.of);
}

function recognise(run: Run, look: () => Promise<boolean>): Promise<boolean> {
  return withRetries(run, 'recognise', look);
}

class Pairs {
  readonly of = new Map<KnownFolder, SourceFolder>();
  private readonly taken = new Set<SourceFolder>();

  constructor(
    private readonly known: readonly KnownFolder[],
    private readonly open: readonly SourceFolder[],
  ) {}

  leftOver(): KnownFolder[] {
    return this.known.filter((one) => !this.of.has(one));
  }
  isFree(folder: SourceFolder): boolean {
    return !this.taken.has(folder);
  }
  /** Free folders that nothing speaks against, its own name first. */
  candidates({ source }: KnownFolder): SourceFolder[] {
    const able = this.open.filter(
      (folder) =>
        this.isFree(folder) &&
        folder.kind === source.kind &&
        (source.objectId === undefined || folder.objectId === undefined),
    );
    return able.sort((a, b) => Number(b.id === source.id) - Number(a.id === source.id));
  }
  join(known: KnownFolder, folder: SourceFolder): void {
    this.of.set(known, folder);
    this.taken.add(folder);
  }
  async joinFirst(
    known: KnownFolder,
    folders: readonly SourceFolder[],
    is: (folder: SourceFolder) => Promise<boolean>,
  ): Promise<void> {
    for (const folder of folders) if (await is(folder)) return this.join(known, folder);
  }
}

function renames(before: FolderMap, pairs: ReadonlyMap<KnownFolder, SourceFolder>): SourceRenames {
  const renamed: { folder: FolderId; source: SourceFolderId }[] = [];
  const told: { folder: FolderId; from: string; to: string }[] = [];
  const names = new Map<KnownFolder, SourceFolderId>();
  for (const [known, folder] of pairs) {
    if (known.source.id === folder.id) continue;
    names.set(known, folder.id);
    told.push({ folder: known.id, from: displayPath(known.source.path), to: displayPath(folder.path) });
  }
  const given = new Set(names.values());
  for (const known of before.folders) {
    // The folder that had the name is gone, or has become another one.
    if (given.has(known.source.id) && !names.has(known))
      names.set(known, `gone:${known.id}:${known.source.id}` as SourceFolderId);
    const source = names.get(known);
    if (source !== undefined) renamed.push({ folder: known.id, source });
  }
  const folders = before.folders.map((known) => {
    const id = names.get(known);
    return id === undefined ? known : { ...known, source: { ...known.source, id } };
  });
  return { before: { folders }, renamed, told };
}

/** @param only no other folder could be it: then a folder of which nothing was copied is it by its UIDVALIDITY. */
async function hasSameUids(run: Run, known: KnownFolder, folder: SourceFolder, only: boolean): Promise<boolean> {
  const bound = new Map<ItemKey, Digest | null>();
  for await (const window of run.ledger.bindings(known.id))
    for (const { key, digest } of window) bound.set(key, digest);
  if (bound.size === 0) return only;
  const { common, listed } = await inCommon(run, folder, ({ key }) => bound.has(key));
  // The person may have removed most of it, or received as much again: what both could share is the smaller one.
  if (common.length === 0 || common.length < OVERLAP * Math.min(bound.size, listed)) return false;
  const comparable = common.filter(({ key }) => bound.get(key) !== null);
  const { read, equal } = await sample(run, folder, comparable, (key, digest) => bound.get(key) === digest);
  return equal > 0 && equal === read;
}

async function hasSameContent(run: Run, known: KnownFolder, folder: SourceFolder): Promise<boolean> {
  const sizes = new Map<number, number>();
  const digests = new Set<Digest>();
  for await (const window of run.ledger.bindings(known.id))
    for (const { size, digest } of window) {
      sizes.set(size, (sizes.get(size) ?? 0) + 1);
      if (digest !== null) digests.add(digest);
    }
  const bound = [...sizes.values()].reduce((sum, n) => sum + n, 0);
  const { common } = await inCommon(run, folder, ({ size }) => {
    const left = sizes.get(size) ?? 0;
    sizes.set(size, left - 1);
    return left > 0;
  });
  // Without UIDs that agree a few messages in common are no proof: somebody may have moved them there.
  if (common.length === 0 || common.length < OVERLAP * bound) return false;
  const { read, equal } = await sample(run, folder, common, (_key, digest) => digests.has(digest));
  return equal > 0 && equal >= OVERLAP * read;
}

async function inCommon(
  run: Run,
  folder: SourceFolder,
  isKnown: (item: ItemMeta) => boolean,
): Promise<{ common: ItemMeta[]; listed: number }> {
  const common: ItemMeta[] = [];
  let listed = 0;
  for await (const page of run.source.scan(folder, null, run.signal)) {
    run.check();
    listed += page.items.length;
    common.push(...page.items.filter(isKnown));
  }
  return { common, listed };
}

async function sample(
  run: Run,
  folder: SourceFolder,
  items: readonly ItemMeta[],
  isEqual: (key: ItemKey, digest: Digest) => boolean,
): Promise<{ read: number; equal: number }> {
  const step = Math.max(1, Math.floor(items.length / SAMPLE));
  const some = items.filter((_, i) => i % step === 0).slice(0, SAMPLE);
  let [read, equal] = [0, 0];
  for await (const outcome of run.source.read(folder, some, run.parts.staging, run.signal)) {
    if (outcome.is !== 'staged') continue;
    const { digest } = outcome.item.body;
    await outcome.item.body.release();
    read++;
    if (isEqual(outcome.ref.key, digest)) equal++;
  }
  return { read, equal };
}
