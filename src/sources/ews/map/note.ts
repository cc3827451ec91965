import { buildJournal } from '../../../conversion/build/items.js';
import type { Note } from '../../../mailbox/item.js';
import type { XmlElement } from '../../../protocols/xml.js';
import { type Made, optional } from './event.js';
import { extended, instant, lines, strings, text } from './fields.js';

/** PidLidNoteColor ([MS-OXONOTE] 2.2.2.1). */
export const NOTE_COLOUR = 0x8b00;
const COLOURS = ['blue', 'green', 'pink', 'yellow', 'white'];
const YELLOW = 3;

/** A sticky note as one iCalendar object; its colour has no place there. */
export function noteOf(item: XmlElement, uid: string): Made {
  const created = instant(item, 'DateTimeCreated');
  const colour = Number(extended(item, NOTE_COLOUR) ?? YELLOW);
  const notes: Note[] = [];
  if (colour !== YELLOW && COLOURS[colour] !== undefined)
    notes.push({ code: 'NOTE_COLOUR_DROPPED', detail: COLOURS[colour] });
  const bytes = buildJournal({
    uid,
    modified: instant(item, 'LastModifiedTime') ?? created ?? new Date(0),
    ...(created === undefined ? {} : { created }),
    ...optional('summary', text(item, 'Subject')),
    ...optional('description', lines(item, 'Body')),
    categories: strings(item, 'Categories'),
  });
  return { bytes, notes };
}
