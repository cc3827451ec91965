import type { WellKnownFolderName } from 'ews-javascript-api';
import { childrenNamed, parseXml, textOf, type XmlElement } from '../xml.js';
import { responseMessages } from './answer.js';
import { envelope } from './envelope.js';
import { EwsFailure } from './failure.js';
import { type FolderRef, folderXml } from './ids.js';
import { ews } from './library.js';
import { ANSWER_LIMITS, FIND_ITEMS, MAX_FOLDERS } from './limits.js';
import { askByLibrary } from './service.js';
import { collect, type EwsTransport } from './transport.js';

export interface EwsFolder {
  readonly id: string;
  readonly parentId: string;
  readonly name: string;
  /** 'IPF.Note', ...; '' where there is none. */
  readonly folderClass: string;
  /** As the schema calls it: Folder, CalendarFolder, ContactsFolder, TasksFolder, SearchFolder. */
  readonly element: string;
  readonly items: number;
  readonly hidden: boolean;
}

type WellKnown = 'msgfolderroot' | 'archivemsgfolderroot' | 'publicfoldersroot';
export type ParentRef = { readonly id: string } | { readonly wellKnown: WellKnown };

/** PidTagAttributeHidden ([MS-OXPROPS] 2.608). */
const HIDDEN = 0x10f4;

const folderShape = (): InstanceType<typeof ews.PropertySet> =>
  new ews.PropertySet(ews.BasePropertySet.IdOnly, [
    ews.FolderSchema.DisplayName,
    ews.FolderSchema.FolderClass,
    ews.FolderSchema.ParentFolderId,
    ews.FolderSchema.TotalCount,
    new ews.ExtendedPropertyDefinition(HIDDEN, ews.MapiPropertyType.Boolean),
  ]);

/**
 * All folders below one. Pages are counted by what the answer holds: the library never says where the next one
 * begins.
 * @throws EwsFailure; ConnectError; XmlError
 */
export async function findFolders(
  transport: EwsTransport,
  parent: ParentRef,
  traversal: 'deep' | 'shallow',
  signal: AbortSignal,
): Promise<EwsFolder[]> {
  const found = new Map<string, EwsFolder>();
  for (let offset = 0; ;) {
    const messages = await askByLibrary(transport, 'FindFolder', 1, signal, (service) => {
      const view = new ews.FolderView(FIND_ITEMS, offset);
      view.Traversal = traversal === 'deep' ? ews.FolderTraversal.Deep : ews.FolderTraversal.Shallow;
      view.PropertySet = folderShape();
      return service.FindFolders(libraryId(parent, transport), view);
    });
    const [message] = messages;
    if (message?.ok !== true) throw refused(message?.code, message?.text);
    const root = childrenNamed(message.element, 'RootFolder')[0];
    const page = (root === undefined ? undefined : childrenNamed(root, 'Folders')[0])?.children ?? [];
    const before = found.size;
    for (const one of page) {
      const folder = folderOf(one);
      if (folder !== null) found.set(folder.id, folder);
    }
    offset += page.length;
    if (found.size > MAX_FOLDERS) throw new EwsFailure('not-understood');
    const last = root?.attributes.get('IncludesLastItemInRange') !== 'false';
    const all = Number(root?.attributes.get('TotalItemsInView') ?? offset);
    // Short pages say that more follows; a page with nothing would say so for ever.
    if (page.length === 0 || (last && offset >= all)) return [...found.values()];
    // More is promised, and where it should begin comes what we know.
    if (found.size === before) throw new EwsFailure('not-understood', { status: 200 });
  }
}

/** The library's own id for a folder. */
export function libraryId(ref: ParentRef, { mailbox }: EwsTransport): InstanceType<typeof ews.FolderId> {
  if ('id' in ref) return new ews.FolderId(ref.id);
  const name = wellKnown()[ref.wellKnown];
  return mailbox.by === 'delegation'
    ? new ews.FolderId(name, new ews.Mailbox(mailbox.address))
    : new ews.FolderId(name);
}
const wellKnown = (): Readonly<Record<WellKnown, WellKnownFolderName>> => ({
  msgfolderroot: ews.WellKnownFolderName.MsgFolderRoot,
  archivemsgfolderroot: ews.WellKnownFolderName.ArchiveMsgFolderRoot,
  publicfoldersroot: ews.WellKnownFolderName.PublicFoldersRoot,
});

/** Several folders in one question. Null stands for one that is not given. @throws EwsFailure; ConnectError; XmlError */
export async function getFolders(
  transport: EwsTransport,
  refs: readonly FolderRef[],
  signal: AbortSignal,
): Promise<(EwsFolder | null)[]> {
  return (await askFolders(transport, refs, signal)).map((one) => ('id' in one ? one : null));
}

/**
 * The same, which the library has no call for, with the server's word about those that it does not give.
 * @throws EwsFailure; ConnectError; XmlError
 */
export async function askFolders(
  transport: EwsTransport,
  refs: readonly FolderRef[],
  signal: AbortSignal,
): Promise<(EwsFolder | { readonly code: string })[]> {
  const fields = ['DisplayName', 'FolderClass', 'ParentFolderId', 'TotalCount'];
  const shape = fields.map((name) => `<t:FieldURI FieldURI="folder:${name}"/>`).join('');
  const ids = refs.map((ref) => folderXml(ref, transport.mailbox)).join('');
  const body = `<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>${shape}</t:AdditionalProperties></m:FolderShape><m:FolderIds>${ids}</m:FolderIds></m:GetFolder>`;
  const messages = await transport.ask('GetFolder', envelope(transport.mailbox, body), signal, async (response) =>
    responseMessages(
      parseXml(await response.body(ANSWER_LIMITS.maxBytes, collect), ANSWER_LIMITS),
      'GetFolder',
      refs.length,
      response.status,
    ),
  );
  return messages.map(({ ok, code, element }) => {
    const folder = ok ? childrenNamed(element, 'Folders')[0]?.children[0] : undefined;
    return (folder === undefined ? null : folderOf(folder)) ?? { code };
  });
}

function folderOf(element: XmlElement): EwsFolder | null {
  const id = childrenNamed(element, 'FolderId')[0]?.attributes.get('Id') ?? '';
  if (id === '') return null;
  const hidden = childrenNamed(element, 'ExtendedProperty').some((one) => textOf(one, 'Value') === 'true');
  return {
    id,
    parentId: childrenNamed(element, 'ParentFolderId')[0]?.attributes.get('Id') ?? '',
    // Not trimmed: two folders may differ by a blank.
    name: childrenNamed(element, 'DisplayName')[0]?.text ?? '',
    folderClass: textOf(element, 'FolderClass'),
    element: element.name,
    items: Number(textOf(element, 'TotalCount') || 0),
    hidden,
  };
}

export function refused(code = '', text = ''): EwsFailure {
  return new EwsFailure('refused', { status: 200, code, serverText: text });
}
