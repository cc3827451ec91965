import type { ZonedDate } from '../../../mailbox/item.js';
import type { ImapConnection } from '../connection.js';
import { ImapFailure } from '../failure.js';
import { parseInternalDate } from '../internal-date.js';
import type { Value } from '../parse.js';
import { isUid } from '../sequence-set.js';
import { asList, asNumber, asString, pairs, strings } from '../values.js';

export interface MessageMetadata {
  readonly uid: number;
  readonly size: number;
  readonly date: ZonedDate | null;
  /** Without \Recent, in the server's spelling. */
  readonly flags: readonly string[];
}

const ITEMS = ['UID', 'FLAGS', 'INTERNALDATE', 'RFC822.SIZE'];

/**
 * Metadata of the messages of a UID set, in the server's order. Messages that are gone are left out.
 * @param onItem gets all the server told as well, by upper-case name.
 * @param changedSince only those changed after this mod-sequence (RFC 7162).
 * @param also names of further items to ask for.
 */
export async function fetchMetadata(
  connection: ImapConnection,
  set: string,
  onItem: (item: MessageMetadata, told: ReadonlyMap<string, Value>) => void,
  changedSince?: string,
  also: readonly string[] = [],
): Promise<void> {
  const modifier = changedSince === undefined ? '' : ` (CHANGEDSINCE ${changedSince})`;
  await connection.command(`UID FETCH ${set} (${[...ITEMS, ...also].join(' ')})${modifier}`, {
    onUntagged(response) {
      if (response.is !== 'data' || response.name !== 'FETCH') return false;
      const told = pairs(response.values[0]);
      // Without a size and a date it is news about flags, not an answer. A size that the server cannot tell is found out
      // when the message is read.
      const size = asNumber(told.get('RFC822.SIZE'));
      const uid = asNumber(told.get('UID'));
      if (uid === null || (size === null && !told.has('INTERNALDATE'))) return false;
      if (!isUid(uid)) throw new ImapFailure('protocol', 'the server sent an impossible UID');
      const date = asString(told.get('INTERNALDATE'));
      const item = {
        uid,
        size: size ?? 0,
        date: date === null ? null : parseInternalDate(date),
        flags: strings(asList(told.get('FLAGS'))).filter((flag) => flag.toLowerCase() !== '\\recent'),
      };
      onItem(item, told);
      return true;
    },
  });
}

/** The UIDs at some sequence numbers, e.g. to cut a huge mailbox into even windows. */
export async function fetchUidsAt(connection: ImapConnection, sequence: string): Promise<number[]> {
  return uidsOf(connection, `FETCH ${sequence} (UID)`);
}

/** Those of a UID set that still exist. */
export async function fetchExisting(connection: ImapConnection, set: string): Promise<number[]> {
  return uidsOf(connection, `UID FETCH ${set} (UID)`);
}

async function uidsOf(connection: ImapConnection, command: string): Promise<number[]> {
  const uids = new Set<number>();
  await connection.command(command, {
    onUntagged(response) {
      if (response.is !== 'data' || response.name !== 'FETCH') return false;
      const uid = asNumber(pairs(response.values[0]).get('UID'));
      if (uid === null) return false;
      if (!isUid(uid)) throw new ImapFailure('protocol', 'the server sent an impossible UID');
      uids.add(uid);
      return true;
    },
  });
  return [...uids].sort((a, b) => a - b);
}
