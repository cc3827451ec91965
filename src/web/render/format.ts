/** Numbers and times as people read them. Pure; used by the helpers. */

const UNITS = ['KB', 'MB', 'GB', 'TB'] as const;

/** `1536` -> `1.5 KB`. Powers of 1024, as mail programs count. */
export function formatBytes(bytes: number, locale: string): string {
  if (!Number.isFinite(bytes)) return '';
  let value = Math.abs(bytes);
  let unit = 'B';
  for (const next of UNITS) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  const digits = unit === 'B' || value >= 100 ? 0 : 1;
  return `${formatNumber(bytes < 0 ? -value : value, locale, digits)} ${unit}`;
}

export function formatNumber(value: number, locale: string, digits = 0): string {
  return new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);
}

/** A share of 0 to 1 as whole percent, rounded down: 100 % is said only when it is true. */
export function formatPercent(part: number, whole: number, locale: string): string {
  const share = whole > 0 ? Math.min(1, Math.max(0, part / whole)) : 0;
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 }).format(
    Math.floor(share * 100) / 100,
  );
}

/** UTC, because the server does not know where the person is; the page's script turns it into local time. */
export function formatDate(iso: string | Date, locale: string, style: 'date' | 'datetime' | 'time'): string {
  const date = typeof iso === 'string' ? new Date(iso) : iso;
  if (Number.isNaN(date.getTime())) return '';
  return new Intl.DateTimeFormat(locale, {
    timeZone: 'UTC',
    ...(style === 'time' ? {} : { dateStyle: 'medium' }),
    ...(style === 'date' ? {} : { timeStyle: 'short' }),
  }).format(date);
}

/** Seconds as one or two units: `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

// Characters that reorder or hide what is around them (Unicode TR 36): a folder name must not rewrite our page.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** What a stranger wrote, with every invisible or reordering character shown as `�`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, '\ufffd');
}
