/** Longest href we keep: it becomes part of an index. */
const MAX_PATH = 2_000;

/**
 * The path of a resource in one spelling: servers percent-encode as they like ('@' or '%40'), and not always the same in
 * two answers. Null: not a path we can use (another server, a query, too long).
 */
export function normalPath(href: string, base: URL): string | null {
  const trimmed = href.trim();
  let url: URL;
  try {
    url = new URL(trimmed, base);
  } catch {
    return null;
  }
  if (!isSameServer(url, base) || url.search !== '') return null;
  const path = url.pathname
    .split('/')
    .map(oneSpelling)
    .join('/')
    .replace(/\/{2,}/g, '/');
  return path.length > MAX_PATH ? null : path;
}

/** Behind a proxy that ends TLS many servers still call themselves http. Only the path is taken from it. */
function isSameServer(url: URL, base: URL): boolean {
  if (url.origin === base.origin) return true;
  if (url.hostname !== base.hostname || base.protocol !== 'https:' || url.protocol !== 'http:') return false;
  return url.port === base.port || url.port === '443';
}

/** Escapes that are no UTF-8 (names that old programs gave in Latin-1) and a '%' that escapes nothing stay as the server wrote them. */
function oneSpelling(segment: string): string {
  return segment.replace(/(?:%[0-9a-f]{2})+|[^%]+|%/gi, (part) => {
    const name = part === '%' ? null : decodedOr(part, null);
    return name === null ? part.toUpperCase() : encodeURIComponent(name);
  });
}

/** A part of a path for people; as it is spelled where it cannot be decoded. */
export function decodedName(part: string): string {
  return decodedOr(part, part);
}

function decodedOr<T>(part: string, otherwise: T): string | T {
  try {
    return decodeURIComponent(part);
  } catch {
    return otherwise;
  }
}

export function asCollection(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

/** True for something right in the collection: an href that leads elsewhere is not believed. */
export function isMemberOf(path: string, collection: string): boolean {
  return memberName(path, collection) !== null;
}

/** The last part of a member's path, as it is spelled there; null for what is not right in the collection. */
export function memberName(path: string, collection: string): string | null {
  const home = asCollection(collection);
  if (!path.startsWith(home)) return null;
  const name = path.slice(home.length).replace(/\/$/, '');
  return name === '' || name.includes('/') ? null : name;
}
