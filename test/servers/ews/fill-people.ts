/** Contacts and groups as Exchange keeps them. */
import { bodyXml, mailboxXml, type Person, strings } from './fill-pieces.js';
import { bytesAsMime, type Mailbox, type StoredAttachment, type StoredFolder, type StoredItem } from './store.js';
import { element, escapeXml, plain } from './xml.js';

export interface ContactWish {
  /** Everything by its element's name: GivenName, Surname, CompanyName, ... */
  readonly texts?: Readonly<Record<string, string>>;
  readonly title?: string;
  readonly suffix?: string;
  readonly emails?: readonly Person[];
  readonly phones?: Readonly<Record<string, string>>;
  readonly addresses?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly ims?: readonly string[];
  /** ISO 8601. */
  readonly birthday?: string;
  readonly anniversary?: string;
  readonly notes?: string;
  readonly categories?: readonly string[];
  readonly children?: readonly string[];
  readonly photo?: { readonly bytes: Buffer; readonly type: string };
  readonly files?: readonly StoredAttachment[];
  readonly extended?: Iterable<[string, string]>;
}

export function addContact(box: Mailbox, folder: StoredFolder, wish: ContactWish): StoredItem {
  const { texts = {} } = wish;
  const photo = wish.photo
    ? [box.attachment('ContactPicture.jpg', wish.photo.type, wish.photo.bytes, { isContactPhoto: true })]
    : [];
  const entries = (name: string, all: readonly [string, string][]): string =>
    all.length === 0
      ? ''
      : element(`t:${name}`, {}, ...all.map(([Key, value]) => element('t:Entry', { Key }, escapeXml(value))));
  const complete = element(
    't:CompleteName',
    {},
    plain('Title', wish.title),
    plain('FirstName', texts['GivenName']),
    plain('MiddleName', texts['MiddleName']),
    plain('LastName', texts['Surname']),
    plain('Suffix', wish.suffix),
    plain('FullName', texts['DisplayName']),
  );
  const fields = new Map<string, string>([
    ['item:Subject', plain('Subject', texts['DisplayName'] ?? '')],
    ['item:Body', bodyXml(wish.notes, undefined)],
    ['item:Size', plain('Size', 1_500)],
    ['item:Categories', strings('Categories', wish.categories)],
    ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
    ['contacts:CompleteName', complete],
    [
      'contacts:EmailAddresses',
      wish.emails?.length
        ? element(
            't:EmailAddresses',
            {},
            ...wish.emails.map((one, i) =>
              element(
                't:Entry',
                { Key: `EmailAddress${i + 1}`, Name: one.name, RoutingType: one.routing ?? 'SMTP' },
                escapeXml(one.address),
              ),
            ),
          )
        : '',
    ],
    ['contacts:PhoneNumbers', entries('PhoneNumbers', Object.entries(wish.phones ?? {}))],
    [
      'contacts:ImAddresses',
      entries(
        'ImAddresses',
        (wish.ims ?? []).map((one, i) => [`ImAddress${i + 1}`, one]),
      ),
    ],
    [
      'contacts:PhysicalAddresses',
      wish.addresses
        ? element(
            't:PhysicalAddresses',
            {},
            ...Object.entries(wish.addresses).map(([Key, parts]) =>
              element(
                't:Entry',
                { Key },
                ...['Street', 'City', 'State', 'CountryOrRegion', 'PostalCode'].map((name) => plain(name, parts[name])),
              ),
            ),
          )
        : '',
    ],
    ['contacts:Birthday', plain('Birthday', wish.birthday)],
    ['contacts:WeddingAnniversary', plain('WeddingAnniversary', wish.anniversary)],
    ['contacts:Children', strings('Children', wish.children)],
    ['contacts:HasPicture', plain('HasPicture', photo.length > 0)],
    ...Object.entries(texts).map(([name, value]): [string, string] => [`contacts:${name}`, plain(name, value)]),
  ]);
  return box.add(folder, {
    element: 'Contact',
    itemClass: 'IPM.Contact',
    fields,
    attachments: [...photo, ...(wish.files ?? [])],
    extended: new Map(wish.extended ?? []),
    mime: bytesAsMime(Buffer.from('BEGIN:VCARD\r\nEND:VCARD\r\n')),
  });
}

export function addGroup(
  box: Mailbox,
  folder: StoredFolder,
  name: string,
  members: readonly Person[],
  notes?: string,
): StoredItem {
  return box.add(folder, {
    element: 'DistributionList',
    itemClass: 'IPM.DistList',
    fields: new Map([
      ['item:Subject', plain('Subject', name)],
      ['item:Body', bodyXml(notes, undefined)],
      ['item:Size', plain('Size', 900)],
      ['item:LastModifiedTime', plain('LastModifiedTime', '2014-05-13T16:53:20Z')],
      ['contacts:DisplayName', plain('DisplayName', name)],
      [
        'distributionlist:Members',
        element(
          't:Members',
          {},
          ...members.map((one) => element('t:Member', {}, mailboxXml(one), plain('Status', 'Normal'))),
        ),
      ],
    ]),
  });
}
