import type { Words } from './words.js';

/** Codes of a list of mailboxes, of its rows, and of a batch. */
export const BATCH_MESSAGES: Readonly<Record<string, Words>> = {
  CSV_ENCODING: {
    message: 'This file is not UTF-8 text.',
    action: 'Save it from the spreadsheet as “CSV UTF-8”, or paste its text.',
  },
  CSV_HEADER: {
    message: 'The first line must name the columns: mailbox, source_username, source_password.',
    action: 'Put these names into the first line, in any order, each once.',
  },
  CSV_EMPTY: { message: 'There are no rows below the first line.' },
  CSV_TOO_MANY_ROWS: {
    message: 'One batch takes 10,000 mailboxes at most. Nothing was taken.',
    action: 'Divide the list and make several batches.',
  },
  CSV_ROW_TOO_LONG: {
    message: 'This row is far too long. Nothing was taken.',
    action: 'Look for a quotation mark that is not closed, or for another separator.',
  },
  CSV_MALFORMED: {
    message: 'This row cannot be read. Nothing was taken.',
    action: 'Look for a quotation mark that is not closed.',
  },
  ROW_MALFORMED: {
    message: 'The row has more cells than the first line.',
    action: 'Put cells that hold a separator into quotation marks.',
  },
  MAILBOX_INVALID: { message: 'This is not the address of a mailbox.' },
  FOREIGN_DOMAIN: { message: 'This mailbox belongs to another domain.' },
  DUPLICATE_ROW: { message: 'The same row is in the list already.' },
  MAILBOX_TWICE: {
    message: 'Another row goes into the same new mailbox.',
    action: 'Keep one of the two rows; the other old account can be moved afterwards.',
  },
  ALREADY_MIGRATING: {
    message: 'Another migration into this mailbox is under way.',
    action: 'Wait until it is over, or cancel it.',
  },
  USERNAME_INVALID: { message: 'The old user name is too long, or has a character that cannot be used here.' },
  PASSWORD_MISSING: { message: 'The password of the old account is missing.' },
  PASSWORD_INVALID: { message: 'The password is too long, or has a character that no password has.' },
  IMPERSONATION_UNSUPPORTED: {
    message: 'Signing in by Exchange impersonation needs an Exchange server as the old one.',
    action: 'Use an administrator’s sign-in over IMAP, or ask the users for their passwords.',
  },
  ASK_USER_ONLY: {
    message: 'The new mailboxes open only with their own passwords, so every user has to be asked.',
    action: 'Choose “Ask the users”.',
  },
  NO_PUBLIC_URL: {
    message: 'The links cannot be sent, because the public address of these pages is not known.',
    action: 'Copy the links and send them yourself, or ask your hoster to set the public address.',
  },
  BATCH_BUSY: {
    message: 'Some mailboxes of the batch are being copied.',
    action: 'Pause them, or wait until they are done.',
  },
  BATCH_LOGIN: {
    message: 'An administrator’s sign-in opens this mailbox together with the others of its batch.',
    action: 'Change the password or the connection on the page of the batch: it counts for all its mailboxes.',
  },
  ENCRYPTION_KEPT: {
    message: 'A password that was given for an encrypted connection is not sent without encryption.',
    action: 'Keep the encryption, or type the administrator’s password again.',
  },
  FINISH_NEEDS_YOU: {
    message: 'The batch is not finished before they are done.',
    action: 'Mend them and try them again, or finish anyway: what is not done is cancelled then.',
  },
  NO_PASSWORD_GIVEN: {
    message: 'Nobody gave the password of the old account before the batch was finished, so nothing was copied.',
    action: 'Start a migration of this mailbox alone.',
  },
  BATCH_NOT_OVER: {
    message: 'This migration belongs to a batch that is not over, so it cannot be erased yet.',
    action: 'Finish or cancel the batch first.',
  },
  ERASED: { message: 'This migration was erased. Its numbers are kept for the report.' },
  BATCH_NOT_ALLOWED: {
    message: 'Whoever started this batch may not move the mailboxes of this domain any more.',
    action: 'Somebody who may has to resume it.',
  },
  START_TOO_FAR: {
    message: 'A start may lie 14 days ahead at most, because passwords are kept for 30 days.',
    action: 'Choose an earlier time, or start the batch later.',
  },
  SECRETS_END: {
    message: 'Nobody has acted on this batch for 29 days, and its passwords are erased after 30.',
    action: 'Resume it to keep them for 30 more days, or finish it.',
  },
  SIGN_INS_REFUSED: {
    message: 'The old server refuses the sign-ins, so no more are tried: it might lock us out.',
    action: 'Check the user names, the password and the way of signing in, then go on.',
  },
  SERVER_LOCKS_OUT: {
    message: 'The old server wants no more sign-ins for now, so no more are tried.',
    action: 'Wait some hours, then go on.',
  },
};
