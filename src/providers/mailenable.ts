import { ASKED, CAREFUL_CONNECTIONS, mailAnd, NOWHERE, type Provider } from './provider.js';

export const mailenable: Provider = {
  id: 'mailenable',
  name: 'MailEnable',
  comes: 'imap',
  servers: [ASKED],
  asksForServer: true,
  username: 'address',
  gives: mailAnd({ contacts: 'depends', calendars: 'depends', tasks: 'depends', notes: 'not-offered' }),
  limits: { maxConnections: CAREFUL_CONNECTIONS },
  matches: NOWHERE,
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail at a hoster that runs MailEnable.',
    first: 'Find the name of the mail server. It is often the address in the browser when you read your mail there.',
    placeholder: 'anna@company.example',
  },
};
