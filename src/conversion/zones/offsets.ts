/** A change of the offset. `at` is the instant in milliseconds, `from` and `to` seconds east of UTC. */
export interface Transition {
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

const SCAN_STEP_MS = 14 * 86_400_000;
const FORMATS = new Map<string, Intl.DateTimeFormat>();

/** Seconds east of UTC of an IANA zone at an instant in milliseconds. @throws RangeError for a zone nobody knows */
export function offsetAt(zone: string, at: number): number {
  let format = FORMATS.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      era: 'short',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    FORMATS.set(zone, format);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) parts[type] = Number(value);
  const local = Date.UTC(
    parts['year']!,
    parts['month']! - 1,
    parts['day'],
    parts['hour'],
    parts['minute'],
    parts['second'],
  );
  return Math.round((local - Math.floor(at / 1000) * 1000) / 1000);
}

/** All changes of the offset in [from, to), by looking every two weeks and halving. */
export function transitions(zone: string, from: number, to: number): Transition[] {
  const found: Transition[] = [];
  let [at, offset] = [from, offsetAt(zone, from)];
  while (at < to) {
    const next = Math.min(at + SCAN_STEP_MS, to);
    const later = offsetAt(zone, next);
    if (later !== offset) {
      let [low, high] = [at, next];
      while (high - low > 1000) {
        const middle = Math.floor((low + high) / 2000) * 1000;
        if (offsetAt(zone, middle) === offset) low = middle;
        else high = middle;
      }
      const to_ = offsetAt(zone, high);
      found.push({ at: high, from: offset, to: to_ });
      [at, offset] = [high, to_];
    } else [at, offset] = [next, later];
  }
  return found;
}
