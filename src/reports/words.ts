/** What arrived in another form, in plain words by the engine's code. `detail` is shown beside it. */
export const CHANGES: Readonly<Record<string, string>> = {
  BODY_CHANGED: 'The new server changed the content of these messages while it stored them.',
  BODY_DIFFERS: 'The content of these messages differs between the old and the new server.',
  SIZE_CHANGED: 'The new server stores these messages in another size.',
  DATE_CHANGED: 'The new server shows another date of arrival.',
  DATE_MISSING: 'The old server gave no date of arrival; the new one shows the date of the migration.',
  DATES_NOT_KEPT: 'The new server gives every message the date of the migration.',
  FLAGS_CHANGED: 'The new server did not take all marks of these messages.',
  FLAGS_UPDATED:
    'Marks or labels changed at the old provider since the last run and were changed in the new mailbox too.',
  FLAGS_KEPT:
    'Marks or labels changed at the old provider and in the new mailbox since the last run; those of the new mailbox stay.',
  CONTENT_UPDATED: 'These changed at the old provider since the last run and were changed in the new mailbox too.',
  CONTENT_KEPT:
    'This changed at the old provider since the last run, and the new mailbox has something else than was copied; that stays',
  CONTENT_KEPT_FOR_GUESTS:
    'This meeting changed at the old provider since the last run; the new mailbox keeps it as it is, because the new server would tell its guests that it is cancelled: change it in the new mailbox',
  CONTENT_NOT_UPDATED:
    'This changed at the old provider since the last run, and the change could not be brought over; the copy is as it was',
  REMOVED_AT_SOURCE:
    'These messages are not at the old provider any more; what was copied of them stays in the new mailbox.',
  MOVED_AT_SOURCE:
    'These messages are in another folder at the old provider now; in the new mailbox they stay where they were copied to.',
  FOLDER_REMOVED_AT_SOURCE:
    'The folder is not at the old provider any more; the messages that were copied from it stay in the new mailbox.',
  FLAG_DROPPED: 'The new server does not take this mark or label.',
  KEYWORD_MAPPED: 'The new server does not take this label as it is; it was spelled otherwise.',
  KEYWORDS_CHANGED: 'The new server changed the labels of these messages.',
  KEYWORDS_DROPPED: 'The new server does not take these labels.',
  REPAIRED_LINE_ENDS: 'Line ends were wrong and were repaired.',
  REPAIRED_NUL: 'Forbidden zero bytes were replaced.',
  REPAIRED_EIGHT_BIT_HEADER: 'Characters in the header that no server takes were encoded.',
  EIGHT_BIT_HEADER: 'The header holds characters that are not encoded; the new server stores an X for each.',
  REPAIRED_MBOX_LINE: 'A stray first line was taken away.',
  REPAIRED_HEADER: 'The header was malformed and was repaired.',
  REPAIRED: 'The message was malformed and was repaired.',
  CONVERTED_FORMAT: 'The entry was written anew in the format that the new server takes',
  REPAIRED_CHARSET: 'Characters in an old encoding were converted.',
  REPAIRED_CONTROL: 'Control characters that nobody sees were left out.',
  REPAIRED_FOLDING: 'Broken lines were joined.',
  REPAIRED_LINES: 'Lines that mean nothing were left out.',
  REPAIRED_VALUE: 'Commas and the like were written as the standard wants',
  SCHEDULING_SILENCED: 'Guests are kept, marked so that no server invites or informs them again.',
  METHOD_REMOVED: 'An invitation was stored as the event itself.',
  REQUIRED_ADDED: 'Details that the new server wants were added',
  UID_ADDED: 'The entry had no identifier and got one.',
  UID_CHANGED: 'Two entries had the same identifier; this one got its own.',
  SEVERAL_IN_ONE: 'Several entries were stored as one; each is on its own now.',
  DUPLICATE_DROPPED: 'An equal or older copy of the same entry was left out.',
  START_ADDED: 'The event did not say when it begins; another date of it is used',
  END_CHANGED: 'The event had no end that the new server takes; it lasts now',
  DATE_REPAIRED: 'Dates were written as the standard wants',
  DATE_DROPPED: 'A date that cannot be read was left out',
  RULE_REPAIRED: 'The rule by which it repeats was written as the standard wants.',
  RULE_DROPPED: 'The rule by which it repeats cannot be read and was left out',
  SERIES_ADDED: 'Exceptions without their series got one that has just their dates.',
  ZONE_ADDED: 'The definition of the time zone was added',
  ZONE_MAPPED: 'The time zone has another name now',
  ZONE_UNKNOWN: 'The time zone is unknown; the time stays as it is read on the clock',
  ALARM_DROPPED: 'An alarm that does not say when was left out.',
  CATEGORY_SPLIT: 'A category with a comma became several, because the new server takes it so',
  PROPERTY_DROPPED: 'The new server does not take these details',
  OCCURRENCE_SHORT: 'An occurrence that differs from its series came with its time alone.',
  ATTACHMENT_LEFT_OUT:
    'A file that hung on it was left out: it is too large, is no file, or there is no place for it in a contact',
  ADDRESS_OF_DIRECTORY: 'An address that only the old organisation’s directory knows was left out',
  MEMBER_WITHOUT_ADDRESS: 'A member of the group has no e-mail address and was left out',
  TASK_REGENERATES: 'The task comes again whenever it is done; no calendar can say that, so it comes once.',
  TASK_STATUS_MAPPED: 'The state of the task has no counterpart and was translated',
  NOTE_COLOUR_DROPPED: 'The colour of the note was left out',
  RIGHTS_LOCKED: 'The message is locked by the old organisation’s rights management and may open only there.',
  FOLDER_RENAMED: 'The folder has another name or place in the new mailbox',
  SOURCE_FOLDER_RENAMED:
    'The folder was renamed at the old provider; its mail goes on into the folder it has in the new mailbox.',
  DESTINATION_FOLDER_RENAMED: 'The folder was renamed in the new mailbox; its mail went on going there.',
  FOLDER_NOT_REMADE: 'The folder was removed in the new mailbox and nothing new came for it, so it was not made again.',
  LABEL_DROPPED: 'These messages have a further label; they were copied once, into the folder of their first label.',
  LABEL_NOT_SHOWN: 'These messages have a label that Gmail does not show to other programs; no folder was made for it.',
  LABEL_VIEW: 'A view was left out: it shows mail that is in other folders, and that is copied once.',
  CHATS: 'A folder was left out because it holds chats, which are no mail.',
  FOLDER_FAILED: 'The folder could not be copied to its end; run the migration again to go on.',
  FOLDER_NAME: 'A folder was left out because its name cannot be asked for.',
  SHARED_FOLDER: 'A folder was left out because it belongs to somebody else or to all.',
  NOT_PERMITTED: 'A folder was left out because the old server does not let us read it.',
  NOT_MAIL: 'A folder was left out because it holds no mail.',
  GENERATED_FOLDER: 'A calendar was left out because the old server makes it from something else.',
  KIND_NOT_GIVEN: 'These were asked for, and the old account has none that can be read this way',
  KIND_NOT_TAKEN: 'It was left out because the new server has no place for it.',
  LISTING_PARTIAL: 'The old provider does not show everything in this folder.',
  COUNTS_DIFFER: 'The old mailbox changed while it was copied; run the migration again to see what is new.',
  SURPLUS_COPY: 'The new mailbox may hold a copy too many; nothing was deleted.',
  STORED_AGAIN: 'A message was lost by the new server and was stored again.',
  SET_ASIDE: 'What was there before is now in the recovery folder.',
  TAKEN_AWAY: 'What was there before was taken away; a file with all of it can be downloaded from this report',
  KEPT_FOR_GUESTS: 'These stayed because the new server would tell their guests that they are cancelled',
  KEPT_AS_CHANGED: 'These stayed because they came or changed while the migration ran',
  KEPT_UNREADABLE: 'These stayed because they are damaged and could not be kept in the file',
  REPLACE_REFUSED: 'Nothing in the new mailbox was replaced.',
};

/** Said of a folder as a whole: how often it was said is no number of items. */
const OF_FOLDERS: ReadonlySet<string> = new Set([
  'FOLDER_RENAMED',
  'SOURCE_FOLDER_RENAMED',
  'DESTINATION_FOLDER_RENAMED',
  'FOLDER_NOT_REMADE',
  'LABEL_VIEW',
  'CHATS',
  'FOLDER_FAILED',
  'FOLDER_NAME',
  'SHARED_FOLDER',
  'NOT_PERMITTED',
  'NOT_MAIL',
  'GENERATED_FOLDER',
  'KIND_NOT_GIVEN',
  'KIND_NOT_TAKEN',
  'LISTING_PARTIAL',
  'COUNTS_DIFFER',
  'REPLACE_REFUSED',
]);

export function isOfFolder(code: string): boolean {
  return OF_FOLDERS.has(code);
}

/** What did not arrive, where the engine gave no sentence of its own. */
export const REFUSALS: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'It is larger than the new mail server accepts.',
  TOO_LARGE: 'It is larger than the limit you chose.',
  FILTERED_DATE: 'It is older than the date you chose.',
  FILTERED_FOLDER: 'You left its folder out.',
  TOO_MANY_IDENTICAL: 'The new mail server holds several copies of this message and takes no more.',
  QUOTA_EXCEEDED: 'The new mailbox was full.',
  OBJECT_TOO_LARGE: 'It is larger than a calendar entry or contact may be.',
  OBJECT_TOO_COMPLEX: 'It has more parts than a calendar entry or contact may have.',
  OBJECT_EMPTY: 'There is no event, task, note or contact in it.',
  NOT_CALENDAR: 'It is no calendar entry.',
  NOT_CARD: 'It is no contact.',
  EVENT_WITHOUT_START: 'The event does not say when it is.',
  VANISHED: 'It was removed at the old provider while the migration ran.',
  NOT_RENDERED: 'The old server cannot put it into the form of a message.',
  OTHER_KIND: 'It is of another kind than its folder, and stays where it is.',
  NOT_GIVEN: 'The old server did not give it out.',
  LOST_AT_DESTINATION: 'The new server took it and lost it.',
  SERVER_REFUSED: 'The new server refused it.',
  CONTENT_REFUSED: 'The new server does not take it.',
  UID_CONFLICT: 'The new mailbox has another version of it, which was kept.',
};

/** Never empty: a code nobody wrote words for is shown as it is. */
export function wordsForChange(code: string, detail: string): string {
  const words = Object.hasOwn(CHANGES, code) ? CHANGES[code]! : `Changed on the way (${code}).`;
  return detail === '' ? words : `${words.replace(/\.$/, '')}: ${detail}`;
}

export function wordsForRefusal(code: string, message: string): string {
  if (message !== '') return message;
  return Object.hasOwn(REFUSALS, code) ? REFUSALS[code]! : `It did not arrive (${code}).`;
}
