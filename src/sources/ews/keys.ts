import type { ItemKey, ItemRef } from '../../mailbox/item.js';
import { shortId } from '../../protocols/ews/ids.js';

/** An item's id as a key. The account is part of it, so that what is stored under a name made of it is nobody else's. */
export function itemRef(account: string, id: string): ItemRef {
  return { key: shortId(account, id) as ItemKey, locator: Buffer.from(id) };
}

export function idOfRef(ref: ItemRef): string {
  return Buffer.from(ref.locator).toString();
}
