import { createHash } from 'node:crypto';
import { neutralCard, type NeutralProperty } from '../cards/neutral.js';
import type { Component } from '../text/component.js';
import { unescapeText } from '../text/values.js';
import type { Canonical } from './meaning.js';

const NOISE = /^(?:REV|PRODID|SOURCE|X-ABUID|X-ABLABEL|X-VOBJ-.*)$/;
/** Said or not, it means the same. */
const SILENT_TYPES = new Set(['internet', 'voice', 'x-pref', 'text']);

/** A card of any version. */
export function canonicalCard(component: Component): Canonical {
  const card = neutralCard(component);
  const lines = card.properties.flatMap((one) => canonicalLines(one, card.labels));
  return { name: 'VCARD', lines: [...new Set(lines)].sort(), components: [] };
}

function canonicalLines(one: NeutralProperty, labels: ReadonlyMap<string, string>): string[] {
  if (NOISE.test(one.name)) return [];
  const label = one.group === null ? undefined : labels.get(one.group);
  const types = one.types.filter((type) => !SILENT_TYPES.has(type)).sort();
  const params = [
    ...(types.length > 0 ? [`;TYPE=${types.join(',')}`] : []),
    ...(one.preferred ? [';PREF'] : []),
    ...(label === undefined ? [] : [`;LABEL=${label}`]),
  ].join('');
  if (one.binary) return [`${one.name}:${createHash('sha256').update(one.binary.bytes).digest('hex')}`];
  if (one.name === 'CATEGORIES' || one.name === 'NICKNAME')
    return one.parts
      .flat()
      .map((part) => part.trim())
      .filter((part) => part !== '')
      .map((part) => `${one.name}:${part}`);
  const meant = meaning(one);
  return meant === '' ? [] : [`${one.name}${params}:${meant}`];
}

function meaning(one: NeutralProperty): string {
  const text = one.parts
    .map((values) => values.map((value) => value.trim()).join(','))
    .join(';')
    .replace(/\r\n?/g, '\n')
    .replace(/[;\s]+$/, '');
  if (one.form === 'verbatim') return unescapeText(text).replace(/[;\\\s]+$/, '');
  if (one.name === 'UID' || one.name === 'MEMBER') return text.replace(/^urn:uuid:/i, '').toLowerCase();
  if (one.form === 'uri') return unescapeText(text);
  if (one.name === 'TEL') return text.replace(/^tel:/i, '');
  if (one.name === 'BDAY' || one.name === 'ANNIVERSARY') return text.replace(/[-:]/g, '').replace(/T0*Z?$/, '');
  return one.name === 'KIND' ? text.toLowerCase() : text;
}
