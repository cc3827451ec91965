import {
  isFilterCode,
  type Binding,
  type FolderCounts,
  type FolderMap,
  type Intent,
  type IntentId,
  type IntentItem,
  type ItemPlace,
  type KnownFolder,
  type Lease,
  type Ledger,
  type LedgerSession,
  type LinkId,
  type Revision,
  type SessionScope,
  type Settled,
} from '../../src/ledger/ledger.js';
import {
  CountsDeltas,
  decide,
  isBound,
  lastOfEach,
  OfferedAgain,
  placeName,
  stateOf,
} from '../../src/ledger/settlement.js';
import type { Digest } from '../../src/mailbox/digest.js';
import type {
  DestinationFolder,
  DestinationFolderId,
  FolderId,
  FolderPlan,
  SourceFolder,
  SourceFolderId,
} from '../../src/mailbox/folder.js';
import type { ItemDescription, ItemKey, ItemMeta, Note, SyncState } from '../../src/mailbox/item.js';
import { FakeClock } from './fake-clock.js';
import { LeasedMailbox, MemoryLease, type LeaseTimes } from './memory-lease.js';

const WINDOW = 5_000;

type Id = { readonly epoch: string; readonly id: string };
type Change<T> = { -readonly [K in keyof T]: T[K] };

interface StoredBinding extends Change<Binding> {
  job: string | null;
  destination: DestinationFolderId | null;
}
export interface StoredRefusal {
  readonly folder: FolderId;
  readonly key: ItemKey;
  readonly outcome: 'skipped' | 'failed';
  readonly code: string;
  readonly message: string;
  readonly size: number;
  subject?: string;
  sender?: string;
  described: boolean;
}
interface StoredDestination {
  id: DestinationFolderId;
  folder: DestinationFolder;
  epoch: string;
  firstMark: Id;
  mark: bigint;
}
interface StoredFolder {
  id: FolderId;
  link: LinkId;
  source: SourceFolder;
  state: SyncState | null;
  destination: DestinationFolderId | null;
  path: readonly string[] | null;
}
interface StoredIntent {
  id: IntentId;
  link: LinkId;
  folder: DestinationFolderId;
  epoch: string;
  mark: string;
  items: Map<string, IntentItem>;
}
interface Counters {
  found: number;
  copied: number;
  existing: number;
  skipped: number;
  failed: number;
  bytes: number;
  totalBytes: number;
  settledBytes: number;
  earlier: number;
  earlierBytes: number;
}
class Job {
  readonly counters = new Map<string, Counters>();
  readonly refusals = new Map<string, StoredRefusal>();
  /** By folder, code and detail. */
  readonly remarks = new Map<string, { folder: FolderId | null; code: string; detail: string; items: number }>();

  of(folder: string): Counters {
    let counters = this.counters.get(folder);
    if (!counters) {
      counters = {
        found: 0,
        copied: 0,
        existing: 0,
        skipped: 0,
        failed: 0,
        bytes: 0,
        totalBytes: 0,
        settledBytes: 0,
        earlier: 0,
        earlierBytes: 0,
      };
      this.counters.set(folder, counters);
    }
    return counters;
  }
}
interface Mailbox {
  readonly leases: LeasedMailbox;
  readonly destinations: StoredDestination[];
  readonly intents: Map<IntentId, StoredIntent>;
  /** By source folder and key. */
  readonly bindings: Map<string, StoredBinding>;
}

/** What outlives a crash. Several ledgers over one store are several processes over one database. */
export class MemoryStore {
  readonly mailboxes = new Map<string, Mailbox>();
  readonly links = new Map<LinkId, { mailbox: string; account: string }>();
  readonly folders = new Map<FolderId, StoredFolder>();
  readonly jobs = new Map<string, Job>();
  private last = 0;

  nextId<T extends string>(): T {
    this.last += 1;
    return String(this.last) as T;
  }

  job(id: string): Job {
    let job = this.jobs.get(id);
    if (!job) this.jobs.set(id, (job = new Job()));
    return job;
  }
}

export interface MemoryLedgerOptions extends Partial<LeaseTimes> {
  store?: MemoryStore;
  clock?: FakeClock;
  /** False: leases are never renewed, as by a process that hangs. */
  renews?: boolean;
}

/** The ledger in memory, with the same meaning as the one in Postgres (both pass test/contracts/ledger.contract.ts). */
export class MemoryLedger implements Ledger {
  readonly store: MemoryStore;
  readonly clock: FakeClock;
  private readonly times: LeaseTimes;
  private readonly renews: boolean;

  constructor(options: MemoryLedgerOptions = {}) {
    this.store = options.store ?? new MemoryStore();
    this.clock = options.clock ?? new FakeClock();
    this.renews = options.renews ?? true;
    this.times = { ttl: options.ttl ?? 60_000, grace: options.grace ?? 30_000, margin: options.margin ?? 10_000 };
  }

  /** What ensureLink() is for Postgres. */
  link(mailbox = 'alice@new.test', account = 'imap:old'): LinkId {
    for (const [id, link] of this.store.links) if (link.mailbox === mailbox && link.account === account) return id;
    if (!this.store.mailboxes.has(mailbox))
      this.store.mailboxes.set(mailbox, {
        leases: new LeasedMailbox(this.clock, this.times),
        destinations: [],
        intents: new Map(),
        bindings: new Map(),
      });
    const id = this.store.nextId<LinkId>();
    this.store.links.set(id, { mailbox, account });
    return id;
  }

  async acquire(link: LinkId, _holder: string, signal: AbortSignal): Promise<Lease> {
    return this.mailboxOf(link).leases.acquire(link, this.renews, signal);
  }

  open(lease: Lease, scope: SessionScope): LedgerSession {
    if (!(lease instanceof MemoryLease)) throw new Error('a lease of another ledger');
    return new MemorySession(this.store, this.mailboxOf(lease.link), lease, scope);
  }

  /** Kills whoever holds a lease, and lets the time pass that a taker has to wait. */
  killHolders(): void {
    for (const mailbox of this.store.mailboxes.values()) mailbox.leases.holder?.die();
    this.clock.advance(this.times.ttl + this.times.grace);
  }

  /** For assertions: a job's refusals and remarks as they are stored. */
  refusals(job: string): StoredRefusal[] {
    return [...this.store.job(job).refusals.values()];
  }
  remarks(job: string): { folder: FolderId | null; code: string; detail: string; items: number }[] {
    return [...this.store.job(job).remarks.values()];
  }

  private mailboxOf(link: LinkId): Mailbox {
    const mailbox = this.store.mailboxes.get(this.store.links.get(link)?.mailbox ?? '');
    if (!mailbox) throw new Error(`no link ${link}`);
    return mailbox;
  }
}

class MemorySession implements LedgerSession {
  private readonly again = new OfferedAgain();

  constructor(
    private readonly store: MemoryStore,
    private readonly mailbox: Mailbox,
    private readonly lease: MemoryLease,
    private readonly scope: SessionScope,
  ) {}

  private get link(): LinkId {
    return this.lease.link;
  }
  private get job(): Job {
    return this.store.job(this.scope.job);
  }

  async folderMap(): Promise<FolderMap> {
    return { folders: this.ownFolders().map((f) => this.known(f)) };
  }

  async saveFolders(
    plan: FolderPlan,
    destinations: readonly { folder: DestinationFolder; mark: Mark; follows?: DestinationFolderId }[],
    renamed: readonly { folder: FolderId; source: SourceFolderId }[] = [],
  ): Promise<FolderMap> {
    this.lease.check();
    for (const { folder, source } of renamed) {
      const row = this.folder(folder);
      row.source = { ...row.source, id: source };
    }
    const bySource = new Map<SourceFolderId, DestinationFolderId>();
    for (const { folder, mark, follows } of destinations) {
      const id = this.saveDestination(folder, mark, follows);
      for (const source of folder.sources) bySource.set(source, id);
    }
    for (const { source, path } of plan.mappings) {
      let row = this.ownFolders().find((f) => f.source.id === source.id);
      if (!row) {
        row = { id: this.store.nextId(), link: this.link, source, state: null, destination: null, path: null };
        this.store.folders.set(row.id, row);
      }
      row.source = source;
      row.destination = bySource.get(source.id) ?? row.destination;
      row.path ??= path;
    }
    return this.folderMap();
  }

  private saveDestination(folder: DestinationFolder, mark: Mark, follows?: DestinationFolderId): DestinationFolderId {
    const all = this.mailbox.destinations;
    const known =
      all.find((d) => d.id === follows) ??
      all.find((d) => folder.objectId !== undefined && d.folder.objectId === folder.objectId) ??
      all.find((d) => d.folder.name === folder.name);
    if (!known) {
      const id = this.store.nextId<DestinationFolderId>();
      const firstMark = { epoch: mark.epoch, id: mark.mark };
      all.push({ id, folder, epoch: mark.epoch, firstMark, mark: BigInt(mark.mark) });
      return id;
    }
    const displaced = all.find((d) => d !== known && d.folder.name === folder.name);
    if (displaced)
      displaced.folder = { ...displaced.folder, name: `gone:${displaced.id}:${folder.name}`, objectId: undefined };
    known.folder = { ...folder, preExisting: known.folder.preExisting };
    return known.id;
  }

  async unsettled(folder: FolderId, page: readonly ItemMeta[]): Promise<ItemMeta[]> {
    return page.filter((item) => {
      if (this.boundInScope(folder, item.key)) return false;
      const refusal = this.refusalInScope(folder, item.key);
      if (!refusal) return true;
      const offered = refusal.outcome === 'failed' ? this.scope.retryFailed : isFilterCode(refusal.code);
      if (offered) this.again.offer(folder, item.key, item.size);
      return offered;
    });
  }

  async earlier(folder: FolderId, page: readonly ItemMeta[]): Promise<{ items: number; bytes: number }> {
    const earlier = page.filter((item) => {
      const binding = this.boundInScope(folder, item.key);
      return binding && binding.job !== this.scope.job;
    });
    return { items: earlier.length, bytes: earlier.reduce((sum, item) => sum + item.size, 0) };
  }

  async listed(
    folder: FolderId,
    counts: { pending: number; pendingBytes: number; settledEarlier: number; bytesEarlier: number },
  ): Promise<void> {
    this.lease.check();
    const c = this.job.of(folder);
    const again = this.again.of(folder);
    c.earlier = Math.max(c.earlier, counts.settledEarlier);
    c.earlierBytes = Math.max(c.earlierBytes, counts.bytesEarlier);
    c.found = settledCount(c) + Math.max(0, counts.pending - again.items);
    c.totalBytes = c.settledBytes + c.earlierBytes + Math.max(0, counts.pendingBytes - again.bytes);
  }

  async openIntents(folder: DestinationFolderId): Promise<Intent[]> {
    return [...this.mailbox.intents.values()]
      .filter((i) => i.folder === folder)
      .map((i) => ({ id: i.id, folder: i.folder, epoch: i.epoch, mark: i.mark, items: [...i.items.values()] }));
  }

  async intend(folder: DestinationFolderId, at: Mark, items: readonly IntentItem[]): Promise<IntentId> {
    this.lease.check();
    if (items.length === 0) throw new Error('an intent needs items');
    let mark = BigInt(at.mark);
    for (const intent of [...this.mailbox.intents.values()]) {
      if (intent.link !== this.link || !items.some((item) => intent.items.has(placeName(item)))) continue;
      if (intent.epoch === at.epoch && BigInt(intent.mark) < mark) mark = BigInt(intent.mark);
      this.takeFromIntent(intent, items);
    }
    const id = this.store.nextId<IntentId>();
    const held = new Map(items.map((item) => [placeName(item), item]));
    this.mailbox.intents.set(id, { id, link: this.link, folder, epoch: at.epoch, mark: String(mark), items: held });
    return id;
  }

  async amend(id: IntentId, items: readonly IntentItem[]): Promise<void> {
    this.lease.check();
    const intent = this.mailbox.intents.get(id);
    for (const item of items) if (intent?.items.has(placeName(item))) intent.items.set(placeName(item), item);
  }

  async dissolve(id: IntentId): Promise<void> {
    this.lease.check();
    this.mailbox.intents.delete(id);
  }

  private takeFromIntent(intent: StoredIntent, places: readonly ItemPlace[]): void {
    for (const place of places) intent.items.delete(placeName(place));
    if (intent.items.size === 0) this.mailbox.intents.delete(intent.id);
  }

  async settle(_id: IntentId | null, outcomes: readonly Settled[]): Promise<readonly ItemPlace[]> {
    this.lease.check();
    const deltas = new CountsDeltas();
    const unbound: ItemPlace[] = [];
    const done: ItemPlace[] = [];
    const claims = new Claims(this.mailbox.bindings);
    for (const outcome of this.newFirst(lastOfEach(outcomes))) {
      const name = placeName(outcome);
      const own = this.folder(outcome.folder).link === this.link;
      const known = this.mailbox.bindings.get(name) ?? null;
      const what = decide(outcome, known, own);
      if (isBound(outcome) && (what === 'bind' || what === 'move')) {
        const destination = this.folder(outcome.folder).destination;
        const free = outcome.id === null || claims.isFree(destination, outcome.id, name);
        if (!free && outcome.is === 'existing') {
          unbound.push({ folder: outcome.folder, key: outcome.key });
          continue;
        }
        const keepsId = free || outcome.is === 'merged';
        if (keepsId && outcome.is !== 'merged') claims.claim(destination, outcome.id, name);
        const state = keepsId ? stateOf(outcome) : 'claimed';
        this.mailbox.bindings.set(name, {
          folder: outcome.folder,
          key: outcome.key,
          state,
          id: keepsId ? outcome.id : null,
          size: outcome.size,
          digest: outcome.digest,
          flags: [...outcome.flags],
          date: outcome.is === 'copied' ? outcome.date : null,
          job: what === 'move' ? (known as StoredBinding).job : own ? this.scope.job : null,
          destination,
          etag: (outcome.is === 'copied' ? outcome.etag : undefined) ?? null,
          version: known?.version ?? null,
        });
        if (outcome.is === 'copied' && keepsId && outcome.id) this.raiseMark(destination, outcome.id);
        if (what === 'bind' && own) {
          deltas.add(outcome.folder, outcome.is, outcome.size, 1);
          this.dropRefusal(name, deltas);
          if (outcome.is === 'copied') this.addRemarks(outcome.folder, outcome.notes);
        }
      } else if (what === 'refuse' && !isBound(outcome)) {
        const described = this.job.refusals.get(name);
        this.dropRefusal(name, deltas);
        deltas.add(outcome.folder, outcome.is, outcome.size, 1);
        this.job.refusals.set(name, {
          folder: outcome.folder,
          key: outcome.key,
          outcome: outcome.is,
          code: outcome.code,
          message: outcome.message,
          size: outcome.size,
          subject: described?.subject,
          sender: described?.sender,
          described: described?.described ?? false,
        });
      }
      if (own || isBound(outcome)) done.push({ folder: outcome.folder, key: outcome.key });
    }
    for (const intent of [...this.mailbox.intents.values()]) this.takeFromIntent(intent, done);
    this.again.settled(done);
    this.apply(deltas);
    return unbound;
  }

  /** What is new claims its item before a claim is moved there. */
  private newFirst(outcomes: readonly Settled[]): Settled[] {
    const isNew = (o: Settled) => !this.mailbox.bindings.has(placeName(o));
    return [...outcomes.filter(isNew), ...outcomes.filter((o) => !isNew(o))];
  }

  private dropRefusal(name: string, deltas: CountsDeltas): void {
    const refusal = this.job.refusals.get(name);
    if (!refusal) return;
    deltas.add(refusal.folder, refusal.outcome, refusal.size, -1);
    this.job.refusals.delete(name);
  }

  private apply(deltas: CountsDeltas): void {
    for (const [folder, delta] of deltas.byFolder) {
      const c = this.job.of(folder);
      c.copied += delta.copied;
      c.existing += delta.existing;
      c.skipped += delta.skipped;
      c.failed += delta.failed;
      c.bytes += delta.bytes;
      c.settledBytes += delta.settledBytes;
      c.found = Math.max(c.found, settledCount(c));
      c.totalBytes = Math.max(c.totalBytes, c.settledBytes + c.earlierBytes);
    }
  }

  async *claims(folder: DestinationFolderId, epoch: string): AsyncIterable<Binding[]> {
    const claims = this.allBindings()
      .filter((b) => b.destination === folder && b.state !== 'removed' && b.state !== 'merged' && b.id?.epoch === epoch)
      .sort((a, b) => compareIds((a.id as Id).id, (b.id as Id).id));
    yield* windows(claims);
  }

  async *bindings(folder: FolderId): AsyncIterable<Binding[]> {
    const own = this.allBindings().filter((b) => b.folder === folder);
    yield* windows(own.sort((a, b) => (a.key < b.key ? -1 : 1)));
  }

  async unplaced(folder: FolderId): Promise<Binding[]> {
    const own = this.allBindings().filter((b) => b.folder === folder && b.state === 'claimed' && b.id === null);
    return own.sort((a, b) => (a.key < b.key ? -1 : 1)).map(toBinding);
  }

  async boundCounts(): Promise<ReadonlyMap<FolderId, number>> {
    const counts = new Map<FolderId, number>();
    for (const { folder } of this.allBindings())
      if (this.folder(folder).link === this.link) counts.set(folder, (counts.get(folder) ?? 0) + 1);
    return counts;
  }

  async boundElsewhere(folder: FolderId, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const elsewhere = this.allBindings().filter((b) => b.folder !== folder && this.folder(b.folder).link === this.link);
    const there = new Set(elsewhere.map((b) => b.digest));
    return new Set(digests.filter((digest) => there.has(digest)));
  }

  async bound(folder: FolderId, keys: readonly ItemKey[]): Promise<Binding[]> {
    const found = this.scopeOf(folder).flatMap((f) =>
      keys.map((key) => this.mailbox.bindings.get(placeName({ folder: f, key }))),
    );
    return found.filter((b) => b !== undefined).map(toBinding);
  }

  async rekey(folder: FolderId, moved: readonly { from: ItemKey; to: ItemKey }[]): Promise<void> {
    this.lease.check();
    const deltas = new CountsDeltas();
    for (const { from, to } of moved) {
      const binding = this.mailbox.bindings.get(placeName({ folder, key: from }));
      const target = placeName({ folder, key: to });
      if (!binding || this.mailbox.bindings.has(target)) continue;
      this.mailbox.bindings.delete(placeName({ folder, key: from }));
      this.mailbox.bindings.set(target, { ...binding, key: to });
      this.dropRefusal(target, deltas);
    }
    this.apply(deltas);
  }

  async reflag(folder: FolderId, changes: readonly { key: ItemKey; flags: readonly string[] }[]): Promise<void> {
    this.lease.check();
    for (const { key, flags } of changes) {
      const binding = this.mailbox.bindings.get(placeName({ folder, key }));
      if (binding) binding.flags = [...flags];
    }
  }

  async revise(folder: FolderId, revisions: readonly Revision[]): Promise<void> {
    this.lease.check();
    for (const { key, version, stored } of revisions) {
      const binding = this.mailbox.bindings.get(placeName({ folder, key }));
      if (binding) Object.assign(binding, { version, ...stored });
    }
  }

  async unbind(bindings: readonly Binding[]): Promise<void> {
    this.lease.check();
    const deltas = new CountsDeltas();
    for (const { folder, key } of bindings) {
      const name = placeName({ folder, key });
      const binding = this.mailbox.bindings.get(name);
      if (!binding) continue;
      this.mailbox.bindings.delete(name);
      if (binding.job === this.scope.job) deltas.add(folder, countedAs(binding.state), binding.size, -1);
      else if (this.folder(folder).link === this.link) {
        const c = this.job.counters.get(folder);
        if (!c) continue;
        c.earlier = Math.max(0, c.earlier - 1);
        c.earlierBytes = Math.max(0, c.earlierBytes - binding.size);
      }
    }
    this.apply(deltas);
  }

  async verify(
    folder: DestinationFolderId,
    verdicts: { verified: readonly Binding[]; removed: readonly Binding[]; placed: readonly (Binding & { id: Id })[] },
  ): Promise<void> {
    this.lease.check();
    for (const verdict of verdicts.verified) {
      const binding = this.sameClaim(folder, verdict);
      if (binding?.state === 'claimed') binding.state = 'verified';
    }
    for (const verdict of verdicts.removed) {
      const binding = this.sameClaim(folder, verdict);
      if (binding && binding.state !== 'merged') binding.state = 'removed';
    }
    const claims = new Claims(this.mailbox.bindings);
    for (const verdict of verdicts.placed) {
      const binding = this.mailbox.bindings.get(placeName(verdict));
      if (!binding || binding.id || binding.destination !== folder) continue;
      if (!claims.isFree(folder, verdict.id, placeName(verdict))) continue;
      claims.claim(folder, verdict.id, placeName(verdict));
      binding.id = verdict.id;
      binding.state = 'verified';
    }
  }

  private sameClaim(folder: DestinationFolderId, verdict: Binding): StoredBinding | null {
    const binding = this.mailbox.bindings.get(placeName(verdict));
    if (!binding || binding.destination !== folder) return null;
    return binding.id?.id === verdict.id?.id && binding.id?.epoch === verdict.id?.epoch ? binding : null;
  }

  async rebind(
    folder: DestinationFolderId,
    epoch: string,
    moved: readonly { binding: Binding; id: Id }[],
  ): Promise<void> {
    this.lease.check();
    const target = this.mailbox.destinations.find((d) => d.id === folder);
    if (!target) throw new Error(`no destination folder ${folder}`);
    const claims = new Claims(this.mailbox.bindings);
    for (const { binding, id } of moved) {
      const name = placeName(binding);
      const row = this.mailbox.bindings.get(name);
      if (!row || row.destination !== folder || !claims.isFree(folder, id, name)) continue;
      claims.claim(folder, id, name);
      row.id = id;
      if (row.state === 'removed') row.state = 'verified';
    }
    for (const row of this.mailbox.bindings.values()) {
      if (row.destination !== folder || row.id === null || row.id.epoch === epoch) continue;
      row.id = null;
      if (row.state === 'verified' || row.state === 'existing') row.state = 'removed';
    }
    if (target.epoch !== epoch) {
      target.epoch = epoch;
      target.folder = { ...target.folder, epoch };
      target.firstMark = { epoch, id: '0' };
      target.mark = 0n;
    }
    for (const { id } of moved) this.raiseMark(folder, id);
  }

  async describe(folder: FolderId, items: readonly ItemDescription[]): Promise<void> {
    this.lease.check();
    for (const item of items) {
      const refusal = this.job.refusals.get(placeName({ folder, key: item.key }));
      if (!refusal || refusal.described) continue;
      refusal.described = true;
      refusal.subject = item.subject;
      refusal.sender = item.from;
    }
  }

  async undescribed(limit: number): Promise<ItemPlace[]> {
    const waiting = [...this.job.refusals.values()].filter((r) => !r.described).slice(0, limit);
    return waiting.map(({ folder, key }) => ({ folder, key }));
  }

  async remark(folder: FolderId | null, notes: readonly Note[]): Promise<void> {
    this.lease.check();
    this.addRemarks(folder, notes);
  }

  async remarkState(folder: FolderId, code: string, items: number, detail = ''): Promise<void> {
    this.lease.check();
    const { remarks } = this.job;
    for (const [name, one] of remarks) if (one.folder === folder && one.code === code) remarks.delete(name);
    if (items > 0) remarks.set(JSON.stringify([folder, code, detail]), { folder, code, detail, items });
  }

  async checkpoint(folder: FolderId, next: SyncState): Promise<void> {
    this.lease.check();
    this.folder(folder).state = { ...next };
  }

  async counts(): Promise<ReadonlyMap<FolderId, FolderCounts>> {
    const counts = new Map<FolderId, FolderCounts>();
    for (const [folder, c] of this.job.counters)
      counts.set(folder as FolderId, {
        found: c.found,
        copied: c.copied,
        alreadyThere: c.existing + c.earlier,
        skipped: c.skipped,
        failed: c.failed,
        bytes: c.bytes,
        totalBytes: c.totalBytes,
      });
    return counts;
  }

  private addRemarks(folder: FolderId | null, notes: readonly Note[]): void {
    for (const { code, detail = '' } of notes) {
      const name = JSON.stringify([folder, code, detail]);
      const remark = this.job.remarks.get(name) ?? { folder, code, detail, items: 0 };
      remark.items += 1;
      this.job.remarks.set(name, remark);
    }
  }

  private raiseMark(folder: DestinationFolderId | null, id: Id): void {
    const target = this.mailbox.destinations.find((d) => d.id === folder);
    if (!target || target.epoch !== id.epoch || !isUid(id.id)) return;
    const next = BigInt(id.id) + 1n;
    if (next > target.mark) target.mark = next;
  }

  private scopeOf(folder: FolderId): FolderId[] {
    if (this.folder(folder).source.keyScope === 'folder') return [folder];
    return this.ownFolders()
      .filter((f) => f.source.keyScope === 'account')
      .map((f) => f.id);
  }
  private boundInScope(folder: FolderId, key: ItemKey): StoredBinding | undefined {
    for (const f of this.scopeOf(folder)) {
      const binding = this.mailbox.bindings.get(placeName({ folder: f, key }));
      if (binding) return binding;
    }
    return undefined;
  }
  private refusalInScope(folder: FolderId, key: ItemKey): StoredRefusal | undefined {
    for (const f of this.scopeOf(folder)) {
      const refusal = this.job.refusals.get(placeName({ folder: f, key }));
      if (refusal) return refusal;
    }
    return undefined;
  }

  private allBindings(): StoredBinding[] {
    return [...this.mailbox.bindings.values()];
  }
  private ownFolders(): StoredFolder[] {
    return [...this.store.folders.values()].filter((f) => f.link === this.link);
  }
  private folder(id: FolderId): StoredFolder {
    const folder = this.store.folders.get(id);
    if (!folder) throw new Error(`no folder ${id}`);
    return folder;
  }
  private known(row: StoredFolder): KnownFolder {
    const d = this.mailbox.destinations.find((candidate) => candidate.id === row.destination);
    const sources = this.ownFolders().filter((f) => f.destination === row.destination);
    return {
      id: row.id,
      source: row.source,
      state: row.state,
      path: row.path,
      destination: d
        ? {
            id: d.id,
            folder: { ...d.folder, epoch: d.epoch, sources: sources.map((f) => f.source.id) },
            firstMark: { epoch: d.firstMark.epoch, mark: d.firstMark.id },
            mark: String(d.mark),
          }
        : null,
    };
  }
}

/** Which destination items are claimed, and by which binding. */
class Claims {
  private readonly holders = new Map<string, string>();

  constructor(bindings: ReadonlyMap<string, StoredBinding>) {
    for (const [name, b] of bindings) if (b.state !== 'merged') this.claim(b.destination, b.id, name);
  }
  claim(folder: DestinationFolderId | null, id: Id | null, name: string): void {
    if (id) this.holders.set(claimName(folder, id), name);
  }
  isFree(folder: DestinationFolderId | null, id: Id, name: string): boolean {
    const holder = this.holders.get(claimName(folder, id));
    return holder === undefined || holder === name;
  }
}
/** An href is the same item whatever the epoch. */
function claimName(folder: DestinationFolderId | null, { epoch, id }: Id): string {
  return isUid(id) ? `${folder} ${epoch} ${id}` : `${folder} ${id}`;
}

type Mark = { readonly epoch: string; readonly mark: string };

function settledCount(c: Counters): number {
  return c.copied + c.existing + c.earlier + c.skipped + c.failed;
}
function countedAs(state: Binding['state']): Settled['is'] {
  return state === 'existing' || state === 'merged' ? state : 'copied';
}
function isUid(id: string): boolean {
  return /^\d{1,20}$/.test(id);
}
function compareIds(a: string, b: string): number {
  if (isUid(a) && isUid(b)) return BigInt(a) < BigInt(b) ? -1 : 1;
  return a < b ? -1 : 1;
}
function toBinding(b: StoredBinding): Binding {
  const { folder, key, state, size, digest, flags, date, etag, version } = b;
  const id = state === 'merged' ? null : b.id;
  return { folder, key, state, id, size, digest, flags: [...flags], date, etag, version };
}
async function* windows(bindings: readonly StoredBinding[]): AsyncIterable<Binding[]> {
  for (let at = 0; at < bindings.length; at += WINDOW) yield bindings.slice(at, at + WINDOW).map(toBinding);
}
