import type { DavClient } from './client.js';
import type { DavCollection } from './collections.js';
import { isMemberOf } from './hrefs.js';
import { LISTING_LIMITS } from './limits.js';
import { escapeXml, XMLNS } from './names.js';

/**
 * Paths of objects that have this UID (RFC 4791 section 7.8.6, RFC 6352 section 8.6.3). Servers match more than the whole text, so whoever asks
 * compares what comes.
 * @throws DavFailure, ConnectError, XmlError
 */
export async function findByUid(
  client: DavClient,
  collection: Pick<DavCollection, 'url' | 'path' | 'kind' | 'components'>,
  uid: string,
  signal: AbortSignal,
): Promise<string[]> {
  const bodies =
    collection.kind === 'addressbook' ? [cards(uid)] : collection.components.map((component) => events(component, uid));
  const paths = new Set<string>();
  for (const body of bodies)
    await client.multistatus(
      { method: 'REPORT', url: collection.url, depth: '1', body },
      LISTING_LIMITS,
      signal,
      ({ path, status }) => {
        if ((status === null || status < 400) && isMemberOf(path, collection.path)) paths.add(path);
      },
    );
  return [...paths];
}

function events(component: string, uid: string): string {
  return `<?xml version="1.0" encoding="utf-8"?><C:calendar-query ${XMLNS}><D:prop><D:getetag/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="${component}"><C:prop-filter name="UID"><C:text-match collation="i;octet">${escapeXml(uid)}</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`;
}

function cards(uid: string): string {
  return `<?xml version="1.0" encoding="utf-8"?><R:addressbook-query ${XMLNS}><D:prop><D:getetag/></D:prop><R:filter><R:prop-filter name="UID"><R:text-match collation="i;unicode-casemap" match-type="equals">${escapeXml(uid)}</R:text-match></R:prop-filter></R:filter></R:addressbook-query>`;
}
