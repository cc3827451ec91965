/** A DATE or DATE-TIME value (RFC 5545 sections 3.3.4 and 3.3.5). `time` null: a whole day. */
export interface Moment {
  /** YYYYMMDD */
  readonly date: string;
  /** HHMMSS */
  readonly time: string | null;
  readonly utc: boolean;
}

/** Null: not in the form of RFC 5545, or no such day or time. */
export function parseMoment(value: string): Moment | null {
  const match = /^(\d{8})(?:T(\d{6})(Z?))?$/.exec(value);
  if (!match) return null;
  const moment = { date: match[1]!, time: match[2] ?? null, utc: match[3] === 'Z' };
  return exists(moment) ? moment : null;
}

function exists({ date, time }: Moment): boolean {
  const [year, month, day] = [Number(date.slice(0, 4)), Number(date.slice(4, 6)), Number(date.slice(6))];
  if (month < 1 || month > 12 || day < 1 || day > new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate())
    return false;
  if (time === null) return true;
  return Number(time.slice(0, 2)) < 24 && Number(time.slice(2, 4)) < 60 && Number(time.slice(4)) <= 60;
}

/**
 * Forms that occur and can mean one thing only: dashes and colons, fractions, missing seconds, a space for the T, an
 * offset behind, 24:00, a time that ends in 60 seconds. Null: not readable.
 */
export function readMoment(value: string): Moment | null {
  const strict = parseMoment(value);
  if (strict) return strict;
  const match =
    /^\s*(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)(?:[Tt ]?\s*(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?\s*(Z|z|UTC|[+-]\d\d:?\d\d)?)?\s*$/.exec(
      value,
    );
  if (!match) return null;
  const [, year = '', month = '', day = '', hour, minute = '00', second = '00', zone] = match;
  if (hour === undefined) return checked({ date: year + month + day, time: null, utc: false });
  if (hour === '24' && minute === '00') {
    const midnight = checked({ date: year + month + day, time: '000000', utc: false });
    return midnight && checked({ ...fromMs(toMs(midnight) + 86_400_000), utc: zone !== undefined });
  }
  const local = checked({ date: year + month + day, time: hour + minute + second, utc: false });
  if (!local || zone === undefined) return local;
  if (!/^[+-]/.test(zone)) return { ...local, utc: true };
  const digits = zone.replace(':', '');
  const east = (Number(digits.slice(1, 3)) * 60 + Number(digits.slice(3))) * (digits.startsWith('-') ? -1 : 1);
  return { ...fromMs(toMs(local) - east * 60_000), utc: true };
}

const checked = (moment: Moment): Moment | null => (exists(moment) ? moment : null);

export function printMoment({ date, time, utc }: Moment): string {
  return time === null ? date : `${date}T${time}${utc ? 'Z' : ''}`;
}

/** Milliseconds as if the clock showed UTC. */
export function toMs({ date, time }: Moment): number {
  const clock = time ?? '000000';
  const at = new Date(0);
  at.setUTCFullYear(Number(date.slice(0, 4)), Number(date.slice(4, 6)) - 1, Number(date.slice(6)));
  at.setUTCHours(Number(clock.slice(0, 2)), Number(clock.slice(2, 4)), Math.min(59, Number(clock.slice(4))));
  return at.getTime();
}

export function fromMs(ms: number): { date: string; time: string } {
  const text = new Date(ms).toISOString().replace(/[-:]/g, '');
  return { date: text.slice(0, 8), time: text.slice(9, 15) };
}

const DURATION = /^([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/i;

/** Seconds of a DURATION (RFC 5545 section 3.3.6). Null: none. */
export function parseDuration(value: string): number | null {
  const match = DURATION.exec(value.trim());
  if (!match || /[PT]$/i.test(value.trim())) return null;
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(2).map((part) => Number(part ?? 0));
  return (match[1] === '-' ? -1 : 1) * (((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60 + seconds);
}
