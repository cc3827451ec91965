import { BATCH_MESSAGES } from './batch-messages.js';
import type { Reason } from './job.js';
import type { Words } from './words.js';

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
    message:
      'At Microsoft 365 this way (Exchange Web Services) is switched off since 1 October 2026, and removed on 1 April 2027.',
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
  FILES_MISSING: {
    message: 'No file was uploaded yet.',
    action: 'Choose the .ics and .vcf files that you want to import.',
  },
  FILES_GONE: {
    message: 'The uploaded files are not kept any longer.',
    action: 'Start a new migration with the files: what was copied already is not copied twice.',
  },
  FILE_EMPTY: { message: 'This file is empty.', action: 'Export your calendar or contacts again.' },
  FILE_IS_ARCHIVE: {
    message: 'This is a compressed archive.',
    action: 'Unpack it on your computer, then upload the .ics and .vcf files that are in it.',
  },
  FILE_NOT_CALENDAR: {
    message: 'This is no calendar or contact file.',
    action: 'Export your calendar as .ics or your contacts as .vcf, and take that file.',
  },
  FILE_TOO_LARGE: {
    message: 'This file is larger than 64 MB.',
    action: 'Export one calendar at a time, or leave attachments out.',
  },
  TOO_MANY_FILES: {
    message: 'A migration takes at most 10 files.',
    action: 'Remove one, or start another migration with the rest afterwards.',
  },
  UPLOADS_FULL: {
    message: 'There is no room for more files of this mailbox at the moment.',
    action: 'Remove files, or discard migrations that you began earlier, then upload again.',
  },
  FILE_CHANGED: {
    message: 'An uploaded file cannot be read any more.',
    action: 'Start a new migration with the files: what was copied already is not copied twice.',
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

  ...BATCH_MESSAGES,

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
