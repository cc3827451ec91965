import type { SourceFolder, SourceFolderId } from '../../src/mailbox/folder.js';
import type {
  ItemDescription,
  ItemKey,
  ItemMeta,
  ItemRef,
  ReadOutcome,
  ScanPage,
  Staging,
  SyncState,
} from '../../src/mailbox/item.js';
import { TransferError } from '../../src/mailbox/transfer-error.js';
import type { Source, SourceFacts } from '../../src/sources/source.js';
import { FakeMailbox, type FakeFolder } from './fake-mailbox.js';

export interface FakeSourceQuirks {
  pageSize?: number;
  maxConnections?: number;
  /** The nth read (over all connections, from 1) ends with this. */
  onRead?: (nth: number, uid: number) => 'cut' | 'unreadable' | 'short' | 'vanished' | null;
  /** The nth scanned page ends with a lost connection or a folder error. */
  onScan?: (nth: number, path: readonly string[]) => 'cut' | 'refused' | null;
  /** Says another size than the item has, as Exchange does. */
  sizeOf?: (bytes: number) => number;
  complete?: boolean;
  /** Left out of every listing, though it says that they are there. */
  hides?: (uid: number) => boolean;
  /** Reading under an old UIDVALIDITY is an error, and not a folder of vanished items. */
  tellsEpochChange?: boolean;
  /** Folders it shows and does not let us read. */
  closed?: (path: readonly string[]) => boolean;
  /** Default false: MAILBOXID. */
  tellsObjectIds?: boolean;
}

const chunkBytes = 512;

export class FakeSource implements Source {
  readonly account;
  private reads = 0;
  private scans = 0;
  connected = 0;
  /** Bodies that were handed out. */
  bodies = 0;

  constructor(
    readonly mailbox: FakeMailbox,
    readonly quirks: FakeSourceQuirks = {},
    stableId = 'a'.repeat(64),
  ) {
    this.account = { kind: 'fake', stableId };
  }

  async connect(): Promise<SourceFacts> {
    this.connected++;
    return { gives: ['mail'], maxConnections: this.quirks.maxConnections ?? 2, quirks: [] };
  }

  async listFolders(): Promise<SourceFolder[]> {
    if (this.mailbox.folders.size === 0)
      throw new TransferError('the source shows no folder', {
        side: 'source',
        scope: 'job',
        retry: 'later',
        code: 'LISTING_EMPTY',
      });
    return [...this.mailbox.folders].map(([name, f]) => ({
      ...(this.quirks.closed?.(f.path) && { leftOut: { code: 'NOT_PERMITTED', message: 'It is closed.' } }),
      id: name as SourceFolderId,
      path: f.path,
      kind: 'mail' as const,
      role: f.role,
      epoch: f.selectable ? String(f.epoch) : null,
      ...(this.quirks.tellsObjectIds && { objectId: f.objectId }),
      keyScope: 'folder' as const,
      selectable: f.selectable,
      subscribed: true,
      complete: this.quirks.complete ?? true,
      items: f.messages.length,
      bytes: f.messages.reduce((sum, m) => sum + m.bytes.length, 0),
    }));
  }

  private open(folder: SourceFolder): FakeFolder {
    const found = this.mailbox.byName(folder.id);
    if (!found) throw sourceError('folder', 'never', 'FOLDER_GONE');
    return found;
  }

  async *scan(folder: SourceFolder, since: SyncState | null, signal: AbortSignal): AsyncIterable<ScanPage> {
    const f = this.open(folder);
    const pageSize = this.quirks.pageSize ?? 5_000;
    const from = since?.['epoch'] === f.epoch ? Number(since['uid']) : 0;
    const there = f.messages.filter((m) => m.uid > from);
    const listed = there.filter((m) => !this.quirks.hides?.(m.uid));
    let last = from;
    for (let at = 0; at === 0 || at < listed.length; at += pageSize) {
      signal.throwIfAborted();
      const fault = this.quirks.onScan?.(++this.scans, folder.path);
      if (fault === 'cut') throw sourceError('connection', 'now', 'CONNECTION_LOST');
      if (fault === 'refused') throw sourceError('folder', 'never', 'FOLDER_REFUSED');
      const page = listed.slice(at, at + pageSize);
      last = page.at(-1)?.uid ?? last;
      yield {
        items: page.map((m) => this.meta(f, m)),
        gone: [],
        next: { epoch: f.epoch, uid: last },
        full: since === null,
        ...(at + pageSize >= listed.length && listed.length < there.length && { short: true as const }),
      };
    }
  }

  private meta(f: FakeFolder, m: FakeFolder['messages'][number]): ItemMeta {
    const size = m.bytes.length;
    return { ...ref(f.epoch, m.uid), size: this.quirks.sizeOf?.(size) ?? size, date: m.date, flags: [...m.flags] };
  }

  async *read(
    folder: SourceFolder,
    refs: readonly ItemRef[],
    stage: Staging,
    signal: AbortSignal,
  ): AsyncIterable<ReadOutcome> {
    const f = this.open(folder);
    for (const wanted of refs) {
      signal.throwIfAborted();
      const [epoch, uid] = Buffer.from(wanted.locator).toString().split(':').map(Number) as [number, number];
      if (epoch !== f.epoch && this.quirks.tellsEpochChange) throw sourceError('folder', 'later', 'EPOCH_CHANGED');
      const m = epoch === f.epoch ? f.messages.find((one) => one.uid === uid) : undefined;
      if (!m) {
        yield { ref: wanted, is: 'vanished' };
        continue;
      }
      const fault = this.quirks.onRead?.(++this.reads, uid);
      if (fault === 'cut') throw sourceError('connection', 'now', 'CONNECTION_LOST');
      if (fault === 'vanished') {
        yield { ref: wanted, is: 'vanished' };
        continue;
      }
      if (fault === 'unreadable') {
        yield { ref: wanted, is: 'unreadable', error: sourceError('item', 'never', 'UNREADABLE') };
        continue;
      }
      const bytes = fault === 'short' ? m.bytes.subarray(0, m.bytes.length - 1) : m.bytes;
      let body;
      try {
        body = await stage.put(wanted, chunks(bytes), m.bytes.length);
      } catch (error) {
        if (!(error instanceof TransferError)) throw error;
        yield { ref: wanted, is: 'unreadable', error };
        continue;
      }
      this.bodies++;
      yield { ref: wanted, is: 'staged', item: { ref: wanted, body, date: m.date, flags: [...m.flags], notes: [] } };
    }
  }

  async *describe(folder: SourceFolder, refs: readonly ItemRef[]): AsyncIterable<ItemDescription> {
    const f = this.open(folder);
    for (const wanted of refs) {
      const uid = Number(Buffer.from(wanted.locator).toString().split(':')[1]);
      const m = f.messages.find((one) => one.uid === uid);
      if (!m) continue;
      const text = m.bytes.toString('latin1');
      const header = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(text)?.[1]?.trim() ?? '';
      yield { key: wanted.key, subject: header('subject'), from: header('from'), date: null };
    }
  }

  async close(): Promise<void> {}
}

function ref(epoch: number, uid: number): ItemRef {
  const key = (epoch.toString(16).padStart(8, '0') + uid.toString(16).padStart(8, '0')) as ItemKey;
  return { key, locator: Buffer.from(`${epoch}:${uid}`) };
}

async function* chunks(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

export function sourceError(
  scope: TransferError['scope'],
  retry: TransferError['retry'],
  code: string,
  retryAfterMs?: number,
): TransferError {
  return new TransferError(`the source says ${code}`, { side: 'source', scope, retry, code, retryAfterMs });
}
