import type { ItemKey, ItemRef } from '../../mailbox/item.js';
import { shortId } from '../../protocols/ews/ids.js';
import type { ListedItem } from '../../protocols/ews/item-list.js';

/**
 * Names the items of one listing. An item is known by its search key and the moment it was made, which stay with it when the
 * mailbox moves and every id is another one; where two share both, or the server tells none, by its id. The account is part
 * of the key, so that what is stored under a name made of it is nobody else's.
 */
export class ItemNames {
  private readonly taken = new Set<string>();

  constructor(private readonly account: string) {}

  of({ id, searchKey, created }: ListedItem): ItemRef {
    const lasting = searchKey === '' ? null : shortId(this.account, 'made', searchKey, created);
    const key = lasting === null || this.taken.has(lasting) ? shortId(this.account, id) : lasting;
    this.taken.add(key);
    return { key: key as ItemKey, locator: Buffer.from(id) };
  }
}

export function idOfRef(ref: ItemRef): string {
  return Buffer.from(ref.locator).toString();
}
