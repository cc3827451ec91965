import type { DestinationFolder, FolderPlan, SourceFolder } from '../../mailbox/folder.js';
import { TransferError } from '../../mailbox/transfer-error.js';
import { copy, move } from '../../protocols/imap/commands/copy.js';
import { uidExpunge } from '../../protocols/imap/commands/expunge.js';
import { fetchExisting } from '../../protocols/imap/commands/fetch-metadata.js';
import { storeFlags } from '../../protocols/imap/commands/store-flags.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { toSequenceSets } from '../../protocols/imap/sequence-set.js';

/**
 * Moves messages of the open mailbox into another one: by MOVE (RFC 6851), else by COPY and a UID EXPUNGE of exactly
 * these. A server that could only expunge whatever is marked deleted is not asked to.
 * @returns the UIDs that were there.
 */
export async function setAside(
  connection: ImapConnection,
  folder: DestinationFolder,
  uids: readonly number[],
  into: string,
): Promise<number[]> {
  const canMove = connection.has('MOVE');
  if (!canMove && !connection.has('UIDPLUS')) {
    throw new TransferError('The new mail server cannot move messages safely.', {
      side: 'destination',
      scope: 'job',
      retry: 'never',
      code: 'MOVE_UNSUPPORTED',
      serverText: folder.path.join('/'),
    });
  }
  const there: number[] = [];
  for (const set of toSequenceSets(uids)) there.push(...(await fetchExisting(connection, set)));
  for (const set of toSequenceSets(there)) {
    if (canMove) {
      await move(connection, set, into);
      continue;
    }
    await copy(connection, set, into);
    await storeFlags(connection, set, '+', ['\\Deleted']);
    await uidExpunge(connection, set);
  }
  return there;
}

/** What makes the folder they go to, where there is none yet: as if the source had it. */
export function recoveryPlan(path: readonly string[]): FolderPlan {
  const source: SourceFolder = {
    id: path.join('/') as SourceFolder['id'],
    path,
    kind: 'mail',
    epoch: null,
    keyScope: 'folder',
    selectable: true,
    subscribed: true,
    complete: true,
    items: null,
    bytes: null,
  };
  return { mappings: [{ source, path, exists: false }], leftOut: [] };
}
