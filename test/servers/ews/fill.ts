/** Puts things into a mailbox as Exchange keeps them. What is left out is not there. */
import {
  bytesAsMime,
  type Mailbox,
  type Mime,
  type StoredAttachment,
  type StoredFolder,
  type StoredItem,
} from './store.js';
import { bodyXml, mailboxXml, strings } from './fill-pieces.js';
import { element, plain, utc } from './xml.js';

/** The folder of this path below the top, made where it is missing. */
export function folderAt(
  box: Mailbox,
  path: readonly string[],
  more: Parameters<Mailbox['addFolder']>[2] = {},
  top: StoredFolder = box.root,
): StoredFolder {
  let folder = top;
  for (const [i, name] of path.entries()) {
    const found = box
      .children(folder)
      .find((child) => child.name === name || (name === 'INBOX' && child.distinguished === 'inbox'));
    folder = found ?? box.addFolder(folder, name, i === path.length - 1 ? more : {});
  }
  return folder;
}

export interface MessageWish {
  readonly read?: boolean;
  readonly draft?: boolean;
  readonly flagged?: boolean;
  readonly answered?: boolean;
  readonly forwarded?: boolean;
  readonly categories?: readonly string[];
  readonly received?: Date;
  /** Default: from the header. */
  readonly subject?: string;
  readonly itemClass?: string;
  readonly extended?: Iterable<[string, string]>;
}

export function addMessage(
  box: Mailbox,
  folder: StoredFolder,
  bytes: Buffer | Mime,
  wish: MessageWish = {},
): StoredItem {
  const mime = Buffer.isBuffer(bytes) ? bytesAsMime(bytes) : bytes;
  const header = Buffer.isBuffer(bytes) ? bytes.subarray(0, 16_384).toString('utf8') : '';
  const field = (name: string): string => new RegExp(`^${name}: *(.*?)\\r?$`, 'im').exec(header)?.[1] ?? '';
  const received = wish.received ?? new Date(1_400_000_000_000);
  const from = /^(.*?)\s*<([^>]*)>/.exec(field('From'));
  const verb = wish.forwarded ? '104' : wish.answered ? '102' : null;
  return box.add(folder, {
    element: 'Message',
    itemClass: wish.itemClass ?? 'IPM.Note',
    mime,
    fields: new Map([
      ['item:Subject', plain('Subject', wish.subject ?? field('Subject'))],
      ['item:DateTimeReceived', plain('DateTimeReceived', utc(received))],
      ['item:DateTimeSent', plain('DateTimeSent', utc(received))],
      ['item:Size', plain('Size', mime.size + 1_200)],
      ['item:IsDraft', plain('IsDraft', wish.draft ?? false)],
      ['item:Categories', strings('Categories', wish.categories)],
      ['item:Importance', plain('Importance', 'Normal')],
      ['message:IsRead', plain('IsRead', wish.read ?? false)],
      ['message:InternetMessageId', plain('InternetMessageId', field('Message-ID') || undefined)],
      ['message:From', from ? element('t:From', {}, mailboxXml({ name: from[1]!, address: from[2]! })) : ''],
    ]),
    extended: new Map([
      ...(wish.flagged ? ([['0x1090 Integer', '2']] as const) : []),
      ...(verb === null ? [] : ([['0x1081 Integer', verb]] as const)),
      ['0xe06 SystemTime', utc(received)],
      ...(wish.extended ?? []),
    ]),
  });
}

export interface TaskWish {
  readonly subject: string;
  readonly body?: string;
  readonly status?: 'NotStarted' | 'InProgress' | 'Completed' | 'WaitingOnOthers' | 'Deferred';
  readonly percent?: number;
  /** ISO 8601. */
  readonly due?: string;
  readonly start?: string;
  readonly completed?: string;
  readonly importance?: 'Low' | 'Normal' | 'High';
  readonly recurrence?: string;
  readonly categories?: readonly string[];
  readonly reminder?: string;
  readonly extended?: Iterable<[string, string]>;
  readonly files?: readonly StoredAttachment[];
}

export function addTask(box: Mailbox, folder: StoredFolder, wish: TaskWish): StoredItem {
  return box.add(folder, {
    element: 'Task',
    itemClass: 'IPM.Task',
    fields: new Map([
      ['item:Subject', plain('Subject', wish.subject)],
      ['item:Sensitivity', plain('Sensitivity', 'Normal')],
      ['item:Body', bodyXml(wish.body, undefined)],
      ['item:Size', plain('Size', 1_000)],
      ['item:Categories', strings('Categories', wish.categories)],
      ['item:Importance', plain('Importance', wish.importance ?? 'Normal')],
      ['item:DateTimeCreated', plain('DateTimeCreated', '2014-05-01T08:00:00Z')],
      ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
      ['item:ReminderIsSet', plain('ReminderIsSet', wish.reminder !== undefined)],
      ['item:ReminderDueBy', plain('ReminderDueBy', wish.reminder)],
      ['task:CompleteDate', plain('CompleteDate', wish.completed)],
      ['task:DueDate', plain('DueDate', wish.due)],
      ['task:IsComplete', plain('IsComplete', wish.status === 'Completed')],
      ['task:PercentComplete', plain('PercentComplete', wish.percent ?? 0)],
      ['task:StartDate', plain('StartDate', wish.start)],
      ['task:Status', plain('Status', wish.status ?? 'NotStarted')],
      ['task:Recurrence', wish.recurrence ? element('t:Recurrence', {}, wish.recurrence) : ''],
    ]),
    attachments: [...(wish.files ?? [])],
    extended: new Map(wish.extended ?? []),
  });
}

export function addNote(
  box: Mailbox,
  folder: StoredFolder,
  text: string,
  more: { readonly categories?: readonly string[]; readonly colour?: number } = {},
): StoredItem {
  return box.add(folder, {
    element: 'Message',
    itemClass: 'IPM.StickyNote',
    fields: new Map([
      ['item:Subject', plain('Subject', text.split(/\r?\n/)[0] ?? '')],
      ['item:Body', bodyXml(text, undefined)],
      ['item:Size', plain('Size', text.length + 600)],
      ['item:Categories', strings('Categories', more.categories)],
      ['item:DateTimeCreated', plain('DateTimeCreated', '2014-05-01T08:00:00Z')],
      ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
      ['message:IsRead', plain('IsRead', true)],
    ]),
    extended: new Map(
      more.colour === undefined ? [] : [['0006200e-0000-0000-c000-000000000046 0x8b00 Integer', String(more.colour)]],
    ),
    mime: bytesAsMime(Buffer.from(`Subject: note\r\n\r\n${text}`)),
  });
}

export * from './fill-calendar.js';
export * from './fill-people.js';
export type { Person } from './fill-pieces.js';
