import type { XmlLimits } from '../xml.js';

const MEBIBYTE = 1024 * 1024;

/** An answer that becomes a tree, and that the library reads: it needs some ten times its size in memory. */
export const ANSWER_LIMITS: XmlLimits = { maxBytes: 8 * MEBIBYTE, maxDepth: 64, maxElements: 200_000 };
/** What stands around bodies in an answer that is streamed. */
export const AROUND_BODIES: XmlLimits = { maxBytes: 2 * MEBIBYTE, maxDepth: 64, maxElements: 20_000 };
/** A refusal: only its code and its wait are looked at. */
export const FAULT_LIMITS: XmlLimits = { maxBytes: 64 * 1024, maxDepth: 32, maxElements: 500 };

/** The largest message of all: Exchange's own hard limit is 2 GiB, its default 25 to 150 MiB. */
export const MAX_MESSAGE_BYTES = 1024 * MEBIBYTE;

/** Items of one GetItem, and what they announce together; a larger one goes alone and is never in memory as a whole. */
export const BATCH_ITEMS = 10;
export const BATCH_BYTES = 2 * MEBIBYTE;
/** Announced sizes are hints, so a batch may turn out longer. */
export const MOST_BATCH_BYTES = 8 * MEBIBYTE;

/** Exchange gives no more at a time ([MS-OXWSSYNC] 2.2.5.1). */
export const SYNC_ITEMS = 512;
/** EWSFindCountLimit of the default throttling policy. */
export const FIND_ITEMS = 1_000;
/** Folders of an account: a listing that goes on longer is not believed. */
export const MAX_FOLDERS = 20_000;
export const MAX_ITEMS = 5_000_000;
/** Pages of one list. */
export const MAX_PAGES = 50_000;
/** Pages in a row that tell of no change and promise more. */
export const MAX_IDLE_PAGES = 100;
/** Characters of a sync state that are kept; without it the next scan lists everything. */
export const MOST_SYNC_STATE = 256 * 1024;
