import { XmlError } from '../xml.js';
import type { DavClient, DavRequest } from './client.js';
import type { Component, DavCollection } from './collections.js';
import { DavFailure } from './failure.js';
import { LISTING_LIMITS, MAX_LISTED_CHARS, MAX_OBJECTS } from './limits.js';
import { listed, LISTED_PROPS, type ListedObject } from './listed.js';
import { XMLNS } from './names.js';
import { elements, propfindBody } from './propfind.js';
import { isTokenRefused, syncCollection } from './sync.js';

export type { ListedObject } from './listed.js';

export interface ListingEnd {
  /** The server shows only a part, whichever way it is asked. */
  readonly cut: boolean;
  /** Objects that are there and have no name that we can use. */
  readonly unusable: number;
}

/**
 * Every object of a collection. With a component only those of that kind (RFC 4791 section 7.8), which the server finds out. Where the server
 * cuts the answer the other ways of asking are tried: a plain listing, then one in pages.
 * @param begin called whenever the listing begins anew; what it gave before does not count
 * @throws TransferError
 */
export async function listObjects(
  client: DavClient,
  collection: Pick<DavCollection, 'url' | 'path' | 'components' | 'canSync'>,
  component: Component | null,
  signal: AbortSignal,
  begin: () => (object: ListedObject) => void,
): Promise<ListingEnd> {
  const once = (ask: (onObject: (object: ListedObject) => void) => Promise<ListingEnd>): Promise<ListingEnd> =>
    client.repeatable(signal, () => ask(begin()));
  const query = (one: Component): DavRequest => ({
    method: 'REPORT',
    url: collection.url,
    depth: '1',
    body: queryBody(one),
  });
  const plain: DavRequest = { method: 'PROPFIND', url: collection.url, depth: '1', body: propfindBody(LISTED_PROPS) };
  const first = component === null ? plain : query(component);
  let end = await once((onObject) => listOnce(client, collection.path, first, signal, onObject));
  // Only a query tells kinds apart.
  const isAll = component === null || collection.components.length === 1;
  if (end.cut && isAll && component !== null)
    end = await once((onObject) => listOnce(client, collection.path, plain, signal, onObject));
  if (end.cut && isAll && collection.canSync)
    end = await once((onObject) => listInPages(client, collection, signal, onObject));
  return end;
}

async function listOnce(
  client: DavClient,
  path: string,
  request: DavRequest,
  signal: AbortSignal,
  onObject: (object: ListedObject) => void,
): Promise<ListingEnd> {
  let cut = false;
  let elsewhere = 0;
  const count = counter();
  try {
    const { unusable } = await client.multistatus(request, LISTING_LIMITS, signal, (resource) => {
      const seen = listed(resource, path);
      count(seen.is === 'object' ? seen.object : null);
      if (seen.is === 'object') onObject(seen.object);
      else if (seen.is === 'cut') cut = true;
      else if (seen.is === 'elsewhere') elsewhere++;
    });
    return { cut, unusable: unusable + elsewhere };
  } catch (error) {
    // RFC 4791 section 7.8, RFC 6352 section 8.6: some refuse the whole question instead.
    if (error instanceof DavFailure && error.conditions.includes('number-of-matches-within-limits'))
      return { cut: true, unusable: 0 };
    throw error;
  }
}

/** RFC 6578 section 3.4: without a token everything is told. */
async function listInPages(
  client: DavClient,
  collection: Pick<DavCollection, 'url' | 'path'>,
  signal: AbortSignal,
  onObject: (object: ListedObject) => void,
): Promise<ListingEnd> {
  let unusable = 0;
  const count = counter();
  try {
    for await (const page of syncCollection(client, collection, '', signal)) {
      unusable += page.unusable;
      for (const object of page.changed) {
        count(object);
        onObject(object);
      }
    }
    return { cut: false, unusable };
  } catch (error) {
    if (isTokenRefused(error)) return { cut: true, unusable };
    throw error;
  }
}

/** @throws XmlError when there are too many, or their names too long to be held */
function counter(): (object: ListedObject | null) => void {
  let [seen, chars] = [0, 0];
  return (object) => {
    chars += object === null ? 0 : object.path.length + object.etag.length;
    if (++seen > MAX_OBJECTS || chars > MAX_LISTED_CHARS)
      throw new XmlError('XML_TOO_LARGE', 'the listing does not end');
  };
}

function queryBody(component: Component): string {
  return `<?xml version="1.0" encoding="utf-8"?><C:calendar-query ${XMLNS}><D:prop>${elements(LISTED_PROPS)}</D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="${component}"/></C:comp-filter></C:filter></C:calendar-query>`;
}
