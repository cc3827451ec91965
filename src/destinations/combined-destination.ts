import type { DestinationFolder, FolderPlan, SourceFolder } from '../mailbox/folder.js';
import type { StagedItem, Staging } from '../mailbox/item.js';
import { ITEM_KINDS, type ItemKind } from '../mailbox/kinds.js';
import { noteAsMessage, planWithNotes } from './notes-by-mail.js';
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
  ItemUpdate,
  PlacedItem,
  Placement,
  StoreOutcome,
  TakeAwayWish,
  TakenAway,
  UpdateOutcome,
  Whereabouts,
} from './destination.js';

export interface CombinedOptions {
  readonly kinds: readonly ItemKind[];
  readonly mail: Destination;
  /** Null: the hoster has none. Not connected yet. */
  readonly openDav: () => Promise<Destination | null>;
  /** Whose mailbox it is: notes that become messages are from him. */
  readonly owner: () => Promise<string>;
}

const NOTHING: DestinationFacts = { takes: [], maxBytes: null, quota: null, atomicBatch: false, tellsIds: true };

/**
 * Two destinations as one: each folder belongs to the one that takes its kind. Notes go where the calendars are, as journals; where
 * there are no journals, into mail folders, as the messages that mail programs show as notes.
 */
export class CombinedDestination implements Destination {
  private dav: Destination | null = null;
  private takes: readonly ItemKind[] = [];
  private notesByMail = false;
  private owner = '';

  constructor(private readonly options: CombinedOptions) {}

  async connect(signal: AbortSignal): Promise<DestinationFacts> {
    const { kinds, mail, openDav } = this.options;
    const wantsMail = kinds.includes('mail');
    const wantsMore = kinds.some((kind) => kind !== 'mail');
    if (wantsMore) this.dav ??= await openDav();
    const byDav = this.dav === null ? NOTHING : await this.dav.connect(signal);
    this.notesByMail = kinds.includes('notes') && !byDav.takes.includes('notes');
    if (this.notesByMail) this.owner = await this.options.owner();
    const byMail = wantsMail || this.notesByMail ? await mail.connect(signal) : NOTHING;
    this.takes = ITEM_KINDS.filter(
      (kind) =>
        (kind === 'mail' ? wantsMail && byMail.takes.includes(kind) : byDav.takes.includes(kind)) ||
        (kind === 'notes' && this.notesByMail),
    );
    // What holds for mail holds for the run; each of the others is told its own limit when it is stored.
    return { ...(wantsMail ? byMail : byDav), takes: this.takes };
  }

  async planFolders(wanted: readonly SourceFolder[]): Promise<FolderPlan> {
    const taken = wanted.filter(({ kind }) => this.takes.includes(kind));
    const leftOut = wanted
      .filter(({ kind }) => !this.takes.includes(kind))
      .map((source) => ({ source, code: 'KIND_NOT_TAKEN', message: 'The new server has no place for it.' }));
    const plans = await Promise.all(
      this.parts(taken, ({ kind }) => kind).map(({ to, items }) =>
        to === this.options.mail ? planWithNotes(to, items) : to.planFolders(items),
      ),
    );
    return {
      mappings: plans.flatMap(({ mappings }) => mappings),
      leftOut: [...plans.flatMap((plan) => plan.leftOut), ...leftOut],
    };
  }

  async countExisting(plan: FolderPlan, signal: AbortSignal): Promise<number | null> {
    let sum = 0;
    for (const { to, items } of this.parts(plan.mappings, ({ source }) => source.kind)) {
      const count = (await to.countExisting?.({ mappings: items, leftOut: [] }, signal)) ?? null;
      if (count === null) return null;
      sum += count;
    }
    return sum;
  }

  async locate(known: readonly DestinationFolder[], signal: AbortSignal): Promise<Whereabouts[]> {
    const told = new Map<DestinationFolder, Whereabouts>();
    for (const { to, items } of this.parts(this.reachable(known), ({ kind }) => kind)) {
      const places = (await to.locate?.(items, signal)) ?? [];
      for (const [i, folder] of items.entries()) told.set(folder, places[i] ?? { is: 'there' });
    }
    return known.map((folder) => told.get(folder) ?? { is: 'there' });
  }

  /** What this run does not write into is not asked about. */
  private reachable(known: readonly DestinationFolder[]): DestinationFolder[] {
    const { kinds } = this.options;
    return known.filter(({ kind }) =>
      kind === 'mail' ? kinds.includes('mail') || this.notesByMail : this.dav !== null,
    );
  }

  async ensureFolders(plan: FolderPlan, signal: AbortSignal): Promise<DestinationFolder[]> {
    const made: DestinationFolder[] = [];
    for (const { to, items } of this.parts(plan.mappings, ({ source }) => source.kind))
      made.push(...(await to.ensureFolders({ mappings: items, leftOut: [] }, signal)));
    return made;
  }

  mark(folder: DestinationFolder, signal: AbortSignal): Promise<DestinationMark> {
    return this.of(folder).mark(folder, signal);
  }
  expectListing(folders: readonly DestinationFolder[], signal: AbortSignal): void {
    for (const { to, items } of this.parts(folders, ({ kind }) => kind)) to.expectListing?.(items, signal);
  }
  prepare(folder: DestinationFolder, signal: AbortSignal): void {
    this.of(folder).prepare?.(folder, signal);
  }
  async fit(folder: DestinationFolder, item: StagedItem, staging: Staging): Promise<StagedItem> {
    // Only notes are given another form on their way into a mail folder.
    if (folder.kind === 'mail') return noteAsMessage(item, this.owner, staging);
    return (await this.of(folder).fit?.(folder, item, staging)) ?? item;
  }
  async mend(folder: DestinationFolder, item: StagedItem, staging: Staging): Promise<StagedItem | null> {
    return (await this.of(folder).mend?.(folder, item, staging)) ?? null;
  }
  place(folder: DestinationFolder, items: readonly StagedItem[]): Promise<Placement[]> {
    return this.of(folder).place(folder, items);
  }
  store(
    folder: DestinationFolder,
    items: readonly PlacedItem[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncIterable<StoreOutcome> {
    return this.of(folder).store(folder, items, mayCommit, signal);
  }
  list(folder: DestinationFolder, from: DestinationMark, signal: AbortSignal): AsyncIterable<FoundItem[]> {
    return this.of(folder).list(folder, from, signal);
  }
  fingerprint(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    depth: 'header' | 'body',
    signal: AbortSignal,
  ): AsyncIterable<Fingerprint> {
    return this.of(folder).fingerprint(folder, ids, depth, signal);
  }
  setFlags(
    folder: DestinationFolder,
    changes: readonly FlagChange[],
    signal: AbortSignal,
  ): Promise<readonly FlagRefusal[]> {
    return this.of(folder).setFlags(folder, changes, signal);
  }
  async *update(
    folder: DestinationFolder,
    updates: readonly ItemUpdate[],
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): AsyncGenerator<UpdateOutcome> {
    yield* this.of(folder).update?.(folder, updates, mayCommit, signal) ?? [];
  }
  takeAway(
    folder: DestinationFolder,
    wish: TakeAwayWish,
    mayCommit: () => boolean,
    signal: AbortSignal,
  ): Promise<TakenAway> {
    const { takeAway } = this.of(folder);
    if (takeAway === undefined) throw new Error('items of this folder are only set aside');
    return takeAway.call(this.of(folder), folder, wish, mayCommit, signal);
  }
  setAside(
    folder: DestinationFolder,
    ids: readonly DestinationId[],
    into: readonly string[],
    signal: AbortSignal,
  ): Promise<AsideOutcome> {
    return this.of(folder).setAside(folder, ids, into, signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.options.mail.close(), this.dav?.close()]);
    this.dav = null;
  }

  private of({ kind }: Pick<DestinationFolder, 'kind'>): Destination {
    if (kind === 'mail') return this.options.mail;
    if (this.dav === null) throw new Error('no server for this kind is connected');
    return this.dav;
  }

  private parts<T>(items: readonly T[], kindOf: (item: T) => ItemKind): { to: Destination; items: T[] }[] {
    const isMail = (item: T): boolean => kindOf(item) === 'mail' || (kindOf(item) === 'notes' && this.notesByMail);
    const mail = items.filter(isMail);
    const more = items.filter((item) => !isMail(item));
    return [
      ...(mail.length === 0 ? [] : [{ to: this.options.mail, items: mail }]),
      ...(more.length === 0 ? [] : [{ to: this.of({ kind: 'contacts' }), items: more }]),
    ];
  }
}
