import type { ItemKey, ItemRef } from '../../mailbox/item.js';

/** UIDVALIDITY and UID, four bytes each: as lasting as IMAP's names for messages are. */
export function itemRef(uidValidity: number, uid: number): ItemRef {
  const key = Buffer.alloc(8);
  key.writeUInt32BE(uidValidity, 0);
  key.writeUInt32BE(uid, 4);
  return { key: key.toString('hex') as ItemKey, locator: key.subarray(4) };
}

/** @throws Error for a key that is not one of ours: a fault of the caller. */
export function parseKey(key: ItemKey): { uidValidity: number; uid: number } {
  if (!/^[0-9a-f]{16}$/.test(key)) throw new Error('not the key of an IMAP message');
  return { uidValidity: parseInt(key.slice(0, 8), 16), uid: parseInt(key.slice(8), 16) };
}
