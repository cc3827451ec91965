import type { FolderId } from '../mailbox/folder.js';
import type { ItemKey } from '../mailbox/item.js';

/** A change of flags at the source that is to be made at the destination too. */
export interface FlagWish {
  readonly folder: FolderId;
  readonly key: ItemKey;
  /** What the source has now, and what we wrote. */
  readonly now: readonly string[];
  readonly written: readonly string[];
}

/** Who makes the changes in one destination folder. */
export interface FlagWishes {
  /** @param id of the destination item. */
  wish(id: string, wish: FlagWish): void;
}
