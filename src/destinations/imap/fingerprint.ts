import { MessageDigester, type Digested } from '../../mailbox/digest.js';
import { type BodyReceiver, fetchBodies } from '../../protocols/imap/commands/fetch-bodies.js';
import { fetchMetadata } from '../../protocols/imap/commands/fetch-metadata.js';
import type { ImapConnection } from '../../protocols/imap/connection.js';
import { toSequenceSets } from '../../protocols/imap/sequence-set.js';
import type { Fingerprint } from '../destination.js';

/** Fingerprints of messages of the open mailbox, ascending; bodies go through the digest and are not kept. */
export async function fingerprintUids(
  connection: ImapConnection,
  epoch: string,
  uids: readonly number[],
  depth: 'header' | 'body',
): Promise<Fingerprint[]> {
  const digests = new Map<number, Digested>();
  const receiver: BodyReceiver<Digested> = {
    take: async (_uid, _size, bytes) => {
      const digester = new MessageDigester();
      for await (const piece of bytes) digester.update(piece);
      return digester.end();
    },
    done: (uid, digested) => digests.set(uid, digested),
    discard: () => undefined,
  };
  const sizes = new Map<number, number>();
  if (depth === 'header') {
    for (const set of toSequenceSets(uids)) {
      await fetchMetadata(connection, set, (item) => sizes.set(item.uid, item.size));
    }
  }
  await fetchBodies(connection, uids, depth === 'header' ? 'HEADER' : '', receiver);
  return [...digests]
    .sort(([a], [b]) => a - b)
    .map(([uid, { size, digest, headerDigest, messageId }]) => ({
      id: { epoch, id: String(uid) },
      size: sizes.get(uid) ?? size,
      messageId,
      headerDigest,
      digest: depth === 'header' ? null : digest,
    }));
}
