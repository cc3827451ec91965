import type { XmlStreamLimits } from '../xml.js';

/** The largest event or card that is read: photos and attachments in it included. */
export const MAX_OBJECT_BYTES = 16 * 1024 * 1024;
/** Objects asked for by one multiget, and what they announce together. */
export const MULTIGET_ITEMS = 50;
export const MULTIGET_BYTES = 4 * 1024 * 1024;
/** Bodies of one answer that are held together: what was announced may be wrong, and what is asked for alone is not held. */
export const MULTIGET_HELD_BYTES = 3 * MULTIGET_BYTES;
/** Collections of an account that are looked at. */
export const MAX_COLLECTIONS = 1_000;
/** Objects of a collection: a listing that goes on longer is not believed. */
export const MAX_OBJECTS = 1_000_000;
/** Characters of names and ETags of a collection that are held together: some 100 an object. */
export const MAX_LISTED_CHARS = 64 * 1024 * 1024;

/** A multistatus without bodies: some 300 bytes an object. */
export const LISTING_LIMITS: XmlStreamLimits = {
  maxBytes: 512 * 1024 * 1024,
  maxDepth: 16,
  maxElements: 2_000,
  maxChildChars: 1024 * 1024,
};

/** A multistatus with bodies. Escaped, a body may be up to twice as long. */
export const MULTIGET_LIMITS: XmlStreamLimits = {
  maxBytes: 512 * 1024 * 1024,
  maxDepth: 16,
  maxElements: 1_000,
  maxChildChars: 2 * MAX_OBJECT_BYTES,
};

/** The body of an error: only its precondition is looked at. */
export const ERROR_BYTES = 64 * 1024;
export const ERROR_LIMITS = { maxBytes: ERROR_BYTES, maxDepth: 16, maxElements: 200 };
