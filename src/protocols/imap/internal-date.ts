import type { ZonedDate } from '../../mailbox/item.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DATE_TIME = /^ ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/;
/** Minutes: zones reach from -12:00 to +14:00. */
const MAX_OFFSET = 14 * 60;

/** RFC 9051 date-time with its zone. Null: the server's date makes no sense. */
export function parseInternalDate(text: string): ZonedDate | null {
  const match = DATE_TIME.exec(text);
  if (match === null) return null;
  const [, day, monthName, year, hour, minute, second, sign, zoneHours, zoneMinutes] = match;
  const month = MONTHS.findIndex((name) => name.toLowerCase() === monthName!.toLowerCase());
  if (month < 0) return null;
  const offset = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === '-' ? -1 : 1);
  const moment = new Date(0);
  moment.setUTCFullYear(Number(year), month, Number(day));
  moment.setUTCHours(Number(hour), Number(minute), Number(second));
  const seconds = Math.round(moment.getTime() / 1000) - offset * 60;
  return Number.isFinite(seconds) && Math.abs(offset) <= MAX_OFFSET ? { seconds, offset } : null;
}

/** In the zone it was written in; RFC 9051 `date-time` without the quotes. The year must have four digits. */
export function formatInternalDate(date: ZonedDate): string {
  const offset = Math.abs(date.offset) <= MAX_OFFSET ? date.offset : 0;
  const local = new Date((date.seconds + offset * 60) * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = String(local.getUTCDate()).padStart(2, ' ');
  const year = String(local.getUTCFullYear()).padStart(4, '0');
  const time = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`;
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`;
  return `${day}-${MONTHS[local.getUTCMonth()]}-${year} ${time} ${zone}`;
}
