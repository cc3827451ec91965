import { ASKED, CAREFUL_CONNECTIONS, mailAnd, NOWHERE, type Provider } from './provider.js';

export const openXchange: Provider = {
  id: 'open-xchange',
  name: 'Open-Xchange',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'address',
  gives: mailAnd({ notes: 'not-offered' }),
  limits: { maxConnections: CAREFUL_CONNECTIONS },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail at a hoster that runs OX App Suite.',
    first: 'Find the name of the mail server in the help of your hoster: it is not the address of the web page.',
    placeholder: 'anna@company.example',
  },
};
