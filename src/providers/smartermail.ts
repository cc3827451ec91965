import { ASKED, CAREFUL_CONNECTIONS, everything, NOWHERE, type Provider } from './provider.js';

export const smartermail: Provider = {
  id: 'smartermail',
  name: 'SmarterMail',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'address',
  dav: 'same-host',
  gives: everything(),
  limits: { maxConnections: CAREFUL_CONNECTIONS },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail at a hoster that runs SmarterMail.',
    first: 'Find the name of the mail server. It is often the address in the browser when you read your mail there.',
    placeholder: 'anna@company.example',
  },
};
