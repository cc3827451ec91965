import type { Note } from '../mailbox/item.js';

/**
 * What conversion changes. Their words for people are in src/reports/words.ts.
 *
 * | code                 | change                                                                             |
 * | -------------------- | ---------------------------------------------------------------------------------- |
 * | CONVERTED_FORMAT     | iCalendar 1.0 to 2.0, one vCard version to another (`detail`: from and to)           |
 * | REPAIRED_CHARSET     | bytes that are not UTF-8 were read in the charset named, else as Windows-1252       |
 * | REPAIRED_CONTROL     | control characters left out                                                        |
 * | REPAIRED_FOLDING     | lines that go on without a blank joined to the line before them                     |
 * | REPAIRED_VALUE       | commas, semicolons and backslashes escaped as the standard wants, base64 written anew |
 * | REPAIRED_LINES       | lines that are no properties left out; components closed                           |
 * | SCHEDULING_SILENCED  | SCHEDULE-AGENT=NONE on every ATTENDEE and ORGANIZER, so that nobody is notified      |
 * | METHOD_REMOVED       | METHOD left out: the object is stored, not sent                                    |
 * | REQUIRED_ADDED       | VERSION, PRODID, DTSTAMP, FN, N, ACTION added where missing (`detail`: names)         |
 * | UID_ADDED            | UID made from the content                                                          |
 * | UID_CHANGED          | a second object with the same UID got one of its own                               |
 * | SEVERAL_IN_ONE       | objects that shared a resource got one each                                        |
 * | DUPLICATE_DROPPED    | an equal copy within the resource left out                                         |
 * | START_ADDED          | DTSTART taken from another date of the object (`detail`: which)                     |
 * | END_CHANGED          | an end that is missing, equal to the start or before it mended (`detail`: how)       |
 * | DATE_REPAIRED        | a date in another spelling (`detail`: names)                                       |
 * | DATE_DROPPED         | an unreadable date left out (`detail`: name and value)                             |
 * | RULE_REPAIRED        | a recurrence rule in another spelling                                              |
 * | RULE_DROPPED         | a recurrence rule nobody can read left out (`detail`: the rule)                     |
 * | SERIES_ADDED         | exceptions without their series got one that has just their dates                  |
 * | ZONE_ADDED           | the definition of a time zone added                                                |
 * | ZONE_MAPPED          | a Windows or private name of a time zone replaced (`detail`: old and new)           |
 * | ZONE_UNKNOWN         | a time zone nobody knows left out: the time stays as it is read on the clock        |
 * | ALARM_DROPPED        | an alarm that does not say when left out                                           |
 * | PROPERTY_DROPPED     | what the new server does not take left out (`detail`: names)                        |
 * | CATEGORY_SPLIT       | a category with a comma is two, because the new server takes it so (`detail`: which)  |
 */
export type NoteCode =
  | 'CONVERTED_FORMAT'
  | 'REPAIRED_CHARSET'
  | 'REPAIRED_CONTROL'
  | 'REPAIRED_FOLDING'
  | 'REPAIRED_LINES'
  | 'REPAIRED_VALUE'
  | 'SCHEDULING_SILENCED'
  | 'METHOD_REMOVED'
  | 'REQUIRED_ADDED'
  | 'UID_ADDED'
  | 'UID_CHANGED'
  | 'SEVERAL_IN_ONE'
  | 'DUPLICATE_DROPPED'
  | 'START_ADDED'
  | 'END_CHANGED'
  | 'DATE_REPAIRED'
  | 'DATE_DROPPED'
  | 'RULE_REPAIRED'
  | 'RULE_DROPPED'
  | 'SERIES_ADDED'
  | 'ZONE_ADDED'
  | 'ZONE_MAPPED'
  | 'ZONE_UNKNOWN'
  | 'ALARM_DROPPED'
  | 'PROPERTY_DROPPED'
  | 'CATEGORY_SPLIT';

/** Characters of all details of one code. */
const MOST_DETAIL = 200;

/** Collects changes: each code once, its details joined. */
export class Changes {
  private readonly found = new Map<NoteCode, Set<string>>();

  add(code: NoteCode, detail?: string): void {
    const details = this.found.get(code) ?? new Set<string>();
    this.found.set(code, details);
    if (detail !== undefined && details.size < 50) details.add(detail);
  }

  addDefects(defects: ReadonlySet<'charset' | 'control' | 'folding' | 'lines'>): void {
    const codes = {
      charset: 'REPAIRED_CHARSET',
      control: 'REPAIRED_CONTROL',
      folding: 'REPAIRED_FOLDING',
      lines: 'REPAIRED_LINES',
    } as const;
    for (const defect of defects) this.add(codes[defect]);
  }

  notes(): Note[] {
    return [...this.found].map(([code, details]) =>
      details.size === 0 ? { code } : { code, detail: [...details].join(', ').slice(0, MOST_DETAIL) },
    );
  }
}
