import { ConversionError } from '../conversion-error.js';
import { parseComponents, type Component } from '../text/component.js';
import { canonicalCalendar } from './canonical-calendar.js';
import { canonicalCard } from './canonical-card.js';
import { sorted, type Canonical } from './meaning.js';

/**
 * What an iCalendar object or a vCard means. Time zones have no component of their own: times carry their instants.
 * @throws ConversionError NOT_CALENDAR, OBJECT_TOO_LARGE, OBJECT_TOO_COMPLEX
 */
export function canonical(bytes: Uint8Array): Canonical[] {
  const { components } = parseComponents(bytes);
  const found = components.flatMap((one) => {
    if (one.name === 'VCALENDAR') return canonicalCalendar(one);
    return one.name === 'VCARD' ? [canonicalCard(one)] : [];
  });
  if (found.length === 0) throw new ConversionError('NOT_CALENDAR', 'This is no calendar and no card.');
  return sorted(found);
}

/** The UID of the first item. */
export function uidOf(bytes: Uint8Array): string | null {
  const inner = (one: Component): Component[] => (one.name === 'VCALENDAR' ? [...one.components] : [one]);
  for (const one of parseComponents(bytes).components.flatMap(inner)) {
    const uid = one.name === 'VTIMEZONE' ? undefined : one.properties.find(({ name }) => name === 'UID')?.value.trim();
    if (uid) return uid.replace(/^urn:uuid:/i, '');
  }
  return null;
}
