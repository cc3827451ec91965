/** What the server keeps: mailboxes with folders and items, and what happened in them, in order. */
import { createHash } from 'node:crypto';
import { utc } from './xml.js';

/** How the schema calls an item in a list. */
export type ElementName =
  | 'Item'
  | 'Message'
  | 'CalendarItem'
  | 'Contact'
  | 'DistributionList'
  | 'MeetingMessage'
  | 'MeetingRequest'
  | 'MeetingResponse'
  | 'MeetingCancellation'
  | 'Task'
  | 'PostItem'
  | 'Network';
export type FolderElement = 'Folder' | 'CalendarFolder' | 'ContactsFolder' | 'SearchFolder' | 'TasksFolder';

/** A message's bytes, which may be made while they are sent. */
export interface Mime {
  readonly size: number;
  chunks(): Iterable<Buffer> | AsyncIterable<Buffer>;
}
export interface StoredAttachment {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
  readonly isContactPhoto?: boolean;
  /** Another item inside: given without content. */
  readonly isItem?: boolean;
}
/** By its key: '0x1081 Integer', 'Common 0x8517 Integer', ... */
export type Extended = Map<string, string>;

export interface StoredItem {
  id: string;
  version: number;
  folder: StoredFolder;
  readonly element: ElementName;
  readonly itemClass: string;
  /** Rises with every item of the mailbox. */
  readonly born: number;
  readonly mime: Mime | null;
  /** Elements by field URI, as XML without its own name space declarations. */
  readonly fields: Map<string, string>;
  readonly extended: Extended;
  readonly attachments: StoredAttachment[];
  /** Exceptions of a series, known by ids of their own and listed by nobody. */
  readonly occurrences: StoredItem[];
  /** GetItem answers with this, so many times. */
  refuses: { code: string; text: string; times: number } | null;
}

export interface StoredFolder {
  id: string;
  name: string;
  parent: StoredFolder | null;
  readonly element: FolderElement;
  readonly folderClass: string | null;
  readonly distinguished: string | null;
  hidden: boolean;
  readonly items: Map<string, StoredItem>;
  readonly log: { readonly seq: number; readonly what: 'create' | 'update' | 'delete' | 'read'; readonly id: string }[];
}

export function bytesAsMime(bytes: Buffer): Mime {
  return { size: bytes.length, chunks: () => [bytes] };
}

export class Mailbox {
  readonly folders = new Map<string, StoredFolder>();
  readonly root: StoredFolder;
  /** Roots that hang beside it: the archive, public folders. */
  readonly roots = new Map<string, StoredFolder>();
  private readonly byId = new Map<string, StoredItem>();
  private readonly attachments = new Map<string, StoredAttachment>();
  private born = 0;
  private seq = 0;
  private salt = '';

  constructor(readonly address: string) {
    const store = this.addFolder(null, 'root', { distinguished: 'root', folderClass: null });
    this.root = this.addFolder(store, 'Top of Information Store', {
      distinguished: 'msgfolderroot',
      folderClass: null,
    });
    const usual: [string, string, string, FolderElement][] = [
      ['inbox', 'Inbox', 'IPF.Note', 'Folder'],
      ['sentitems', 'Sent Items', 'IPF.Note', 'Folder'],
      ['drafts', 'Drafts', 'IPF.Note', 'Folder'],
      ['deleteditems', 'Deleted Items', 'IPF.Note', 'Folder'],
      ['junkemail', 'Junk E-Mail', 'IPF.Note', 'Folder'],
      ['outbox', 'Outbox', 'IPF.Note', 'Folder'],
      ['calendar', 'Calendar', 'IPF.Appointment', 'CalendarFolder'],
      ['contacts', 'Contacts', 'IPF.Contact', 'ContactsFolder'],
      ['tasks', 'Tasks', 'IPF.Task', 'TasksFolder'],
      ['notes', 'Notes', 'IPF.StickyNote', 'Folder'],
      ['journal', 'Journal', 'IPF.Journal', 'Folder'],
    ];
    for (const [distinguished, name, folderClass, element] of usual)
      this.addFolder(this.root, name, { distinguished, folderClass, element });
  }

  addRoot(distinguished: string, name: string): StoredFolder {
    const root = this.addFolder(null, name, { distinguished, folderClass: null });
    this.roots.set(distinguished, root);
    return root;
  }

  addFolder(
    parent: StoredFolder | null,
    name: string,
    more: Partial<Pick<StoredFolder, 'element' | 'folderClass' | 'distinguished' | 'hidden'>> = {},
  ): StoredFolder {
    const folder: StoredFolder = {
      id: this.makeId(`folder ${++this.born}`),
      name,
      parent,
      element: more.element ?? 'Folder',
      folderClass: more.folderClass === undefined ? 'IPF.Note' : more.folderClass,
      distinguished: more.distinguished ?? null,
      hidden: more.hidden ?? false,
      items: new Map(),
      log: [],
    };
    this.folders.set(folder.id, folder);
    return folder;
  }

  distinguished(name: string): StoredFolder | null {
    return [...this.folders.values()].find((folder) => folder.distinguished === name) ?? null;
  }

  children(parent: StoredFolder): StoredFolder[] {
    return [...this.folders.values()].filter((folder) => folder.parent === parent);
  }

  descendants(parent: StoredFolder): StoredFolder[] {
    return this.children(parent).flatMap((child) => [child, ...this.descendants(child)]);
  }

  add(
    folder: StoredFolder,
    item: Partial<Pick<StoredItem, 'mime' | 'fields' | 'extended' | 'attachments' | 'occurrences'>> &
      Pick<StoredItem, 'element' | 'itemClass'>,
  ): StoredItem {
    const born = ++this.born;
    const stored: StoredItem = {
      mime: null,
      fields: new Map(),
      extended: new Map(),
      attachments: [],
      occurrences: [],
      refuses: null,
      ...item,
      id: this.makeId(`item ${born}`),
      version: 1,
      folder,
      born,
    };
    const searchKey = createHash('md5').update(`${this.address} ${born}`).digest('base64');
    const given = [...stored.extended].map(([key, value]): [string, string] => [key.toLowerCase(), value]);
    stored.extended.clear();
    for (const [key, value] of [...this.always(born, stored, searchKey), ...given]) stored.extended.set(key, value);
    this.index(stored);
    for (const occurrence of stored.occurrences) this.index(occurrence);
    folder.items.set(stored.id, stored);
    folder.log.push({ seq: ++this.seq, what: 'create', id: stored.id });
    return stored;
  }

  /** What every item has: search key, IMAP's UID, size, flags, time of its last change. */
  private always(born: number, { mime }: StoredItem, searchKey: string): [string, string][] {
    return [
      ['0x300b binary', searchKey],
      ['0xe23 integer', String(born)],
      ['0xe08 integer', String(mime?.size ?? 1_000)],
      ['0xe07 integer', '1'],
      ['0x3008 systemtime', '2014-05-13T16:53:20Z'],
    ];
  }

  /** An exception of a series, before the series itself is added. */
  occurrence(
    fields: StoredItem['fields'],
    more: Partial<Pick<StoredItem, 'extended' | 'attachments'>> = {},
  ): StoredItem {
    const born = ++this.born;
    return {
      mime: null,
      extended: new Map(),
      attachments: [],
      ...more,
      fields,
      element: 'CalendarItem',
      itemClass: 'IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}',
      id: this.makeId(`item ${born}`),
      version: 1,
      folder: this.root,
      born,
      occurrences: [],
      refuses: null,
    };
  }

  attachment(name: string, type: string, bytes: Buffer, more: Partial<StoredAttachment> = {}): StoredAttachment {
    return { ...more, id: this.makeId(`attachment ${++this.born}`), name, type, bytes };
  }

  private index(item: StoredItem): void {
    this.byId.set(item.id, item);
    for (const one of item.attachments) this.attachments.set(one.id, one);
  }

  item(id: string): StoredItem | null {
    return this.byId.get(id) ?? null;
  }
  holds(id: string): boolean {
    return this.byId.has(id) || this.folders.has(id) || this.attachments.has(id);
  }
  attached(id: string): StoredAttachment | null {
    return this.attachments.get(id) ?? null;
  }

  remove(item: StoredItem): void {
    item.folder.items.delete(item.id);
    this.byId.delete(item.id);
    item.folder.log.push({ seq: ++this.seq, what: 'delete', id: item.id });
  }

  /** Into another folder, where it has another id. */
  move(item: StoredItem, to: StoredFolder): void {
    this.remove(item);
    item.id = this.makeId(`item ${++this.born}`);
    item.folder = to;
    this.byId.set(item.id, item);
    to.items.set(item.id, item);
    to.log.push({ seq: ++this.seq, what: 'create', id: item.id });
  }

  change(item: StoredItem, fields: Iterable<[string, string]>, what: 'update' | 'read' = 'update'): void {
    for (const [uri, value] of fields) item.fields.set(uri, value);
    item.version++;
    item.fields.set('item:LastModifiedTime', `<t:LastModifiedTime>${utc(new Date())}</t:LastModifiedTime>`);
    item.folder.log.push({ seq: ++this.seq, what, id: item.id });
  }

  /** As after a move of the mailbox between organisations: every id is another one. */
  renumber(): void {
    this.salt = String(++this.born);
    const folders = [...this.folders.values()];
    this.folders.clear();
    for (const folder of folders) {
      folder.id = this.makeId(folder.id);
      this.folders.set(folder.id, folder);
      const items = [...folder.items.values()];
      folder.items.clear();
      folder.log.splice(0);
      for (const item of items) {
        this.byId.delete(item.id);
        item.id = this.makeId(item.id);
        folder.items.set(item.id, item);
        this.byId.set(item.id, item);
        folder.log.push({ seq: ++this.seq, what: 'create', id: item.id });
      }
    }
  }

  get now(): number {
    return this.seq;
  }

  /** As long as Exchange's, of the same alphabet; the mailbox is part of it. */
  private makeId(seed: string): string {
    const hash = (text: string): Buffer => createHash('sha512').update(text).digest();
    const whose = hash(`${this.address}\0${this.salt}`).subarray(0, 40);
    const what = hash(`${this.address}\0${this.salt}\0${seed}`);
    return `AAMkA${Buffer.concat([whose, what]).toString('base64').slice(0, 143)}AAA=`;
  }
}

export function changeKey(item: Pick<StoredItem, 'version' | 'id'>): string {
  const hash = createHash('sha256').update(`${item.id} ${item.version}`).digest();
  return `CQAAABYAAA${hash.toString('base64').slice(0, 22)}`;
}
