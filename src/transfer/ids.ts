const DECIMAL = /^\d+$/;

/** UIDs by their value, hrefs by their spelling. */
export function compareIds(a: string, b: string): number {
  if (DECIMAL.test(a) && DECIMAL.test(b)) return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
  return a < b ? -1 : a > b ? 1 : 0;
}

export function maxId(a: string, b: string): string {
  return compareIds(a, b) >= 0 ? a : b;
}

export function minId(a: string, b: string): string {
  return compareIds(a, b) <= 0 ? a : b;
}

export function isNumber(id: string): boolean {
  return DECIMAL.test(id);
}

/** The lowest mark above an id. An href has none: it stays as it is. */
export function after(id: string): string {
  return isNumber(id) ? (BigInt(id) + 1n).toString() : id;
}

/** System flags are the same in any case (RFC 9051 section 2.3.2); \Recent is the server's own. */
export function sameFlags(a: readonly string[], b: readonly string[]): boolean {
  return flagsName(a) === flagsName(b);
}

function flagsName(flags: readonly string[]): string {
  return [...new Set(flags.map((flag) => flag.toLowerCase()))]
    .filter((flag) => flag !== '\\recent')
    .sort()
    .join(' ');
}
