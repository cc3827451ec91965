/** What each request answers. Bodies of messages stay streams until they are sent. */
import { childrenNamed, textOf, type XmlElement } from '../../../src/protocols/xml.js';
import { extendedOf, folderProperty, renderFolder, renderInList, renderItem, shapeOf } from './render.js';
import type { Mailbox, Mime, StoredFolder, StoredItem } from './store.js';
import { element, escapeXml, plain } from './xml.js';

/** Text, and bodies that become base64. */
export type Part = string | Mime;

/** Exchange's own cap on FindItem and FindFolder (EWSFindCountLimit). */
const FIND_CAP = 1_000;
const SYNC_CAP = 512;

export interface World {
  /** Whose mailbox is meant where none is named. */
  readonly mailbox: Mailbox;
  /** Another one, by address. Null: there is none; undefined: it may not be opened. */
  open(address: string): Mailbox | null | undefined;
  /** Whose this item or folder is, among those that may be opened. */
  holding(id: string): Mailbox | null;
  /** Entries of a page; sometimes fewer than were asked for. */
  pageSize(wanted: number): number;
}

export class EwsError extends Error {
  constructor(
    readonly code: string,
    readonly text: string,
  ) {
    super(text);
  }
}

const message = (name: string, ...children: readonly string[]): string =>
  element(
    `m:${name}ResponseMessage`,
    { ResponseClass: 'Success' },
    '<m:ResponseCode>NoError</m:ResponseCode>',
    ...children,
  );

/** What stands even in a message that failed. */
const EMPTY: Readonly<Record<string, string>> = {
  GetItem: '<m:Items/>',
  GetFolder: '<m:Folders/>',
  GetAttachment: '<m:Attachments/>',
};

export function failure(
  name: string,
  code: string,
  text: string,
  values: Readonly<Record<string, string>> = {},
): string {
  const xml = Object.entries(values).map(([Name, value]) => element('t:Value', { Name }, escapeXml(value)));
  return element(
    `m:${name}ResponseMessage`,
    { ResponseClass: 'Error' },
    `<m:MessageText>${escapeXml(text)}</m:MessageText>`,
    `<m:ResponseCode>${code}</m:ResponseCode>`,
    '<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>',
    xml.length === 0 ? '' : element('m:MessageXml', {}, ...xml),
    EMPTY[name] ?? '',
  );
}

export function responseOf(name: string, messages: readonly Part[]): Part[] {
  return [`<m:${name}Response><m:ResponseMessages>`, ...messages, `</m:ResponseMessages></m:${name}Response>`];
}

type Operation = (request: XmlElement, world: World) => Part[];

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  FindFolder: (request, world) =>
    responseOf('FindFolder', parents(request, 'ParentFolderIds', world, findFolders(request, world))),
  GetFolder: (request, world) =>
    responseOf(
      'GetFolder',
      parents(
        request,
        'FolderIds',
        world,
        (folder, mailbox) => {
          const shape = shapeOf(childrenNamed(request, 'FolderShape')[0]);
          const xml = renderFolder(folder, shape, mailbox.children(folder).length);
          return message('GetFolder', element('m:Folders', {}, xml));
        },
        'GetFolder',
      ),
    ),
  FindItem: (request, world) =>
    responseOf('FindItem', parents(request, 'ParentFolderIds', world, findItems(request, world), 'FindItem')),
  SyncFolderItems: (request, world) => responseOf('SyncFolderItems', [syncItems(request, world)]),
  GetItem: (request, world) => responseOf('GetItem', getItems(request, world)),
  ConvertId: (request, world) => responseOf('ConvertId', convertIds(request, world)),
  GetAttachment: (request, world) => responseOf('GetAttachment', getAttachments(request, world)),
};

export function expectedMessages(request: XmlElement): number {
  const ids = ['ItemIds', 'AttachmentIds', 'FolderIds', 'ParentFolderIds'].flatMap((name) =>
    childrenNamed(request, name),
  );
  return ids.length === 0 ? 1 : ids.reduce((sum, list) => sum + list.children.length, 0);
}

function folderOf(id: XmlElement, world: World): { folder: StoredFolder; mailbox: Mailbox } {
  let { mailbox } = world;
  const address = childrenNamed(id, 'Mailbox').map((one) => textOf(one, 'EmailAddress'))[0];
  if (address !== undefined) {
    const other = world.open(address);
    if (other === null)
      throw new EwsError('ErrorNonExistentMailbox', 'The SMTP address has no mailbox associated with it.');
    if (other === undefined)
      throw new EwsError('ErrorAccessDenied', 'Access is denied. Check credentials and try again.');
    mailbox = other;
  }
  const name = id.attributes.get('Id') ?? '';
  if (id.name !== 'DistinguishedFolderId') mailbox = world.holding(name) ?? mailbox;
  const folder = id.name === 'DistinguishedFolderId' ? mailbox.distinguished(name) : mailbox.folders.get(name);
  if (folder == null)
    throw new EwsError('ErrorFolderNotFound', 'The specified folder could not be found in the store.');
  return { folder, mailbox };
}

function parents(
  request: XmlElement,
  list: string,
  world: World,
  one: (folder: StoredFolder, mailbox: Mailbox) => Part,
  name = 'FindFolder',
): Part[] {
  return (childrenNamed(request, list)[0]?.children ?? []).map((id) => {
    try {
      const { folder, mailbox } = folderOf(id, world);
      return one(folder, mailbox);
    } catch (error) {
      if (!(error instanceof EwsError)) throw error;
      return failure(name, error.code, error.text);
    }
  });
}

function viewOf(request: XmlElement, name: string): { offset: number; most: number } {
  const view = childrenNamed(request, name)[0];
  const number = (key: string, otherwise: number): number => Number(view?.attributes.get(key) ?? otherwise);
  return { offset: number('Offset', 0), most: Math.min(number('MaxEntriesReturned', FIND_CAP), FIND_CAP) };
}

function findFolders(request: XmlElement, world: World): (folder: StoredFolder, mailbox: Mailbox) => string {
  const { offset, most } = viewOf(request, 'IndexedPageFolderView');
  const shape = shapeOf(childrenNamed(request, 'FolderShape')[0]);
  const deep = request.attributes.get('Traversal') === 'Deep';
  return (parent, mailbox) => {
    if (deep && parent.distinguished === 'publicfoldersroot')
      throw new EwsError(
        'ErrorUnsupportedPathForQuery',
        'Deep traversal queries are not supported for public folders.',
      );
    const wanted = restrictionOf(request);
    const all = (deep ? mailbox.descendants(parent) : mailbox.children(parent)).filter((folder) =>
      wanted(folder, mailbox.children(folder).length),
    );
    const page = all.slice(offset, offset + world.pageSize(most));
    const next = offset + page.length;
    const xml = page.map((folder) => renderFolder(folder, shape, mailbox.children(folder).length));
    return message(
      'FindFolder',
      element(
        'm:RootFolder',
        { IndexedPagingOffset: next, TotalItemsInView: all.length, IncludesLastItemInRange: next >= all.length },
        element('t:Folders', {}, ...xml),
      ),
    );
  };
}

/** @throws EwsError for what is no comparison of a name or of a property that folders have */
function restrictionOf(request: XmlElement): (folder: StoredFolder, children: number) => boolean {
  const restriction = childrenNamed(request, 'Restriction')[0]?.children[0];
  return (folder, children) => restriction === undefined || holds(restriction, folder, children);
}

function holds(restriction: XmlElement, folder: StoredFolder, children: number): boolean {
  const { name, children: parts } = restriction;
  const all = (): boolean[] => parts.map((one) => holds(one, folder, children));
  if (name === 'And') return all().every(Boolean);
  if (name === 'Or') return all().some(Boolean);
  if (name === 'Not') return !all()[0];
  const [path] = parts;
  if ((name !== 'IsEqualTo' && name !== 'Exists') || path === undefined)
    throw new EwsError('ErrorUnsupportedPathForQuery', 'The property is not supported in a query.');
  const isName = path.attributes.get('FieldURI') === 'folder:DisplayName';
  const kept = isName ? folder.name : folderProperty(folder, extendedOf(path).key, children);
  if (name === 'Exists') return kept !== undefined;
  const value = childrenNamed(restriction, 'FieldURIOrConstant')[0]?.children[0]?.attributes.get('Value') ?? '';
  return kept?.toLowerCase() === value.toLowerCase();
}

function findItems(request: XmlElement, world: World): (folder: StoredFolder) => string {
  const { offset, most } = viewOf(request, 'IndexedPageItemView');
  const shape = listShape(request);
  return (folder) => {
    // The oldest first for who sorts by IMAP's UID, as the other order is the usual one.
    const byUid = childrenNamed(request, 'SortOrder').length > 0;
    const all = [...folder.items.values()].sort((a, b) => (byUid ? a.born - b.born : b.born - a.born));
    const page = all.slice(offset, offset + world.pageSize(most));
    const next = offset + page.length;
    return message(
      'FindItem',
      element(
        'm:RootFolder',
        { IndexedPagingOffset: next, TotalItemsInView: all.length, IncludesLastItemInRange: next >= all.length },
        `<t:Items>${page.map((item) => renderInList(item, shape)).join('')}</t:Items>`,
      ),
    );
  };
}

function listShape(request: XmlElement): ReturnType<typeof shapeOf> {
  const shape = shapeOf(childrenNamed(request, 'ItemShape')[0]);
  if (shape.mime || shape.fields.has('item:MimeContent') || shape.fields.has('item:Body'))
    throw new EwsError('ErrorInvalidPropertyRequest', 'The property is not valid for this operation.');
  return shape;
}

interface SyncState {
  /** Folder. */
  readonly f: string;
  /** Everything up to here was told, or is being told. */
  readonly to: number;
  /** First walk: items born before this are still to be told. Null: it is over. */
  readonly before: number | null;
}

function syncItems(request: XmlElement, world: World): string {
  const name = 'SyncFolderItems';
  try {
    const id = childrenNamed(request, 'SyncFolderId')[0]?.children[0];
    if (id === undefined) throw new EwsError('ErrorInvalidRequest', 'no folder');
    const { folder, mailbox } = folderOf(id, world);
    if ([...mailbox.roots].some(([root, at]) => root === 'publicfoldersroot' && isUnder(folder, at)))
      throw new EwsError('ErrorInvalidOperation', 'This operation cannot be performed on public folders.');
    const shape = listShape(request);
    const most = world.pageSize(Math.min(Number(textOf(request, 'MaxChangesReturned')), SYNC_CAP));
    const state = parseState(textOf(request, 'SyncState'), folder, mailbox);
    const { changes, next, last } =
      state.before === null ? later(folder, state, most, shape) : first(folder, state, state.before, most, shape);
    return message(
      name,
      `<m:SyncState>${Buffer.from(JSON.stringify(next)).toString('base64')}</m:SyncState>`,
      `<m:IncludesLastItemInRange>${last}</m:IncludesLastItemInRange>`,
      element('m:Changes', {}, ...changes),
    );
  } catch (error) {
    if (!(error instanceof EwsError)) throw error;
    return failure(name, error.code, error.text);
  }
}

function isUnder(folder: StoredFolder, root: StoredFolder): boolean {
  return folder === root || (folder.parent !== null && isUnder(folder.parent, root));
}

function parseState(text: string, folder: StoredFolder, mailbox: Mailbox): SyncState {
  if (text === '') return { f: folder.id, to: mailbox.now, before: Number.MAX_SAFE_INTEGER };
  try {
    const state = JSON.parse(Buffer.from(text, 'base64').toString()) as SyncState;
    if (state.f === folder.id && state.to <= mailbox.now) return state;
  } catch {
    // Falls through.
  }
  throw new EwsError('ErrorInvalidSyncStateData', 'Synchronization state data is corrupt or otherwise invalid.');
}

type Changes = { changes: string[]; next: SyncState; last: boolean };

/** The newest ones first. */
function first(
  folder: StoredFolder,
  state: SyncState,
  before: number,
  most: number,
  shape: ReturnType<typeof shapeOf>,
): Changes {
  const told = new Set(folder.log.filter(({ seq }) => seq <= state.to).map(({ id }) => id));
  const left = [...folder.items.values()]
    .filter((item) => item.born < before && told.has(item.id))
    .sort((a, b) => b.born - a.born);
  const page = left.slice(0, most);
  const last = page.length === left.length;
  return {
    changes: page.map((item) => element('t:Create', {}, renderInList(item, shape))),
    next: { ...state, before: last ? null : page.at(-1)!.born },
    last,
  };
}

function later(folder: StoredFolder, state: SyncState, most: number, shape: ReturnType<typeof shapeOf>): Changes {
  const news = new Map<string, { what: string; seq: number }>();
  for (const { seq, what, id } of folder.log)
    if (seq > state.to)
      news.set(id, { what: news.get(id)?.what === 'create' && what !== 'delete' ? 'create' : what, seq });
  const ordered = [...news].sort(([, a], [, b]) => a.seq - b.seq);
  const page = ordered.slice(0, most);
  const changes = page.flatMap(([id, { what }]) => {
    const item = folder.items.get(id);
    if (what === 'delete' || item === undefined)
      return element('t:Delete', {}, element('t:ItemId', { Id: id, ChangeKey: 'AAAA' }));
    if (what === 'read')
      return element(
        't:ReadFlagChange',
        {},
        element('t:ItemId', { Id: id }),
        item.fields.get('message:IsRead') ?? plain('IsRead', true),
      );
    return element(what === 'create' ? 't:Create' : 't:Update', {}, renderInList(item, shape));
  });
  const last = page.length === ordered.length;
  const to = page.at(-1)?.[1].seq ?? state.to;
  return { changes, next: { f: folder.id, to, before: null }, last };
}

function getItems(request: XmlElement, world: World): Part[] {
  const shape = shapeOf(childrenNamed(request, 'ItemShape')[0]);
  const ids = childrenNamed(request, 'ItemIds')[0]?.children ?? [];
  const found = (id: XmlElement): StoredItem | null => {
    const name = id.attributes.get('Id') ?? '';
    return (world.holding(name) ?? world.mailbox).item(name);
  };
  return ids.flatMap((id): Part[] => {
    const item = found(id);
    if (item === null)
      return [failure('GetItem', 'ErrorItemNotFound', 'The specified object was not found in the store.')];
    if (item.refuses !== null && item.refuses.times > 0) {
      item.refuses.times--;
      return [failure('GetItem', item.refuses.code, item.refuses.text)];
    }
    const mime = shape.mime || shape.fields.has('item:MimeContent');
    if (mime && item.mime === null)
      return [
        failure('GetItem', 'ErrorUnsupportedMimeConversion', 'Mime conversion is not supported for this item type.'),
      ];
    const { head, tail } = renderItem(item, shape, true);
    const open = `<m:GetItemResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Items>${head}`;
    const close = `${tail}</m:Items></m:GetItemResponseMessage>`;
    if (!mime || item.mime === null) return [open + close];
    return [`${open}<t:MimeContent CharacterSet="UTF-8">`, item.mime, `</t:MimeContent>${close}`];
  });
}

/** Tells whose mailbox an id belongs to, whatever the question says. */
function convertIds(request: XmlElement, world: World): Part[] {
  return (childrenNamed(request, 'SourceIds')[0]?.children ?? []).map((one) => {
    const id = one.attributes.get('Id') ?? '';
    const mailbox = world.holding(id);
    if (mailbox === null) return failure('ConvertId', 'ErrorInvalidIdMalformed', 'Id is malformed.');
    const told = {
      'xmlns:xsi': 'http://www.w3.org/2001/XMLSchema-instance',
      'xsi:type': 't:AlternateIdType',
      Format: request.attributes.get('DestinationFormat'),
      Id: id,
      Mailbox: mailbox.address,
    };
    return message('ConvertId', element('m:AlternateId', told));
  });
}

function getAttachments(request: XmlElement, world: World): Part[] {
  const ids = childrenNamed(request, 'AttachmentIds')[0]?.children ?? [];
  return ids.flatMap((id): Part[] => {
    const name = id.attributes.get('Id') ?? '';
    const one = (world.holding(name) ?? world.mailbox).attached(name);
    if (one === null) return [failure('GetAttachment', 'ErrorItemNotFound', 'The attachment was not found.')];
    const start = [
      '<m:GetAttachmentResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode><m:Attachments>',
      one.isItem ? '<t:ItemAttachment>' : '<t:FileAttachment>',
      element('t:AttachmentId', { Id: one.id }),
      plain('Name', one.name),
      one.isItem ? '' : plain('ContentType', one.type),
    ].join('');
    const end = '</m:Attachments></m:GetAttachmentResponseMessage>';
    if (one.isItem) return [`${start}</t:ItemAttachment>${end}`];
    return [
      `${start}<t:IsContactPhoto>${one.isContactPhoto ?? false}</t:IsContactPhoto><t:Content>`,
      { size: one.bytes.length, chunks: () => [one.bytes] },
      `</t:Content></t:FileAttachment>${end}`,
    ];
  });
}
