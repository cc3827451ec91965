/**
 * A component by its meaning: what two objects have in common when they say the same. Order, folding, spelling of
 * parameters, defaults, PRODID, DTSTAMP, LAST-MODIFIED, REV, scheduling marks and the way a time zone is described are gone.
 */
export interface Canonical {
  readonly name: string;
  /** Sorted: `NAME;PARAM=value:value`. */
  readonly lines: readonly string[];
  /** Sorted by what is in them. */
  readonly components: readonly Canonical[];
}

export function sorted(components: readonly Canonical[]): Canonical[] {
  return components
    .map((one) => ({ one, key: JSON.stringify(one) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ one }) => one);
}
