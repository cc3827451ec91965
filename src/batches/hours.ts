/** The part of every day in which a batch copies, in a place's own time. `from` after `to` spans midnight. */
export interface Hours {
  /** `22:00`. */
  readonly from: string;
  readonly to: string;
  /** IANA, e.g. `Europe/Berlin`. */
  readonly timeZone: string;
}

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

function clockOf(at: Date, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(
    at,
  );
}
