import { NOWHERE, type Provider } from './provider.js';

/** No source: POP knows only the inbox, without folders and flags, and mostly it is empty. */
export const pop: Provider = {
  id: 'pop',
  name: 'POP',
  comes: 'not-available',
  servers: [],
  asksForServer: false,
  username: 'any',
  gives: {
    mail: 'not-offered',
    contacts: 'not-offered',
    calendars: 'not-offered',
    tasks: 'not-offered',
    notes: 'not-offered',
  },
  limits: { maxConnections: 1 },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail that a program on your computer fetches and keeps.',
    unavailable:
      'With POP your mail mostly lies on your own computer and no longer at the provider, so there is little to fetch from there. Most providers with POP also offer IMAP: to move what still lies there, choose "Other (IMAP)". For what lies on your computer, add the new mailbox (by IMAP) to your mail program beside the old one, and drag the folders over.',
    placeholder: 'anna@company.example',
  },
};
