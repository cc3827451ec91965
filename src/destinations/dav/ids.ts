import type { DestinationId } from '../destination.js';
import { memberName } from '../../protocols/dav/hrefs.js';

/** Hrefs do not end to be valid as UIDs do. */
export const DAV_EPOCH = '1';

/**
 * Names that we give start with this; nobody else's do. Ids of ours sort above all others, and marks lie in between, so that "at or above the
 * mark" means "may be ours": '1:' other < '2' + moment < '2:' ours.
 */
const OWN_NAME = 'mailferry-';
const OTHER = '1:';
const OWN = '2:';
const MOMENT_DIGITS = 12;

/** @param path of the object, in its normal spelling. Null: it is not in the collection. */
export function idOf(path: string, collection: string): DestinationId | null {
  const name = memberName(path, collection);
  return name === null ? null : { epoch: DAV_EPOCH, id: `${name.startsWith(OWN_NAME) ? OWN : OTHER}${name}` };
}

export function isOwnPath(path: string, collection: string): boolean {
  return idOf(path, collection)?.id.startsWith(OWN) ?? false;
}

/** Null: not one of ours. */
export function pathOf(id: DestinationId, collection: string): string | null {
  const { id: text } = id;
  const known = text.startsWith(OWN) || text.startsWith(OTHER);
  return known && !text.includes('/') ? `${collection}${text.slice(OWN.length)}` : null;
}

/** The same source object always gets the same name: a PUT that is done again meets itself. */
export function ownName(key: string, extension: 'ics' | 'vcf', part = 0): string {
  return `${OWN_NAME}${key}${part === 0 ? '' : `-${part}`}.${extension}`;
}

/** Of a mark (s); null: it says none. */
export function momentOf(mark: string): number | null {
  return /^2\d{12}$/.test(mark) ? Number(mark.slice(1)) : null;
}

/** A mark that says when it was made: of two, the later one is the higher. */
export function markAt(seconds: number): string {
  return `2${String(Math.max(0, Math.floor(seconds))).padStart(MOMENT_DIGITS, '0')}`;
}
