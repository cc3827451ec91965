import type { Settled } from '../ledger/ledger.js';
import type { FolderId } from '../mailbox/folder.js';
import type { ItemMeta } from '../mailbox/item.js';
import type { TransferError } from '../mailbox/transfer-error.js';

export function failed(folder: FolderId, items: readonly ItemMeta[], error: TransferError): Settled[] {
  return items.map((item) => ({
    folder,
    key: item.key,
    is: 'failed',
    code: error.code,
    message: error.message,
    serverText: error.serverText,
    size: item.size,
    date: item.date,
  }));
}
