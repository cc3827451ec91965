import { createHash } from 'node:crypto';
import { printComponents, without, type Component } from './text/component.js';

/** The same for the same content: a UUID from a hash (RFC 9562 section 5.8). */
export function uidFrom(...seeds: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const seed of seeds) hash.update(seed).update('\0');
  const hex = hash.digest('hex');
  const variant = ((parseInt(hex[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A hash of what a component says, without what changes when it is only looked at. */
export function uidFromContent(component: Component): string {
  return uidFrom(printComponents([without(component, 'UID', 'DTSTAMP', 'LAST-MODIFIED')]));
}
