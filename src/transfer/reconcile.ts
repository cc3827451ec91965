import type { FoundItem } from '../destinations/destination.js';
import type { Binding, Settled } from '../ledger/ledger.js';
import type { Digest } from '../mailbox/digest.js';
import type { FolderId } from '../mailbox/folder.js';
import type { Note } from '../mailbox/item.js';
import { compareIds } from './ids.js';
import type { Lane } from './lane.js';
import { fingerprints, look } from './look.js';
import { changesIn } from './read-back.js';
import { wantedBinding } from './unplaced.js';

/** Verdicts are written in windows of this many. */
const VERDICTS = 5_000;
/** Some servers show a message only a while after they confirmed it: what is missing is looked for again. */
const SHOWN_AFTER_MS = [2_000, 8_000, 20_000];
/** Unbound items whose bodies are read to find surplus copies. People receive mail while we work; this is enough. */
const SURPLUS_LOOKED_AT = 500;

/**
 * The final listing of a destination folder: a sorted merge of what is there with what is claimed.
 *
 * Claimed and there: verified. Verified before and gone: the person removed it, it stays copied. Claimed, never seen
 * and not found by its content either: it was never stored; it is unbound and returned.
 */
export async function verifyFolder(lane: Lane): Promise<Binding[]> {
  const { run } = lane;
  let listing = await compare(lane);
  for (const ms of SHOWN_AFTER_MS) {
    if (listing.lost.length === 0) break;
    await run.delay(ms);
    listing = await compare(lane);
  }
  if (listing.lost.length > 0) await run.ledger.unbind(listing.lost);
  await reportSurplus(lane, listing.unbound);
  return listing.lost;
}

/** One listing against the claims. May be repeated: what is verified stays so. */
async function compare(lane: Lane): Promise<{ lost: Binding[]; unbound: FoundItem[] }> {
  const { run } = lane;
  const verdicts = new Verdicts(lane);
  const unseen: Binding[] = [];
  const unbound: FoundItem[] = [];
  const claims = flat(run.ledger.claims(lane.id, lane.epoch));
  const [first, unplaced] = await Promise.all([claims.next(), lane.unplaced()]);
  let claim = first;
  // Nothing of ours is there: nothing to verify.
  if (claim.done && unplaced.length === 0) return { lost: [], unbound: [] };
  for await (const window of run.destination.list(lane.folder, { epoch: lane.epoch, mark: '1' }, run.signal)) {
    for (const item of window) {
      while (!claim.done && compareIds(claim.value.id!.id, item.id.id) < 0) {
        await verdicts.absent(claim.value, unseen);
        claim = await claims.next();
      }
      if (!claim.done && claim.value.id!.id === item.id.id) {
        await verdicts.present(claim.value, item);
        claim = await claims.next();
      } else if (compareIds(item.id.id, lane.firstMark.mark) >= 0) unbound.push(item);
    }
    if (lane.flagChanges.any) await lane.flagChanges.applyTo(lane, window);
  }
  for (; !claim.done; claim = await claims.next()) await verdicts.absent(claim.value, unseen);
  await verdicts.write();
  const { lost, taken } = await findUnseen(lane, [...unseen, ...unplaced]);
  return { lost, unbound: unbound.filter((item) => !taken.has(item.id.id)) };
}

class Verdicts {
  private verified: Binding[] = [];
  private removed: Binding[] = [];
  private readonly notes = new Map<FolderId, Note[]>();

  constructor(private readonly lane: Lane) {}

  async present(binding: Binding, item: FoundItem): Promise<void> {
    if (binding.state !== 'claimed') return;
    this.verified.push(binding);
    const noted = changesIn(this.lane, binding, item);
    if (noted.length > 0) this.notes.set(binding.folder, [...(this.notes.get(binding.folder) ?? []), ...noted]);
    await this.writeIfFull();
  }

  async absent(binding: Binding, unseen: Binding[]): Promise<void> {
    if (binding.state === 'claimed') unseen.push(binding);
    else this.removed.push(binding);
    await this.writeIfFull();
  }

  private async writeIfFull(): Promise<void> {
    if (this.verified.length + this.removed.length >= VERDICTS) await this.write();
  }

  async write(): Promise<void> {
    const { verified, removed, lane } = this;
    if (verified.length + removed.length > 0) await lane.run.ledger.verify(lane.id, { verified, removed, placed: [] });
    for (const [folder, notes] of this.notes) await lane.run.ledger.remark(folder, notes);
    this.verified = [];
    this.removed = [];
    this.notes.clear();
  }
}

/** Looks for claims that were not where they should be. @returns those found nowhere, and the ids of the others. */
async function findUnseen(
  lane: Lane,
  unseen: readonly Binding[],
): Promise<{ lost: Binding[]; taken: ReadonlySet<string> }> {
  if (unseen.length === 0) return { lost: [], taken: new Set() };
  const { run } = lane;
  const sought = unseen.flatMap((binding) => wantedBinding(binding, lane.lowestOwn()));
  const found = await look(run, lane, sought);
  const placed = [...found].map(([want, item]) => ({ ...want.binding, id: item.id }));
  const seen = new Set(placed.map(nameOf));
  const idless = new Set(unseen.filter((binding) => binding.id === null).map(nameOf));
  const unplaced = placed.filter((binding) => idless.has(nameOf(binding)));
  if (unplaced.length > 0) await run.ledger.verify(lane.id, { verified: [], removed: [], placed: unplaced });
  const elsewhere = placed.filter((binding) => !idless.has(nameOf(binding)));
  await lane.settle(null, elsewhere.map(movedClaim));
  const lost = unseen.filter((binding) => !seen.has(nameOf(binding)));
  return { lost, taken: new Set(placed.map((binding) => binding.id.id)) };
}

function nameOf({ folder, key }: Binding): string {
  return `${folder}/${key}`;
}

function movedClaim(binding: Binding & { id: { epoch: string; id: string } }): Settled {
  const { folder, key, id, size, flags, date } = binding;
  const digest = binding.digest as Digest;
  return { folder, key, is: 'copied', id, size, digest, flags, date, verified: true, notes: [] };
}

/**
 * Unbound items that equal something we copied: a write that landed after every look. They are named, never deleted:
 * the person may have put them there.
 */
async function reportSurplus(lane: Lane, unbound: readonly FoundItem[]): Promise<void> {
  const { run } = lane;
  const near = unbound.slice(-SURPLUS_LOOKED_AT).map((item) => item.id);
  if (near.length === 0) return;
  const digests = new Set<Digest>();
  for await (const print of fingerprints(run, lane.folder, near, 'body')) if (print.digest) digests.add(print.digest);
  const equal = new Map<FolderId, number>();
  for await (const { folder, digest, id } of flat(run.ledger.claims(lane.id, lane.epoch))) {
    if (!digest || !digests.has(digest) || near.some((one) => one.id === id?.id)) continue;
    digests.delete(digest);
    equal.set(folder, (equal.get(folder) ?? 0) + 1);
  }
  for (const [folder, count] of equal)
    await run.ledger.remark(
      folder,
      Array.from({ length: count }, () => ({ code: 'SURPLUS_COPY', detail: lane.name })),
    );
}

async function* flat<T>(windows: AsyncIterable<readonly T[]>): AsyncGenerator<T, void> {
  for await (const window of windows) yield* window;
}
