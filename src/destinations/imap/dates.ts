import type { Note, ZonedDate } from '../../mailbox/item.js';

/** Servers keep 1970-01-01 as "now" and misread what is older (1969 becomes 2038 on Dovecot, BAD on Cyrus). */
const OLDEST = Date.UTC(1970, 0, 2) / 1000;
/** Later moments do not fit into 32 bits: Dovecot makes them "now". */
const NEWEST = 2 ** 31 - 1 - 86_400;

/** The date that can be sent, and a note if it is not the item's own. Null: the server takes the time of arrival. */
export function fitDate(date: ZonedDate | null): { date: ZonedDate | null; notes: Note[] } {
  if (date === null) return { date, notes: [{ code: 'DATE_MISSING' }] };
  if (date.seconds >= OLDEST && date.seconds <= NEWEST) return { date, notes: [] };
  const detail = Number.isFinite(date.seconds) ? `${date.seconds}` : 'none';
  const notes: Note[] = [{ code: 'DATE_CHANGED', detail }];
  return { date: { seconds: date.seconds < OLDEST ? OLDEST : NEWEST, offset: 0 }, notes };
}
