import { parseMoment, toMs } from '../../conversion/calendar/moments.js';
import { ConversionError } from '../../conversion/conversion-error.js';
import { parseComponents, valueOf, type Component } from '../../conversion/text/component.js';
import { splitRaw, unescapeText } from '../../conversion/text/values.js';
import type { ItemDescription } from '../../mailbox/item.js';

/** What a person recognises an entry by: its title or name, who it is from, when it is. */
export function describeObject(bytes: Uint8Array): Omit<ItemDescription, 'key'> {
  const item = firstItem(bytes);
  const text = (name: string): string => unescapeText((item && valueOf(item, name)) ?? '');
  const start = parseMoment((item && (valueOf(item, 'DTSTART') ?? valueOf(item, 'DUE'))) ?? '');
  return {
    subject: text('SUMMARY') || text('FN') || nameOf(item),
    from: text('ORGANIZER').replace(/^mailto:/i, '') || text('EMAIL'),
    date: start && new Date(toMs(start)),
  };
}

function firstItem(bytes: Uint8Array): Component | undefined {
  try {
    const { components } = parseComponents(bytes);
    const inner = components.flatMap((one) => (one.name === 'VCALENDAR' ? one.components : [one]));
    return inner.find(({ name }) => name !== 'VTIMEZONE');
  } catch (error) {
    if (error instanceof ConversionError) return undefined;
    throw error;
  }
}

function nameOf(item: Component | undefined): string {
  const [family = '', given = ''] = splitRaw((item && valueOf(item, 'N')) ?? '', ';');
  return [given, family]
    .map((part) => unescapeText(part).trim())
    .join(' ')
    .trim();
}
