import type { Note } from '../mailbox/item.js';
import type { ConversionCode } from './conversion-error.js';

/**
 * What a destination needs of an object, learned from real servers. A field says what must be so before the first try;
 * what a server refuses all the same is repaired afterwards: see `repairedAfterRefusal`.
 */
export interface TargetProfile {
  readonly name: 'cyrus' | 'radicale' | 'unknown';
  /** Exceptions of a series may come without the series (RECURRENCE-ID in all components). */
  readonly takesDetachedOverrides: boolean;
  /** A timed event must have an end after its start. */
  readonly needsEnd: boolean;
  /** It takes a comma in a category for the end of one, escaped or not. */
  readonly cutsAtCommas: boolean;
  /** The vCard version it keeps; 'any': 3.0 and 4.0 alike. */
  readonly cards: '3.0' | '4.0' | 'any';
  /** N must be there in vCard 4.0, too. */
  readonly needsName: boolean;
}

/**
 * How far an object is changed: `needed`, what the standard or the destination's profile asks for; `strict`, after a refusal,
 * all that any server is known to want; `bare`, after another one, without whatever is not in the standard.
 */
export type Level = 'needed' | 'strict' | 'bare';

export type CalendarComponent = 'VEVENT' | 'VTODO' | 'VJOURNAL';

/** One object as it is to be stored: UTF-8, CRLF, folded. */
export interface PreparedObject<Kind extends string> {
  readonly bytes: Uint8Array;
  /** What stands in the object; made from its content where it had none. */
  readonly uid: string;
  readonly component: Kind;
  /** What was changed, one for each kind of change: see the table in `notes.ts`. */
  readonly notes: readonly Note[];
}
export type PreparedCalendar = PreparedObject<CalendarComponent>;
export type PreparedCard = PreparedObject<'VCARD'>;

export interface RefusedObject {
  readonly refused: ConversionCode;
  /** One plain sentence. */
  readonly message: string;
}

/** `also`: further objects that shared the resource with the first one and need one of their own each. */
export type Preparation<One> = (One & { readonly also: readonly One[] }) | RefusedObject;

export function isRefused<One>(preparation: Preparation<One>): preparation is RefusedObject {
  return 'refused' in preparation;
}
