import { uidFrom, uidFromContent } from '../uid.js';
import { ConversionError } from '../conversion-error.js';
import { Changes, type NoteCode } from '../notes.js';
import type { Level, Preparation, PreparedCard, TargetProfile } from '../prepared.js';
import { property, type Property } from '../text/content-line.js';
import {
  adding,
  first,
  parseComponents,
  printComponents,
  valueOf,
  without,
  type Component,
} from '../text/component.js';
import { escapeText, splitRaw, unescapeText } from '../text/values.js';
import { mendValues } from './values.js';
import { neutralCard, versionOf, type CardVersion } from './neutral.js';
import { printCard } from './print-card.js';

export interface CardOptions {
  readonly level?: Level;
  /** Above 0: there were that many other cards with this UID before; it gets one of its own. */
  readonly copy?: number;
}

const UNNAMED = 'Unnamed';
/** Kept even when all other private properties leave: groups and Apple's labels. */
const KEPT_PRIVATE = /^X-(?:ABLABEL|ADDRESSBOOKSERVER-(?:KIND|MEMBER))$/;
/** RFC 2426 lets them stand once; others say so aloud. */
const ONCE = new Set('FN N BDAY REV PRODID UID CLASS SORT-STRING MAILER GEO TZ KIND ANNIVERSARY GENDER'.split(' '));
const HEAVY = /^(?:PHOTO|LOGO|SOUND|KEY)$/;

/**
 * A vCard in a version that the destination takes, with UID, FN and N. What is right stays as it was. Several cards in one
 * resource become several: the others are in `also`. Bytes that are no card are an outcome, never an exception.
 */
export function prepareCard(
  bytes: Uint8Array,
  target: TargetProfile,
  options: CardOptions = {},
): Preparation<PreparedCard> {
  try {
    const { components, defects } = parseComponents(bytes);
    const cards = components.filter(({ name }) => name === 'VCARD');
    if (cards.length === 0) throw new ConversionError('NOT_CARD', 'This is no card.');
    const seen = new Map<string, number>();
    const prepared = cards.map((card) => {
      const changes = new Changes();
      changes.addDefects(defects);
      if (cards.length > 1) changes.add('SEVERAL_IN_ONE');
      const uid = valueOf(card, 'UID') ?? '';
      const copy = uid === '' ? 0 : (seen.get(uid) ?? 0);
      seen.set(uid, copy + 1);
      return prepareOne(card, target, options.level ?? 'needed', copy + (options.copy ?? 0), changes);
    });
    return { ...prepared[0]!, also: prepared.slice(1) };
  } catch (error) {
    if (error instanceof ConversionError) return { refused: error.code, message: error.message };
    throw error;
  }
}

function prepareOne(raw: Component, target: TargetProfile, level: Level, copy: number, changes: Changes): PreparedCard {
  const version = versionOf(raw);
  const wanted = target.cards === 'any' ? (version === '2.1' ? '3.0' : version) : target.cards;
  const card = wanted === version ? raw : converted(raw, version, wanted, changes);
  const named = mendNames(mendValues(card, changes), wanted, target.needsName, changes);
  const { card: identified, uid } = mendUid(named, copy, changes);
  const kept = strictly(identified, level, changes);
  return { bytes: printComponents([kept]), uid, component: 'VCARD', notes: changes.notes() };
}

function converted(raw: Component, from: CardVersion, to: '3.0' | '4.0', changes: Changes): Component {
  changes.add('CONVERTED_FORMAT', `vCard ${from}: ${to}`);
  const { component, dropped } = printCard(neutralCard(raw), to);
  for (const name of dropped) changes.add('PROPERTY_DROPPED', name);
  return component;
}

/** FN for all, N for 3.0 (RFC 2426 section 4, RFC 6350 section 6.2); VERSION first, as 4.0 wants it. */
function mendNames(card: Component, version: CardVersion, needsName: boolean, changes: Changes): Component {
  const add = (code: NoteCode, one: Property): Property => {
    changes.add(code, one.name);
    return one;
  };
  let out = card;
  if (valueOf(out, 'FN') === undefined)
    out = adding(without(out, 'FN'), add('REQUIRED_ADDED', property('FN', nameFor(out))));
  if ((needsName || version !== '4.0') && first(out, 'N') === undefined)
    out = adding(out, add('REQUIRED_ADDED', property('N', `${valueOf(out, 'FN')};;;;`)));
  if (out.properties[0]?.name === 'VERSION' && valueOf(out, 'VERSION') === version) return out;
  if (valueOf(out, 'VERSION') !== version) changes.add('REQUIRED_ADDED', 'VERSION');
  return { ...out, properties: [property('VERSION', version), ...without(out, 'VERSION').properties] };
}

/** What people would call it: the parts of the name, else the organisation, an address, a number. Escaped. */
function nameFor(card: Component): string {
  const [family = '', given = '', middle = '', prefix = '', suffix = ''] = splitRaw(valueOf(card, 'N') ?? '', ';');
  const name = [prefix, given, middle, family, suffix]
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join(' ');
  if (name !== '') return name;
  for (const from of ['NICKNAME', 'ORG', 'EMAIL', 'TEL']) {
    const text = unescapeText(splitRaw(valueOf(card, from) ?? '', ';')[0] ?? '').trim();
    if (text !== '') return escapeText(text);
  }
  return UNNAMED;
}

function mendUid(card: Component, copy: number, changes: Changes): { card: Component; uid: string } {
  const own = valueOf(card, 'UID');
  const base = own ?? uidFromContent(without(card, 'REV', 'PRODID'));
  if (copy === 0 && own !== undefined) return { card, uid: own };
  changes.add(copy > 0 ? 'UID_CHANGED' : 'UID_ADDED');
  const uid = copy > 0 ? uidFrom(base, 'VCARD', String(copy)) : base;
  return { card: adding(without(card, 'UID'), property('UID', uid)), uid };
}

/** After a refusal: empty and misspelled properties leave; after another one all private ones, pictures and keys. */
function strictly(card: Component, level: Level, changes: Changes): Component {
  if (level === 'needed') return card;
  const seen = new Set<string>();
  const properties = card.properties.filter(({ name, value }) => {
    const empty = value.replace(/[;,\s]/g, '') === '' && name !== 'N';
    const sound = /^[A-Z0-9-]+$/.test(name) && !empty && name !== 'PROFILE' && !(ONCE.has(name) && seen.has(name));
    seen.add(name);
    const plain =
      level !== 'bare' || (!HEAVY.test(name) && (!name.startsWith('X-') || KEPT_PRIVATE.test(name.toUpperCase())));
    if (!sound || !plain) changes.add('PROPERTY_DROPPED', name);
    return sound && plain;
  });
  return { ...card, properties };
}
