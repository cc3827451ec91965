import { ASKED, CAREFUL_CONNECTIONS, everything, NOWHERE, type Provider } from './provider.js';

/** Also what mailcow and others bring. Its calendars are at /SOGo/dav/ of the web server. */
export const sogo: Provider = {
  id: 'sogo',
  name: 'SOGo',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'any',
  dav: 'same-host',
  gives: everything(),
  limits: { maxConnections: CAREFUL_CONNECTIONS },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail at a hoster or company that runs SOGo, for example with mailcow.',
    first: 'Find the name of the mail server. It is often the address in the browser when you read your mail there.',
    placeholder: 'anna@company.example',
    errors: {
      AUTH_NEEDS_APP_PASSWORD: 'With two-factor authentication on, an app password is needed here.',
    },
  },
};
