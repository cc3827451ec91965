import type { XmlStreamLimits } from '../xml.js';
import type { DavClient } from './client.js';
import { LISTING_LIMITS } from './limits.js';
import type { DavResource } from './multistatus.js';
import { XMLNS } from './names.js';

/** @param props with the prefixes of XMLNS, e.g. 'D:getetag'. */
export function propfindBody(props: readonly string[]): string {
  return `<?xml version="1.0" encoding="utf-8"?><D:propfind ${XMLNS}><D:prop>${elements(props)}</D:prop></D:propfind>`;
}

export function elements(props: readonly string[]): string {
  return props.map((name) => `<${name}/>`).join('');
}

/** All of a short answer. @throws DavFailure, ConnectError, XmlError */
export async function propfind(
  client: DavClient,
  url: URL,
  depth: '0' | '1',
  props: readonly string[],
  signal: AbortSignal,
  limits: XmlStreamLimits = LISTING_LIMITS,
): Promise<DavResource[]> {
  const found: DavResource[] = [];
  await client.multistatus({ method: 'PROPFIND', url, depth, body: propfindBody(props) }, limits, signal, (one) => {
    found.push(one);
  });
  return found;
}
