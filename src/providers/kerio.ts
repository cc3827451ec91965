import { ASKED, CAREFUL_CONNECTIONS, everything, NOWHERE, type Provider } from './provider.js';

export const kerio: Provider = {
  id: 'kerio',
  name: 'Kerio Connect',
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
    summary: 'Mail at a hoster or company that runs Kerio Connect.',
    first: 'Find the name of the mail server. It is often the address in the browser when you read your mail there.',
    placeholder: 'anna or anna@company.example',
  },
};
