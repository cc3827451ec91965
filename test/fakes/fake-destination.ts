import type {
  AsideOutcome,
  Destination,
  DestinationFacts,
  DestinationId,
  DestinationMark,
  Fingerprint,
  FlagChange,
  FlagRefusal,
  FoundItem,
  PlacedItem,
  Placement,
  StoreOutcome,
  Whereabouts,
} from '../../src/destinations/destination.js';
import { digestMessage } from '../../src/mailbox/digest.js';
import type { DestinationFolder, FolderPlan, SourceFolder } from '../../src/mailbox/folder.js';
import type { StagedItem, ZonedDate } from '../../src/mailbox/item.js';
import { TransferError } from '../../src/mailbox/transfer-error.js';
import type { FakeClock } from './fake-clock.js';
import { FakeMailbox, type FakeFolder } from './fake-mailbox.js';

/**
 * What happens to the nth append: a connection cut with nothing stored, stored with the reply lost, stored `lateMs`
 * after the cut, or a tagged NO.
 */
export type AppendFault = 'cut' | 'lost-reply' | { readonly lateMs: number } | TransferError;

export interface FakeDestinationQuirks {
  /** Default true: UIDPLUS. */
  tellsIds?: boolean;
  /** Default false: MULTIAPPEND. */
  atomicBatch?: boolean;
  maxBytes?: number;
  quotaBytes?: number;
  refuses?: (bytes: Buffer, flags: readonly string[]) => TransferError | null;
  dateOf?: (date: ZonedDate) => ZonedDate;
  flagsOf?: (flags: readonly string[]) => string[];
  bytesOf?: (bytes: Buffer) => Buffer;
  /** Keeps one of equal messages, as Gmail does. */
  mergesEqual?: boolean;
  onAppend?: (nth: number) => AppendFault | null;
  /** A batch is about to be stored into this folder. */
  onStore?: (folder: FakeFolder) => void;
  /** A listing ends with this. */
  onList?: () => TransferError | null;
  /** What was on the wire when the engine died lands after so many milliseconds; null: never. */
  killLandsAfterMs?: number | null;
  /** list() shows a message only so long after it was stored. */
  showsAfterMs?: number;
  /** Flags that are refused when they are set later. */
  refusesFlag?: (flag: string) => boolean;
  /** Folders that the server does not let anybody make. */
  unmade?: (path: readonly string[]) => TransferError | null;
  /** Default false: MAILBOXID. */
  tellsObjectIds?: boolean;
  /** Called between two appends: what other people do meanwhile. */
  meanwhile?: () => void;
}

/** Counts over all connections to one server, so that "the nth append" means the same to every engine. */
export class AppendCounter {
  appends = 0;
}

interface Sent {
  readonly item: PlacedItem;
  readonly bytes: Buffer;
}

export class FakeDestination implements Destination {
  connected = 0;
  bytesSent = 0;
  private readonly keptAt = new WeakMap<Buffer, number>();
  private inFlight: { folder: FakeFolder; queue: Sent[] }[] = [];
  private dead = false;

  constructor(
    readonly mailbox: FakeMailbox,
    readonly clock: FakeClock,
    readonly quirks: FakeDestinationQuirks = {},
    private readonly counter = new AppendCounter(),
  ) {}

  /** The process dies: what it had sent may still arrive. */
  kill(): void {
    if (this.dead) return;
    this.dead = true;
    const ms = this.quirks.killLandsAfterMs;
    if (ms === null || ms === undefined) return;
    for (const { folder, queue } of this.inFlight) this.landLater(folder, [...queue], ms);
  }

  private landLater(folder: FakeFolder, sent: readonly Sent[], ms: number): void {
    this.clock.after(ms, () => {
      for (const one of sent) this.keep(folder, one);
    });
  }

  async connect(): Promise<DestinationFacts> {
    this.connected++;
    const limit = this.quirks.quotaBytes;
    return {
      takes: ['mail'],
      maxBytes: this.quirks.maxBytes ?? null,
      quota: limit === undefined ? null : { usedBytes: this.mailbox.bytes, limitBytes: limit },
      atomicBatch: this.quirks.atomicBatch ?? false,
      tellsIds: this.quirks.tellsIds ?? true,
    };
  }

  async planFolders(wanted: readonly SourceFolder[]): Promise<FolderPlan> {
    const leftOut = wanted.filter((f) => f.leftOut !== undefined || f.path.includes('__left-out__'));
    return {
      mappings: wanted
        .filter((f) => !leftOut.includes(f))
        .map((source) => ({ source, path: this.pathOf(source), exists: !!this.mailbox.folder(this.pathOf(source)) })),
      leftOut: leftOut.map((source) => ({ source, code: 'NOT_MAIL', message: 'not a mail folder', ...source.leftOut })),
    };
  }

  /** A folder whose name starts with "Shared" goes to the folder behind the dot, so that two can share one. */
  private pathOf(source: SourceFolder): readonly string[] {
    const shared = /^Shared\d*\.(.+)$/.exec(source.path[0] ?? '');
    return shared ? [shared[1]!] : source.path;
  }

  async ensureFolders(plan: FolderPlan): Promise<DestinationFolder[]> {
    const byName = new Map<string, DestinationFolder>();
    for (const { source, path, role } of plan.mappings) {
      const name = FakeMailbox.nameOf(path);
      const refused = this.quirks.unmade?.(path) ?? null;
      if (refused !== null) {
        const nowhere = { name, path, kind: 'mail', epoch: '0', preExisting: false } as const;
        byName.set(name, { ...nowhere, sources: [source.id], refused });
        continue;
      }
      const preExisting = byName.get(name)?.preExisting ?? !!this.mailbox.folder(path);
      const folder = this.mailbox.ensure(path, role, source.selectable);
      const sources = [...(byName.get(name)?.sources ?? []), source.id];
      byName.set(name, { ...this.described(folder), preExisting, sources });
    }
    return [...byName.values()];
  }

  private described(folder: FakeFolder): Omit<DestinationFolder, 'preExisting' | 'sources'> {
    const { path, epoch, objectId } = folder;
    const told = this.quirks.tellsObjectIds ? { objectId } : {};
    return { name: FakeMailbox.nameOf(path), path, kind: 'mail', epoch: String(epoch), ...told };
  }

  async locate(known: readonly DestinationFolder[]): Promise<Whereabouts[]> {
    const all = [...this.mailbox.folders.values()];
    return known.map((folder) => {
      const there = this.mailbox.byName(folder.name);
      const byObject = folder.objectId !== undefined && this.quirks.tellsObjectIds === true;
      const isIt = (f: FakeFolder) => (byObject ? f.objectId === folder.objectId : String(f.epoch) === folder.epoch);
      if (there && isIt(there)) return { is: 'there' };
      const unlessNone = there ? 'there' : 'gone';
      const among = all.filter(isIt).map((f) => ({ ...folder, ...this.described(f) }));
      if (among.length === 0) return { is: unlessNone };
      return byObject ? { is: 'renamed', to: among[0]! } : { is: 'perhaps', among, unlessNone };
    });
  }

  private open(folder: DestinationFolder): FakeFolder {
    const found = this.mailbox.byName(folder.name);
    if (!found) throw destinationError('folder', 'never', 'FOLDER_GONE');
    return found;
  }

  async mark(folder: DestinationFolder): Promise<DestinationMark> {
    const f = this.open(folder);
    return { epoch: String(f.epoch), mark: String(f.nextUid) };
  }

  async place(folder: DestinationFolder, items: readonly StagedItem[]): Promise<Placement[]> {
    const f = this.open(folder);
    return items.map(() => ({ is: 'append', epoch: String(f.epoch), mark: String(f.nextUid) }));
  }

  async *store(
    folder: DestinationFolder,
    items: readonly PlacedItem[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncIterable<StoreOutcome> {
    const f = this.open(folder);
    const queue: Sent[] = [];
    for (const item of items) {
      const parts: Uint8Array[] = [];
      for await (const part of item.body.open()) parts.push(part);
      queue.push({ item, bytes: Buffer.concat(parts) });
    }
    signal.throwIfAborted();
    if (!mayCommit()) {
      for (const { item } of queue)
        yield { key: item.ref.key, is: 'refused', error: destinationError('connection', 'later', 'LEASE_ENDING') };
      return;
    }
    const flight = { folder: f, queue };
    this.inFlight.push(flight);
    try {
      this.quirks.onStore?.(f);
      yield* this.quirks.atomicBatch ? this.storeAtOnce(f, queue) : this.storeOneByOne(f, queue);
    } finally {
      if (!this.dead) this.inFlight.splice(this.inFlight.indexOf(flight), 1);
    }
  }

  private async *storeOneByOne(f: FakeFolder, queue: Sent[]): AsyncIterable<StoreOutcome> {
    while (queue.length > 0) {
      const sent = queue[0]!;
      const fault = this.quirks.onAppend?.(++this.counter.appends) ?? null;
      if (fault === 'cut' || fault === 'lost-reply' || (fault && 'lateMs' in fault)) {
        if (fault === 'lost-reply') this.keep(f, sent);
        else if (fault !== 'cut') this.landLater(f, [...queue], fault.lateMs);
        for (const { item } of queue.splice(0)) yield { key: item.ref.key, is: 'unknown' };
        return;
      }
      const outcome = this.append(f, sent, fault);
      queue.shift();
      yield outcome;
      this.quirks.meanwhile?.();
    }
  }

  private async *storeAtOnce(f: FakeFolder, queue: Sent[]): AsyncIterable<StoreOutcome> {
    const faults = queue.map(() => this.quirks.onAppend?.(++this.counter.appends) ?? null);
    const fault = faults.find((one) => one !== null) ?? null;
    if (fault === 'cut' || fault === 'lost-reply' || (fault && 'lateMs' in fault)) {
      const all = queue.splice(0);
      if (fault === 'lost-reply') for (const sent of all) this.keep(f, sent);
      else if (fault !== 'cut') this.landLater(f, all, fault.lateMs);
      for (const { item } of all) yield { key: item.ref.key, is: 'unknown' };
      return;
    }
    // Refused as a whole, so one by one: each gets its own answer.
    const refusals = faults.map((one) => (one instanceof TransferError ? one : null));
    const outcomes = queue.splice(0).map((sent, i) => this.append(f, sent, refusals[i] ?? null));
    for (const outcome of outcomes) yield outcome;
    this.quirks.meanwhile?.();
  }

  private append(f: FakeFolder, sent: Sent, refused: TransferError | null): StoreOutcome {
    const key = sent.item.ref.key;
    const error = refused ?? this.refusal(sent);
    if (error) return { key, is: 'refused', error };
    this.bytesSent += sent.bytes.length;
    const twin = this.quirks.mergesEqual && f.messages.find((m) => m.bytes.equals(sent.bytes));
    if (twin) return { key, is: 'merged', id: idOf(f, twin.uid) };
    const kept = this.keep(f, sent);
    return { key, is: 'stored', id: (this.quirks.tellsIds ?? true) ? idOf(f, kept.uid) : null, notes: [] };
  }

  private refusal({ item, bytes }: Sent): TransferError | null {
    if (this.quirks.maxBytes !== undefined && bytes.length > this.quirks.maxBytes)
      return destinationError('item', 'never', 'MESSAGE_TOO_LARGE');
    if (this.quirks.quotaBytes !== undefined && this.mailbox.bytes + bytes.length > this.quirks.quotaBytes)
      return destinationError('account', 'user', 'QUOTA_EXCEEDED');
    return this.quirks.refuses?.(bytes, item.flags) ?? null;
  }

  private keep(f: FakeFolder, { item, bytes }: Sent) {
    const date = item.date ?? { seconds: Math.floor(this.clock.now() / 1000), offset: 0 };
    const kept = f.append(
      this.quirks.bytesOf?.(bytes) ?? bytes,
      this.quirks.flagsOf?.(item.flags) ?? item.flags,
      this.quirks.dateOf?.(date) ?? date,
    );
    this.keptAt.set(kept.bytes, this.clock.now());
    return kept;
  }

  async *list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncIterable<FoundItem[]> {
    const f = this.open(folder);
    if (String(f.epoch) !== from.epoch) throw destinationError('folder', 'now', 'EPOCH_CHANGED');
    const fault = this.quirks.onList?.() ?? null;
    if (fault !== null) throw fault;
    const shown = this.clock.now() - (this.quirks.showsAfterMs ?? 0);
    const listed = f.messages.filter((m) => m.uid >= Number(from.mark) && (this.keptAt.get(m.bytes) ?? 0) <= shown);
    for (let at = 0; at < listed.length; at += 3) {
      signal.throwIfAborted();
      yield listed
        .slice(at, at + 3)
        .map((m) => ({ id: idOf(f, m.uid), size: m.bytes.length, date: m.date, flags: [...m.flags] }));
    }
  }

  async *fingerprint(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    depth: 'header' | 'body',
  ): AsyncIterable<Fingerprint> {
    const f = this.open(folder);
    for (const id of ids) {
      const m = id.epoch === String(f.epoch) ? f.messages.find((one) => one.uid === Number(id.id)) : undefined;
      if (!m) continue;
      const { digest, headerDigest, messageId } = digestMessage(m.bytes);
      yield { id, size: m.bytes.length, messageId, headerDigest, digest: depth === 'body' ? digest : null };
    }
  }

  async setFlags(folder: DestinationFolder, changes: readonly FlagChange[]): Promise<FlagRefusal[]> {
    const f = this.open(folder);
    const refused: FlagRefusal[] = [];
    for (const change of changes) {
      const m = f.messages.find((one) => one.uid === Number(change.id.id));
      if (!m) continue;
      const removed = new Set(change.remove.map((flag) => flag.toLowerCase()));
      const no = change.add.filter((flag) => this.quirks.refusesFlag?.(flag));
      if (no.length > 0) refused.push({ id: change.id, flags: no });
      const add = change.add.filter((flag) => !no.includes(flag));
      m.flags = [...m.flags.filter((flag) => !removed.has(flag.toLowerCase())), ...add];
    }
    return refused;
  }

  async setAside(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    into: readonly string[],
  ): Promise<AsideOutcome> {
    const f = this.open(folder);
    const target = this.mailbox.ensure(into);
    const missing: DestinationId[] = [];
    let moved = 0;
    for (const id of ids) {
      const m = f.messages.find((one) => one.uid === Number(id.id));
      if (!m) {
        missing.push(id);
        continue;
      }
      target.append(m.bytes, m.flags, m.date);
      f.remove(m.uid);
      moved++;
    }
    return { folder: into, moved, missing };
  }

  async close(): Promise<void> {}
}

function idOf(f: FakeFolder, uid: number): DestinationId {
  return { epoch: String(f.epoch), id: String(uid) };
}

export function destinationError(
  scope: TransferError['scope'],
  retry: TransferError['retry'],
  code: string,
  serverText?: string,
): TransferError {
  return new TransferError(`the destination says ${code}`, { side: 'destination', scope, retry, code, serverText });
}
