import type { XmlElement } from '../../protocols/xml.js';
import { isTrue, number, text } from './map/fields.js';

/** A note in place of a message is about this small (pitfall 61 of the collection). */
const MOST_BYTES = 8 * 1024;
/** The item is larger than its message by properties only; by more than this, the content is missing. */
const TIMES = 4;
const HEADER_BYTES = 16 * 1024;

/**
 * Whether a server that cannot render a message gave a note about that in its place. By what does not fit together, since
 * the words are in the server's language: a small text without the message's own id, for an item that is much larger or
 * has attachments that the text has not.
 */
export function isStandIn(item: XmlElement, mime: Uint8Array): boolean {
  if (mime.length > MOST_BYTES) return false;
  const id = text(item, 'InternetMessageId')?.trim();
  if (id === undefined) return false;
  const header = headerOf(mime);
  if (header.includes(id)) return false;
  const isSingle = !/^content-type:\s*multipart\//im.test(header);
  const isSmall = (number(item, 'Size') ?? 0) > mime.length * TIMES;
  return isSingle && (isSmall || isTrue(item, 'HasAttachments'));
}

/** True: the organisation's rights management locked it, so it opens only there. */
export function isLocked(item: XmlElement, head: Uint8Array): boolean {
  return /^content-class:\s*rpmsg\.message/im.test(headerOf(head)) || /rpmsg/i.test(text(item, 'ItemClass') ?? '');
}

function headerOf(mime: Uint8Array): string {
  const start = Buffer.from(mime.buffer, mime.byteOffset, Math.min(mime.byteLength, HEADER_BYTES)).toString('latin1');
  return start.split(/\r?\n\r?\n/, 1)[0] ?? '';
}
