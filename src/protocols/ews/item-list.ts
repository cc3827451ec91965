import { ews } from './library.js';
import { childrenNamed, textOf, type XmlElement } from '../xml.js';
import { EwsFailure } from './failure.js';
import { libraryId, refused } from './folders.js';
import { FIND_ITEMS, MAX_IDLE_PAGES, MAX_ITEMS, MAX_PAGES, SYNC_ITEMS } from './limits.js';
import { askByLibrary } from './service.js';
import type { EwsTransport } from './transport.js';

/** What a list tells of an item. */
export interface ListedItem {
  readonly id: string;
  readonly changeKey: string;
  /** PidTagSearchKey and the moment of its making: stay with it when ids change. '': not told. */
  readonly searchKey: string;
  readonly created: string;
  /** As the schema calls it: Message, CalendarItem, Contact, DistributionList, Task, ... */
  readonly element: string;
  readonly itemClass: string;
  readonly size: number;
  /** Whole seconds since 1970; null: not told. */
  readonly received: number | null;
  readonly isRead: boolean | null;
  readonly isDraft: boolean;
  readonly categories: readonly string[];
  /** PidTagLastVerbExecuted, PidTagFlagStatus; 0: not told. */
  readonly lastVerb: number;
  readonly flagStatus: number;
}

const LAST_VERB = 0x1081;
const FLAG_STATUS = 0x1090;
const DELIVERED = 0x0e06;
/** PidTagSearchKey ([MS-OXPROPS] 2.991). */
export const SEARCH_KEY = 0x300b;

const listShape = (): InstanceType<typeof ews.PropertySet> =>
  new ews.PropertySet(ews.BasePropertySet.IdOnly, [
    ews.ItemSchema.ItemClass,
    ews.ItemSchema.Size,
    ews.ItemSchema.DateTimeReceived,
    ews.ItemSchema.DateTimeCreated,
    ews.ItemSchema.Categories,
    ews.ItemSchema.IsDraft,
    ews.EmailMessageSchema.IsRead,
    new ews.ExtendedPropertyDefinition(SEARCH_KEY, ews.MapiPropertyType.Binary),
    new ews.ExtendedPropertyDefinition(LAST_VERB, ews.MapiPropertyType.Integer),
    new ews.ExtendedPropertyDefinition(FLAG_STATUS, ews.MapiPropertyType.Integer),
    new ews.ExtendedPropertyDefinition(DELIVERED, ews.MapiPropertyType.SystemTime),
  ]);

export interface SyncPage {
  readonly changed: readonly ListedItem[];
  readonly gone: readonly string[];
  /** Were read or marked unread; nothing else of them is told. */
  readonly marked: readonly string[];
  readonly state: string;
}

/**
 * What is in a folder, or what changed in it since `state`, newest first, by SyncFolderItems. One page a time.
 * @param state '' for everything
 * @throws EwsFailure, with code ErrorInvalidSyncStateData where the server has forgotten the state; ConnectError; XmlError
 */
export async function* syncItems(
  transport: EwsTransport,
  folderId: string,
  state: string,
  signal: AbortSignal,
): AsyncGenerator<SyncPage> {
  let [listed, idle] = [0, 0];
  for (let at = state; ;) {
    const messages = await askByLibrary(transport, 'SyncFolderItems', 1, signal, (service) =>
      service.SyncFolderItems(
        new ews.FolderId(folderId),
        listShape(),
        null as never,
        SYNC_ITEMS,
        ews.SyncFolderItemsScope.NormalItems,
        at === '' ? (null as never) : at,
      ),
    );
    const [message] = messages;
    if (message?.ok !== true) throw refused(message?.code, message?.text);
    const changes = childrenNamed(message.element, 'Changes')[0]?.children ?? [];
    const next = textOf(message.element, 'SyncState');
    const last = textOf(message.element, 'IncludesLastItemInRange') !== 'false';
    yield { ...sorted(changes), state: next };
    listed += changes.length;
    idle = changes.length === 0 ? idle + 1 : 0;
    if (last) return;
    // More is promised, and neither anything came nor will: it would go on for ever.
    if (next === '' || next === at || idle >= MAX_IDLE_PAGES || listed > MAX_ITEMS)
      throw new EwsFailure('not-understood', { status: 200 });
    at = next;
  }
}

function sorted(changes: readonly XmlElement[]): Omit<SyncPage, 'state'> {
  const changed: ListedItem[] = [];
  const gone: string[] = [];
  const marked: string[] = [];
  for (const change of changes) {
    if (change.name === 'Delete') gone.push(idOf(change));
    else if (change.name === 'ReadFlagChange') marked.push(idOf(change));
    else {
      const item = change.children[0];
      if (item !== undefined) changed.push(listedItem(item, item.name));
    }
  }
  return { changed, gone, marked };
}

/**
 * What is in a folder, by FindItem, where there is no sync: public folders. Newest first, one page a time.
 * @throws EwsFailure; ConnectError; XmlError
 */
export async function* findItems(
  transport: EwsTransport,
  folderId: string,
  signal: AbortSignal,
): AsyncGenerator<readonly ListedItem[]> {
  let before = '';
  for (let [offset, pages] = [0, 1]; ; pages++) {
    const messages = await askByLibrary(transport, 'FindItem', 1, signal, (service) => {
      const view = new ews.ItemView(FIND_ITEMS, offset);
      view.PropertySet = listShape();
      return service.FindItems(libraryId({ id: folderId }, transport), view);
    });
    const [message] = messages;
    if (message?.ok !== true) throw refused(message?.code, message?.text);
    const root = childrenNamed(message.element, 'RootFolder')[0];
    const page = (root === undefined ? undefined : childrenNamed(root, 'Items')[0])?.children ?? [];
    const items = page.map((item) => listedItem(item, item.name));
    yield items;
    offset += page.length;
    const last = root?.attributes.get('IncludesLastItemInRange') !== 'false';
    const all = Number(root?.attributes.get('TotalItemsInView') ?? offset);
    if (page.length === 0 || (last && offset >= all)) return;
    // More is promised, and where it should begin comes what we know.
    const ids = items.map(({ id }) => id).join();
    if (ids === before || offset > MAX_ITEMS || pages >= MAX_PAGES)
      throw new EwsFailure('not-understood', { status: 200 });
    before = ids;
  }
}

function idOf(element: XmlElement): string {
  return childrenNamed(element, 'ItemId')[0]?.attributes.get('Id') ?? '';
}

function listedItem(item: XmlElement, element: string): ListedItem {
  const extended = new Map(
    childrenNamed(item, 'ExtendedProperty').map((one) => [
      Number(childrenNamed(one, 'ExtendedFieldURI')[0]?.attributes.get('PropertyTag') ?? 0),
      textOf(one, 'Value'),
    ]),
  );
  const delivered = extended.get(DELIVERED) || textOf(item, 'DateTimeReceived');
  const received = Math.floor(Date.parse(delivered) / 1_000);
  const isRead = textOf(item, 'IsRead');
  return {
    id: idOf(item),
    changeKey: childrenNamed(item, 'ItemId')[0]?.attributes.get('ChangeKey') ?? '',
    searchKey: extended.get(SEARCH_KEY) ?? '',
    created: textOf(item, 'DateTimeCreated'),
    element,
    itemClass: textOf(item, 'ItemClass'),
    size: Number(textOf(item, 'Size') || 0),
    received: Number.isFinite(received) ? received : null,
    isRead: isRead === '' ? null : isRead === 'true',
    isDraft: textOf(item, 'IsDraft') === 'true',
    categories: (childrenNamed(item, 'Categories')[0]?.children ?? []).map(({ text }) => text),
    lastVerb: Number(extended.get(LAST_VERB) ?? 0),
    flagStatus: Number(extended.get(FLAG_STATUS) ?? 0),
  };
}
