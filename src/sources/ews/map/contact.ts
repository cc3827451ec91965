import { buildContact, buildGroup, type Labelled, type PlainAddress } from '../../../conversion/build/cards.js';
import type { Note } from '../../../mailbox/item.js';
import { childrenNamed, type XmlElement } from '../../../protocols/xml.js';
import { type Made, optional } from './event.js';
import { child, day, extended, instant, lines, strings, text } from './fields.js';
import { personOf } from './people.js';

/** PidLidEmail1OriginalDisplayName and its sisters ([MS-OXOCNTC] 2.2.1.2.3): the address behind a name of the directory. */
export const ORIGINAL_ADDRESSES = [0x8084, 0x8094, 0x80a4] as const;
/** PidTagPersonalHomePage, PidTagHobbies. */
export const PERSONAL_HOME_PAGE = 0x3a50;

/** What stands for a year that is not known. */
const NO_YEAR = '1604-';

/** As RFC 6350 section 5.6 and the vCards of others call them. */
const PHONES: Readonly<Record<string, { readonly types?: readonly string[]; readonly label?: string }>> = {
  PrimaryPhone: { types: ['main'] },
  BusinessPhone: { types: ['work', 'voice'] },
  BusinessPhone2: { types: ['work', 'voice'] },
  BusinessMobile: { types: ['work', 'cell'] },
  CompanyMainPhone: { types: ['work'], label: 'Company' },
  HomePhone: { types: ['home', 'voice'] },
  HomePhone2: { types: ['home', 'voice'] },
  MobilePhone: { types: ['cell'] },
  BusinessFax: { types: ['work', 'fax'] },
  HomeFax: { types: ['home', 'fax'] },
  OtherFax: { types: ['fax'] },
  OtherTelephone: { types: ['voice'], label: 'Other' },
  CarPhone: { types: ['car'] },
  Pager: { types: ['pager'] },
  Isdn: { types: ['isdn'] },
  TtyTddPhone: { types: ['textphone'] },
  AssistantPhone: { label: 'Assistant' },
  Callback: { label: 'Callback' },
  RadioPhone: { label: 'Radio' },
  Telex: { label: 'Telex' },
};
const PLACES: Readonly<Record<string, Pick<Labelled<never>, 'types' | 'label'>>> = {
  Business: { types: ['work'] },
  Home: { types: ['home'] },
  Other: { label: 'Other' },
};

export interface Photo {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

export function contactOf(item: XmlElement, uid: string, photo: Photo | null): Made {
  const notes: Note[] = [];
  const complete = child(item, 'CompleteName');
  const of = (name: string): string | undefined => text(item, name)?.trim();
  const modified = instant(item, 'LastModifiedTime');
  const company = of('CompanyName');
  const bytes = buildContact({
    uid,
    ...optional('fullName', of('DisplayName') ?? of('FileAs')),
    name: {
      ...optional('family', text(complete, 'LastName') ?? of('Surname')),
      ...optional('given', text(complete, 'FirstName') ?? of('GivenName')),
      ...optional('middle', text(complete, 'MiddleName') ?? of('MiddleName')),
      ...optional('prefix', text(complete, 'Title')),
      ...optional('suffix', text(complete, 'Suffix') ?? of('Generation')),
    },
    ...(of('Nickname') === undefined ? {} : { nicknames: [of('Nickname')!] }),
    ...optional('organisation', company),
    ...(of('Department') === undefined ? {} : { departments: [of('Department')!] }),
    ...optional('title', of('JobTitle')),
    ...optional('role', of('Profession')),
    emails: emailsOf(item, notes),
    phones: entries(item, 'PhoneNumbers').flatMap(({ key, entry }) =>
      entry.text.trim() === '' ? [] : [{ value: entry.text.trim(), ...(PHONES[key] ?? { label: key }) }],
    ),
    addresses: entries(item, 'PhysicalAddresses').flatMap(addressOf),
    urls: [...link(of('BusinessHomePage'), ['work']), ...link(extended(item, PERSONAL_HOME_PAGE)?.trim(), ['home'])],
    impps: entries(item, 'ImAddresses').flatMap(({ entry }) => {
      const value = entry.text.trim();
      if (value === '') return [];
      return [{ value: /^[a-z][a-z0-9+.-]*:/i.test(value) ? value : `im:${encodeURI(value)}` }];
    }),
    ...optional('birthday', dayOf(item, 'Birthday')),
    ...optional('anniversary', dayOf(item, 'WeddingAnniversary')),
    ...optional('note', lines(item, 'Body')),
    categories: strings(item, 'Categories'),
    ...(photo === null ? {} : { photo }),
    ...(modified === undefined ? {} : { modified }),
    extra: withoutEmpty({
      'X-MS-MANAGER': of('Manager'),
      'X-MS-ASSISTANT': of('AssistantName'),
      'X-MS-SPOUSE': of('SpouseName'),
      'X-MS-CHILD': strings(item, 'Children').join(', ') || undefined,
      'X-MS-OFFICE-LOCATION': of('OfficeLocation'),
    }),
  });
  return { bytes, notes };
}

function entries(item: XmlElement, name: string): { key: string; entry: XmlElement }[] {
  return (child(item, name)?.children ?? []).map((entry) => ({ key: entry.attributes.get('Key') ?? '', entry }));
}

/** Names of the directory (routing EX) are no addresses; the one behind is kept beside them. */
function emailsOf(item: XmlElement, notes: Note[]): Labelled<string>[] {
  return entries(item, 'EmailAddresses').flatMap(({ key, entry }) => {
    const n = Number(/\d$/.exec(key)?.[0] ?? 1) - 1;
    const value = entry.text.trim();
    if (value === '') return [];
    const known = [value, extended(item, ORIGINAL_ADDRESSES[n] ?? -1)?.trim(), entry.attributes.get('Name')?.trim()];
    const address = known.find((one) => one !== undefined && /^[^\s@]+@[^\s@]+$/.test(one));
    if (address !== undefined) return [{ value: address, preferred: n === 0 }];
    notes.push({ code: 'ADDRESS_OF_DIRECTORY', detail: entry.attributes.get('Name') ?? value });
    return [];
  });
}

function addressOf({ key, entry }: { key: string; entry: XmlElement }): Labelled<PlainAddress>[] {
  const value: PlainAddress = {
    ...optional('street', lines(entry, 'Street')),
    ...optional('city', text(entry, 'City')),
    ...optional('region', text(entry, 'State')),
    ...optional('postalCode', text(entry, 'PostalCode')),
    ...optional('country', text(entry, 'CountryOrRegion')),
  };
  return Object.keys(value).length === 0 ? [] : [{ value, ...PLACES[key] }];
}

function link(value: string | undefined, types: readonly string[]): Labelled<string>[] {
  return value === undefined ? [] : [{ value, types }];
}

function dayOf(item: XmlElement, name: string): string | undefined {
  const at = instant(item, name);
  if (at === undefined) return undefined;
  const date = day(at);
  return date.startsWith(NO_YEAR) ? `--${date.slice(5)}` : date;
}

function withoutEmpty(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((one): one is [string, string] => one[1] !== undefined));
}

/** A distribution list. Members are known by their addresses; one without any is told. */
export function groupOf(item: XmlElement, uid: string): Made {
  const notes: Note[] = [];
  const members = childrenNamed(child(item, 'Members') ?? item, 'Member').flatMap((one) => {
    const person = personOf(one);
    if (person?.address.includes('@')) return [person];
    notes.push({ code: 'MEMBER_WITHOUT_ADDRESS', ...optional('detail', person?.name ?? person?.address) });
    return [];
  });
  const bytes = buildGroup({
    uid,
    name: (text(item, 'DisplayName') ?? text(item, 'Subject') ?? '').trim(),
    members,
    ...optional('note', lines(item, 'Body')),
    categories: strings(item, 'Categories'),
  });
  return { bytes, notes };
}

/** By its first bytes: what Exchange says of its type is always the same. Null: no picture that people can see. */
export function photoOf(bytes: Uint8Array): Photo | null {
  const head = Buffer.from(bytes.subarray(0, 12));
  if (head[0] === 0xff && head[1] === 0xd8) return { bytes, mediaType: 'image/jpeg' };
  if (head.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47]))) return { bytes, mediaType: 'image/png' };
  if (head.subarray(0, 3).toString('latin1') === 'GIF') return { bytes, mediaType: 'image/gif' };
  return null;
}
