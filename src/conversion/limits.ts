/** Bytes of one object (an event with its exceptions and attachments, a card with its photo). */
export const MOST_OBJECT_BYTES = 32 * 1024 * 1024;
/** Physical lines of one object: a 32 MB attachment folded at 75 octets has 450,000. */
export const MOST_LINES = 600_000;
/** Properties of one object: 5,000 attendees with all their exceptions fit. */
export const MOST_PROPERTIES = 200_000;
/** Dates of one object that a series has beside its rule, or leaves out: each is worked out in its zone. */
export const MOST_DATES = 50_000;
/** Components of one object: alarms, exceptions, observances of time zones. */
export const MOST_COMPONENTS = 20_000;
/** VCALENDAR, VEVENT, VALARM and some levels that nobody knows. */
export const MOST_DEPTH = 8;
/** Objects that are taken out of one file or resource. */
export const MOST_OBJECTS = 500_000;
