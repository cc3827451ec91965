import { type Provider, throughout } from './provider.js';

/** Exchange on a company's own server, or a hoster's: all it has, over EWS. */
export const exchange: Provider = {
  id: 'exchange',
  name: 'Microsoft Exchange',
  comes: 'ews',
  servers: [{ host: null, port: 443, security: 'tls' }],
  asksForServer: true,
  username: 'domain-user',
  gives: throughout(),
  // EWSMaxConcurrency is 27 for a user since Exchange 2013, 10 before.
  limits: { maxConnections: 4 },
  matches: { domains: [], mx: [] },
  hosts: [],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Exchange on a server of a company or a hoster: mail, contacts, calendars, tasks and notes.',
    first:
      'Mostly your address is enough: we look for the Exchange server. If we do not find it, its name stands in the address line of the browser when you read your mail there (Outlook on the web).',
    note: 'Not for Microsoft 365: since 1 October 2026 this way (Exchange Web Services) is switched off there, and Microsoft removes it on 1 April 2027. If your server offers IMAP only, choose “Other (IMAP)”.',
    placeholder: 'COMPANY\\anna or anna@company.example',
    errors: {
      AUTH_FAILED:
        'The server refused the user name or the password. Some Exchange servers want COMPANY\\name instead of the address; others let programs in only when their administrator has allowed it.',
    },
  },
};
