import type { DavClient } from './client.js';
import type { Component } from './collections.js';
import { isMemberOf } from './hrefs.js';
import { LISTING_LIMITS, MAX_OBJECTS } from './limits.js';
import { type DavResource, prop } from './multistatus.js';
import { DAV, text, XMLNS } from './names.js';
import { elements, propfindBody } from './propfind.js';
import { XmlError } from '../xml.js';

/** An object as a listing shows it. */
export interface ListedObject {
  readonly path: string;
  /** As the server wrote it, quotes included; '' where it gives none. */
  readonly etag: string;
  /** Null: not said. */
  readonly bytes: number | null;
  /** Moment of the last change (ms); null: not said. */
  readonly modified: number | null;
}

const PROPS = ['D:getetag', 'D:getcontentlength', 'D:getlastmodified', 'D:resourcetype'];

/**
 * Every object of a collection. With a component only those of that kind (RFC 4791 section 7.8), which the server finds out.
 * @throws DavFailure, ConnectError, XmlError
 */
export async function listObjects(
  client: DavClient,
  collection: { readonly url: URL; readonly path: string },
  component: Component | null,
  signal: AbortSignal,
  onObject: (object: ListedObject) => void,
): Promise<void> {
  const request =
    component === null
      ? { method: 'PROPFIND', url: collection.url, depth: '1' as const, body: propfindBody(PROPS) }
      : { method: 'REPORT', url: collection.url, depth: '1' as const, body: queryBody(component) };
  let seen = 0;
  await client.multistatus(request, LISTING_LIMITS, signal, (resource) => {
    if (++seen > MAX_OBJECTS) throw new XmlError('XML_TOO_LARGE', 'the listing does not end');
    const object = toListed(resource, collection.path);
    if (object !== null) onObject(object);
  });
}

function queryBody(component: Component): string {
  return `<?xml version="1.0" encoding="utf-8"?><C:calendar-query ${XMLNS}><D:prop>${elements(PROPS)}</D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="${component}"/></C:comp-filter></C:filter></C:calendar-query>`;
}

/** Null: the collection itself, a collection in it, something elsewhere, or gone. */
export function toListed(resource: DavResource, collection: string): ListedObject | null {
  if (!isMemberOf(resource.path, collection) || resource.path.endsWith('/')) return null;
  if (resource.status !== null && resource.status >= 400) return null;
  if ((prop(resource, DAV, 'resourcetype')?.children.length ?? 0) > 0) return null;
  const length = text(prop(resource, DAV, 'getcontentlength'));
  const modified = Date.parse(text(prop(resource, DAV, 'getlastmodified')));
  return {
    path: resource.path,
    etag: text(prop(resource, DAV, 'getetag')).slice(0, 500),
    bytes: /^\d{1,15}$/.test(length) ? Number(length) : null,
    modified: Number.isFinite(modified) ? modified : null,
  };
}
