import { createHash } from 'node:crypto';
import type { ItemKey, ItemRef } from '../../mailbox/item.js';

/**
 * An href as a key: as lasting as WebDAV's names for resources are. The account is part of it, so that no two accounts share a key
 * and what is stored under a name made of it is nobody else's.
 */
export function itemRef(account: string, path: string): ItemRef {
  const key = createHash('sha256').update(`${account}\0${path}`).digest('hex').slice(0, 32) as ItemKey;
  return { key, locator: Buffer.from(path) };
}

/** An ETag as a version: of a bounded length. '' where the server says none. */
export function versionOf(etag: string): { version?: string } {
  return etag === '' ? {} : { version: createHash('sha256').update(etag).digest('hex').slice(0, 32) };
}

export function pathOf(ref: ItemRef): string {
  return Buffer.from(ref.locator).toString();
}
