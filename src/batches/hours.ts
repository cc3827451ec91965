/** The part of every day in which a batch copies, in a place's own time. `from` after `to` spans midnight. */
export interface Hours {
  /** `22:00`. */
  readonly from: string;
  readonly to: string;
  /** IANA, e.g. `Europe/Berlin`. */
  readonly timeZone: string;
}

const LOCAL_TIME = /^[12]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}$/;
const CLOCK = /^([01]\d|2[0-3]):([0-5]\d)$/;

export function isClock(text: string): boolean {
  return CLOCK.test(text);
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Whether a moment lies inside. The same time twice means all day. */
export function isInside({ from, to, timeZone }: Hours, at: Date): boolean {
  const now = clockOf(at, timeZone);
  if (from === to) return true;
  return from < to ? now >= from && now < to : now >= from || now < to;
}

/** `2026-03-02T22:00`: a day that there is, and a time of it. */
export function isLocalTime(text: string): boolean {
  const at = LOCAL_TIME.test(text) ? Date.parse(`${text}:00Z`) : NaN;
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

/**
 * The moment that a clock in this place shows as `2026-03-02T22:00`. In the hour that a change of the clocks skips or
 * repeats, the nearest one. @param local what `isLocalTime` takes
 */
export function atZone(local: string, timeZone: string): Date {
  const asUtc = Date.parse(`${local}:00Z`);
  const offset = (at: number): number => {
    const parts = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
    return Date.parse(`${parts.format(at).replace(' ', 'T')}Z`) - at;
  };
  // The offset of about that moment, and then the one that holds there.
  return new Date(asUtc - offset(asUtc - offset(asUtc)));
}

function clockOf(at: Date, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(
    at,
  );
}
