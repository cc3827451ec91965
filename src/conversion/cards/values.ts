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
  const isUri = param(one, 'VALUE')?.toLowerCase() === 'uri';
  if (TEXTS.has(one.name) && !isUri) return mendText(one);
  // No text, so nothing is escaped (RFC 6350 section 6.4.1); Radicale keeps the backslash and breaks the address.
  const escaped = URIS.has(one.name) ? /\\(:)/g : isUri ? /\\([:;])/g : null;
  const value = escaped === null ? one.value : one.value.replace(escaped, '$1');
  if (value !== one.value) return { ...one, value };
  return param(one, 'ENCODING') === undefined ? one : mendBase64(one);
}
