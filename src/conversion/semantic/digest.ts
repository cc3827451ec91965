import { createHash } from 'node:crypto';
import type { Digest, Digested } from '../../mailbox/digest.js';
import { ConversionError } from '../conversion-error.js';
import { canonical, uidOf } from './canonical.js';
import type { Canonical } from './meaning.js';

/**
 * Identity of an iCalendar object or a vCard: equal for what a server gives back after it stored it, whatever it did to order,
 * folding, time stamps and definitions of time zones. Bytes that are neither are digested as they are, without line ends.
 */
export function semanticDigest(bytes: Uint8Array): Digest {
  return digestOf(bytes, meaningOf(bytes));
}

/** The same without the UID: what another program copied here earlier, under a UID of its own. */
export function contentDigest(bytes: Uint8Array): Digest {
  return digestOf(bytes, meaningOf(bytes)?.map(withoutUid) ?? null);
}

/** In the form in which staging keeps digests: `headerDigest` is the digest of the content without the UID. */
export function digestObject(bytes: Uint8Array): Digested {
  const meaning = meaningOf(bytes);
  return {
    size: bytes.length,
    digest: digestOf(bytes, meaning),
    headerDigest: digestOf(bytes, meaning?.map(withoutUid) ?? null),
    messageId: readable(() => uidOf(bytes)),
  };
}

const meaningOf = (bytes: Uint8Array): Canonical[] | null => readable(() => canonical(bytes));

function digestOf(bytes: Uint8Array, meaning: readonly Canonical[] | null): Digest {
  const seed = meaning
    ? JSON.stringify(meaning)
    : Buffer.from(bytes)
        .toString('latin1')
        .replace(/[\r\n]+/g, '\n')
        .trim();
  return createHash('sha256')
    .update(seed, meaning ? 'utf8' : 'latin1')
    .digest('hex') as Digest;
}

function withoutUid(one: Canonical): Canonical {
  return { ...one, lines: one.lines.filter((line) => !/^UID[;:]/.test(line)) };
}

function readable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConversionError) return null;
    throw error;
  }
}
