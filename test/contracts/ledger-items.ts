/** Small values for ledger tests: everything is told by a number or a name. */
import type { Digest } from '../../src/mailbox/digest.js';
import type {
  DestinationFolder,
  FolderId,
  FolderPlan,
  SourceFolder,
  SourceFolderId,
} from '../../src/mailbox/folder.js';
import type { ItemKey, ItemMeta } from '../../src/mailbox/item.js';
import type { FolderMap, IntentItem, KnownFolder, Settled } from '../../src/ledger/ledger.js';

export const EPOCH = '7';

export function key(n: number): ItemKey {
  return n.toString(16).padStart(16, '0') as ItemKey;
}
export function numberOf(itemKey: ItemKey): number {
  return Number.parseInt(itemKey, 16);
}
export function keys(from: number, to: number): ItemKey[] {
  return range(from, to).map(key);
}
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
export function digest(n: number): Digest {
  return n.toString(16).padStart(64, '0') as Digest;
}
export const SIZE = 100;

export function meta(n: number): ItemMeta {
  return { key: key(n), locator: Uint8Array.of(n & 255), size: SIZE, date: null, flags: [] };
}
export function metas(from: number, to: number): ItemMeta[] {
  return range(from, to).map(meta);
}

export function sourceFolder(name: string, more: Partial<SourceFolder> = {}): SourceFolder {
  return {
    id: name as SourceFolderId,
    path: name.split('/'),
    kind: 'mail',
    epoch: '1',
    keyScope: 'folder',
    selectable: true,
    subscribed: true,
    complete: true,
    items: null,
    bytes: null,
    ...more,
  };
}
export function destinationFolder(name: string, sources: string[], more: Partial<DestinationFolder> = {}) {
  const folder: DestinationFolder = {
    name,
    path: name.split('/'),
    kind: 'mail',
    epoch: EPOCH,
    preExisting: false,
    sources: sources as SourceFolderId[],
    ...more,
  };
  return { folder, mark: { epoch: folder.epoch, mark: '1' } };
}
export function planOf(...folders: SourceFolder[]): FolderPlan {
  return { mappings: folders.map((source) => ({ source, path: source.path, exists: false })), leftOut: [] };
}
export function byName(map: FolderMap, name: string): KnownFolder {
  const found = map.folders.find((f) => f.source.id === name);
  if (!found) throw new Error(`no folder ${name} in the map`);
  return found;
}

export function intentItem(folder: FolderId, n: number, more: Partial<IntentItem> = {}): IntentItem {
  return {
    folder,
    key: key(n),
    size: SIZE,
    digest: digest(n),
    headerDigest: digest(n + 1_000_000),
    messageId: `<${n}@test>`,
    date: { seconds: 1_700_000_000 + n, offset: 60 },
    flags: ['\\Seen', 'a "quoted" \\flag', '{,}'],
    ...more,
  };
}

type Of<K extends Settled['is']> = Extract<Settled, { is: K }>;
export function copied(folder: FolderId, n: number, uid: number | null = n, more: Partial<Of<'copied'>> = {}): Settled {
  return {
    folder,
    key: key(n),
    is: 'copied',
    id: uid === null ? null : { epoch: EPOCH, id: String(uid) },
    size: SIZE,
    digest: digest(n),
    flags: ['\\Seen'],
    date: { seconds: 1_700_000_000 + n, offset: -90 },
    verified: false,
    notes: [],
    ...more,
  };
}
export function existing(folder: FolderId, n: number, uid: number, is: 'existing' | 'merged' = 'existing'): Settled {
  const id = { epoch: EPOCH, id: String(uid) };
  return { folder, key: key(n), is, id, size: SIZE, digest: digest(n), flags: [] };
}
export function refused(
  folder: FolderId,
  n: number,
  is: 'skipped' | 'failed' = 'failed',
  code = 'BROKEN',
): Of<'skipped' | 'failed'> {
  return { folder, key: key(n), is, code, message: 'It could not be copied.', size: SIZE, date: null };
}
