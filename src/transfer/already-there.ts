import type { Fingerprint, FoundItem } from '../destinations/destination.js';
import type { Settled } from '../ledger/ledger.js';
import type { Digest } from '../mailbox/digest.js';
import type { FolderId } from '../mailbox/folder.js';
import type { StagedItem } from '../mailbox/item.js';
import type { LaneState } from './lane-state.js';
import { fingerprints, unclaimed } from './look.js';

const ANY_SIZE = -1;

/**
 * Matches what the source gives with what was at the destination before the first run and belongs to no binding.
 *
 * Equal means: same size, same normalised header, same body. The body is compared every time and not only for
 * missing or repeated Message-IDs: whether the source has several of a header is known only at its last page, and
 * until then a wrong match would lose a message. With s at the source and d at the destination min(s, d) are bound.
 */
export class AlreadyThere {
  /** Free items by size; null until the first batch asks. */
  private bySize: Map<number, FoundItem[]> | null = null;
  private readonly headers = new Map<string, Fingerprint>();
  private readonly bodies = new Map<string, Fingerprint>();
  /** Digests among the bodies. */
  private readonly seen = new Set<Digest>();

  constructor(private readonly lane: LaneState) {}

  /** Settles what is there and returns what is still to be copied. */
  async match(folder: FolderId, items: readonly StagedItem[]): Promise<StagedItem[]> {
    const free = await this.free();
    if (free.size === 0) return [...items];
    const candidates = items.filter((item) => free.has(this.sizeOf(item.body.size)));
    if (candidates.length === 0) return [...items];
    await this.identify(candidates);
    const existing = new Map<string, Settled>();
    for (const item of candidates) {
      const there = this.take(item);
      if (there)
        existing.set(item.ref.key, {
          folder,
          key: item.ref.key,
          is: 'existing',
          id: there.id,
          size: there.size,
          digest: item.body.digest,
          // The source's: a later delta applies only what changes there from now on.
          flags: item.flags,
        });
    }
    const unbound = await this.lane.settle(null, [...existing.values()]);
    for (const { key } of unbound) existing.delete(key);
    return items.filter((item) => !existing.has(item.ref.key));
  }

  private get isMail(): boolean {
    return this.lane.folder.kind === 'mail';
  }

  private async free(): Promise<Map<number, FoundItem[]>> {
    if (this.bySize) return this.bySize;
    const bySize = new Map<number, FoundItem[]>();
    const { lane } = this;
    if (lane.hasPreExisting())
      for (const item of await unclaimed(lane.run, lane, '1', lane.firstMark.mark)) {
        const size = this.sizeOf(item.size);
        const near = bySize.get(size);
        if (near) near.push(item);
        else bySize.set(size, [item]);
      }
    return (this.bySize = bySize);
  }

  private async identify(items: readonly StagedItem[]): Promise<void> {
    const { run, folder } = this.lane;
    const near = [...new Set(items.flatMap((item) => this.near(item)))];
    const unread = near.filter(({ id }) => !this.headers.has(id.id)).map(({ id }) => id);
    for await (const print of fingerprints(run, folder, unread, 'header')) this.headers.set(print.id.id, print);
    const wanted = new Set(items.map((item) => item.body.headerDigest));
    const fitting = near
      .map(({ id }) => id)
      .filter(({ id }) => !this.bodies.has(id) && wanted.has(this.headers.get(id)?.headerDigest ?? ('' as never)));
    for await (const print of fingerprints(run, folder, fitting, 'body')) {
      this.bodies.set(print.id.id, print);
      if (print.digest !== null) this.seen.add(print.digest).add(print.headerDigest);
    }
  }

  private take(item: StagedItem): FoundItem | null {
    const { digest, headerDigest } = item.body;
    if (!this.seen.has(digest) && (this.isMail || !this.seen.has(headerDigest))) return null;
    const near = this.near(item);
    let at = near.findIndex(({ id }) => this.bodies.get(id.id)?.digest === digest);
    // The same event or contact that another program brought here under a UID of its own.
    if (at < 0 && !this.isMail) at = near.findIndex(({ id }) => this.bodies.get(id.id)?.headerDigest === headerDigest);
    return at < 0 ? null : (near.splice(at, 1)[0] ?? null);
  }

  /** What may be the item, by size where that says something. */
  private near(item: StagedItem): FoundItem[] {
    return this.bySize?.get(this.sizeOf(item.body.size)) ?? [];
  }

  /** Servers write events and contacts anew, so that only their meaning can be compared: all are near. */
  private sizeOf(bytes: number): number {
    return this.isMail ? bytes : ANY_SIZE;
  }
}
