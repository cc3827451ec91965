import type { DavClient } from './client.js';
import type { DavCollection } from './collections.js';
import { MULTIGET_LIMITS } from './limits.js';
import { prop } from './multistatus.js';
import { CALDAV, CARDDAV, DAV, escapeXml, text, XMLNS } from './names.js';

/** An object with its body. */
export interface DavObject {
  readonly path: string;
  readonly etag: string;
  readonly body: Buffer;
}

/**
 * Bodies of several objects in one question (RFC 4791 section 7.9, RFC 6352 section 8.7). What is gone, and what the server leaves out,
 * is not among them.
 * @throws DavFailure, ConnectError, XmlError
 */
export async function multiget(
  client: DavClient,
  collection: Pick<DavCollection, 'url' | 'kind'>,
  paths: readonly string[],
  signal: AbortSignal,
  onObject: (object: DavObject) => void | Promise<void>,
): Promise<void> {
  const calendar = collection.kind === 'calendar';
  const [report, data] = calendar
    ? ['C:calendar-multiget', 'C:calendar-data']
    : ['R:addressbook-multiget', 'R:address-data'];
  const hrefs = paths.map((path) => `<D:href>${escapeXml(path)}</D:href>`).join('');
  const body = `<?xml version="1.0" encoding="utf-8"?><${report} ${XMLNS}><D:prop><D:getetag/><${data}/></D:prop>${hrefs}</${report}>`;
  const request = { method: 'REPORT', url: collection.url, depth: '1' as const, body };
  await client.multistatus(request, MULTIGET_LIMITS, signal, async (resource) => {
    const content = calendar ? prop(resource, CALDAV, 'calendar-data') : prop(resource, CARDDAV, 'address-data');
    if (content === undefined || (resource.status !== null && resource.status >= 400)) return;
    await onObject({
      path: resource.path,
      etag: text(prop(resource, DAV, 'getetag')),
      body: Buffer.from(crlf(content.text), 'utf8'),
    });
  });
}

/** XML makes one LF of every line end (XML 1.0 section 2.11); RFC 5545 and 6350 want CRLF. */
function crlf(content: string): string {
  return content.replace(/\r?\n/g, '\r\n');
}
