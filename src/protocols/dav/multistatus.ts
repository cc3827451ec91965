import { type XmlElement, xmlChildren, type XmlStreamLimits } from '../xml.js';
import { normalPath } from './hrefs.js';
import { child, children, DAV, text } from './names.js';

/** One resource of a multistatus (RFC 4918 section 14.24). */
export interface DavResource {
  /** Path in its normal spelling. */
  readonly path: string;
  /** Of the resource as a whole, where the server says one: 404 for what is gone, 507 for a listing that was cut. */
  readonly status: number | null;
  /** Properties that were found. */
  readonly props: readonly XmlElement[];
}

export interface MultistatusEnd {
  /** RFC 6578 section 3.6. */
  readonly syncToken: string | null;
  /** Resources that were left out: of their hrefs nothing can be asked. */
  readonly unusable: number;
}

/** Resources as they come, but for those whose href leads to another server or is none. @throws XmlError */
export async function* readMultistatus(
  chunks: AsyncIterable<Uint8Array>,
  base: URL,
  limits: XmlStreamLimits,
): AsyncGenerator<DavResource, MultistatusEnd> {
  let syncToken: string | null = null;
  let unusable = 0;
  for await (const element of xmlChildren(chunks, limits)) {
    if (element.namespace !== DAV) continue;
    if (element.name === 'sync-token') syncToken = element.text.trim();
    if (element.name !== 'response') continue;
    const path = normalPath(text(child(element, DAV, 'href')), base);
    if (path === null) {
      unusable++;
      continue;
    }
    yield { path, status: statusOf(child(element, DAV, 'status')), props: found(element) };
  }
  return { syncToken, unusable };
}

function found(response: XmlElement): XmlElement[] {
  return children(response, DAV, 'propstat')
    .filter((one) => isSuccess(statusOf(child(one, DAV, 'status'))))
    .flatMap((one) => child(one, DAV, 'prop')?.children ?? []);
}

function isSuccess(status: number | null): boolean {
  return status === null || (status >= 200 && status < 300);
}

/** 'HTTP/1.1 404 Not Found'. */
function statusOf(element: XmlElement | undefined): number | null {
  const code = /^HTTP\/\S+\s+(\d{3})/.exec(text(element))?.[1];
  return code === undefined ? null : Number(code);
}

export function prop(resource: DavResource, namespace: string, name: string): XmlElement | undefined {
  return resource.props.find((one) => one.name === name && one.namespace === namespace);
}

/** Hrefs in a property, normalised; those that lead to another server come as whole addresses. */
export function hrefsIn(element: XmlElement | undefined, base: URL): URL[] {
  if (element === undefined) return [];
  return children(element, DAV, 'href').flatMap((one) => {
    try {
      return [new URL(one.text.trim(), base)];
    } catch {
      return [];
    }
  });
}
