import { everything, imaps, type Provider } from './provider.js';

export const mailboxOrg: Provider = {
  id: 'mailbox-org',
  name: 'mailbox.org',
  comes: 'imap',
  servers: [imaps('imap.mailbox.org')],
  asksForServer: false,
  username: 'address',
  dav: { caldav: 'https://dav.mailbox.org/', carddav: 'https://dav.mailbox.org/' },
  gives: everything(),
  limits: { maxConnections: 4 },
  matches: { domains: ['mailbox.org'], mx: ['mailbox.org'] },
  hosts: ['mailbox.org'],
  refusalMeans: 'AUTH_FAILED',
  words: {
    summary: 'Mail at mailbox.org, with an address of theirs or of your own domain.',
    first: 'With two-factor authentication on, make an application password there.',
    placeholder: 'anna@mailbox.org',
    errors: {
      AUTH_FAILED:
        'mailbox.org refused the user name or the password. With two-factor authentication on, it needs an application password, and your main address as user name.',
    },
  },
};
