import { param, paramValues, type Param, type Property } from '../text/content-line.js';
import { valueOf, type Component } from '../text/component.js';
import { decodeQuoted } from '../text/quoted-printable.js';
import { splitRaw, unescapeText } from '../text/values.js';

export type CardVersion = '2.1' | '3.0' | '4.0';

/** A property in no version's spelling. Names are those of vCard 4.0 (RFC 6350). */
export interface NeutralProperty {
  readonly group: string | null;
  readonly name: string;
  /** In small letters, without `pref`. */
  readonly types: readonly string[];
  readonly preferred: boolean;
  /** Without TYPE, PREF, ENCODING, CHARSET, VALUE. */
  readonly params: readonly Param[];
  /** Components of a structured value, each a list; plain text. */
  readonly parts: readonly (readonly string[])[];
  /** `verbatim`: nobody knows its form, so its escapes are left alone. */
  readonly form: 'text' | 'uri' | 'verbatim';
  readonly binary?: { readonly bytes: Buffer; readonly mediaType: string | null };
}

export interface NeutralCard {
  readonly version: CardVersion;
  readonly properties: readonly NeutralProperty[];
  /** X-ABLABEL by group, without Apple's `_$!<...>!$_`. */
  readonly labels: ReadonlyMap<string, string>;
  /** AGENT of vCard 2.1. */
  readonly agents: readonly Component[];
}

/** Number of components; what is beyond them is a mistake and kept in the last one. */
const STRUCTURED: Readonly<Record<string, true>> = { N: true, ADR: true, ORG: true, GENDER: true, CLIENTPIDMAP: true };
const LISTS = new Set(['NICKNAME', 'CATEGORIES']);
const URIS = new Set([
  'URL',
  'IMPP',
  'SOURCE',
  'FBURL',
  'CALURI',
  'CALADRURI',
  'MEMBER',
  'RELATED',
  'PHOTO',
  'LOGO',
  'SOUND',
  'KEY',
]);
const TEXTS = new Set(
  'FN NOTE TITLE ROLE EMAIL TEL LABEL UID MAILER SORT-STRING KIND TZ LANG XML PRODID CLASS NAME PROFILE'.split(' '),
);
const SPELLED: Readonly<Record<string, string>> = {
  'X-ADDRESSBOOKSERVER-KIND': 'KIND',
  'X-ADDRESSBOOKSERVER-MEMBER': 'MEMBER',
  'X-GENDER': 'GENDER',
  'X-ANNIVERSARY': 'ANNIVERSARY',
  'X-LANG': 'LANG',
  'X-RELATED': 'RELATED',
  'X-CALURI': 'CALURI',
  'X-CALADRURI': 'CALADRURI',
  'X-FBURL': 'FBURL',
  'X-CLIENTPIDMAP': 'CLIENTPIDMAP',
  'X-XML': 'XML',
};
const KNOWN_TYPES: Readonly<Record<string, string>> = { PHOTO: 'image', LOGO: 'image', SOUND: 'audio' };
const DATA_URI = /^data:([^;,]*)(?:;[^,]*)?;base64,/i;

export function versionOf(card: Component): CardVersion {
  const said = valueOf(card, 'VERSION');
  if (said === '2.1' || said === '4.0' || said === '3.0') return said;
  const old = card.properties.some((one) => /^QUOTED-PRINTABLE$/i.test(param(one, 'ENCODING') ?? ''));
  return old || said?.startsWith('2') ? '2.1' : '3.0';
}

export function neutralCard(card: Component): NeutralCard {
  const version = versionOf(card);
  const labels = new Map(
    card.properties
      .filter(({ group, name }) => group !== null && name === 'X-ABLABEL')
      .map((one) => [one.group!, unescapeText(one.value).replace(/^_\$!<(.*)>!\$_$/, '$1')]),
  );
  const properties = card.properties
    .filter(({ name }) => name !== 'VERSION' && name !== 'X-ABLABEL')
    .flatMap((one) => neutral(one, version));
  const agents = card.components.filter(({ name }) => name === 'VCARD');
  return { version, properties, labels, agents };
}

function neutral(raw: Property, version: CardVersion): NeutralProperty[] {
  const one = { ...raw, name: SPELLED[raw.name] ?? raw.name };
  const types = typesOf(one);
  const base = {
    group: one.group,
    name: one.name,
    types: types.filter((type) => type !== 'pref'),
    preferred: types.includes('pref') || param(one, 'PREF') === '1',
    params: one.params.filter(
      ({ name }) => !/^(?:TYPE|PREF|ENCODING|CHARSET|VALUE|MEDIATYPE|LABEL|X-APPLE-OMIT-YEAR)$/.test(name),
    ),
  };
  const binary = binaryOf(one, types);
  if (binary) return [{ ...base, types: binary.types, parts: [], form: 'uri', binary: binary.value }];
  if (one.name === 'X-ABSHOWAS' && /^company$/i.test(one.value.trim()))
    return [{ ...base, name: 'KIND', parts: [['org']], form: 'text' }];
  const { parts, form } = valueOfProperty(one, version);
  const label = param(one, 'LABEL');
  const property: NeutralProperty = { ...base, parts, form };
  if (one.name !== 'ADR' || label === undefined) return [property];
  const text = label
    .replace(/\^n|\\n/gi, '\n')
    .replaceAll("^'", '"')
    .replaceAll('^^', '^');
  return [property, { ...base, name: 'LABEL', params: [], parts: [[text]], form: 'text' }];
}

function typesOf(one: Property): string[] {
  const all = paramValues(one, 'TYPE').flatMap((value) => value.split(','));
  return [...new Set(all.map((type) => type.trim().toLowerCase()).filter((type) => type !== ''))];
}

function binaryOf(
  one: Property,
  types: readonly string[],
): { types: string[]; value: NonNullable<NeutralProperty['binary']> } | null {
  const data = DATA_URI.exec(one.value.trim().slice(0, 200));
  if (data) {
    const bytes = Buffer.from(one.value.trim().slice(data[0].length), 'base64');
    return { types: [...types], value: { bytes, mediaType: data[1]!.toLowerCase() || null } };
  }
  if (!/^(?:B|BASE64)$/i.test(param(one, 'ENCODING') ?? '')) return null;
  const format = types.find((type) => !/^(?:home|work|pref)$/.test(type));
  const kind = KNOWN_TYPES[one.name];
  const mediaType =
    format === undefined ? null : format.includes('/') || kind === undefined ? format : `${kind}/${format}`;
  return {
    types: types.filter((type) => type !== format),
    value: { bytes: Buffer.from(one.value, 'base64'), mediaType },
  };
}

function valueOfProperty(one: Property, version: CardVersion): Pick<NeutralProperty, 'parts' | 'form'> {
  const quoted = /^QUOTED-PRINTABLE$/i.test(param(one, 'ENCODING') ?? '');
  const decode = (raw: string): string =>
    quoted ? decodeQuoted(raw, param(one, 'CHARSET')).replace(/\r\n?/g, '\n') : raw;
  const plain = (raw: string): string => unescapeText(decode(raw));
  if (one.name === 'GEO')
    return { parts: [[one.value.trim().replace(/^geo:/i, '').replace(',', ';')]], form: 'verbatim' };
  if (one.name === 'BDAY' || one.name === 'ANNIVERSARY') return { parts: [[neutralDate(one)]], form: 'text' };
  if (STRUCTURED[one.name]) {
    // A comma is just a comma in vCard 2.1.
    const list = (raw: string): string[] => (version === '2.1' ? [plain(raw)] : splitRaw(raw, ',').map(plain));
    return { parts: splitRaw(one.value, ';').map(list), form: 'text' };
  }
  if (LISTS.has(one.name)) {
    const values = version === '2.1' ? decode(one.value).split(/[,;]/) : splitRaw(decode(one.value), ',');
    return { parts: [values.map(unescapeText)], form: 'text' };
  }
  if (URIS.has(one.name)) return { parts: [[plain(one.value).trim()]], form: 'uri' };
  if (one.name === 'TEL') return { parts: [[plain(one.value).replace(/^tel:/i, '')]], form: 'text' };
  if (TEXTS.has(one.name)) return { parts: [[plain(one.value)]], form: 'text' };
  return { parts: [[decode(one.value).replaceAll('\n', '\\n')]], form: 'verbatim' };
}

/** As RFC 6350 section 4.3 writes it: basic form; `--MMDD` where Apple says that the year is made up. */
function neutralDate(one: Property): string {
  const value = unescapeText(one.value).trim();
  const date = /^(\d{4})-(\d\d)-(\d\d)(?:T.*)?$/.exec(value) ?? /^(\d{4})(\d\d)(\d\d)(?:T.*)?$/.exec(value);
  if (!date) return value;
  const clock = /T(?!00:?00(?::?00)?Z?$)(.*)$/.exec(value);
  const [, year = '', month = '', day = ''] = date;
  if (param(one, 'X-APPLE-OMIT-YEAR') === year) return `--${month}${day}`;
  return clock ? value.replace(/[-:]/g, '') : `${year}${month}${day}`;
}
