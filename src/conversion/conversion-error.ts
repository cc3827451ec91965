/**
 * Why an object cannot be read at all. The codes are item codes of a report (src/reports/words.ts).
 *
 * | code                | the object                                                  |
 * | ------------------- | ----------------------------------------------------------- |
 * | OBJECT_TOO_LARGE    | has more bytes than one object may have                     |
 * | OBJECT_TOO_COMPLEX  | has more lines, properties, components or levels than may be |
 * | OBJECT_EMPTY        | has no component that could be stored                       |
 * | NOT_CALENDAR        | is no iCalendar                                             |
 * | NOT_CARD            | is no vCard                                                 |
 * | EVENT_WITHOUT_START | does not say when it is, or in a form nobody can read       |
 */
export type ConversionCode =
  'OBJECT_TOO_LARGE' | 'OBJECT_TOO_COMPLEX' | 'OBJECT_EMPTY' | 'NOT_CALENDAR' | 'NOT_CARD' | 'EVENT_WITHOUT_START';

/** The only error that the parsers throw, whatever the bytes. */
export class ConversionError extends Error {
  constructor(
    readonly code: ConversionCode,
    message: string,
  ) {
    super(message);
    this.name = 'ConversionError';
  }
}
