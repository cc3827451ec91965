import type { Changes } from '../notes.js';
import { param, type Property } from '../text/content-line.js';
import type { Component } from '../text/component.js';
import { mendBase64, mendText } from '../text/mend-value.js';

const TEXTS = new Set(['FN', 'NOTE', 'TITLE', 'ROLE', 'LABEL', 'EMAIL', 'TEL']);
const URIS = new Set(['URL', 'IMPP', 'SOURCE', 'FBURL', 'CALURI', 'CALADRURI']);

/** Values whose escapes or base64 are wrong; what is right stays as it is. For vCard 3.0 and 4.0. */
export function mendValues(card: Component, changes: Changes): Component {
  const properties = card.properties.map((one) => {
    const mended = mendOne(one);
    if (mended !== one) changes.add('REPAIRED_VALUE', one.name);
    return mended;
  });
  return { ...card, properties };
}

function mendOne(one: Property): Property {
  if (TEXTS.has(one.name)) return mendText(one);
  // A colon needs no escape; Radicale keeps the backslash and breaks the address.
  if (URIS.has(one.name) && one.value.includes('\\:')) return { ...one, value: one.value.replaceAll('\\:', ':') };
  return param(one, 'ENCODING') === undefined ? one : mendBase64(one);
}
