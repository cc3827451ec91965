import type { SourceFolder } from '../../mailbox/folder.js';
import type {
  ItemDescription,
  ItemKey,
  ItemMeta,
  ItemRef,
  Note,
  ReadOutcome,
  ScanPage,
  Staging,
  SyncState,
} from '../../mailbox/item.js';
import { ImapSource, type ImapSourceOptions } from '../imap/imap-source.js';
import { itemRef } from '../imap/keys.js';
import { MAX_SCAN_PAGE, type Source, type SourceAccount, type SourceFacts } from '../source.js';
import { gmailFolders, type GmailFolders, limited } from './folders.js';
import { GmailIndex } from './gmail-index.js';
import { keywordOf, labelName } from './labels.js';
import type { TableRow } from './message-table.js';

/** Up to so many messages are counted folder by folder before they are copied: some seconds of listing. */
const COUNTED_AHEAD = 30_000;

/** What becomes of the labels of a message besides the one that decides its folder. */
export type LabelChoice = 'primary' | 'keywords';

export interface GmailSourceOptions extends ImapSourceOptions {
  /** Default: primary. */
  readonly labels?: LabelChoice;
  /** Decoded paths the person leaves out: a message that is elsewhere too is copied there. */
  readonly excludeFolders?: readonly (readonly string[])[];
}

/**
 * IMAP with Gmail's extensions (X-GM-EXT-1): every message is read once, from All Mail, however many labels it has, and its
 * key is X-GM-MSGID, for the whole account. On a server without them it is plain IMAP.
 */
export class GmailSource implements Source {
  readonly account: SourceAccount;
  private readonly inner: ImapSource;
  private labelled = false;
  private folders: GmailFolders | null = null;
  private index: GmailIndex | null = null;

  constructor(private readonly options: GmailSourceOptions) {
    this.inner = new ImapSource(options);
    this.account = this.inner.account;
  }

  async connect(signal: AbortSignal): Promise<SourceFacts> {
    const facts = await this.inner.connect(signal);
    this.labelled = await this.inner.use(signal, async (connection) => connection.has('X-GM-EXT-1'));
    return this.labelled ? { ...facts, quirks: [...facts.quirks, 'gmail-labels'] } : facts;
  }

  async listFolders(signal: AbortSignal): Promise<SourceFolder[]> {
    const listed = await this.inner.listFolders(signal);
    if (!this.labelled) return listed;
    const folders = gmailFolders(listed);
    this.folders = folders;
    this.index = new GmailIndex(
      folders,
      (folder) => this.isLeftOut(folder),
      (folder) => this.inner.rawOf(folder),
    );
    const few = (folders.all?.items ?? Infinity) <= COUNTED_AHEAD;
    const shown = await Promise.all(folders.shown.map((folder) => this.counted(folder, few, signal)));
    return [...shown, ...folders.others];
  }

  /** Labels overlap, so what their folders say they hold does not add up: it is counted, or left open. */
  private async counted(folder: SourceFolder, few: boolean, signal: AbortSignal): Promise<SourceFolder> {
    if (folder.optional === true) return folder;
    if (!few) return folder.id === this.folders?.all?.id ? folder : { ...folder, items: null, bytes: null };
    const table = await this.tableOf(folder, signal);
    const known = { ...folder, items: table.length, bytes: table.bytes };
    return folder.id === this.folders?.all?.id && this.index!.isLimited ? limited(known) : known;
  }

  private isLeftOut({ path }: SourceFolder): boolean {
    return (this.options.excludeFolders ?? []).some((out) => out.every((level, i) => path[i] === level));
  }

  private tableOf(folder: SourceFolder, signal: AbortSignal): ReturnType<GmailIndex['of']> {
    return this.index!.of(folder, (work) => this.inner.use(signal, work));
  }

  async *scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncGenerator<ScanPage> {
    if (!this.labelled) return yield* this.inner.scan(folder, since, signal);
    signal.throwIfAborted();
    const table = await this.tableOf(folder, signal);
    for (let at = 0; at === 0 || at < table.length; at += MAX_SCAN_PAGE) {
      const items: ItemMeta[] = [];
      for (let i = at; i < Math.min(at + MAX_SCAN_PAGE, table.length); i++) items.push(this.metaOf(i, table.row(i)));
      yield { items, gone: [], next: { listed: at + items.length }, full: true };
    }
  }

  private metaOf(at: number, { msgId, size, date, flags, extra }: TableRow): ItemMeta {
    const locator = Buffer.alloc(4);
    locator.writeUInt32BE(at);
    return { key: keyOf(msgId), locator, size, date, flags: this.withKeywords(flags, extra) };
  }

  private withKeywords(flags: readonly string[], extra: readonly string[]): readonly string[] {
    if (this.options.labels !== 'keywords') return flags;
    return [...new Set([...flags, ...extra.map(keywordOf)])];
  }

  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncGenerator<ReadOutcome> {
    if (!this.labelled) return yield* this.inner.read(folder, refs, stage, signal);
    for (const { origin, rows } of await this.byOrigin(folder, refs, signal))
      for await (const outcome of this.inner.read(
        origin,
        [...rows.values()].map(({ inner }) => inner),
        stage,
        signal,
      )) {
        const { ref, row } = rows.get(outcome.ref.key)!;
        if (outcome.is !== 'staged') {
          yield { ...outcome, ref };
          continue;
        }
        const { item } = outcome;
        const flags = this.withKeywords(item.flags, row.extra);
        yield { ref, is: 'staged', item: { ...item, ref, flags, notes: [...item.notes, ...this.notesOn(row)] } };
      }
  }

  async *describe(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    signal: AbortSignal,
  ): AsyncGenerator<ItemDescription> {
    if (!this.labelled) return yield* this.inner.describe(folder, refs, signal);
    for (const { origin, rows } of await this.byOrigin(folder, refs, signal))
      for await (const item of this.inner.describe(
        origin,
        [...rows.values()].map(({ inner }) => inner),
        signal,
      ))
        yield { ...item, key: rows.get(item.key)!.ref.key };
  }

  /** What the person's labels lose: as folders a message has one, and what IMAP does not show has none. */
  private notesOn({ extra }: TableRow): Note[] {
    if (this.options.labels === 'keywords') return [];
    return extra
      .filter((label) => !label.startsWith('\\') || /^\\(inbox|sent|drafts?)$/i.test(label))
      .map((label) => ({
        code: this.index!.places.isHidden(label) ? 'LABEL_NOT_SHOWN' : 'LABEL_DROPPED',
        detail: labelName(label),
      }));
  }

  /** Messages by the folder of the server they are read from, each with the ref it has there. */
  private async byOrigin(folder: SourceFolder, refs: readonly ItemRef[], signal: AbortSignal): Promise<Batch[]> {
    const table = await this.tableOf(folder, signal);
    const batches = new Map<number, Batch>();
    for (const ref of refs) {
      const row = table.row(Buffer.from(ref.locator).readUInt32BE());
      if (keyOf(row.msgId) !== ref.key) throw new Error('a locator of another listing');
      const { folder: origin, uidValidity } = this.index!.origins[row.origin]!;
      const batch = batches.get(row.origin) ?? { origin, rows: new Map<ItemKey, Wanted>() };
      batches.set(row.origin, batch);
      const inner = itemRef(uidValidity, row.uid);
      batch.rows.set(inner.key, { ref, row, inner });
    }
    return [...batches.values()];
  }

  async close(): Promise<void> {
    await this.inner.close();
  }
}

interface Wanted {
  readonly ref: ItemRef;
  readonly row: TableRow;
  /** As the plain source knows it. */
  readonly inner: ItemRef;
}
interface Batch {
  readonly origin: SourceFolder;
  readonly rows: Map<ItemKey, Wanted>;
}

function keyOf(msgId: bigint): ItemKey {
  return msgId.toString(16).padStart(16, '0') as ItemKey;
}
