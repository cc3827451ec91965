import { asCollection, isMemberOf } from './hrefs.js';
import { type DavResource, prop } from './multistatus.js';
import { DAV, text } from './names.js';

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

/** What is asked of each. */
export const LISTED_PROPS = ['D:getetag', 'D:getcontentlength', 'D:getlastmodified', 'D:resourcetype'];

/** What a response of a listing is about. */
export type Listed =
  | { readonly is: 'object'; readonly object: ListedObject }
  | { readonly is: 'gone'; readonly path: string }
  /** The listing ends before all is shown (RFC 6352 section 8.6.2, RFC 6578 section 3.6), or the collection itself cannot be listed. */
  | { readonly is: 'cut' }
  /** Not in the collection: it is not believed, and may be all that is shown of something that is. */
  | { readonly is: 'elsewhere' }
  /** The collection, or one in it. */
  | { readonly is: 'collection' };

/** @param collection path of the one that is listed, in its normal spelling */
export function listed(resource: DavResource, collection: string): Listed {
  const { path, status } = resource;
  const refused = status !== null && status >= 400;
  if (status === 507) return { is: 'cut' };
  if (asCollection(path) === asCollection(collection)) return { is: refused ? 'cut' : 'collection' };
  if (status === 404 || status === 410) return { is: 'gone', path };
  if (path.endsWith('/') || (prop(resource, DAV, 'resourcetype')?.children.length ?? 0) > 0)
    return { is: 'collection' };
  if (!isMemberOf(path, collection)) return { is: 'elsewhere' };
  const length = text(prop(resource, DAV, 'getcontentlength'));
  const modified = Date.parse(text(prop(resource, DAV, 'getlastmodified')));
  // One that is shown with a refusal is there: whoever reads it hears why it cannot be had.
  return {
    is: 'object',
    object: {
      path,
      etag: text(prop(resource, DAV, 'getetag')).slice(0, 500),
      bytes: /^\d{1,15}$/.test(length) ? Number(length) : null,
      modified: Number.isFinite(modified) ? modified : null,
    },
  };
}
