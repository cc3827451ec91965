import { param, type Property } from './content-line.js';
import { escapeText, unescapeText } from './values.js';

/** A TEXT value with each special character escaped: Radicale cuts at a comma that is not. */
export function mendText(one: Property): Property {
  const value = escapeText(unescapeText(one.value));
  return value === one.value ? one : { ...one, value };
}

/** Binary values without stray characters and with their padding (RFC 4648 section 3.2). */
export function mendBase64(one: Property): Property {
  if (!/^(?:B|BASE64)$/i.test(param(one, 'ENCODING') ?? '')) return one;
  const bytes = Buffer.from(one.value, 'base64');
  const value = bytes.toString('base64');
  return value === one.value || bytes.length === 0 ? one : { ...one, value };
}
