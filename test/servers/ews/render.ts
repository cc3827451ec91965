/** Items and folders as XML: which properties were asked for, in the order of the schema. */
import type { XmlElement } from '../../../src/protocols/xml.js';
import { childrenNamed, textOf } from '../../../src/protocols/xml.js';
import { changeKey, type ElementName, type StoredAttachment, type StoredFolder, type StoredItem } from './store.js';
import { element, escapeXml, plain } from './xml.js';

const ITEM = [
  'item:ParentFolderId',
  'item:ItemClass',
  'item:Subject',
  'item:Sensitivity',
  'item:Body',
  'item:Attachments',
  'item:DateTimeReceived',
  'item:Size',
  'item:Categories',
  'item:Importance',
  'item:InReplyTo',
  'item:IsSubmitted',
  'item:IsDraft',
  'item:IsFromMe',
  'item:IsResend',
  'item:IsUnmodified',
  'item:InternetMessageHeaders',
  'item:DateTimeSent',
  'item:DateTimeCreated',
  'item:ReminderDueBy',
  'item:ReminderIsSet',
  'item:ReminderMinutesBeforeStart',
  'item:DisplayCc',
  'item:DisplayTo',
  'item:HasAttachments',
] as const;
/** Extended properties stand between these and the others. */
const AFTER_EXTENDED = ['item:Culture', 'item:LastModifiedName', 'item:LastModifiedTime', 'item:IsAssociated'] as const;

const MESSAGE = [
  'message:Sender',
  'message:ToRecipients',
  'message:CcRecipients',
  'message:ConversationTopic',
  'message:From',
  'message:InternetMessageId',
  'message:IsRead',
];
const CALENDAR = [
  ...['UID', 'RecurrenceId', 'DateTimeStamp', 'Start', 'End', 'OriginalStart', 'IsAllDayEvent', 'LegacyFreeBusyStatus'],
  ...['Location', 'When', 'IsMeeting', 'IsCancelled', 'IsRecurring', 'MeetingRequestWasSent', 'IsResponseRequested'],
  ...['CalendarItemType', 'MyResponseType', 'Organizer', 'RequiredAttendees', 'OptionalAttendees', 'Resources'],
  ...['Duration', 'TimeZone', 'AppointmentReplyTime', 'AppointmentSequenceNumber', 'AppointmentState', 'Recurrence'],
  ...['FirstOccurrence', 'LastOccurrence', 'ModifiedOccurrences', 'DeletedOccurrences', 'MeetingTimeZone'],
  ...['StartTimeZone', 'EndTimeZone', 'IsOnlineMeeting', 'MeetingWorkspaceUrl', 'NetShowUrl'],
].map((name) => `calendar:${name}`);
const CONTACT = [
  ...['FileAs', 'FileAsMapping', 'DisplayName', 'GivenName', 'Initials', 'MiddleName', 'Nickname', 'CompleteName'],
  ...['CompanyName', 'EmailAddresses', 'PhysicalAddresses', 'PhoneNumbers', 'AssistantName', 'Birthday'],
  ...['BusinessHomePage', 'Children', 'Companies', 'ContactSource', 'Department', 'Generation', 'ImAddresses'],
  ...['JobTitle', 'Manager', 'Mileage', 'OfficeLocation', 'PostalAddressIndex', 'Profession', 'SpouseName', 'Surname'],
  ...['WeddingAnniversary', 'HasPicture'],
].map((name) => `contacts:${name}`);
const GROUP = ['contacts:DisplayName', 'contacts:FileAs', 'contacts:ContactSource', 'distributionlist:Members'];
const TASK = [
  ...['ActualWork', 'AssignedTime', 'BillingInformation', 'ChangeCount', 'Companies', 'CompleteDate', 'Contacts'],
  ...['DelegationState', 'Delegator', 'DueDate', 'IsAssignmentEditable', 'IsComplete', 'IsRecurring', 'IsTeamTask'],
  ...['Mileage', 'Owner', 'PercentComplete', 'Recurrence', 'StartDate', 'Status', 'StatusDescription', 'TotalWork'],
].map((name) => `task:${name}`);
const OWN: Readonly<Partial<Record<ElementName, readonly string[]>>> = {
  Message: MESSAGE,
  MeetingMessage: MESSAGE,
  MeetingRequest: MESSAGE,
  MeetingResponse: MESSAGE,
  MeetingCancellation: MESSAGE,
  PostItem: ['message:From', 'message:IsRead'],
  CalendarItem: CALENDAR,
  Contact: CONTACT,
  DistributionList: GROUP,
  Task: TASK,
};

/** What FindItem and Sync do not give: bodies, attachments, and what only opening the item tells. */
const ONLY_OPENED: ReadonlySet<string> = new Set([
  'item:Body',
  'item:Attachments',
  'item:InternetMessageHeaders',
  'message:ToRecipients',
  'message:CcRecipients',
  'calendar:Recurrence',
  'calendar:RequiredAttendees',
  'calendar:OptionalAttendees',
  'calendar:Resources',
  'calendar:FirstOccurrence',
  'calendar:LastOccurrence',
  'calendar:ModifiedOccurrences',
  'calendar:DeletedOccurrences',
  'distributionlist:Members',
]);
/** Characters of a text in a list. */
const CUT = 255;

export interface Shape {
  readonly base: string;
  readonly mime: boolean;
  readonly bodyType: string;
  readonly fields: ReadonlySet<string>;
  /** In the order they were asked for, as the element that names them. */
  readonly extended: readonly { readonly key: string; readonly uri: string }[];
}

export function shapeOf(shape: XmlElement | undefined): Shape {
  const additional = shape === undefined ? undefined : childrenNamed(shape, 'AdditionalProperties')[0];
  const fields = new Set<string>();
  const extended: { key: string; uri: string }[] = [];
  for (const one of additional?.children ?? []) {
    if (one.name === 'FieldURI') fields.add(one.attributes.get('FieldURI') ?? '');
    if (one.name === 'ExtendedFieldURI') extended.push(extendedOf(one));
  }
  return {
    base: shape === undefined ? 'IdOnly' : textOf(shape, 'BaseShape'),
    mime: shape !== undefined && textOf(shape, 'IncludeMimeContent') === 'true',
    bodyType: (shape === undefined ? '' : textOf(shape, 'BodyType')) || 'Best',
    fields,
    extended,
  };
}

/** '0x1081 integer', 'common 0x8517 boolean', 'guid name string': what the fixtures call it, in small letters. */
export function extendedOf({ attributes }: XmlElement): { key: string; uri: string } {
  const of = (name: string): string | undefined => attributes.get(name);
  const hex = (value: string): string => `0x${Number(value).toString(16)}`;
  const set = of('DistinguishedPropertySetId') ?? of('PropertySetId');
  const tag = of('PropertyTag');
  const id = of('PropertyId');
  const name = tag !== undefined ? hex(tag) : [set, id === undefined ? of('PropertyName') : hex(id)].join(' ');
  const written = [...attributes].filter(([key]) => !key.startsWith('xmlns'));
  return {
    key: `${name} ${of('PropertyType')}`.toLowerCase(),
    uri: element('t:ExtendedFieldURI', {
      ...Object.fromEntries(written),
      // Exchange answers with the tag in hexadecimal, however it was asked.
      ...(tag === undefined ? {} : { PropertyTag: hex(tag) }),
    }),
  };
}

/** @param opened GetItem: bodies and all. False: as in a list. @returns parts; null stands where the MIME content goes */
export function renderItem(item: StoredItem, shape: Shape, opened: boolean): { head: string; tail: string } {
  const own = OWN[item.element] ?? [];
  const wants = (uri: string): boolean =>
    (shape.base === 'AllProperties' || (shape.base === 'Default' && /Subject|Start|End|Size/.test(uri))) === true ||
    shape.fields.has(uri);
  const field = (uri: string): string => {
    if (!wants(uri) || (!opened && ONLY_OPENED.has(uri))) return '';
    if (uri === 'item:ParentFolderId')
      return element('t:ParentFolderId', { Id: item.folder.id, ChangeKey: 'AQAAAA==' });
    if (uri === 'item:ItemClass') return plain('ItemClass', item.itemClass);
    if (uri === 'item:Attachments') return attachments(item.attachments);
    if (uri === 'item:HasAttachments') return plain('HasAttachments', item.attachments.length > 0);
    if (uri === 'item:Body') return body(item.fields.get(uri), shape.bodyType);
    const value = item.fields.get(uri) ?? '';
    return opened ? value : cut(value);
  };
  const extended = shape.extended.map(({ key, uri }) => {
    const value = item.extended.get(key);
    return value === undefined ? '' : element('t:ExtendedProperty', {}, uri, plain('Value', value));
  });
  const id = element('t:ItemId', { Id: item.id, ChangeKey: changeKey(item) });
  const rest = [...ITEM.map(field), ...extended, ...AFTER_EXTENDED.map(field), ...own.map(field)].join('');
  return { head: `<t:${item.element}>`, tail: `${id}${rest}</t:${item.element}>` };
}

export function renderInList(item: StoredItem, shape: Shape): string {
  const { head, tail } = renderItem(item, shape, false);
  return head + tail;
}

function cut(xml: string): string {
  return xml.replace(/>([^<>]{256,})</g, (_, text: string) => `>${text.slice(0, CUT).replace(/&[^;]*$/, '')}<`);
}

/** Kept as HTML or text; given as asked. */
function body(kept: string | undefined, type: string): string {
  if (kept === undefined) return '';
  if (type !== 'Text' || kept.includes('BodyType="Text"')) return kept;
  const html = /^<t:Body[^>]*>([\s\S]*)<\/t:Body>$/.exec(kept)?.[1] ?? '';
  const unescaped = html
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&amp;/g, '&');
  const text = unescaped
    .replace(/<\/(?:p|div)>|<br\s*\/?>/gi, '\r\n')
    .replace(/<[^>]*>/g, '')
    .replace(/&nbsp;/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
  return element('t:Body', { BodyType: 'Text' }, escapeXml(text));
}

function attachments(all: readonly StoredAttachment[]): string {
  if (all.length === 0) return '';
  const each = all.map((one) => {
    const start = element('t:AttachmentId', { Id: one.id }) + plain('Name', one.name);
    if (one.isItem) return element('t:ItemAttachment', {}, start, plain('Size', one.bytes.length));
    return element(
      't:FileAttachment',
      {},
      start,
      plain('ContentType', one.type),
      plain('Size', one.bytes.length),
      plain('IsInline', false),
      plain('IsContactPhoto', one.isContactPhoto ?? false),
    );
  });
  return element('t:Attachments', {}, ...each);
}

/** Hidden, number of items and of unread ones, the next UID of IMAP, class and time of the last change. */
export function folderProperty(folder: StoredFolder, key: string, childCount: number): string | undefined {
  const items = [...folder.items.values()];
  const known: Readonly<Record<string, string | undefined>> = {
    '0x10f4 boolean': folder.hidden ? 'true' : undefined,
    '0x360a boolean': String(childCount > 0),
    '0x3602 integer': String(items.length),
    '0x3603 integer': String(unread(folder)),
    '0x6751 integer': String(Math.max(0, ...items.map(({ born }) => born)) + 1),
    '0x3613 string': folder.folderClass ?? undefined,
    '0x670a systemtime': '2014-05-13T16:53:20Z',
    '0x3008 systemtime': '2014-05-13T16:53:20Z',
  };
  return known[key];
}

function unread(folder: StoredFolder): number {
  return [...folder.items.values()].filter((one) => /false/.test(one.fields.get('message:IsRead') ?? '')).length;
}

export function renderFolder(folder: StoredFolder, shape: Shape, childCount: number): string {
  const wants = (uri: string): boolean => shape.base !== 'IdOnly' || shape.fields.has(uri);
  const extended = shape.extended.map(({ key, uri }) => {
    const value = folderProperty(folder, key, childCount);
    return value === undefined ? '' : element('t:ExtendedProperty', {}, uri, plain('Value', value));
  });
  const parent =
    folder.parent === null ? '' : element('t:ParentFolderId', { Id: folder.parent.id, ChangeKey: 'AQAAAA==' });
  return element(
    `t:${folder.element}`,
    {},
    element('t:FolderId', { Id: folder.id, ChangeKey: 'AQAAAA==' }),
    wants('folder:ParentFolderId') ? parent : '',
    wants('folder:FolderClass') && folder.folderClass !== null ? plain('FolderClass', folder.folderClass) : '',
    wants('folder:DisplayName') ? plain('DisplayName', folder.name) : '',
    wants('folder:TotalCount') ? plain('TotalCount', folder.items.size) : '',
    wants('folder:ChildFolderCount') ? plain('ChildFolderCount', childCount) : '',
    ...extended,
    folder.element === 'Folder' && (wants('folder:UnreadCount') || shape.base === 'Default')
      ? plain(
          'UnreadCount',
          [...folder.items.values()].filter((one) => /false/.test(one.fields.get('message:IsRead') ?? '')).length,
        )
      : '',
  );
}
