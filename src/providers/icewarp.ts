import { ASKED, CAREFUL_CONNECTIONS, mailAnd, NOWHERE, type Provider } from './provider.js';

export const icewarp: Provider = {
  id: 'icewarp',
  name: 'IceWarp',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'address',
  gives: mailAnd({}),
  limits: { maxConnections: CAREFUL_CONNECTIONS },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail at a hoster or company that runs IceWarp.',
    first: 'Find the name of the mail server. It is often the address in the browser when you read your mail there.',
    placeholder: 'anna@company.example',
    errors: {
      AUTH_NEEDS_APP_PASSWORD: 'With two-factor authentication on, IceWarp needs an application password here.',
    },
  },
};
