import { property, type Param, type Property } from '../text/content-line.js';
import { first, printComponents, type Component } from '../text/component.js';
import { escapeText } from '../text/values.js';
import type { NeutralCard, NeutralProperty } from './neutral.js';

/** Only vCard 4.0 has them; vCard 3.0 spells them with an X- (RFC 6350 section 10.3), or as Apple does. */
const NEW_IN_4: Readonly<Record<string, string>> = {
  KIND: 'X-ADDRESSBOOKSERVER-KIND',
  MEMBER: 'X-ADDRESSBOOKSERVER-MEMBER',
  GENDER: 'X-GENDER',
  ANNIVERSARY: 'X-ANNIVERSARY',
  LANG: 'X-LANG',
  RELATED: 'X-RELATED',
  CALURI: 'X-CALURI',
  CALADRURI: 'X-CALADRURI',
  FBURL: 'X-FBURL',
  CLIENTPIDMAP: 'X-CLIENTPIDMAP',
  XML: 'X-XML',
};
const GONE_IN_4 = new Set(['MAILER', 'CLASS', 'NAME', 'PROFILE', 'SORT-STRING']);
const ONLY_4_PARAMS = /^(?:ALTID|PID|INDEX|LEVEL|GEO|TZ|CALSCALE|SORT-AS|AUTHOR|CREATED|DERIVED)$/;

/**
 * A card in the spelling of one version. `dropped`: names of properties that the version cannot say.
 */
export function printCard(card: NeutralCard, version: '3.0' | '4.0'): { component: Component; dropped: string[] } {
  const dropped: string[] = [];
  const seen = new Set<string>();
  const properties = card.properties.flatMap((one): Property[] => {
    // RFC 2426 has one of each; in vCard 4.0 there may be alternatives.
    const once = (version === '3.0' && (one.name === 'FN' || one.name === 'N')) || one.name === 'UID';
    if (once && seen.has(one.name)) {
      dropped.push(one.name);
      return [];
    }
    seen.add(one.name);
    if (version === '4.0' && one.name === 'LABEL' && addressOf(one, card)) return [];
    return [version === '3.0' ? in3(one) : in4(one, card)];
  });
  const labels = card.properties.flatMap(({ group }) => (group === null ? [] : [group]));
  for (const [group, label] of card.labels)
    if (labels.includes(group)) properties.push({ ...property('X-ABLabel', escapeText(label)), group });
  for (const agent of card.agents) properties.push(agentOf(agent, version));
  return {
    component: { name: 'VCARD', properties: [property('VERSION', version), ...properties], components: [] },
    dropped,
  };
}

function in3(one: NeutralProperty): Property {
  const types = [...one.types, ...(one.preferred ? ['pref'] : [])];
  const params = one.params.filter(({ name }) => !ONLY_4_PARAMS.test(name));
  if (one.binary) {
    const format = one.binary.mediaType?.split('/').at(-1)?.toUpperCase();
    const all = [{ name: 'ENCODING', values: ['b'] }, ...typeParam([...types, ...(format ? [format] : [])]), ...params];
    return { group: one.group, name: one.name, params: all, value: one.binary.bytes.toString('base64') };
  }
  if (one.name === 'KIND' && one.parts[0]?.[0]?.toLowerCase() === 'org')
    return { ...property('X-ABSHOWAS', 'COMPANY'), group: one.group };
  const name = NEW_IN_4[one.name] ?? one.name;
  const all = [...typeParam(types), ...params];
  if (one.name === 'BDAY' || one.name === 'ANNIVERSARY') return { group: one.group, name, ...date3(one, all) };
  const uri = one.form === 'uri' && /^(?:PHOTO|LOGO|SOUND)$/.test(one.name) ? [{ name: 'VALUE', values: ['uri'] }] : [];
  return { group: one.group, name, params: [...uri, ...all], value: valueText(one) };
}

/** `--0412` is written as Apple writes a birthday without a year. */
function date3(one: NeutralProperty, params: readonly Param[]): Pick<Property, 'params' | 'value'> {
  const value = one.parts[0]?.[0] ?? '';
  const yearless = /^--(\d\d)-?(\d\d)$/.exec(value);
  if (yearless)
    return {
      params: [{ name: 'X-APPLE-OMIT-YEAR', values: ['1604'] }, ...params],
      value: `1604-${yearless[1]}-${yearless[2]}`,
    };
  const day = /^(\d{4})(\d\d)(\d\d)$/.exec(value);
  return { params, value: day ? `${day[1]}-${day[2]}-${day[3]}` : escapeText(value) };
}

function in4(one: NeutralProperty, card: NeutralCard): Property {
  const params: Param[] = [
    ...typeParam(one.types),
    ...one.params,
    ...(one.preferred ? [{ name: 'PREF', values: ['1'] }] : []),
  ];
  if (one.binary) {
    const type = one.binary.mediaType ?? 'application/octet-stream';
    return {
      group: one.group,
      name: one.name,
      params,
      value: `data:${type};base64,${one.binary.bytes.toString('base64')}`,
    };
  }
  if (one.name === 'GEO')
    return { group: one.group, name: 'GEO', params, value: `geo:${one.parts[0]?.[0]?.replace(';', ',')}` };
  if (one.name === 'ADR') {
    const label = card.properties.find((other) => other.name === 'LABEL' && addressOf(other, card) === one);
    if (label) params.push({ name: 'LABEL', values: [(label.parts[0]?.[0] ?? '').replace(/\n/g, '\\n')] });
  }
  const name = GONE_IN_4.has(one.name) || one.name === 'LABEL' ? `X-${one.name}` : one.name;
  const text = one.name === 'RELATED' && one.form !== 'uri' ? [{ name: 'VALUE', values: ['text'] }] : [];
  return { group: one.group, name, params: [...text, ...params], value: valueText(one) };
}

/** The address that a LABEL of vCard 3.0 belongs to: the one of the same types. */
function addressOf(label: NeutralProperty, card: NeutralCard): NeutralProperty | undefined {
  const key = (one: NeutralProperty): string => [...one.types].sort().join();
  const labels = card.properties.filter((one) => one.name === 'LABEL' && key(one) === key(label));
  const addresses = card.properties.filter((one) => one.name === 'ADR' && key(one) === key(label));
  return addresses[labels.indexOf(label)];
}

function typeParam(types: readonly string[]): Param[] {
  return types.length === 0 ? [] : [{ name: 'TYPE', values: types }];
}

function valueText(one: NeutralProperty): string {
  const texts = one.parts.map((values) =>
    values.map((value) => (one.form === 'text' ? escapeText(value) : value)).join(','),
  );
  return texts.join(';').replace(/[\r\n]+/g, ' ');
}

/** RFC 2426 section 3.5.4: a card inside a text. vCard 4.0 knows only who it is. */
function agentOf(agent: Component, version: '3.0' | '4.0'): Property {
  if (version === '3.0') return property('AGENT', escapeText(Buffer.from(printComponents([agent])).toString('utf8')));
  const name = first(agent, 'FN')?.value ?? first(agent, 'N')?.value ?? '';
  return property('RELATED', escapeText(name), { TYPE: 'agent', VALUE: 'text' });
}
