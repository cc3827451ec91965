import type { IncomingHttpHeaders } from 'node:http';

/** A wait longer than this is not believed (ms). */
const MAX_WAIT = 24 * 3_600_000;

/** Milliseconds that a server asked us to wait (RFC 9110 section 10.2.3: seconds, or a date). Undefined: it did not say. */
export function retryAfter(headers: IncomingHttpHeaders): number | undefined {
  const value = headers['retry-after']?.trim();
  if (value === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), MAX_WAIT) : undefined;
}
