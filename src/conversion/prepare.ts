import { prepareCalendar } from './calendar/prepare-calendar.js';
import { prepareCard } from './cards/prepare-card.js';
import {
  isRefused,
  type CalendarComponent,
  type Level,
  type Preparation,
  type PreparedObject,
  type TargetProfile,
} from './prepared.js';
import { STRICTEST } from './target-profiles.js';

/** What a collection holds: iCalendar objects (events, tasks, notes) or vCards. */
export type ObjectFormat = 'calendar' | 'card';
export type Prepared = PreparedObject<CalendarComponent | 'VCARD'>;

/**
 * An object in the form in which it is stored: see `prepareCalendar` and `prepareCard`. Pure and repeatable: the same bytes give
 * the same bytes, and prepared bytes stay as they are.
 * @param copy how many other objects with the same UID came before it (`SplitObject.copy`)
 */
export function prepareForStore(
  format: ObjectFormat,
  bytes: Uint8Array,
  target: TargetProfile,
  copy = 0,
): Preparation<Prepared> {
  return at(format, bytes, target, 'needed', copy);
}

const LEVELS: readonly Level[] = ['strict', 'bare'];

/**
 * The smallest change to bytes that the server has just refused which it may take: first all that any server is known to want, then
 * without whatever is not in the standard. Needs no memory of earlier tries: called again with its own result it goes one step on.
 * @returns the object with the notes of this step alone; null: there is nothing left to mend
 */
export function repairedAfterRefusal(format: ObjectFormat, refused: Uint8Array): Prepared | null {
  for (const level of LEVELS) {
    const next = at(format, refused, STRICTEST, level, 0);
    if (isRefused(next)) return null;
    if (!Buffer.from(next.bytes).equals(refused))
      return { bytes: next.bytes, uid: next.uid, component: next.component, notes: next.notes };
  }
  return null;
}

function at(
  format: ObjectFormat,
  bytes: Uint8Array,
  target: TargetProfile,
  level: Level,
  copy: number,
): Preparation<Prepared> {
  return format === 'calendar'
    ? prepareCalendar(bytes, target, { level, copy })
    : prepareCard(bytes, target, { level, copy });
}
