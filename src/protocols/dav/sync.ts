import type { DavClient } from './client.js';
import { DavFailure } from './failure.js';
import { LISTING_LIMITS } from './limits.js';
import { listed, LISTED_PROPS, type ListedObject } from './listed.js';
import { escapeXml, XMLNS } from './names.js';
import { elements } from './propfind.js';

export interface SyncPage {
  readonly changed: readonly ListedObject[];
  /** Paths of what is gone. */
  readonly gone: readonly string[];
  readonly token: string;
  /** Objects that are there and have no name that we can use. */
  readonly unusable: number;
}

/** Asked for at once; a server may give fewer (RFC 6578 section 3.6). */
const PAGE = 5_000;
/** Pages: a server that says "more" for ever is not believed. */
const MAX_PAGES = 1_000;

/**
 * Changes since a token, in pages (RFC 6578). '' lists everything. Ends without an error only when all was told.
 * @throws DavFailure; see isTokenRefused.
 */
export async function* syncCollection(
  client: DavClient,
  collection: { readonly url: URL; readonly path: string },
  since: string,
  signal: AbortSignal,
): AsyncGenerator<SyncPage> {
  let token = since;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const changed: ListedObject[] = [];
    const gone: string[] = [];
    let more = false;
    let unusable = 0;
    const request = { method: 'REPORT', url: collection.url, depth: '0' as const, body: body(token) };
    const end = await client.multistatus(request, LISTING_LIMITS, signal, (resource) => {
      const seen = listed(resource, collection.path);
      if (seen.is === 'object') changed.push(seen.object);
      else if (seen.is === 'gone') gone.push(seen.path);
      // What follows comes with the new token (section 3.6).
      else if (seen.is === 'cut') more = true;
      else if (seen.is === 'elsewhere') unusable++;
    });
    const next = end.syncToken ?? '';
    if (next === '') throw new DavFailure(403, ['valid-sync-token'], [], 'no token came back', undefined);
    yield { changed, gone, token: next, unusable: unusable + end.unusable };
    if (!more) return;
    if (next === token) break;
    token = next;
  }
  throw new DavFailure(507, [], [], 'there is always more', undefined);
}

/** The server has forgotten the token: everything is to be listed (RFC 6578 section 3.2). */
export function isTokenRefused(error: unknown): boolean {
  return (
    error instanceof DavFailure &&
    (error.conditions.includes('valid-sync-token') || [400, 403, 409, 410, 412, 501, 507].includes(error.status))
  );
}

function body(token: string): string {
  return `<?xml version="1.0" encoding="utf-8"?><D:sync-collection ${XMLNS}><D:sync-token>${escapeXml(token)}</D:sync-token><D:sync-level>1</D:sync-level><D:limit><D:nresults>${PAGE}</D:nresults></D:limit><D:prop>${elements(LISTED_PROPS)}</D:prop></D:sync-collection>`;
}
