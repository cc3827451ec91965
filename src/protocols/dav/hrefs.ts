/** Longest href we keep: it becomes part of an index. */
const MAX_PATH = 2_000;

/**
 * The path of a resource in one spelling: servers percent-encode as they like ('@' or '%40'), and not always the same in
 * two answers. Null: not a path we can use (another origin, a broken escape, dot segments, too long).
 */
export function normalPath(href: string, base: URL): string | null {
  const trimmed = href.trim();
  let url: URL;
  try {
    url = new URL(trimmed, base);
  } catch {
    return null;
  }
  if (url.origin !== base.origin || url.search !== '') return null;
  try {
    const path = url.pathname
      .split('/')
      .map(oneSpelling)
      .join('/')
      .replace(/\/{2,}/g, '/');
    return path.length > MAX_PATH ? null : path;
  } catch {
    return null;
  }
}

/** @throws URIError */
function oneSpelling(segment: string): string {
  return encodeURIComponent(decodeURIComponent(segment));
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
