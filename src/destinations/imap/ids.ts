import { TransferError } from '../../mailbox/transfer-error.js';
import { isUid } from '../../protocols/imap/sequence-set.js';
import type { DestinationId } from '../destination.js';

/** An epoch is a UIDVALIDITY, as text. */
export function epochNumber(epoch: string): number {
  return Number(epoch);
}

/** Those of one epoch, ascending, each once. */
export function uidsOf(ids: readonly DestinationId[], epoch: string): number[] {
  const uids = ids.filter((id) => id.epoch === epoch).map(({ id }) => Number(id));
  return [...new Set(uids.filter(isUid))].sort((a, b) => a - b);
}

export function epochChanged(): TransferError {
  return new TransferError('The new mail server has numbered the folder anew.', {
    side: 'destination',
    scope: 'folder',
    retry: 'now',
    code: 'EPOCH_CHANGED',
  });
}
