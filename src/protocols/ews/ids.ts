import { createHash } from 'node:crypto';
import type { EwsMailbox } from './login.js';
import { escapeXml } from './envelope.js';

/** A folder by the server's id, or by the name every mailbox has one under; `of`: in this mailbox, whoever signs in. */
export type FolderRef = { readonly id: string } | { readonly wellKnown: string; readonly of?: string };

export function folderXml(ref: FolderRef, mailbox: EwsMailbox): string {
  if ('id' in ref) return `<t:FolderId Id="${escapeXml(ref.id)}"/>`;
  const address = ref.of ?? (mailbox.by === 'delegation' ? mailbox.address : undefined);
  const whose =
    address === undefined ? '' : `<t:Mailbox><t:EmailAddress>${escapeXml(address)}</t:EmailAddress></t:Mailbox>`;
  return `<t:DistinguishedFolderId Id="${escapeXml(ref.wellKnown)}">${whose}</t:DistinguishedFolderId>`;
}

/** Ids are long: what only has to be the same is kept as a hash. Lower-case hex of 16 bytes. */
export function shortId(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32);
}
