import type { Reason } from './job.js';

/** What a code means for the person at the keyboard, and what to do about it. English; pages may translate by code. */
export interface Words {
  readonly message: string;
  readonly action?: string;
}

const RETYPE = 'Check the user name and type the password again.';
const ASK_PROVIDER = 'If this stays so, ask your old provider.';

/** Every code that an answer, a job's reason or a connection test can carry. */
export const MESSAGES: Readonly<Record<string, Words>> = {
  OK: { message: 'The connection works.' },

  TARGET_NOT_ALLOWED: {
    message: 'This server may not be used: its address is not on the public internet.',
    action: 'Check the name of the server, or ask your hoster to allow it.',
  },
  PORT_NOT_ALLOWED: {
    message: 'This port may not be used. Mail servers usually answer on port 993.',
    action: 'Use port 993 with TLS, or port 143 with STARTTLS.',
  },
  HOST_NOT_FOUND: { message: 'There is no server with this name.', action: 'Check the spelling of the server’s name.' },
  CONNECT_FAILED: {
    message: 'The server cannot be reached.',
    action: `Check the server’s name and port. ${ASK_PROVIDER}`,
  },
  TIMEOUT: { message: 'The server did not answer in time.', action: `Try again in some minutes. ${ASK_PROVIDER}` },
  TLS_UNTRUSTED: {
    message: 'The server’s certificate cannot be checked, so no password was sent.',
    action: 'Check the server’s name. If you know this server, you can accept exactly this certificate.',
  },
  TLS_REQUIRED: {
    message: 'The server offers no encryption here, so no password was sent.',
    action: 'Use port 993 with TLS, or ask your old provider for an encrypted connection.',
  },
  AUTH_FAILED: { message: 'The server does not accept this user name and password.', action: RETYPE },
  AUTH_NEEDS_APP_PASSWORD: {
    message: 'This provider wants an app password instead of your usual one.',
    action: 'Make an app password in the security settings of your old account and type it here.',
  },
  AUTH_NEEDS_OAUTH: {
    message: 'This provider does not let programs in with a password.',
    action: 'Ask your old provider or your hoster how this account can be moved.',
  },
  IMAP_DISABLED: {
    message: 'IMAP is switched off in the old account.',
    action: 'Switch on IMAP in the settings of your old account, then try again.',
  },
  PROTOCOL_ERROR: {
    message: 'The server answered with something that is not understood.',
    action: `Check the port and the kind of encryption. ${ASK_PROVIDER}`,
  },
  MESSAGE_TOO_LARGE: {
    message: 'The server sent more than is taken at once.',
    action: 'Ask your hoster: the largest message can be limited.',
  },
  DAV_NOT_FOUND: {
    message: 'No calendars and contacts were found at this server.',
    action: 'Type the address your old provider gives for CalDAV and CardDAV, or leave calendars and contacts out.',
  },
  EWS_NOT_FOUND: {
    message: 'There is no Exchange web service at this address.',
    action: 'Check the server’s name, or ask the administrator of the Exchange server for the address of EWS.',
  },
  EWS_REDIRECTED: {
    message: 'The server sends us to another one, where the password was not sent.',
    action: 'If you know the other server, type its address. Ask the administrator of the Exchange server for it.',
  },
  EWS_NEEDS_BASIC: {
    message:
      'This Exchange server lets programs sign in by Windows authentication only, and that is not possible from here.',
    action: 'Ask its administrator to allow basic authentication for EWS, or use IMAP for the mail.',
  },
  EWS_IMPERSONATION_DENIED: {
    message: 'The administrator’s account may not open this mailbox.',
    action: 'Give it the role ApplicationImpersonation on the Exchange server, then try again.',
  },
  EWS_CLOSED: {
    message: 'Microsoft 365 no longer answers programs on this way (Exchange Web Services).',
    action: 'Choose “Microsoft 365” as the kind of account.',
  },
  WRONG_MAILBOX: {
    message: 'The server opened another mailbox than the one that was named.',
    action: 'Check the address and the user name.',
  },
  XML_FORBIDDEN: {
    message: 'The server sent something that may do harm, so it was not read.',
    action: ASK_PROVIDER,
  },
  LISTING_FAILED: { message: 'The folders of the old account cannot be listed.', action: ASK_PROVIDER },
  FILE_WITHOUT_ENTRIES: {
    message: 'There is no calendar entry and no contact in this file.',
    action: 'Export your calendar as .ics or your contacts as .vcf, and take that file.',
  },
  RATE_LIMITED: {
    message: 'There were too many tries.',
    action: 'Wait a while before you try again.',
  },
  PROVIDER_LIMIT: {
    message: 'The old provider limits how much may be copied at a time.',
    action: 'Nothing needs to be done: it goes on by itself.',
  },

  THROTTLED: {
    message: 'The old provider asks us to wait.',
    action: 'Nothing needs to be done: it goes on by itself.',
  },
  VOLUME_EXHAUSTED: {
    message: 'The old provider gives no more data for some hours.',
    action: 'Nothing needs to be done: it goes on by itself.',
  },
  TOO_MANY_CONNECTIONS: {
    message: 'The server takes no more connections for this mailbox.',
    action: 'Close other mail programs if you can. It goes on by itself.',
  },
  HOST_BUSY: {
    message: 'Other migrations use all connections that the old server bears.',
    action: 'Nothing needs to be done: it goes on by itself.',
  },
  MAILBOX_BUSY: { message: 'The mailbox is in use at the moment.', action: 'It goes on by itself.' },
  SERVER_BUSY: { message: 'The server cannot do it at the moment.', action: 'It goes on by itself.' },
  SERVER_REFUSED: { message: 'The server refused what was asked of it.', action: ASK_PROVIDER },
  ACCOUNT_UNAVAILABLE: {
    message: 'The server knows the user and cannot open the mailbox.',
    action: 'Ask your old provider whether the mailbox still exists.',
  },
  NOT_PERMITTED: { message: 'The server does not let us read or write there.', action: ASK_PROVIDER },
  FOLDER_GONE: { message: 'A folder was removed while it was copied.', action: 'Run the migration again.' },
  NO_FOLDERS: { message: 'The old account shows no folders.', action: 'Check that this is the right account.' },
  LISTING_EMPTY: { message: 'The old account shows no folders.', action: 'Check that this is the right account.' },
  IDS_NOT_LASTING: {
    message: 'The old server numbers its messages anew each time, so they cannot be followed.',
    action: ASK_PROVIDER,
  },
  STAGING_FULL: {
    message: 'There is no room for large messages on our side at the moment.',
    action: 'It goes on by itself.',
  },
  STAGING_FAILED: { message: 'A message could not be kept on our side.', action: 'It goes on by itself.' },

  QUOTA_EXCEEDED: {
    message: 'The new mailbox is full.',
    action: 'Delete something in the new mailbox or have its limit raised, then resume.',
  },
  DESTINATION_UNAVAILABLE: {
    message: 'The new mailbox cannot be reached at the moment.',
    action: 'Nothing is lost. Try again in some minutes, or ask your hoster.',
  },
  DESTINATION_THROTTLED: {
    message: 'The new mail server asks us to wait.',
    action: 'Nothing needs to be done: it goes on by itself.',
  },
  DESTINATION_MISSING: {
    message: 'The new mailbox does not exist, or the mail server does not open it.',
    action: 'Make sure that the mailbox exists in the control panel, then go on.',
  },
  DESTINATION_AUTH_FAILED: {
    message: 'The new mailbox does not accept its password.',
    action: 'Type the password of the new mailbox again.',
  },
  SAME_MAILBOX: {
    message: 'The old and the new mailbox are the same.',
    action: 'Check the server and the user name of the old account.',
  },
  CREDENTIALS_REQUIRED: {
    message: 'The password is needed again: it is not kept for longer.',
    action: 'Type the password of the account again, then go on.',
  },
  RECOVERY_INCOMPLETE: { message: 'What an interrupted run left could not be made sure of.', action: 'Resume it.' },
  EMPTY_SOURCE: {
    message: 'The old account shows no messages, so nothing in the new one was replaced.',
    action: 'Check that this is the right account.',
  },

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

  NOT_FOUND: { message: 'There is no such migration.' },
  FORBIDDEN: { message: 'You may not do this.' },
  INVALID_STATE: { message: 'This cannot be done in the migration’s present state.', action: 'Load the page again.' },
  VALIDATION: { message: 'Something in the form is not right.' },
  AUDIT_UNAVAILABLE: {
    message: 'This was not done, because it could not be recorded.',
    action: 'Try again in some minutes, or ask your hoster.',
  },
  SOURCE_CHANGED: {
    message: 'The settings of the old account were changed in the meantime, so no password was sent.',
    action: 'Test the connection again.',
  },
  SECRET_UNREADABLE: {
    message: 'The saved password cannot be read any more.',
    action: 'Type the password of the account again, then go on.',
  },
  SOURCE_UNSUPPORTED: {
    message: 'This kind of account cannot be copied yet.',
    action: 'Use IMAP, if your old provider offers it.',
  },
  LINK_BUSY: { message: 'Another migration from this account into this mailbox is under way. This one waits for it.' },
  INTERRUPTED: { message: 'The work was interrupted. It goes on by itself.' },
  INTERNAL: {
    message: 'Something went wrong on our side. Nothing is lost.',
    action: 'Try again. If it stays so, ask your hoster.',
  },
  UNKNOWN: { message: 'It did not work.', action: 'Try again. If it stays so, ask your hoster.' },
};

export function wordsFor(code: string): Words {
  return Object.hasOwn(MESSAGES, code) ? MESSAGES[code]! : MESSAGES['UNKNOWN']!;
}

/** A job's reason, in the words of the table. */
export function reasonFor(code: string): Reason {
  return { code, ...wordsFor(code) };
}
