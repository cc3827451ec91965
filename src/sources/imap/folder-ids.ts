import { createHash } from 'node:crypto';
import type { SourceFolderId } from '../../mailbox/folder.js';

/** Longer names are known by their hash: ids are kept in a database index. */
const MAX_ID = 500;
const ENCODED = 'bytes:';
const HASHED = 'hash:';

/**
 * The server's spelling of a folder name as an id that is text everywhere: printable names are their own id, the others
 * are encoded, very long ones hashed. The id of a name is the same in every run.
 */
export function folderId(raw: string): SourceFolderId {
  if (raw.length > MAX_ID) {
    return `${HASHED}${createHash('sha256').update(raw, 'latin1').digest('hex')}` as SourceFolderId;
  }
  const plain = /^[\x20-\x7e]*$/.test(raw) && !raw.startsWith(ENCODED) && !raw.startsWith(HASHED);
  return (plain ? raw : `${ENCODED}${Buffer.from(raw, 'latin1').toString('base64url')}`) as SourceFolderId;
}

/** Null: only a listing knows it. */
export function rawName(id: SourceFolderId): string | null {
  if (id.startsWith(HASHED)) return null;
  if (!id.startsWith(ENCODED)) return id;
  return Buffer.from(id.slice(ENCODED.length), 'base64url').toString('latin1');
}
