import type { DataSource } from 'typeorm';
import type { Digest } from '../mailbox/digest.js';
import type { DestinationFolderId, FolderId, FolderPlan, SourceFolderId } from '../mailbox/folder.js';
import type { ItemDescription, ItemKey, ItemMeta, Note, SyncState } from '../mailbox/item.js';
import {
  countBound,
  readBound,
  readBoundElsewhere,
  readFolderBindings,
  readUnplaced,
  readHrefClaims,
  readUidClaims,
  removeBindings,
  WINDOW,
  writeFlags,
  writeRevisions,
  writeVerdicts,
} from './bindings.js';
import {
  addRemarks,
  describeRefusals,
  readCounts,
  readUndescribed,
  writeCheckpoint,
  writeListed,
  writeStateRemark,
} from './counts.js';
import { readFolderMap, saveFolderMap, type SavedDestination } from './folder-map.js';
import { doAtOnce } from './at-once.js';
import { amendIntent, dissolveIntent, readIntendedFolders, readOpenIntents, writeIntent } from './intents.js';
import type { PostgresLease } from './lease.js';
import { type LedgerListener, LeasedWork } from './leased-work.js';
import {
  type Binding,
  type FolderCounts,
  type FolderMap,
  type Intent,
  type IntentId,
  type IntentItem,
  type ItemPlace,
  type LedgerSession,
  type Revision,
  type SessionScope,
  type Settled,
} from './ledger.js';
import { OfferedItems } from './offered-items.js';
import { once } from './once.js';
import { rebindFolder, rekeyBindings } from './moved-bindings.js';
import { OpenIntents } from './open-intents.js';
import type { Query } from './queries.js';
import { toBinding, type BindingRow, type ItemId } from './rows.js';
import { SessionKnowledge } from './session-knowledge.js';
import { settleOutcomes } from './settle.js';
import { isBound } from './settlement.js';

/**
 * Not waited for on the disk. A crash of Postgres may take it back while we live on: then what is found counts from the
 * outcomes alone, and a folder is listed once more than it need be. All that says what became of an item is durable.
 */
const MAY_BE_FORGOTTEN = { durable: false };

/** One job's work on one link under one lease: every method is a statement or two of the files beside this one. */
export class PostgresSession implements LedgerSession {
  private readonly work: LeasedWork;
  private readonly open = new OpenIntents();
  private readonly knows = new SessionKnowledge();
  private readonly offered: OfferedItems;
  /** Folders of the mailbox in which intents were open when it was asked first. */
  private intended: Promise<ReadonlySet<DestinationFolderId>> | null = null;
  constructor(
    dataSource: DataSource,
    private readonly lease: PostgresLease,
    private readonly scope: SessionScope,
    listener?: LedgerListener,
  ) {
    const { link, mailbox, epoch } = lease;
    this.work = new LeasedWork(
      dataSource,
      lease,
      (query, parts) => doAtOnce(query, { link, mailbox, epoch, job: scope.job, own: this.open.ids }, parts),
      listener,
    );
    this.offered = new OfferedItems(this.work, this.knows, scope, { link, mailbox });
  }

  async folderMap(): Promise<FolderMap> {
    const map = await this.work.read((query) => readFolderMap(query, this.lease.link));
    this.knows.learn(map);
    return map;
  }

  async saveFolders(
    plan: FolderPlan,
    destinations: readonly SavedDestination[],
    renamed: readonly { folder: FolderId; source: SourceFolderId }[] = [],
  ): Promise<FolderMap> {
    const { link, mailbox } = this.lease;
    const map = await this.work.write((query) => saveFolderMap(query, link, mailbox, plan, destinations, renamed));
    this.knows.learn(map);
    return map;
  }

  unsettled(folder: FolderId, page: readonly ItemMeta[]): Promise<ItemMeta[]> {
    return this.offered.unsettled(folder, page);
  }

  earlier(folder: FolderId, page: readonly ItemMeta[]): Promise<{ items: number; bytes: number }> {
    return this.offered.earlier(folder, page);
  }

  listed(
    folder: FolderId,
    counts: { pending: number; pendingBytes: number; settledEarlier: number; bytesEarlier: number },
  ): Promise<void> {
    return this.work.write((query) => {
      const again = this.offered.again.of(folder);
      return writeListed(query, this.scope.job, folder, {
        ...counts,
        pending: Math.max(0, counts.pending - again.items),
        pendingBytes: Math.max(0, counts.pendingBytes - again.bytes),
      });
    }, MAY_BE_FORGOTTEN);
  }

  async openIntents(folder: DestinationFolderId): Promise<Intent[]> {
    this.intended ??= once(
      () => this.work.read((query) => readIntendedFolders(query, this.lease.mailbox)),
      () => (this.intended = null),
    );
    if (!(await this.intended).has(folder) && !this.knows.hasIntended(folder)) return [];
    return this.work.read((query) => readOpenIntents(query, folder));
  }

  async intend(
    folder: DestinationFolderId,
    at: { epoch: string; mark: string },
    items: readonly IntentItem[],
  ): Promise<IntentId> {
    const { link, epoch } = this.lease;
    this.knows.intend(folder);
    const fresh = this.open.fresh(folder, at, items);
    const made = (id: IntentId | null): IntentId => {
      this.open.opened(id!, items);
      return id!;
    };
    return this.work.write(async (query) => made(await writeIntent(query, link, epoch, folder, at, items)), {
      usual: fresh && { part: fresh, done: made },
    });
  }

  amend(id: IntentId, items: readonly IntentItem[]): Promise<void> {
    return this.work.write((query) => amendIntent(query, id, items));
  }

  async dissolve(id: IntentId): Promise<void> {
    await this.work.write((query) => dissolveIntent(query, id));
    this.open.dissolved(id);
  }

  async settle(id: IntentId | null, outcomes: readonly Settled[]): Promise<readonly ItemPlace[]> {
    const { link, mailbox } = this.lease;
    this.knows.touch(outcomes);
    const refuses = outcomes.some((outcome) => !isBound(outcome));
    if (refuses) this.offered.refused();
    const refusals = refuses || (await this.offered.hasRefusals());
    const whole = this.open.whole(id, outcomes);
    const { unbound, done } = await this.work.write(
      (query) => settleOutcomes(query, { link, mailbox, job: this.scope.job, refusals }, outcomes),
      { usual: whole && { part: whole, done: () => ({ unbound: [], done: outcomes.map(toPlace) }) } },
    );
    this.offered.again.settled(done);
    this.open.settled(done);
    return unbound;
  }

  async *claims(folder: DestinationFolderId, epoch: string): AsyncIterable<Binding[]> {
    const { mailbox } = this.lease;
    yield* this.windows((query, after) => readUidClaims(query, mailbox, folder, epoch, after?.id ?? null));
    yield* this.windows((query, after) => readHrefClaims(query, mailbox, folder, epoch, after?.id ?? null));
  }

  async *bindings(folder: FolderId): AsyncIterable<Binding[]> {
    const { mailbox } = this.lease;
    yield* this.windows((query, after) => readFolderBindings(query, mailbox, folder, after?.key ?? null));
  }

  async unplaced(folder: FolderId): Promise<Binding[]> {
    return (await this.work.read((query) => readUnplaced(query, this.lease.mailbox, folder))).map(toBinding);
  }

  async boundCounts(): Promise<ReadonlyMap<FolderId, number>> {
    const counts = await this.work.read((query) => countBound(query, this.lease.mailbox, this.lease.link));
    this.knows.counted(counts);
    return counts;
  }

  boundElsewhere(folder: FolderId, digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    const { mailbox, link } = this.lease;
    return this.work.read((query) => readBoundElsewhere(query, mailbox, link, folder, digests));
  }

  async bound(folder: FolderId, keys: readonly ItemKey[]): Promise<Binding[]> {
    const rows = await this.work.read(async (query) =>
      readBound(query, this.lease.mailbox, await this.offered.foldersSharingKeys(query, folder), keys),
    );
    return rows.map(toBinding);
  }

  async rekey(folder: FolderId, moved: readonly { from: ItemKey; to: ItemKey }[]): Promise<void> {
    const scope = { mailbox: this.lease.mailbox, job: this.scope.job, refusals: await this.offered.hasRefusals() };
    return this.work.write((query) => rekeyBindings(query, scope, folder, moved));
  }

  reflag(folder: FolderId, changes: readonly { key: ItemKey; flags: readonly string[] }[]): Promise<void> {
    return this.work.write((query) => writeFlags(query, this.lease.mailbox, folder, changes));
  }

  revise(folder: FolderId, revisions: readonly Revision[]): Promise<void> {
    return this.work.write((query) => writeRevisions(query, this.lease.mailbox, folder, revisions));
  }

  unbind(bindings: readonly Binding[]): Promise<void> {
    const scope = { mailbox: this.lease.mailbox, job: this.scope.job };
    return this.work.write((query) => removeBindings(query, scope, bindings));
  }

  verify(
    folder: DestinationFolderId,
    verdicts: {
      verified: readonly Binding[];
      removed: readonly Binding[];
      placed: readonly (Binding & { id: ItemId })[];
    },
  ): Promise<void> {
    return this.work.write((query) => writeVerdicts(query, this.lease.mailbox, folder, verdicts));
  }

  rebind(
    folder: DestinationFolderId,
    epoch: string,
    moved: readonly { binding: Binding; id: ItemId }[],
  ): Promise<void> {
    return this.work.write((query) => rebindFolder(query, this.lease.mailbox, folder, epoch, moved));
  }

  describe(folder: FolderId, items: readonly ItemDescription[]): Promise<void> {
    return this.work.write((query) => describeRefusals(query, this.scope.job, folder, items));
  }

  undescribed(limit: number): Promise<ItemPlace[]> {
    return this.work.read((query) => readUndescribed(query, this.scope.job, limit));
  }

  remark(folder: FolderId | null, notes: readonly Note[]): Promise<void> {
    const placed = notes.map((note) => ({ ...note, folder }));
    return this.work.write((query) => addRemarks(query, this.scope.job, placed));
  }

  remarkState(folder: FolderId, code: string, items: number, detail = ''): Promise<void> {
    return this.work.write((query) => writeStateRemark(query, this.scope.job, { folder, code, detail, items }));
  }

  checkpoint(folder: FolderId, next: SyncState): Promise<void> {
    return this.work.write((query) => writeCheckpoint(query, folder, next), MAY_BE_FORGOTTEN);
  }

  counts(): Promise<ReadonlyMap<FolderId, FolderCounts>> {
    return this.work.read((query) => readCounts(query, this.scope.job));
  }

  private async *windows(
    next: (query: Query, after: BindingRow | null) => Promise<BindingRow[]>,
  ): AsyncIterable<Binding[]> {
    let after: BindingRow | null = null;
    for (;;) {
      const from: BindingRow | null = after;
      const rows: BindingRow[] = await this.work.read((query) => next(query, from));
      if (rows.length > 0) yield rows.map(toBinding);
      if (rows.length < WINDOW) return;
      after = rows.at(-1) ?? null;
    }
  }
}

function toPlace({ folder, key }: ItemPlace): ItemPlace {
  return { folder, key };
}
