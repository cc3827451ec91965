import { ASKED, mailAnd, NOWHERE, type Provider } from './provider.js';

/** Exchange on a company's own server. EWS, which also gives the rest, is a source to come. */
export const exchange: Provider = {
  id: 'exchange',
  name: 'Microsoft Exchange',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'domain-user',
  gives: mailAnd({}),
  // Set-ImapSettings: 16 connections per user.
  limits: { maxConnections: 5 },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: "A company's own Exchange server. Mail only, and only if the server offers IMAP.",
    first: 'Ask the administrator of the Exchange server whether IMAP is switched on, and for its name.',
    note: 'Contacts, calendars, tasks and notes cannot be fetched from Exchange yet.',
    placeholder: 'COMPANY\\anna or anna@company.example',
    errors: {
      AUTH_FAILED:
        'The server refused the user name or the password. Exchange also answers like this when IMAP is switched off for the mailbox.',
      IMAP_DISABLED:
        'IMAP is switched off for this mailbox. The administrator of the Exchange server can switch it on.',
    },
  },
};
