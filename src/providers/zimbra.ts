import { ASKED, CAREFUL_CONNECTIONS, everything, NOWHERE, type Provider } from './provider.js';

export const zimbra: Provider = {
  id: 'zimbra',
  name: 'Zimbra',
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
    summary: 'Mail at a hoster or company that runs Zimbra.',
    first: 'Find the name of the mail server. It is often the address in the browser when you read your mail there.',
    placeholder: 'anna@company.example',
    errors: {
      IMAP_DISABLED: 'IMAP is switched off for this account. The administrator of the Zimbra server can switch it on.',
      AUTH_NEEDS_APP_PASSWORD: 'With two-factor authentication on, Zimbra needs an application passcode here.',
    },
  },
};
